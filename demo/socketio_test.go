package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestSocketIOFacts holds the words against what really passed.
func TestSocketIOFacts(t *testing.T) {
	got := look(t, "socketio")
	var moves []string
	for _, e := range events[trace.EIOPacket](got.entries, "client") {
		if e.Type != "message" {
			moves = append(moves, e.Dir.String()+" "+e.Type+" "+e.Transport)
		}
	}
	if want := []string{"in open polling", "out ping websocket", "in pong websocket", "in noop polling", "out upgrade websocket"}; !slices.Equal(moves, want) {
		t.Errorf("the client's packets are %v, want %v", moves, want)
	}
	var reasons []string
	for _, e := range events[trace.Note](got.entries, "server") {
		if reason, ok := strings.CutPrefix(e.Text, "disconnect: "); ok {
			reasons = append(reasons, reason)
		}
	}
	if want := []string{"client namespace disconnect", "transport close", "server namespace disconnect", "ping timeout"}; !slices.Equal(reasons, want) {
		t.Errorf("the server was told %v, want %v", reasons, want)
	}
	if found := events[trace.Finding](got.entries, "client 5"); len(found) != 1 || found[0].Rule != "eio-code-1" {
		t.Errorf("%+v", found)
	}
	for who, want := range map[string]int{"Ann": 2, "Bob": 3, "Eve": 2} {
		heard := events[trace.EIOPacket](got.entries, who)
		heard = slices.DeleteFunc(heard, func(e trace.EIOPacket) bool {
			return e.Dir == trace.Out || !strings.Contains(string(e.Payload), `"message"`)
		})
		if len(heard) != want {
			t.Errorf("%s heard %d messages, want %d", who, len(heard), want)
		}
	}
	if n := got.numbers(t, `a ping every (\d+) seconds, and wants a pong within (\d+)`); !slices.Equal(n, []int{25, 20}) {
		t.Errorf("%v", n)
	}
}
