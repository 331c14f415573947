package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestRecoveryFacts holds the words against what really passed.
func TestRecoveryFacts(t *testing.T) {
	got := look(t, "recovery")
	var reasons, states []string
	for _, e := range events[trace.Note](got.entries, "server") {
		if reason, ok := strings.CutPrefix(e.Text, "disconnect: "); ok {
			reasons = append(reasons, reason)
		}
	}
	const closed = "transport close"
	if want := []string{"client namespace disconnect", closed, "server namespace disconnect", "ping timeout", closed, closed, closed, closed}; !slices.Equal(reasons, want) {
		t.Errorf("the server was told %v, want %v", reasons, want)
	}
	for _, e := range events[trace.Note](got.entries, "client") {
		if state, ok := strings.CutPrefix(e.Text, "recovered: "); ok {
			state, _, _ = strings.Cut(state, ";")
			states = append(states, state)
		}
	}
	if want := []string{"false", "true", "false"}; !slices.Equal(states, want) {
		t.Errorf("recovered: %v, want %v", states, want)
	}
	var came []string
	for _, p := range incoming(got.entries, "client") {
		came = append(came, firstArgument(p))
	}
	if want := []string{`"soup"`, `"fish"`, `"cake"`, `"welcome"`}; !slices.Equal(came, want) {
		t.Errorf("the client got %v, want %v", came, want)
	}
	for _, want := range []string{"Two events went out", "what it had missed: two events, in order", `The first event that came is "welcome"`} {
		if !strings.Contains(got.flat(), want) {
			t.Errorf("%q is not said", want)
		}
	}
}
