package ws

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockkit/sockkit/trace"
)

// told is a sink.
type told func(trace.Record)

func (f told) Record(r trace.Record) { f(r) }

// http2Script is what both ends of a connection send, in turn.
type http2Script struct {
	steps  []http2Step
	buf    [2]bytes.Buffer
	frames [2]*http2.Framer
	heads  [2]bytes.Buffer
	enc    [2]*hpack.Encoder
}

type http2Step struct {
	from  Role
	bytes []byte
}

func newHTTP2Script() *http2Script {
	s := &http2Script{}
	for role := range s.frames {
		s.frames[role] = http2.NewFramer(&s.buf[role], nil)
		s.enc[role] = hpack.NewEncoder(&s.heads[role])
	}
	s.buf[ClientRole].WriteString(http2.ClientPreface)
	s.send(ClientRole, func(f *http2.Framer) error { return f.WriteSettings() })
	s.send(ServerRole, func(f *http2.Framer) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	})
	return s
}

func (s *http2Script) send(from Role, write func(*http2.Framer) error) {
	if err := write(s.frames[from]); err != nil {
		panic(err)
	}
	s.steps = append(s.steps, http2Step{from, bytes.Clone(s.buf[from].Bytes())})
	s.buf[from].Reset()
}

// head sends a head in two frames.
func (s *http2Script) head(from Role, stream uint32, fields ...string) {
	s.heads[from].Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = s.enc[from].WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	block := s.heads[from].Bytes()
	s.send(from, func(f *http2.Framer) error {
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block[:1]}); err != nil {
			return err
		}
		return f.WriteContinuation(stream, true, block[1:])
	})
}

func (s *http2Script) ask(stream uint32) {
	s.head(ClientRole, stream, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat", ":authority", "a.example", "sec-websocket-version", "13", "sec-websocket-protocol", "chat")
}

func (s *http2Script) data(from Role, stream uint32, end bool, f *Frame) {
	var b []byte
	if f != nil {
		b = f.AppendTo(nil)
	}
	s.send(from, func(w *http2.Framer) error { return w.WriteDataPadded(stream, end, b, make([]byte, 3)) })
}

// observed are the records of what passed, in pieces of so many bytes.
func (s *http2Script) observed(piece int) (lines []string) {
	sink := told(func(r trace.Record) {
		switch e := r.Event.(type) {
		case trace.HTTPHead:
			lines = append(lines, e.Dir.String()+" "+e.Line)
		case trace.Upgrade:
			lines = append(lines, "open "+e.Target+" "+e.Subprotocol)
		case trace.UpgradeFailed:
			lines = append(lines, fmt.Sprintf("refused %d %s", e.Status, e.Error))
		case trace.WSMessage:
			lines = append(lines, e.Dir.String()+" message "+string(e.Payload))
		case trace.WSClose:
			lines = append(lines, fmt.Sprintf("%s close %d", e.Dir, e.Code))
		case trace.Finding:
			lines = append(lines, "finding "+e.Rule)
		case trace.Note:
			lines = append(lines, e.Text)
		}
	})
	o := NewHTTP2Observer(trace.New(sink, trace.Frame), 1, Limits{})
	for _, step := range s.steps {
		for b := step.bytes; len(b) > 0; {
			n := min(piece, len(b))
			o.Feed(step.from, b[:n])
			b = b[n:]
		}
	}
	return lines
}

func TestHTTP2Observer(t *testing.T) {
	hello := func(masked bool) *Frame {
		return &Frame{Fin: true, Opcode: OpText, Masked: masked, Payload: []byte("hello")}
	}
	bye := func(masked bool) *Frame {
		return &Frame{Fin: true, Opcode: OpClose, Masked: masked, Payload: []byte{3, 0xe8}}
	}
	tests := map[string]struct {
		play func(s *http2Script)
		want string
	}{
		"a WebSocket": {func(s *http2Script) {
			s.ask(1)
			s.head(ServerRole, 1, ":status", "200", "sec-websocket-protocol", "chat")
			s.data(ClientRole, 1, false, hello(true))
			s.data(ServerRole, 1, false, hello(false))
			s.data(ClientRole, 1, true, bye(true))
			s.data(ServerRole, 1, true, bye(false))
		}, "out CONNECT /chat HTTP/2|in HTTP/2 200 |stream 1 is a WebSocket from here on|open /chat chat|out message hello|in message hello|out close 1000|in close 1000"},
		"beside a request of HTTP": {func(s *http2Script) {
			s.ask(1)
			s.head(ClientRole, 3, ":method", "GET", ":path", "/", ":scheme", "https", ":authority", "a.example")
			s.head(ServerRole, 3, ":status", "404")
			s.data(ServerRole, 3, true, hello(false))
			s.head(ServerRole, 1, ":status", "200")
			s.data(ServerRole, 1, false, hello(false))
		}, "out CONNECT /chat HTTP/2|out GET / HTTP/2|in HTTP/2 404 |in HTTP/2 200 |stream 1 is a WebSocket from here on|open /chat |in message hello"},
		"a refusal": {func(s *http2Script) {
			s.ask(1)
			s.head(ServerRole, 1, ":status", "403")
			s.data(ServerRole, 1, true, hello(false))
		}, "out CONNECT /chat HTTP/2|in HTTP/2 403 |refused 403 "},
		"a rule that is broken": {func(s *http2Script) {
			s.ask(1)
			s.head(ServerRole, 1, ":status", "200")
			s.data(ClientRole, 1, false, hello(false))
		}, "out CONNECT /chat HTTP/2|in HTTP/2 200 |stream 1 is a WebSocket from here on|open /chat |finding frame-unmasked|out message hello"},
		"no HTTP/2": {func(s *http2Script) {
			s.send(ServerRole, func(f *http2.Framer) error { return f.WriteRawFrame(http2.FrameSettings, 0, 0, []byte("x")) })
		}, "what the server sends over HTTP/2 is not decoded from here on: "},
		"a head that is none": {func(s *http2Script) {
			s.send(ServerRole, func(f *http2.Framer) error {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
			})
		}, "the heads of the server are not decoded from here on: "},
	}
	for name, test := range tests {
		s := newHTTP2Script()
		test.play(s)
		for _, piece := range []int{1, 7, 1 << 20} {
			if got := strings.Join(s.observed(piece), "|"); !strings.HasPrefix(got, test.want) {
				t.Errorf("%s, in pieces of %d:\n%s\nwant\n%s", name, piece, got, test.want)
			}
		}
	}
}

// TestHTTP2ObserverBounds: what is too large is not kept.
func TestHTTP2ObserverBounds(t *testing.T) {
	o := NewHTTP2Observer(nil, 1, Limits{})
	o.Feed(ServerRole, []byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1})
	if !o.sides[ServerRole].lost || o.Held() > 1<<10 {
		t.Errorf("a frame of 16 MiB: %d bytes are held", o.Held())
	}
	s := newHTTP2Script()
	for i := range uint32(2 * mostTunnels) {
		s.ask(2*i + 1)
	}
	for _, step := range s.steps {
		o.Feed(step.from, step.bytes)
	}
	if len(o.tunnels) != mostTunnels {
		t.Errorf("%d requests are kept, want %d", len(o.tunnels), mostTunnels)
	}
	o.GiveUp("enough")
	if len(o.tunnels) != 0 {
		t.Errorf("%d requests are kept", len(o.tunnels))
	}
}

// FuzzHTTP2Observer: nothing that passes makes it panic, or keep much.
func FuzzHTTP2Observer(f *testing.F) {
	s := newHTTP2Script()
	s.ask(1)
	s.head(ServerRole, 1, ":status", "200")
	var sides [2][]byte
	for _, step := range s.steps {
		sides[step.from] = append(sides[step.from], step.bytes...)
	}
	f.Add(sides[ClientRole], sides[ServerRole])
	f.Fuzz(func(t *testing.T, client, server []byte) {
		o := NewHTTP2Observer(trace.New(told(func(trace.Record) {}), trace.Frame), 1, Limits{})
		o.Feed(ClientRole, client)
		o.Feed(ServerRole, server)
		o.Gap(ClientRole)
		if held := o.Held(); held > 4*(len(client)+len(server))+1<<20 {
			t.Errorf("%d bytes are held of %d", held, len(client)+len(server))
		}
	})
}
