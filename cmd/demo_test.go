//go:build unix

package cmd_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// lesson starts a lesson on a terminal that is tall enough for each step.
func lesson(t *testing.T, args ...string) (*exec.Cmd, *os.File, *screen) {
	t.Helper()
	program := sockkit(t, append([]string{"demo"}, args...)...)
	terminal, err := pty.StartWithSize(program, &pty.Winsize{Rows: 60, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return program, terminal, watch(terminal)
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
	if s.mu.Lock(); strings.Contains(s.text.String(), "3 of 9 · N") {
		t.Error("the next step was told")
	}
	s.mu.Unlock()
}

func TestDemoGoesOnByItself(t *testing.T) {
	program, _, s := lesson(t, "tcp", "-y")
	s.wait(t, "ss -tn") // the last line
	wantStatus(t, program, 0)
	if s.mu.Lock(); strings.Contains(s.text.String(), "q: leave") {
		t.Error("it waited")
	}
	s.mu.Unlock()
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
