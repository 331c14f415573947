package tap

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// captureOf is a reader of captures, and what it records.
func captureOf() (*SocketIO, *trace.Recorder) {
	rec := &trace.Recorder{}
	return NewCaptured(trace.New(rec, trace.Message)), rec
}

// Attachments that wait in many sessions are bounded together.
func TestAttachmentsAreBounded(t *testing.T) {
	s, rec := captureOf()
	piece := bytes.Repeat([]byte{1}, 8<<20)
	for i := range 20 {
		send := func(binary bool, data []byte) {
			s.packet(engine.Observed{Dir: trace.In, Session: fmt.Sprint(i), Packet: engine.Packet{Type: engine.Message, Binary: binary, Data: data}})
		}
		send(false, []byte(`52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`))
		send(true, piece)
		if s.attached > mostAttached {
			t.Fatalf("%d bytes wait", s.attached)
		}
	}
	notes := trace.Events[trace.Note](rec.Records())
	if len(notes) == 0 || !strings.Contains(notes[0].Text, "attachments of more than 64 MiB wait") {
		t.Errorf("%v", notes)
	}
}

// FuzzFollower cuts a conversation into pieces of any size, with a gap where the
// input says so: nothing panics, and without a gap all is there.
func FuzzFollower(f *testing.F) {
	f.Add([]byte{1, 200, 3}, false)
	f.Add([]byte{40, 40, 40}, true)
	f.Fuzz(func(t *testing.T, sizes []byte, gap bool) {
		s, rec := captureOf()
		follower := s.Follow(Following{ID: 1})
		talk := map[ws.Role]string{
			ws.ClientRole: request("GET", "", "") + request("POST", "&sid=abc", "40") + "GET /other HTTP/1.1\r\nHost: x\r\n\r\n",
			ws.ServerRole: answer(openPacket) + answer("ok") + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		}
		for _, from := range []ws.Role{ws.ClientRole, ws.ServerRole} {
			rest, i := talk[from], 0
			for len(rest) > 0 {
				n := 1
				if len(sizes) > 0 {
					n += int(sizes[i%len(sizes)])
				}
				n = min(n, len(rest))
				if gap && i == len(sizes) {
					follower.Gap(from, int64(n))
				} else {
					follower.Feed(from, []byte(rest[:n]))
				}
				rest = rest[n:]
				i++
			}
		}
		follower.End(ws.ClientRole, true)
		follower.End(ws.ServerRole, true)
		heads := len(trace.Events[trace.HTTPHead](rec.Records()))
		if packets := packetsOf(rec); !gap && (heads != 6 || packets != 1) {
			t.Fatalf("%d heads, %d packets", heads, packets)
		}
		if follower.Held() > 1<<20 {
			t.Fatalf("%d bytes are held", follower.Held())
		}
	})
}

func packetsOf(rec *trace.Recorder) int { return len(trace.Events[trace.SIOPacket](rec.Records())) }

// FuzzPassing goes over bodies that nobody wants, in pieces of any size.
func FuzzPassing(f *testing.F) {
	f.Add([]byte("hello"), []byte("another"), 3, true)
	f.Fuzz(func(t *testing.T, one, two []byte, size int, chunked bool) {
		body := string(one) + string(two)
		var p passing
		wire := body
		if chunked {
			wire = ""
			for _, c := range [][]byte{one, two} {
				if len(c) > 0 {
					wire += fmt.Sprintf("%x;a=b\r\n%s\r\n", len(c), c)
				}
			}
			wire += "0\r\nTrailer: x\r\n\r\n"
			p.begin(-1, []string{"chunked"})
		} else {
			p.begin(int64(len(body)), nil)
		}
		wire += "behind"
		size = 1 + int(uint(size)%64)
		var got []byte
		for len(wire) > 0 {
			n := min(size, len(wire))
			got = append(got, p.over([]byte(wire[:n]))...)
			wire = wire[n:]
		}
		if string(got) != "behind" {
			t.Fatalf("%q", got)
		}
	})
}
