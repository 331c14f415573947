package ws

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sockkit/sockkit/handshake"
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

// settingsSeen is what each script begins with.
const settingsSeen = "the server's HTTP/2 SETTINGS: ENABLE_CONNECT_PROTOCOL=1|"

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
		"a server that takes it for a request": {func(s *http2Script) {
			s.ask(1)
			s.heads[ServerRole].Reset()
			_ = s.enc[ServerRole].WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			s.send(ServerRole, func(f *http2.Framer) error {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.heads[ServerRole].Bytes(), EndHeaders: true, EndStream: true})
			})
		}, "out CONNECT /chat HTTP/2|in HTTP/2 200 |finding http2-response-ended|refused 0 The server said 200"},
		"a gateway that passes HTTP/1.1 on": {func(s *http2Script) {
			s.ask(1)
			s.head(ServerRole, 1, ":status", "200", "upgrade", "websocket")
		}, "out CONNECT /chat HTTP/2|in HTTP/2 200 |finding http2-response-malformed|refused 0 The response is none"},
		"a WebSocket that was not offered": {func(s *http2Script) {
			s.send(ServerRole, func(f *http2.Framer) error {
				return f.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 0})
			})
			s.ask(1)
			s.head(ServerRole, 1, ":status", "200")
		}, "out CONNECT /chat HTTP/2|in HTTP/2 200 |finding http2-connect-setting|refused 0 The server has not said"},
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
			if got := strings.Join(s.observed(piece), "|"); !strings.HasPrefix(got, settingsSeen+test.want) {
				t.Errorf("%s, in pieces of %d:\n%s\nwant\n%s", name, piece, got, test.want)
			}
		}
	}
}

// TestHTTP2ObserverStreams: whoever follows a stream hears of all of it, by a
// number and a tracer of its own.
func TestHTTP2ObserverStreams(t *testing.T) {
	s := newHTTP2Script()
	s.head(ClientRole, 1, ":method", "POST", ":path", "/up?x=1", ":scheme", "https", ":authority", "a.example", "content-type", "text/plain")
	s.data(ClientRole, 1, true, &Frame{Fin: true, Opcode: OpText, Payload: []byte("hello")})
	s.head(ServerRole, 1, ":status", "103")
	s.head(ServerRole, 1, ":status", "200")
	s.data(ServerRole, 1, false, &Frame{Fin: true, Opcode: OpText, Payload: []byte("ok")})
	s.data(ServerRole, 1, true, nil)
	s.ask(3)
	s.head(ServerRole, 3, ":status", "200")
	s.data(ClientRole, 3, false, &Frame{Fin: true, Opcode: OpText, Masked: true, Payload: []byte("hello")})
	s.send(ServerRole, func(f *http2.Framer) error { return f.WriteRSTStream(3, http2.ErrCodeCancel) })
	s.head(ClientRole, 5, ":method", "GET", ":path", "/", ":scheme", "https", ":authority", "a.example")
	s.ask(7)
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	o := NewHTTP2Observer(nil, 1, Limits{})
	o.OnRequest = func(stream uint32, head *handshake.Head) *HTTP2Stream {
		say("%d %s %s", stream, head.Method, head.Target)
		if stream == 5 {
			return nil
		}
		return &HTTP2Stream{
			ID:     trace.ID(10 + stream),
			Tracer: trace.New(told(func(r trace.Record) { say("%d %s", r.Conn, r.Event.Name()) }), trace.Message),
			Head:   func(head *handshake.Head) { say("%d answered %d", stream, head.Status) },
			Open:   func(x *handshake.Exchange, err error) { say("%d open %s %v", stream, x.Request.Target, err) },
			Data:   func(from Role, b []byte) { say("%d %s %q", stream, from, b) },
			End:    func(from Role, size int64) { say("%d %s ended behind %d", stream, from, size) },
			Gone:   func(reset bool, out, in int64) { say("%d gone %v %d %d", stream, reset, out, in) },
		}
	}
	for _, step := range s.steps {
		o.Feed(step.from, step.bytes)
	}
	o.Close(true)
	want := []string{
		"1 POST /up?x=1", "11 http_head", `1 client "\x81\x05hello"`, "1 client ended behind 7", "11 http_head", "11 http_head", "1 answered 200", `1 server "\x81\x02ok"`, "1 server ended behind 4", "1 gone false 7 4",
		"3 CONNECT /chat", "13 http_head", "13 http_head", "3 open /chat <nil>", "13 upgrade", "3 answered 200", "13 ws_message", "3 gone true 11 0",
		"5 GET /", "7 CONNECT /chat", "17 http_head", "7 gone true 0 0",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if len(o.streams) != 0 {
		t.Errorf("%d streams are kept", len(o.streams))
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
	for i := range uint32(2 * mostObserved) {
		s.ask(2*i + 1)
	}
	for _, step := range s.steps {
		o.Feed(step.from, step.bytes)
	}
	if len(o.streams) != mostObserved {
		t.Errorf("%d requests are kept, want %d", len(o.streams), mostObserved)
	}
	o.GiveUp("enough")
	if len(o.streams) != 0 || o.Held() != 0 {
		t.Errorf("%d requests and %d bytes are kept", len(o.streams), o.Held())
	}
}

// TestHTTP2ObserverHostile: what is sent to use up memory or time is bounded, said,
// and no more than that.
func TestHTTP2ObserverHostile(t *testing.T) {
	literal := func(name, value string) []byte { // with incremental indexing (RFC 7541 section 6.2.1)
		var b bytes.Buffer
		e := hpack.NewEncoder(&b)
		e.SetMaxDynamicTableSizeLimit(mostTable)
		_ = e.WriteField(hpack.HeaderField{Name: name, Value: value})
		return b.Bytes()
	}
	headers := func(end bool, block []byte) func(f *http2.Framer) error {
		return func(f *http2.Framer) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: end})
		}
	}
	for name, test := range map[string]struct {
		play func(s *http2Script)
		want string
		held int
	}{
		"no preface": {func(s *http2Script) {
			s.steps[0].bytes = bytes.ToLower(s.steps[0].bytes)
			s.ask(1)
		}, "what the client sends over HTTP/2 is not decoded from here on: it does not begin with the preface of HTTP/2 (RFC 9113 section 3.4)", 64 << 10},
		"a compressed head that unfolds": {func(s *http2Script) { // one entry of the table, a hundred thousand times
			bomb := append(literal("x", strings.Repeat("v", 4000)), bytes.Repeat([]byte{0x80 | 62}, 100_000)...)
			s.send(ClientRole, headers(true, bomb))
			s.head(ClientRole, 3, ":method", "GET", ":path", "/", ":scheme", "https", ":authority", "a.example")
		}, "a head of the client has 403304033 bytes behind its compression; 262144 are shown|out GET / HTTP/2", 1 << 20},
		"a head without an end": {func(s *http2Script) {
			s.send(ClientRole, headers(false, literal("x", "y")))
			for range 100 {
				s.send(ClientRole, func(f *http2.Framer) error { return f.WriteContinuation(1, false, make([]byte, 16<<10)) })
			}
		}, "the heads of the client are not decoded from here on: one has more than 262144 bytes", 512 << 10},
		"pieces of a head with nothing in them": {func(s *http2Script) {
			s.send(ClientRole, headers(false, literal("x", "y")))
			for range 10_000 {
				s.send(ClientRole, func(f *http2.Framer) error { return f.WriteContinuation(1, false, nil) })
			}
		}, "", 64 << 10},
		"another frame within a head": {func(s *http2Script) {
			s.send(ClientRole, headers(false, literal("x", "y")))
			s.send(ClientRole, func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
		}, "what the client sends over HTTP/2 is not decoded from here on: ", 64 << 10},
		"a string that is longer than its head": {func(s *http2Script) {
			s.send(ClientRole, headers(true, []byte{0x40, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f}))
		}, "the heads of the client are not decoded from here on: ", 64 << 10},
		"a table of 4 GiB": {func(s *http2Script) {
			s.send(ServerRole, func(f *http2.Framer) error {
				return f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 1<<32 - 1})
			})
			s.send(ClientRole, headers(true, []byte{0x3f, 0xe1, 0xff, 0x3f})) // RFC 7541 section 6.3: 1 MiB
			for range 20 {
				s.send(ClientRole, headers(true, literal("x", strings.Repeat("v", 200_000))))
			}
		}, "", 3 << 20},
		"more settings than there are": {func(s *http2Script) {
			s.steps = s.steps[:1]
			list := make([]http2.Setting, 100_000)
			for i := range list {
				list[i] = http2.Setting{ID: http2.SettingID(1000 + i%1000), Val: 1}
			}
			s.send(ServerRole, func(f *http2.Framer) error { return f.WriteSettings(list...) })
		}, "", 4 << 20},
		"padding that is longer than its frame": {func(s *http2Script) {
			s.send(ClientRole, func(f *http2.Framer) error {
				return f.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{200, 1, 2})
			})
		}, "what the client sends over HTTP/2 is not decoded from here on: ", 64 << 10},
		"more streams than are followed": {func(s *http2Script) {
			for i := range uint32(mostObserved + 10) {
				s.ask(2*i + 1)
			}
		}, "more than 1000 streams at once: those beyond are not followed", 4 << 20},
		"streams that are reset as they come": {func(s *http2Script) {
			for i := range uint32(3 * mostObserved) {
				s.ask(2*i + 1)
				s.send(ClientRole, func(f *http2.Framer) error { return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) })
			}
		}, "", 1 << 20},
	} {
		s := newHTTP2Script()
		test.play(s)
		var said []string
		o := NewHTTP2Observer(trace.New(told(func(r trace.Record) {
			switch e := r.Event.(type) {
			case trace.Note:
				said = append(said, e.Text)
			case trace.HTTPHead:
				said = append(said, e.Dir.String()+" "+e.Line)
			}
		}), trace.Frame), 1, Limits{})
		held := 0
		for _, step := range s.steps {
			o.Feed(step.from, step.bytes)
			held = max(held, o.Held())
		}
		if held > test.held {
			t.Errorf("%s: %d bytes were held, of %d at most", name, held, test.held)
		}
		if got := strings.Join(said, "|"); !strings.Contains(got, test.want) {
			t.Errorf("%s: %.2000s\nwant %s", name, got, test.want)
		}
	}
}

// FuzzHTTP2Observer: nothing that passes makes it panic, or keep much, and each
// stream that was begun is gone in the end.
func FuzzHTTP2Observer(f *testing.F) {
	s := newHTTP2Script()
	s.ask(1)
	s.head(ServerRole, 1, ":status", "200")
	s.data(ClientRole, 1, true, &Frame{Fin: true, Opcode: OpText, Masked: true, Payload: []byte("hello")})
	s.head(ClientRole, 3, ":method", "POST", ":path", "/?EIO=4", ":scheme", "https", ":authority", "a.example")
	s.data(ClientRole, 3, true, nil)
	s.head(ServerRole, 3, ":status", "404")
	var sides [2][]byte
	for _, step := range s.steps {
		sides[step.from] = append(sides[step.from], step.bytes...)
	}
	f.Add(sides[ClientRole], sides[ServerRole], uint16(40))
	f.Fuzz(func(t *testing.T, client, server []byte, piece uint16) {
		begun, gone := 0, 0
		o := NewHTTP2Observer(trace.New(told(func(trace.Record) {}), trace.Frame), 1, Limits{})
		o.OnRequest = func(uint32, *handshake.Head) *HTTP2Stream {
			begun++
			return &HTTP2Stream{Gone: func(bool, int64, int64) { gone++ }}
		}
		size := len(client) + len(server)
		for rest := [][]byte{client, server}; len(rest[0])+len(rest[1]) > 0; {
			for role := range rest {
				n := min(len(rest[role]), int(piece)+1)
				o.Feed(Role(role), rest[role][:n])
				rest[role] = rest[role][n:]
			}
		}
		if held := o.Held(); held > 8*size+2<<20 { // the tables of heads are at most that
			t.Errorf("%d bytes are held of %d", held, size)
		}
		o.Gap(ClientRole)
		if o.Close(false); begun != gone || len(o.streams) > 0 {
			t.Errorf("%d streams were begun, and %d are gone", begun, gone)
		}
	})
}
