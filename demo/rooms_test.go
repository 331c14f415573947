package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestRoomsFacts holds the words against what really passed.
func TestRoomsFacts(t *testing.T) {
	got := look(t, "rooms")
	for who, want := range map[string]string{
		"Ann": "dinner dinner dishes night tea end",
		"Bob": "you dinner dinner night tea end",
		"Eve": "you dinner night end",
	} {
		var texts []string
		for _, p := range packets(got.entries, who, trace.In) {
			if text, ok := strings.CutPrefix(string(p.Payload), `2["message","`); ok {
				words := strings.Fields(strings.TrimSuffix(text, `"]`))
				texts = append(texts, words[len(words)-1])
			}
		}
		if has := strings.Join(texts, " "); has != want {
			t.Errorf("%s heard %q, want %q", who, has, want)
		}
	}
	for _, want := range []string{"She heard one message, Bob two messages and Eve two messages.", "Ann got one message, Bob one message and Eve no messages."} {
		if !strings.Contains(got.flat(), want) {
			t.Errorf("%q is not said", want)
		}
	}
	var gone []string
	for _, e := range events[trace.Note](got.entries, "server") {
		if room, ok := strings.CutPrefix(e.Text, "delete-room "); ok {
			gone = append(gone, room)
		}
	}
	if want := []string{"(the socket's id)", "garden"}; !slices.Equal(gone, want) {
		t.Errorf("the rooms that went are %q, want %q", gone, want)
	}
}
