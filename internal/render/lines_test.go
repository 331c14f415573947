package render

import (
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestLinesAreTheTexts holds Lines against what Text writes.
func TestLinesAreTheTexts(t *testing.T) {
	events := append(trace.AllEvents(),
		trace.Data{Dir: trace.Out, Size: 12, Payload: []byte("one\ntwo\x1b[31m")},
		trace.Close{Reset: true, Error: "connection reset by peer"})
	for _, e := range events {
		var b strings.Builder
		(&Text{W: &b}).Record(trace.Record{Conn: 1, Event: e})
		dir, lines := Lines(e)
		if _, ok := e.(trace.Listening); ok {
			if want := []string{"listening on "}; !slices.Equal(lines, want) {
				t.Errorf("listening is worded %q; want %q", lines, want)
			}
			continue
		}
		var want strings.Builder
		for _, line := range lines {
			want.WriteString(Mark(dir) + " " + line + "\n")
		}
		if b.String() != want.String() {
			t.Errorf("%s: Text writes %q, Lines and Mark give %q", e.Name(), b.String(), want.String())
		}
	}
}

func TestPaint(t *testing.T) {
	var b strings.Builder
	(&Text{W: &b, Color: true}).Record(trace.Record{Event: trace.HalfClose{Dir: trace.In}})
	dir, lines := Lines(trace.HalfClose{Dir: trace.In})
	if got := Paint(dir, Mark(dir)+" "+lines[0]) + "\n"; got != b.String() {
		t.Errorf("painted %q; Text writes %q", got, b.String())
	}
}
