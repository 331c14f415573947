package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestEventsFacts holds the words against what really passed.
func TestEventsFacts(t *testing.T) {
	got := look(t, "events")
	var answers []string
	for _, p := range packets(got.entries, "client", trace.In) {
		if strings.HasPrefix(string(p.Payload), "3") {
			answers = append(answers, string(p.Payload))
		}
	}
	if want := []string{"30[5]", "37[42]", `31["cat.png has 8 bytes"]`}; !slices.Equal(answers, want) {
		t.Errorf("the client was answered %q, want %q", answers, want)
	}
	if !strings.Contains(got.flat(), "here one argument and two arguments.") {
		t.Error("the arguments are counted wrongly")
	}
	if n := got.numbers(t, `the (\d+) bytes travelled there as the (\d+) characters`); !slices.Equal(n, []int{8, 13}) {
		t.Errorf("the words are %v", n)
	}
	binary := slices.DeleteFunc(packets(got.entries, "client 2", trace.Out), func(e trace.EIOPacket) bool { return !e.Binary })
	if len(binary) != 1 || string(binary[0].Payload) != picture {
		t.Errorf("by polling went %+v", binary)
	}
}

// TestHeard holds how events are counted.
func TestHeard(t *testing.T) {
	var list []entry
	for _, text := range []string{`2["message","a"]`, `20["message"]`, `2["messages"]`, `3["message"]`, `2/admin,["message"]`, `0`} {
		for _, way := range []trace.Dir{trace.In, trace.Out} {
			list = append(list, entry{who: "Ann", Record: trace.Record{Event: trace.EIOPacket{Dir: way, Type: "message", Payload: []byte(text)}}})
		}
	}
	if n := heard(list, "Ann", "message"); n != 2 {
		t.Errorf("%d were heard, want 2", n)
	}
	if n := heard(list, "Bob", "message"); n != 0 {
		t.Errorf("Bob heard %d", n)
	}
}
