package cmd_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/demo/quiz"
)

// TestQuizIsShown holds that each command that is promised to show what is
// wrong with a server of the quiz does, and shows nothing of it at a server that
// breaks no rule.
func TestQuizIsShown(t *testing.T) {
	q, err := quiz.Start(quiz.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	for _, asked := range q.Questions {
		for i, l := range asked.Shown {
			t.Run(asked.Rule+"/"+string(rune('1'+i)), func(t *testing.T) {
				t.Parallel()
				want := regexp.MustCompile(l.Prints)
				if got := ran(t, l.At(asked.Address)); !want.MatchString(got) {
					t.Errorf("%s\n%s\nprints no %s", l.At(asked.Address), got, want)
				}
				sound := q.Sound[0]
				if strings.HasPrefix(asked.Address, "sio:") {
					sound = q.Sound[1]
				}
				l := strings.ReplaceAll(l.At(sound), "--origin http://app.test", "")
				if got := ran(t, l); want.MatchString(got) {
					t.Errorf("%s\n%s\nprints %s, and nothing is wrong", l, got, want)
				}
			})
		}
	}
}

// ran is what a command prints on both streams.
func ran(t *testing.T, command string) string {
	words := strings.Fields(strings.ReplaceAll(command, "'message hello'", "message\x00hello"))
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", " ")
	}
	c := exec.CommandContext(t.Context(), os.Args[0], words[1:]...)
	c.Env = append(os.Environ(), "SOCKKIT_TEST_MAIN=1")
	out, err := c.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}
