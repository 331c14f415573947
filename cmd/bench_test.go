//go:build unix

package cmd_test

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestBenchTerminal holds that a terminal is shown how far a load is, and that
// Ctrl-C ends it with a report.
func TestBenchTerminal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	program, terminal, s := atTerminal(t, 24, 100, "bench", l.Addr().String(), "-d", "1h", "-c", "2", "--rate", "200")
	s.wait(t, "2 open, ")
	s.wait(t, "/s, 50 % ")
	s.wait(t, ", 0 errors")
	_, _ = terminal.WriteString("\x03")
	s.wait(t, "every byte compared")
	s.wait(t, "histogram")
	if err := program.Wait(); err == nil || !strings.Contains(err.Error(), "130") {
		t.Errorf("%v, want status 130", err)
	}
}
