//go:build unix

package cmd_test

import (
	"strings"
	"testing"
)

// TestQuizPrompt answers at a terminal, where wrong answers cost nothing.
func TestQuizPrompt(t *testing.T) {
	program, terminal, s := lesson(t, "quiz", "--only", "3,16")
	s.wait(t, "give up 3")
	_, _ = terminal.WriteString("3 accept\r")
	s.wait(t, "Not that. hint 3")
	_, _ = terminal.WriteString("hint 16\r")
	s.wait(t, "Who masks?")
	_, _ = terminal.WriteString("16 frame-masked\r")
	s.wait(t, "Right. The server masks its frames")
	_, _ = terminal.WriteString("quit\r")
	s.wait(t, "1 of 2 found.")
	wantStatus(t, program, 0)
}

// TestQuizInterrupted holds that Ctrl-C leaves with its status, and that the end
// of input does without an error.
func TestQuizInterrupted(t *testing.T) {
	program, terminal, s := lesson(t, "quiz", "--only", "3")
	s.wait(t, "give up 3")
	s.wait(t, "> ")
	_, _ = terminal.WriteString("\x03")
	wantStatus(t, program, 130)
	if s.mu.Lock(); strings.Contains(s.text.String(), "sockkit: ") {
		t.Error(s.text.String())
	}
	s.mu.Unlock()

	program, terminal, s = lesson(t, "quiz", "--only", "3")
	s.wait(t, "> ")
	_, _ = terminal.WriteString("\x04")
	s.wait(t, "0 of 1 found.")
	wantStatus(t, program, 0)
}
