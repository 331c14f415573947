package tap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// seen is what a tap records.
type seen struct{ trace.Recorder }

func newSeen() *seen { return &seen{} }

func (s *seen) tracer(l trace.Level) *trace.Tracer { return trace.New(&s.Recorder, l) }

// await waits for an event that want picks.
func await[E trace.Event](t *testing.T, s *seen, what string, want func(E) bool) (found E) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	came := s.Wait(ctx.Done(), func([]trace.Record) (ok bool) {
		found, ok = find(s, want)
		return ok
	})
	if !came {
		t.Fatalf("no record of %s", what)
	}
	return found
}

func find[E trace.Event](s *seen, want func(E) bool) (found E, ok bool) {
	for _, e := range trace.Events[E](s.Records()) {
		if want == nil || want(e) {
			return e, true
		}
	}
	return found, false
}

func saysNote(part string) func(trace.Note) bool {
	return func(e trace.Note) bool { return strings.Contains(e.Text, part) }
}

func isRule(id string) func(trace.Finding) bool {
	return func(e trace.Finding) bool { return e.Rule == id }
}

// echoServer serves an echo that agrees to what it is offered.
func echoServer(t *testing.T, kind string, deflate *handshake.Deflate) endpoint.Address {
	t.Helper()
	a := address(t, kind)
	l, config, err := opener(t, nil).Listen(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	s := &ws.Server{
		Deflate: deflate, CompressFrom: 1, Permit: func(*ws.Request) error { return nil }, TCP: &tcp.Server{TLS: config},
		Subprotocols: []string{"chat"}, OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { _ = p.Write(k, b) },
	}
	for _, socket := range l.Sockets() {
		go func() { _ = s.Serve(socket) }()
	}
	t.Cleanup(func() { s.Close() })
	return a.Bound(l.Addr())
}

// webSocket opens a WebSocket through the tap.
func (r *run) webSocket(t *testing.T, d *ws.Dialer) *ws.Conn {
	t.Helper()
	c, _, err := d.Upgrade(t.Context(), r.dial(t), "ws://tap.test/path")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestFramesAreSeenInBothDirections(t *testing.T) {
	deflate := &handshake.Deflate{}
	for _, kinds := range [][2]string{{"ws", "ws"}, {"wss", "ws"}, {"ws", "wss"}, {"wss", "wss"}} {
		for _, offer := range []*handshake.Deflate{nil, deflate} {
			t.Run(fmt.Sprintf("%v, compressed %v", kinds, offer != nil), func(t *testing.T) {
				s := newSeen()
				r := tapTo(t, kinds[0], echoServer(t, kinds[1], deflate), s.tracer(trace.Frame), nil)
				c := r.webSocket(t, &ws.Dialer{Deflate: offer, CompressFrom: 1, Subprotocols: []string{"chat"}})
				for _, text := range []string{"hello hello hello hello", "and hello hello hello again"} {
					if err := c.Write(t.Context(), ws.Text, []byte(text)); err != nil {
						t.Fatal(err)
					}
					if _, p, err := c.Read(t.Context()); err != nil || string(p) != text {
						t.Fatalf("%q, %v", p, err)
					}
					for _, dir := range []trace.Dir{trace.Out, trace.In} {
						await(t, s, text, func(e trace.WSMessage) bool {
							return e.Dir == dir && string(e.Payload) == text && e.Compressed == (offer != nil)
						})
					}
				}
				if err := c.Close(4001, "done"); err != nil {
					t.Error(err)
				}
				await(t, s, "the end", func(e trace.Close) bool { return true })
				up := await(t, s, "the upgrade", func(e trace.Upgrade) bool { return e.Subprotocol == "chat" })
				if up.Target != "/path" || (up.Extensions != "") != (offer != nil) {
					t.Errorf("%+v", up)
				}
				for _, dir := range []trace.Dir{trace.Out, trace.In} {
					await(t, s, "the close", func(e trace.WSClose) bool { return e.Dir == dir && e.Code == 4001 })
					await(t, s, "a head", func(e trace.HTTPHead) bool { return e.Dir == dir })
				}
				if n := len(trace.Events[trace.Data](s.Records())); n > 0 {
					t.Errorf("%d pieces are shown as such", n)
				}
				if f, ok := find[trace.Finding](s, nil); ok {
					t.Errorf("a finding: %+v", f)
				}
			})
		}
	}
}

// raw is a server that answers with given bytes and keeps what comes.
func raw(t *testing.T, answer func(request []byte) []byte) (endpoint.Address, <-chan []byte) {
	t.Helper()
	all := make(chan []byte, 1)
	a := targetOf(t, "tcp", func(conn net.Conn) {
		var h handshake.Head
		reader := handshake.Reader{Source: conn}
		_ = reader.ReadRequest(&h)
		_, _ = conn.Write(answer(h.Raw))
		rest, _ := io.ReadAll(&reader)
		all <- append(bytes.Clone(h.Raw), rest...)
	})
	a.Scheme, a.Target = endpoint.WS, "/"
	return a, all
}

const opened = "HTTP/1.1 101 Switching Protocols\r\nupgrade:   websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

const asking = "GET /chat HTTP/1.1\r\nhOST: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nX-Odd:   spaces \r\n\r\n"

func frame(op ws.Opcode, masked bool, text string) string {
	f := ws.Frame{Fin: true, Opcode: op, Masked: masked, Key: [4]byte{1, 2, 3, 4}, Payload: []byte(text)}
	return string(f.AppendTo(nil))
}

// Bytes go all at once and behind each other: what comes before the answer must
// not be lost.
func TestNoByteIsChangedOrHeldBack(t *testing.T) {
	for name, f := range map[string]*faults.Faults{"as it is": nil, "late": {Delay: 1, Jitter: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newSeen()
			down := opened + frame(ws.OpText, false, "early") + frame(ws.OpClose, false, "")
			target, got := raw(t, func([]byte) []byte { return []byte(down) })
			up := asking + frame(ws.OpBinary, true, strings.Repeat("\x00\xff", 70000)) + frame(ws.OpClose, true, "")
			r := tapTo(t, "ws", target, s.tracer(trace.Frame), func(s *Server) { s.Faults = f })
			conn := r.dial(t)
			for _, part := range []string{up[:50], up[50:]} {
				say(t, conn, part)
			}
			_ = tcp.CloseWrite(conn)
			if came, err := io.ReadAll(conn); string(came) != down || err != nil {
				t.Errorf("the client got %q, %v", came, err)
			}
			if came := <-got; string(came) != up {
				t.Errorf("the server got %d bytes, want %d as they were", len(came), len(up))
			}
			await(t, s, "the early message", func(e trace.WSMessage) bool { return e.Dir == trace.Out && e.Size == 140000 })
			await(t, s, "the answer", func(e trace.WSMessage) bool { return e.Dir == trace.In && string(e.Payload) == "early" })
			head := await(t, s, "the request", func(e trace.HTTPHead) bool { return e.Dir == trace.Out })
			if string(head.Payload) != asking {
				t.Errorf("the head is %q", head.Payload)
			}
		})
	}
}

func TestARefusalIsSaidAndTheConnectionGoesOn(t *testing.T) {
	s := newSeen()
	answers := []string{"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", opened + frame(ws.OpText, false, "hi")}
	target := targetOf(t, "tcp", func(conn net.Conn) {
		reader := handshake.Reader{Source: conn}
		for _, answer := range answers {
			if reader.ReadRequest(&handshake.Head{}) == nil {
				_, _ = io.WriteString(conn, answer)
			}
		}
	})
	target.Scheme = endpoint.WS
	r := tapTo(t, "ws", target, s.tracer(trace.Message), nil)
	conn := r.dial(t)
	for _, answer := range answers {
		say(t, conn, asking)
		hear(t, conn, answer)
	}
	await(t, s, "the refusal", func(e trace.UpgradeFailed) bool { return e.Status == 404 })
	await(t, s, "its cause", saysNote("likely cause: "))
	await(t, s, "its body", func(e trace.Data) bool { return e.Dir == trace.In && string(e.Payload) == "none" })
	await(t, s, "the second attempt", func(e trace.Upgrade) bool { return e.Target == "/chat" })
	await(t, s, "its message", func(e trace.WSMessage) bool { return string(e.Payload) == "hi" })
}

func TestWhatIsNoWebSocketIsRelayed(t *testing.T) {
	for name, row := range map[string]struct{ up, down, note string }{
		"a page":         {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "asks for no WebSocket"},
		"Redis":          {"PING\r\n", "+PONG\r\n", "is not HTTP, but looks like Redis"},
		"no head":        {"\x00\x01\x02", "\x03\x04", "what the client sends is not HTTP"},
		"the server":     {asking, "220 mail.test ESMTP\r\n", "looks like SMTP or FTP"},
		"an endless one": {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 70<<10), "no", "goes beyond 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeen()
			target := targetOf(t, "tcp", func(conn net.Conn) {
				if _, err := io.ReadFull(conn, make([]byte, len(row.up))); err == nil {
					_, _ = io.WriteString(conn, row.down)
				}
				_, _ = io.Copy(io.Discard, conn)
			})
			target.Scheme = endpoint.WS
			conn := tapTo(t, "ws", target, s.tracer(trace.Message), nil).dial(t)
			say(t, conn, row.up)
			hear(t, conn, row.down)
			await(t, s, "what it is", saysNote(row.note))
			await(t, s, "that it is not decoded", saysNote("not decoded"))
		})
	}
}

func TestWhatIsWrongIsAFinding(t *testing.T) {
	for name, row := range map[string]struct {
		answer, up string
		finding    string
	}{
		"a wrong accept": {strings.Replace(opened, "s3p", "S3P", 1), "", "response-accept-wrong"},
		"no mask":        {opened, frame(ws.OpText, false, "x"), "frame-unmasked"},
		"no text":        {opened, frame(ws.OpText, true, "\xff"), "text-utf8"},
		"no close frame": {opened, frame(ws.OpText, true, "x"), "close-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeen()
			target, got := raw(t, func([]byte) []byte { return []byte(row.answer) })
			conn := tapTo(t, "ws", target, s.tracer(trace.Message), nil).dial(t)
			say(t, conn, asking)
			hear(t, conn, row.answer)
			say(t, conn, row.up)
			_ = tcp.CloseWrite(conn)
			await(t, s, row.finding, isRule(row.finding))
			if came := <-got; string(came) != asking+row.up {
				t.Errorf("the server got %q", came)
			}
		})
	}
}

// What is claimed or sent without end costs no more than the limits allow.
func TestObservingIsBounded(t *testing.T) {
	s := newSeen()
	o := &observed{watched: watched{Conn: &net.TCPConn{}, tracer: s.tracer(trace.Message), id: 1}}
	o.opening = opening{tracer: o.tracer, id: 1, limits: ws.Limits{MaxMessage: 1 << 20}}
	o.feed(ws.ClientRole, []byte(asking))
	piece := make([]byte, 128<<10)
	for range 100 {
		o.feed(ws.ClientRole, piece)
	}
	if n := cap(o.opening.early); n > 4*mostEarly {
		t.Errorf("%d bytes are kept", n)
	}
	o.feed(ws.ServerRole, []byte(opened+"\x82\x7f\x00\x00\x00\xff\x00\x00\x00\x00"))
	for range 100 {
		o.feed(ws.ServerRole, piece)
	}
	if _, ok := find(s, isRule("message-too-big")); !ok {
		t.Error("a message beyond the limit is no finding")
	}
	if _, ok := find(s, saysNote("before it had an answer")); !ok {
		t.Error("it is not said that bytes were not kept")
	}
}

func TestACutOnPurposeIsNobodysFault(t *testing.T) {
	s := newSeen()
	r := tapTo(t, "ws", echoServer(t, "ws", nil), s.tracer(trace.Message), func(s *Server) {
		s.Faults = &faults.Faults{Cut: faults.Trigger{OnSize: true, Size: 600}}
	})
	c := r.webSocket(t, &ws.Dialer{})
	_ = c.Write(t.Context(), ws.Binary, make([]byte, 1000))
	if _, _, err := c.Read(context.Background()); err == nil {
		t.Error("it was not cut")
	}
	await(t, s, "the cut", func(e trace.Fault) bool { return e.Kind == "cut-after" })
	await(t, s, "the end", func(trace.Close) bool { return true })
	if f, ok := find[trace.Finding](s, nil); ok {
		t.Errorf("a finding: %+v", f)
	}
}
