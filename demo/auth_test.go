package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestAuthFacts holds the words against what really passed.
func TestAuthFacts(t *testing.T) {
	got := look(t, "auth")
	for who, want := range map[string]int{"client": 2, "Ann": 2, "Gandalf": 0} {
		refused := refusals(got.entries, who)
		if refused != want {
			t.Errorf("%s was refused %s, want %s", who, times(refused), times(want))
		}
	}
	for _, want := range []string{"The client was refused twice", "Three events asked for an acknowledgement, and one acknowledgement came.",
		"The middleware ran once for that connection"} {
		if !strings.Contains(got.flat(), want) {
			t.Errorf("%q is not said", want)
		}
	}
	if found := events[trace.Finding](got.entries, "page"); len(found) != 1 || found[0].Rule != "eio-code-4" {
		t.Errorf("the page: %+v", found)
	}
	if opened := packets(got.entries, "page", trace.In); len(opened) != 1 || opened[0].Type != "open" {
		t.Errorf("the page of the right origin got %+v", opened)
	}
	var dropped []string
	for _, e := range events[trace.Note](got.entries, "server") {
		if why, ok := strings.CutPrefix(e.Text, "an event is dropped: "); ok {
			dropped = append(dropped, why)
		}
	}
	if want := []string{`Ann may not send "delete all"`, "argument 1: got object, want string"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped were %q, want %q", dropped, want)
	}
}
