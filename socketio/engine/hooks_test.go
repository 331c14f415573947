package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// OnSend and OnPacket are told of each packet, OnDrain of each time that all has
// been handed over.
func TestSessionHooks(t *testing.T) {
	each(t, plain, func(r *rig) {
		s, base := r.begin(polls)
		var told []string
		s.OnSend = func(p Packet) { told = append(told, "out "+p.Type.String()+" "+string(p.Data)) }
		s.OnPacket = func(p Packet) { told = append(told, "in "+p.Type.String()+" "+string(p.Data)) }
		s.OnDrain = func() { told = append(told, "drain") }
		r.post(base, "4a\x1e6")
		s.Send([]byte("b"), false)
		s.Close(false)
		r.want(r.get(base), 200, "4a\x1e4b")
		r.want(r.get(base), 200, "6\x1e1")
		r.wantClosed("forced close")
		if got := strings.Join(told, ", "); got != "in message a, in noop , out message a, out message b, drain" {
			t.Error(got)
		}
	})
}

// The records of both ends: each packet once, those by WebSocket with the number
// of their connection.
func TestPacketRecords(t *testing.T) {
	for _, way := range ways[:3] {
		t.Run(way.name, func(t *testing.T) {
			server, client := &trace.Recorder{}, &trace.Recorder{}
			r := newRig(t, &Server{Tracer: trace.New(server, trace.Frame)})
			r.addr = onListener(t, r.s)
			d := way.d
			d.Tracer = trace.New(client, trace.Frame)
			c := echo(t, &d, "http://"+r.addr)
			r.wantClosed("transport close")
			if a, b := dirs(server, trace.In), dirs(client, trace.Out); !strings.Contains(a, "message hi;") || !strings.HasPrefix(a, strings.TrimSuffix(b, "polling close ;")) {
				t.Errorf("the client sent\n%s, and to the server came\n%s", b, a)
			}
			for _, rec := range append(server.Records(), client.Records()...) {
				p, ok := rec.Event.(trace.EIOPacket)
				if ok && (p.Session != c.ID() && p.Type != "open" || p.Transport == "websocket" && rec.Conn == 0) {
					t.Errorf("conn %d: %+v", rec.Conn, p)
				}
			}
			if n := len(trace.Events[trace.WSMessage](client.Records())); (n > 0) != (way.name != "polling") {
				t.Errorf("%d messages of WebSockets", n)
			}
		})
	}
}

func dirs(r *trace.Recorder, dir trace.Dir) (s string) {
	for _, p := range trace.Events[trace.EIOPacket](r.Records()) {
		if p.Dir == dir {
			s += fmt.Sprintf("%s %s %s;", p.Transport, p.Type, p.Payload)
		}
	}
	return s
}

// An upgrade by another method than GET is refused as the official server does,
// where it comes through net/http.
func TestUpgradeByPost(t *testing.T) {
	r := newRig(t, plain())
	r.addr = onHTTP(t, r.s)
	if a := r.upgrade("POST", sockets, ""); a.status != 400 || a.body != "Bad handshake method" || a.header.Get("Content-Type") != "text/html" {
		t.Errorf("%+v", a)
	}
}

func TestErrorWords(t *testing.T) {
	e := &ConnectionError{Code: BadRequest, Context: ContextTransportMismatch}
	if e.Error() != "engine: Bad request (code 3): TRANSPORT_MISMATCH" || e.Status() != 400 || Code(9).Message() != "Unknown error" {
		t.Error(e)
	}
	cause := errors.New("cause")
	if !errors.Is(&TransportError{Message: "xhr poll error", Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}

func TestWritable(t *testing.T) {
	r := newRig(t, plain())
	r.addr = onListener(t, r.s)
	s, _ := r.beginSocket(sockets)
	r.until("the open packet has left", s.Writable)
	c, err := (&Dialer{}).Dial(t.Context(), "http://"+r.addr, Events{})
	if err != nil {
		t.Fatal(err)
	}
	r.until("nothing is on its way", c.Writable)
	if st := r.s.Stats(); st.Upgraded == 0 {
		t.Errorf("%+v", st)
	}
	c.Close()
	take(t, c.Done(), "the end")
	if c.Writable() {
		t.Error("a session that has ended is writable")
	}
}
