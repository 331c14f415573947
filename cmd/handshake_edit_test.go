//go:build unix

package cmd_test

import (
	"strings"
	"testing"
)

// TestHandshakeInteractive has a person change an answer, and drop another.
func TestHandshakeInteractive(t *testing.T) {
	program, terminal, s := atTerminal(t, 60, 100, "handshake", "listen", "-k", "127.0.0.1:0", "--interactive", "--hold", "1ms")
	s.wait(t, "/\r\n")
	s.mu.Lock()
	_, address, _ := strings.Cut(strings.TrimSpace(s.text.String()), "listening on ")
	s.mu.Unlock()
	type outcome struct {
		status int
		out    string
	}
	dialled := make(chan outcome)
	dial := func() {
		status, out, _ := run(t, "handshake", "dial", address)
		dialled <- outcome{status, out}
	}
	go dial()
	for _, line := range []string{"nonsense", "set X-A: 1", "accept wrong", "reset", "omit Connection", "set bad", "status 101 Fine", "show"} {
		s.wait(t, "answer (Enter sends it, help says what else)> ")
		s.forget()
		_, _ = terminal.WriteString(line + "\n")
	}
	s.wait(t, "  < HTTP/1.1 101 Fine")
	_, _ = terminal.WriteString("\n")
	if got := <-dialled; got.status != 3 || !strings.Contains(got.out, "< HTTP/1.1 101 Fine\n") || !strings.Contains(got.out, "(no Connection header)") || strings.Contains(got.out, "X-A") {
		t.Errorf("status %d\n%s", got.status, got.out)
	}
	s.forget()
	go dial()
	s.wait(t, "answer (Enter")
	_, _ = terminal.WriteString("drop\n")
	if got := <-dialled; got.status != 3 || !strings.Contains(got.out, "response-empty") {
		t.Errorf("dropped: status %d\n%s", got.status, got.out)
	}
	s.wait(t, "It gets no answer.")
	_, _ = terminal.WriteString("\x03")
	wantStatus(t, program, 130)
}

// forget drops what the screen holds, so that the same words can be waited for
// again.
func (s *screen) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Reset()
}
