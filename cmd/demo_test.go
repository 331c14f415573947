//go:build unix

package cmd_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// lesson starts a lesson on a terminal that is tall enough for each step.
func lesson(t *testing.T, args ...string) (*exec.Cmd, *os.File, *screen) {
	t.Helper()
	return atTerminal(t, 60, 80, append([]string{"demo"}, args...)...)
}

// atTerminal starts the program at a terminal of that size.
func atTerminal(t *testing.T, rows, columns uint16, args ...string) (*exec.Cmd, *os.File, *screen) {
	t.Helper()
	program := sockkit(t, args...)
	terminal, err := pty.StartWithSize(program, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return program, terminal, watch(terminal)
}

// shown is all that has been on the screen.
func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wantStatus waits for the program's end.
func wantStatus(t *testing.T, program *exec.Cmd, want int) {
	t.Helper()
	err := program.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := program.ProcessState.ExitCode(); got != want {
		t.Fatalf("status %d, want %d", got, want)
	}
}

// TestDemoWaits turns the pages of a lesson, and leaves in the middle.
func TestDemoWaits(t *testing.T) {
	program, terminal, s := lesson(t, "udp")
	s.wait(t, "Enter: step 1 of 9 · q: leave")
	_, _ = terminal.WriteString("\r")
	s.wait(t, "Enter: step 2 of 9")
	_, _ = terminal.WriteString("x ") // x means nothing, the space bar goes on
	s.wait(t, "Enter: step 3 of 9")
	_, _ = terminal.WriteString("q")
	wantStatus(t, program, 0)
	if strings.Contains(s.shown(), "3 of 9 · N") {
		t.Error("the next step was told")
	}
}

func TestDemoGoesOnByItself(t *testing.T) {
	program, _, s := lesson(t, "tcp", "-y")
	s.wait(t, "ss -tn") // the last line
	wantStatus(t, program, 0)
	if strings.Contains(s.shown(), "q: leave") {
		t.Error("it waited")
	}
}

// TestDemoByHandLeaves holds that q leaves at once while the lesson waits for
// somebody's nc, and that a key is pressed for one question only.
func TestDemoByHandLeaves(t *testing.T) {
	program, terminal, s := lesson(t, "tcp", "--by-hand")
	s.wait(t, "Enter: step 1 of 6")
	_, _ = terminal.WriteString("\r")
	s.wait(t, "waiting for a connection to 127.0.0.1:")
	at := regexp.MustCompile(`nc -N 127\.0\.0\.1 (\d+)`).FindStringSubmatch(s.shown())
	conn, err := net.Dial("tcp", "127.0.0.1:"+at[1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.wait(t, "Enter: step 2 of 6")
	_, _ = terminal.WriteString("\r")
	s.wait(t, "waiting for a line from your nc")
	_, _ = terminal.WriteString("xq")
	wantStatus(t, program, 0)
	if text := s.shown(); strings.Contains(text, "3 of 6") {
		t.Errorf("the lesson went on:\n%s", text)
	}
}

// TestDemoInterrupted holds that Ctrl-C and a signal end the wait with their
// status.
func TestDemoInterrupted(t *testing.T) {
	program, terminal, s := lesson(t, "tcp")
	s.wait(t, "q: leave")
	_, _ = terminal.WriteString("\x03")
	wantStatus(t, program, 130)

	program, _, s = lesson(t, "tcp")
	s.wait(t, "q: leave")
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, program, 143)
}
