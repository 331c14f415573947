package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// scripted is a peer that sends what a test has it send.
type scripted struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
	enc   *hpack.Encoder
	last  uint32 // stream of its own
	block bytes.Buffer
}

func newScripted(t *testing.T, conn net.Conn) *scripted {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second)) // no measure: it ends a test that hangs
	p := &scripted{t: t, conn: conn, Framer: http2.NewFramer(conn, conn), last: 1}
	p.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.block)
	return p
}

// asClient is a peer that has greeted a server of ours.
func asClient(t *testing.T, cfg Config) (*scripted, *Session) {
	t.Helper()
	ours, its := net.Pipe()
	if cfg.Handle == nil {
		cfg.Handle = func(st *Stream) {
			_ = st.Respond([]Field{{":status", "200"}}, false)
			_, _ = io.Copy(io.Discard, st)
		}
	}
	s := Server(ours, nil, cfg)
	t.Cleanup(func() { its.Close(); s.Close() })
	p := newScripted(t, its)
	_, _ = io.WriteString(its, http2.ClientPreface)
	return p, s
}

// asServer is a peer that greets a client of ours.
func asServer(t *testing.T, settings ...http2.Setting) (*scripted, *Session) {
	t.Helper()
	ours, its := net.Pipe()
	s := Client(ours, Config{Window: 1000})
	t.Cleanup(func() { its.Close(); s.Close() })
	p := newScripted(t, its)
	if _, err := io.ReadFull(its, make([]byte, len(http2.ClientPreface))); err != nil {
		t.Fatal(err)
	}
	p.ok(p.WriteSettings(settings...))
	p.until(func(f http2.Frame) bool { settings, ok := f.(*http2.SettingsFrame); return ok && settings.IsAck() })
	return p, s
}

func (p *scripted) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// until reads up to a frame.
func (p *scripted) until(is func(http2.Frame) bool) http2.Frame {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("it did not come: %v", err)
		}
		if is(f) {
			return f
		}
	}
}

// ends reads up to the RST_STREAM or the GOAWAY that is due.
func (p *scripted) ends(conn bool, code Code) {
	p.t.Helper()
	p.until(func(f http2.Frame) bool {
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			if !conn || Code(f.ErrCode) != code {
				p.t.Fatalf("GOAWAY %v (%s); want %v", f.ErrCode, f.DebugData(), code)
			}
			return true
		case *http2.RSTStreamFrame:
			if conn {
				return false
			}
			if Code(f.ErrCode) != code {
				p.t.Fatalf("RST_STREAM %v; want %v", f.ErrCode, code)
			}
			return true
		}
		return false
	})
}

// fragment compresses names and values.
func (p *scripted) fragment(fields ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return p.block.Bytes()
}

func (p *scripted) head(id uint32, end bool, fields ...string) {
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fragment(fields...), EndStream: end, EndHeaders: true})
}

var (
	chat = []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat", ":authority", "a"}
	get  = []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"}
	post = []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"}
)

func and(fields []string, more ...string) []string {
	return append(append([]string{}, fields...), more...)
}

// TestClientsThatBreakRules is what a server of ours does with them, by clause.
func TestClientsThatBreakRules(t *testing.T) {
	settings := func(p *scripted) { _ = p.WriteSettings() }
	set := func(id http2.SettingID, v uint32) func(p *scripted) {
		return func(p *scripted) { _ = p.WriteSettings(http2.Setting{ID: id, Val: v}) }
	}
	sent := func(f func(p *scripted)) func(p *scripted) { return func(p *scripted) { settings(p); f(p) } }
	wrong := func(end bool, fields ...string) func(p *scripted) {
		return sent(func(p *scripted) { p.head(1, end, fields...) })
	}
	opened := func(f func(p *scripted)) func(p *scripted) {
		return sent(func(p *scripted) { p.head(1, false, chat...); f(p) })
	}
	for _, test := range []struct {
		name string
		conn bool
		code Code
		send func(p *scripted)
	}{
		{"RFC 9113 3.4: the first frame is no SETTINGS", true, Protocol, func(p *scripted) { _ = p.WritePing(false, [8]byte{}) }},
		{"RFC 9113 3.4: the first frame is an ack", true, Protocol, func(p *scripted) { _ = p.WriteSettingsAck() }},
		{"RFC 9113 4.2: a frame that is too large", true, FrameSize, sent(func(p *scripted) { _ = p.WriteData(1, false, make([]byte, frameSize+1)) })},
		{"RFC 9113 4.3: a block that is none", true, Compression, sent(func(p *scripted) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		})},
		{"RFC 9113 5.1: DATA on a stream that is idle", true, Protocol, sent(func(p *scripted) { _ = p.WriteData(1, false, []byte("x")) })},
		{"RFC 9113 5.1: WINDOW_UPDATE on a stream that is idle", true, Protocol, sent(func(p *scripted) { _ = p.WriteWindowUpdate(1, 1) })},
		{"RFC 9113 5.1: RST_STREAM on a stream that is idle", true, Protocol, sent(func(p *scripted) { _ = p.WriteRSTStream(1, 0) })},
		{"RFC 9113 5.1.1: an even number", true, Protocol, sent(func(p *scripted) { p.head(2, true, get...) })},
		{"RFC 9113 5.1.1: a number below the last", true, Protocol, sent(func(p *scripted) { p.head(5, false, chat...); p.head(3, false, chat...) })},
		{"RFC 9113 5.1: DATA behind END_STREAM", false, StreamClosed, opened(func(p *scripted) { _ = p.WriteData(1, true, nil); _ = p.WriteData(1, false, []byte("x")) })},
		{"RFC 9113 5.1: a head behind RST_STREAM", false, StreamClosed, opened(func(p *scripted) { _ = p.WriteRSTStream(1, 8); p.head(1, true, get...) })},
		{"RFC 9113 6.2: CONTINUATION of nothing", true, Protocol, opened(func(p *scripted) { _ = p.WriteContinuation(1, true, nil) })},
		{"RFC 9113 6.10: a frame within a head", true, Protocol, sent(func(p *scripted) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fragment(get...)})
			_ = p.WritePing(false, [8]byte{})
		})},
		{"RFC 9113 6.5.2: ENABLE_PUSH 2", true, Protocol, set(http2.SettingEnablePush, 2)},
		{"RFC 9113 6.5.2: INITIAL_WINDOW_SIZE 2^31", true, FlowControl, set(http2.SettingInitialWindowSize, 1<<31)},
		{"RFC 9113 6.5.2: MAX_FRAME_SIZE 1", true, Protocol, set(http2.SettingMaxFrameSize, 1)},
		{"RFC 8441 3: ENABLE_CONNECT_PROTOCOL 2", true, Protocol, set(http2.SettingEnableConnectProtocol, 2)},
		{"RFC 8441 3: ENABLE_CONNECT_PROTOCOL from 1 to 0", true, Protocol, func(p *scripted) {
			set(http2.SettingEnableConnectProtocol, 1)(p)
			set(http2.SettingEnableConnectProtocol, 0)(p)
		}},
		{"RFC 9113 6.9: an increment of 0 on the connection", true, Protocol, sent(func(p *scripted) { _ = p.WriteWindowUpdate(0, 0) })},
		{"RFC 9113 6.9: an increment of 0 on a stream", false, Protocol, opened(func(p *scripted) { _ = p.WriteWindowUpdate(1, 0) })},
		{"RFC 9113 6.9.1: the connection's window beyond 2^31-1", true, FlowControl, sent(func(p *scripted) { _ = p.WriteWindowUpdate(0, mostWindow) })},
		{"RFC 9113 6.9.1: a stream's window beyond 2^31-1", false, FlowControl, opened(func(p *scripted) { _ = p.WriteWindowUpdate(1, mostWindow) })},
		{"RFC 9113 6.9.2: a stream's window beyond 2^31-1 by SETTINGS", true, FlowControl, opened(func(p *scripted) {
			_ = p.WriteWindowUpdate(1, 1000)
			set(http2.SettingInitialWindowSize, mostWindow)(p)
		})},
		{"RFC 9113 6.9.1: more DATA than a stream's window", false, FlowControl, sent(func(p *scripted) {
			p.head(1, false, and(chat, "x-sleep", "1")...)
			_ = p.WriteData(1, false, make([]byte, 1001))
		})},
		{"RFC 7540 5.3.1: a stream that depends on itself", false, Protocol, opened(func(p *scripted) { _ = p.WritePriority(1, http2.PriorityParam{StreamDep: 1}) })},
		{"RFC 7540 5.3.1: one that is idle", true, Protocol, sent(func(p *scripted) { _ = p.WritePriority(1, http2.PriorityParam{StreamDep: 1}) })},
		{"RFC 7540 5.3.1: one that is opened so", false, Protocol, sent(func(p *scripted) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fragment(get...), EndHeaders: true, Priority: http2.PriorityParam{StreamDep: 1, Weight: 9}})
		})},
		{"RFC 9113 8.1: trailers without END_STREAM", false, Protocol, opened(func(p *scripted) { p.head(1, false, "x", "y") })},
		{"RFC 9113 8.1: trailers with a pseudo-header field", false, Protocol, opened(func(p *scripted) { p.head(1, true, ":path", "/") })},
		{"RFC 9113 8.1.1: content-length of more", false, Protocol, sent(func(p *scripted) {
			p.head(1, false, and(post, "content-length", "2")...)
			_ = p.WriteData(1, true, []byte("x"))
		})},
		{"RFC 9113 8.1.1: content-length of less", false, Protocol, sent(func(p *scripted) {
			p.head(1, false, and(post, "content-length", "2")...)
			_ = p.WriteData(1, false, []byte("xxx"))
		})},
		{"RFC 9113 8.1.1: content-length and no body", false, Protocol, wrong(true, and(post, "content-length", "2")...)},
		{"RFC 9113 8.2: a name in capitals", false, Protocol, wrong(true, and(get, "X-Y", "1")...)},
		{"RFC 9113 8.2.1: a value with a line feed", false, Protocol, wrong(true, and(get, "x", "1\r\ny: 2")...)},
		{"RFC 9113 8.2.1: a value with a space at its end", false, Protocol, wrong(true, and(get, "x", "1 ")...)},
		{"RFC 9113 8.2.2: Connection", false, Protocol, wrong(true, and(get, "connection", "upgrade")...)},
		{"RFC 9113 8.2.2: Upgrade", false, Protocol, wrong(true, and(get, "upgrade", "websocket")...)},
		{"RFC 9113 8.2.2: Transfer-Encoding", false, Protocol, wrong(true, and(get, "transfer-encoding", "chunked")...)},
		{"RFC 9113 8.2.2: TE", false, Protocol, wrong(true, and(get, "te", "gzip")...)},
		{"RFC 9113 8.3: a pseudo-header field behind another", false, Protocol, wrong(true, ":method", "GET", "x", "y", ":scheme", "http", ":path", "/")},
		{"RFC 9113 8.3: a pseudo-header field twice", false, Protocol, wrong(true, and(get, ":path", "/")...)},
		{"RFC 9113 8.3: a pseudo-header field that is unknown", false, Protocol, wrong(true, and(get, ":x", "y")...)},
		{"RFC 9113 8.3: :status in a request", false, Protocol, wrong(true, and(get, ":status", "200")...)},
		{"RFC 9113 8.3.1: no :method", false, Protocol, wrong(true, get[2:]...)},
		{"RFC 9113 8.3.1: no :scheme", false, Protocol, wrong(true, ":method", "GET", ":path", "/")},
		{"RFC 9113 8.3.1: an empty :path", false, Protocol, wrong(true, ":method", "GET", ":scheme", "http", ":path", "")},
		{"RFC 9113 8.5: CONNECT with :path and no :protocol", false, Protocol, wrong(false, ":method", "CONNECT", ":path", "/", ":authority", "a")},
		{"RFC 8441 4: :protocol with GET", false, Protocol, wrong(true, and(get, ":protocol", "websocket")...)},
		{"RFC 8441 4: :protocol without :path", false, Protocol, wrong(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a")},
		{"RFC 8441 4: :protocol without :scheme", false, Protocol, wrong(false, ":method", "CONNECT", ":protocol", "websocket", ":path", "/", ":authority", "a")},
		{"RFC 9113 8.4: PUSH_PROMISE", true, Protocol, sent(func(p *scripted) {
			_ = p.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: p.fragment(get...), EndHeaders: true})
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, _ := asClient(t, Config{Window: 1000, Handle: func(st *Stream) {
				_ = st.Respond([]Field{{":status", "200"}}, false)
				if fields, _, _ := st.Head(t.Context()); fields[len(fields)-1].Name == "x-sleep" {
					<-st.Session().Done()
				}
				_, _ = io.Copy(io.Discard, st)
			}})
			go test.send(p)
			p.ends(test.conn, test.code)
		})
	}
}

func TestBadPreface(t *testing.T) {
	ours, its := net.Pipe()
	s := Server(ours, nil, Config{})
	go func() { _, _ = io.WriteString(its, strings.Repeat("x", 24)) }()
	go func() { _, _ = io.Copy(io.Discard, its) }()
	<-s.Done()
	var e *ConnError
	if !errors.As(s.Err(), &e) || e.Code != Protocol || !strings.Contains(e.Error(), "preface") {
		t.Error(s.Err())
	}
}

// TestServersThatBreakRules is what a client of ours says of them, by clause.
func TestServersThatBreakRules(t *testing.T) {
	for _, test := range []struct {
		name string
		send func(p *scripted)
		says string
	}{
		{"RFC 9113 8.6: 101", func(p *scripted) { p.head(1, false, ":status", "101") }, "101"},
		{"RFC 9113 8.3.2: no :status", func(p *scripted) { p.head(1, false, "x", "y") }, ":status is missing"},
		{"RFC 9113 8.3.2: a :status that is none", func(p *scripted) { p.head(1, false, ":status", "2x0") }, ":status"},
		{"RFC 9113 8.3.2: :path in a response", func(p *scripted) { p.head(1, false, ":status", "200", ":path", "/") }, ":path in a response"},
		{"RFC 9113 8.2.2: Upgrade", func(p *scripted) { p.head(1, false, ":status", "200", "upgrade", "websocket") }, "upgrade is a field of HTTP/1.1"},
		{"RFC 9113 8.1: DATA before the head", func(p *scripted) { _ = p.WriteData(1, false, []byte("x")) }, "DATA before the head"},
		{"RFC 9113 8.4: PUSH_PROMISE", func(p *scripted) {
			_ = p.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: p.fragment(get...), EndHeaders: true})
		}, "PUSH_PROMISE"},
		{"RFC 9113 5.1: HEADERS of a stream that was never opened", func(p *scripted) { p.head(3, false, ":status", "200") }, "never opened"},
		{"RFC 9113 6.8: GOAWAY before the stream", func(p *scripted) { _ = p.WriteGoAway(0, http2.ErrCodeNo, []byte("restart")) }, "NO_ERROR: restart"},
		{"RFC 9113 6.8: GOAWAY with an error", func(p *scripted) { _ = p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil) }, "ENHANCE_YOUR_CALM"},
		{"RFC 9113 6.4: RST_STREAM", func(p *scripted) { _ = p.WriteRSTStream(1, http2.ErrCodeRefusedStream) }, "the peer reset the HTTP/2 stream 1 with REFUSED_STREAM"},
		{"RFC 8441 3: from 1 to 0", func(p *scripted) {
			_ = p.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 0})
		}, "RFC 8441 3"},
		{"the connection ends", func(p *scripted) { p.conn.Close() }, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, s := asServer(t, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
			if _, err := s.Settings(t.Context()); err != nil || !s.TakesConnect() {
				t.Fatal(err)
			}
			st, err := s.Open(connect, false)
			if err != nil {
				t.Fatal(err)
			}
			p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders })
			test.send(p)
			go func() { // what it answers is of no interest
				for {
					if _, err := p.ReadFrame(); err != nil {
						return
					}
				}
			}()
			if _, _, err := st.Head(t.Context()); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %q", err, test.says)
			}
		})
	}
}

// TestInterim holds that 1xx is passed over.
func TestInterim(t *testing.T) {
	p, s := asServer(t)
	_, _ = s.Settings(t.Context())
	st, err := s.Open(connect, false)
	if err != nil {
		t.Fatal(err)
	}
	p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders })
	p.head(1, false, ":status", "103")
	p.head(1, true, ":status", "204")
	if fields, end, err := st.Head(t.Context()); err != nil || !end || fields[0].Value != "204" {
		t.Error(fields, end, err)
	}
}

func TestNotHTTP2(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "<!DOCTYPE HTML>\n", "SSH-2.0-OpenSSH\r\n"} {
		ours, its := net.Pipe()
		s := Client(ours, Config{})
		go func() { _, _ = io.Copy(io.Discard, its) }()
		go func() { _, _ = io.WriteString(its, answer); its.Close() }()
		_, err := s.Settings(t.Context())
		var other *NotHTTP2
		if !errors.As(err, &other) || !strings.HasPrefix(answer, other.Line()) || other.Line() == "" {
			t.Errorf("%q: %v", answer, err)
		}
		s.Close()
	}
}

// TestPeersLimits holds that what the peer allows is kept: streams, and bytes by
// both windows, also where SETTINGS change them (RFC 9113 section 6.9).
func TestPeersLimits(t *testing.T) {
	p, s := asServer(t, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	_, _ = s.Settings(t.Context())
	st, err := s.Open(connect, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(connect, false); err == nil || !strings.Contains(err.Error(), "SETTINGS_MAX_CONCURRENT_STREAMS") {
		t.Error(err)
	}
	if _, err := st.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	data := func() int {
		return len(p.until(func(f http2.Frame) bool { return f.Header().Type == http2.FrameData }).(*http2.DataFrame).Data())
	}
	if n := data(); n != 100 {
		t.Errorf("%d bytes for a window of 100", n)
	}
	p.ok(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 50})) // the window is -50 now
	p.ok(p.WriteWindowUpdate(1, 50))                                                  // and 0
	p.ok(p.WritePing(false, [8]byte{1}))
	p.until(func(f http2.Frame) bool {
		if f.Header().Type == http2.FrameData {
			t.Error("DATA beyond the window")
		}
		return f.Header().Type == http2.FramePing
	})
	p.ok(p.WriteWindowUpdate(1, 7))
	if n := data(); n != 7 {
		t.Errorf("%d bytes for a window of 7", n)
	}
	p.ok(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}))
	if n := data(); n != 893 {
		t.Errorf("%d bytes", n)
	}
}
