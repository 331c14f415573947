package render

import (
	"bytes"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestSocketIOWords holds the words of the records of Engine.IO.
func TestSocketIOWords(t *testing.T) {
	tests := []struct {
		event trace.Event
		want  string
	}{
		{trace.EIOPacket{Dir: trace.Out, Transport: "polling", Type: "message", Size: 2, Payload: []byte("hi")}, "> Engine.IO message, 2 bytes by polling \"hi\"\n"},
		{trace.EIOPacket{Dir: trace.In, Transport: "websocket", Type: "message", Size: 1, Binary: true}, "< Engine.IO message, binary, 1 byte by websocket\n"},
		{trace.EIOPacket{Dir: trace.In, Transport: "websocket", Type: "ping"}, "< Engine.IO ping by websocket\n"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		(&Text{W: &out}).Record(trace.Record{Conn: 1, Event: test.event})
		if out.String() != test.want {
			t.Errorf("%#v:\n%q\nwant\n%q", test.event, out.String(), test.want)
		}
	}
}
