package tcp

import (
	"net"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// TestFailureIsTold holds that a trace does not leave standing what was recorded
// and has not happened.
func TestFailureIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var r trace.Recorder
	c := Trace(raw, trace.New(&r, trace.Message), trace.Client, 0).(*Conn)
	defer c.Close()
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if notes := trace.Events[trace.Note](r.Records()); len(notes) != 0 {
		t.Errorf("nothing has failed, and the trace says %v", notes)
	}
	if _, err := c.Write([]byte("hello")); err == nil {
		t.Fatal("a write behind the end succeeded")
	}
	notes := trace.Events[trace.Note](r.Records())
	if len(notes) != 1 || !strings.HasPrefix(notes[0].Text, "the write failed, 0 of 5 bytes were taken: ") {
		t.Errorf("the trace says %v", notes)
	}

	// One that we have closed has no half any more, and says nothing of it.
	raw, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c = Trace(raw, trace.New(&r, trace.Message), trace.Client, 0).(*Conn)
	c.Close()
	before := len(r.Records())
	if err := c.CloseWrite(); err == nil || len(r.Records()) != before {
		t.Errorf("%v, and the trace says %v", err, r.Records()[before:])
	}
	// A connection that is gone has no half to end.
	raw, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c = Trace(raw, trace.New(&r, trace.Message), trace.Client, 0).(*Conn)
	raw.Close()
	if err := c.CloseWrite(); err == nil {
		t.Fatal("a closed connection has ended its half")
	}
	notes = trace.Events[trace.Note](r.Records())
	if len(notes) != 2 || !strings.HasPrefix(notes[1].Text, "the half could not be ended: ") {
		t.Errorf("the trace says %v", notes)
	}
}
