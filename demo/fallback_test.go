package demo

import (
	"slices"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestFallbackFacts holds the words against what really passed.
func TestFallbackFacts(t *testing.T) {
	got := look(t, "fallback")
	var moves []string
	for _, e := range events[trace.EIOPacket](got.entries, "client") {
		if e.Type != "message" {
			moves = append(moves, e.Dir.String()+" "+e.Type+" "+e.Transport)
		}
	}
	if want := []string{"in open polling", "out ping websocket", "in pong websocket", "in noop polling", "out upgrade websocket"}; !slices.Equal(moves, want) {
		t.Errorf("the client's packets are %v, want %v", moves, want)
	}
	if found := events[trace.Finding](got.entries, "client 3"); len(found) != 1 || found[0].Rule != "eio-code-1" {
		t.Errorf("%+v", found)
	}
	if n := got.numbers(t, `a ping every (\d+) seconds, and wants a pong within (\d+)`); !slices.Equal(n, []int{25, 20}) {
		t.Errorf("%v", n)
	}
}
