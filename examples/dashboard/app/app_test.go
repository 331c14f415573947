package app

import (
	"testing"

	"github.com/sockkit/sockkit/examples/internal/rig"
	"github.com/sockkit/sockkit/socketio"
)

type object = map[string]any

func look(t *testing.T, url string) *rig.Client {
	t.Helper()
	c := rig.Join(t, url)
	c.On("trip", func(ack func()) { ack() })
	return c
}

// The process shows itself: who is connected, and what is sent.
func TestDashboard(t *testing.T) {
	io := socketio.NewServer(nil)
	url := rig.Serve(t, io, New(io, nil))
	ann, _ := look(t, url), look(t, url)
	seen := ann.Next("sample", func(v any) bool {
		s := v.(object)
		return s["connections"] == 2.0 && s["trip"].(float64) > 0 && s["slowest"].(float64) >= s["trip"].(float64)
	}).(object)
	if seen["memory"].(float64) < 10_000 || seen["goroutines"].(float64) < 2 {
		t.Errorf("seen: %v", seen)
	}
	if got := ann.Ask("burst", 300); got["sent"] != 300.0 {
		t.Errorf("a burst was answered %v", got)
	}
	ann.Next("noise", func(v any) bool { return v == 299.0 })
	for range 100 {
		if err := ann.Emit("noise"); err != nil {
			t.Fatal(err)
		}
	}
	ann.Next("sample", func(v any) bool { return v.(object)["out"].(float64) > 50 })
	look(t, url).Next("past", func(v any) bool { return len(v.([]any)) > 0 })
	ann.Refused("a burst is 501; a whole number from 1 to 500 was due", "burst", 501)
	ann.Refused("a burst has to be a number, and text came", "burst", "500")
}

// Somebody else's figures are shown as rates.
func TestFigures(t *testing.T) {
	io := socketio.NewServer(nil)
	n := uint64(0)
	url := rig.Serve(t, io, New(io, func() Figures {
		n++
		return Figures{Connections: 7, In: 1000 * n, Out: 2000 * n, Memory: 5, Goroutines: 3}
	}))
	rig.Join(t, url).Next("sample", func(v any) bool {
		s := v.(object)
		in, out := s["in"].(float64), s["out"].(float64)
		return s["connections"] == 7.0 && s["memory"] == 5.0 && s["goroutines"] == 3.0 && in > 0 && out > 1.99*in && out < 2.01*in && s["trip"] == 0.0
	})
}
