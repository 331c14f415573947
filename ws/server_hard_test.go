package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

func hostOf(url string) string { return strings.TrimPrefix(url, "ws://") }

// inForms runs a test for each way to serve.
func inForms(t *testing.T, test func(t *testing.T, f form)) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			noLeaks(t)
			test(t, f)
		})
	}
}

// TestServerPanicWithin: a panic in a callback does not lose the borders of the
// frames, though the read that it happened in ends within one.
func TestServerPanicWithin(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		rec := &trace.Recorder{}
		calls, panics, ended := 0, make(chan *tcp.PanicError, 1), make(chan error, 1)
		s := &Server{Tracer: trace.New(rec, trace.Connection)}
		s.OnMessage = func(*Peer, MessageType, []byte) { calls++; panic("oh") }
		s.OnPanic = func(_ net.Addr, err *tcp.PanicError) { panics <- err }
		s.OnClose = func(_ *Peer, err error) { ended <- err }
		conn, in := rawClient(t, hostOf(f.serve(t, s)), "")
		b := wire(ClientRole, text("one"), text("two"), binaries(strings.Repeat("x", 300)), closeWith(1011, ""))
		_, _ = conn.Write(b[:60])
		if err := <-panics; err.Value != "oh" || err.Callback != "OnMessage" {
			t.Error(err)
		}
		_, _ = conn.Write(b[60:])
		g, err := readFrames(t, in, ServerRole, nil, false)
		conn.Close()
		if err != io.EOF || g.code != StatusInternalError || calls != 1 {
			t.Errorf("%s: %+v, %v, %d calls", f.name, g, err, calls)
		}
		if err := <-ended; CloseStatus(err) != StatusInternalError || len(rulesFound(rec)) > 0 || s.Stats().HandlerPanics != 1 {
			t.Errorf("%s: %v, %q, %d panics", f.name, err, rulesFound(rec), s.Stats().HandlerPanics)
		}
	})
}

// TestServerPanics: wherever a callback panics, its peer hears 1011, and the
// server goes on.
func TestServerPanics(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		for _, where := range []string{"OnOpen", "Post", "OnClose"} {
			panics := make(chan *tcp.PanicError, 4)
			s := &Server{OnPanic: func(_ net.Addr, err *tcp.PanicError) { panics <- err; panic("the hook, too") }}
			s.OnOpen = func(p *Peer, _ *Request) {
				switch where {
				case "OnOpen":
					panic("oh")
				case "Post":
					p.Post(func() { panic("oh") })
				}
			}
			s.OnClose = func(*Peer, error) {
				if where == "OnClose" {
					panic("oh")
				}
			}
			conn, in := rawClient(t, hostOf(f.serve(t, s)), "")
			want := StatusInternalError
			if where == "OnClose" {
				want = StatusNormal
				_, _ = conn.Write(wire(ClientRole, closeWith(1000, "")))
			}
			g, err := readFrames(t, in, ServerRole, nil, true)
			if err != nil || g.code != want {
				t.Errorf("%s, %s: %+v, %v", f.name, where, g, err)
			}
			conn.Close()
			if err := <-panics; err.Value != "oh" || err.Callback != where {
				t.Errorf("%s, %s: %v", f.name, where, err)
			}
		}
	})
}

// TestServerQuiet: behind Close no message is handed on, and the peer's answer
// is waited for.
func TestServerQuiet(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		var got []string
		ended := make(chan error, 1)
		s := &Server{OnClose: func(_ *Peer, err error) { ended <- err }}
		s.OnMessage = func(p *Peer, _ MessageType, b []byte) {
			got = append(got, string(b))
			p.Close(StatusPolicyViolation, "enough")
			if err := p.Write(Text, b); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		conn, in := rawClient(t, hostOf(f.serve(t, s)), "")
		_, _ = conn.Write(wire(ClientRole, text("one"), text("two"), fr{op: OpPing, data: "p"}))
		if g, err := readFrames(t, in, ServerRole, nil, true); err != nil || g.code != StatusPolicyViolation {
			t.Errorf("%+v, %v", g, err)
		}
		_, _ = conn.Write(wire(ClientRole, text("three"), closeWith(1008, "")))
		_ = conn.(*net.TCPConn).CloseWrite()
		var closed *CloseError
		if err := <-ended; !errors.As(err, &closed) || closed.Code != StatusPolicyViolation || !closed.Local || closed.Reason != "enough" {
			t.Error(err)
		}
		if !slices.Equal(got, []string{"one"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestServerEarlyData: what is sent right behind the request, with it, is not
// lost.
func TestServerEarlyData(t *testing.T) {
	inEachForm(t, nil, func(t *testing.T, _ *Server, url string) {
		large := strings.Repeat("early ", 20000)
		for _, behind := range []string{"", "x", large} {
			conn, err := net.Dial("tcp", hostOf(url))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			wrote := make(chan struct{})
			go func() {
				defer close(wrote)
				_, _ = conn.Write(slices.Concat([]byte(strings.ReplaceAll(wellFormed, "pipe", hostOf(url))), wire(ClientRole, text(behind), text("then"), closeWith(1000, ""))))
			}()
			reader := handshake.Reader{Source: conn}
			var h handshake.Head
			if err := reader.ReadResponse(&h); err != nil || h.Status != 101 {
				t.Fatal(err, h.Status)
			}
			g, err := readFrames(t, io.MultiReader(bytes.NewReader(reader.Rest()), conn), ServerRole, nil, false)
			if err != io.EOF || !slices.Equal(g.messages, []string{"text:" + behind, "text:then"}) || g.code != StatusNormal {
				t.Errorf("%d bytes: %.200v, %v", len(behind), g, err)
			}
			<-wrote
			conn.Close()
		}
	})
}

// TestServerHalfRead: Shutdown does not wait for requests that are half read.
func TestServerHalfRead(t *testing.T) {
	noLeaks(t)
	s := &Server{}
	url := forms[0].serve(t, s)
	conn, err := net.Dial("tcp", hostOf(url))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, wellFormed[:40])
	for s.Stats().Open == 0 {
		conn2, _ := rawClient(t, hostOf(url), "") // it was accepted behind the first
		conn2.Close()
	}
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.WithoutCancel(t.Context())) }()
	if b, err := io.ReadAll(conn); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestServerSlowReader: what a peer does not read is refused at the mark, or
// ends it, and OnClose says so.
func TestServerSlowReader(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		for _, overflow := range []tcp.Overflow{tcp.DropWrite, tcp.CloseSlow} {
			full, ended := make(chan error, 1), make(chan error, 1)
			s := &Server{TCP: &tcp.Server{Overflow: overflow, WriteQueue: 64 << 10}}
			s.OnMessage = func(p *Peer, kind MessageType, _ []byte) {
				var err error
				for block := make([]byte, 10000); err == nil; {
					err = p.Write(kind, block)
				}
				full <- err
			}
			s.OnClose = func(_ *Peer, err error) { ended <- err }
			conn, in := rawClient(t, hostOf(f.serve(t, s)), "")
			_, _ = conn.Write(wire(ClientRole, binaries("go"), closeWith(1000, "")))
			err := <-full
			if overflow == tcp.CloseSlow {
				if end := <-ended; !errors.Is(err, tcp.ErrSlowPeer) || !errors.Is(end, tcp.ErrSlowPeer) {
					t.Errorf("%s: %v, %v", f.name, err, end)
				}
				continue
			}
			g, end := readFrames(t, in, ServerRole, nil, false)
			if !errors.Is(err, tcp.ErrQueueFull) || end != io.EOF || g.code != StatusNormal {
				t.Errorf("%s: %v, %v, code %d", f.name, err, end, g.code)
			}
			conn.Close()
			if end := <-ended; CloseStatus(end) != StatusNormal {
				t.Error(end)
			}
		}
	})
}

// TestServerWriters: many goroutines write to a peer whose messages build on
// each other, and each arrives whole.
func TestServerWriters(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		s := &Server{Deflate: &handshake.Deflate{}}
		s.OnOpen = func(p *Peer, _ *Request) {
			var writers sync.WaitGroup
			for i := range 8 {
				writers.Go(func() {
					for j := range 25 {
						m := fmt.Sprintf("%d %d %s", i, j, prose(100+20*j))
						if j%5 == 0 {
							_ = p.WritePrepared(Prepare(Text, []byte(m)))
							continue
						}
						_ = p.Write(Text, []byte(m))
					}
				})
			}
			go func() { writers.Wait(); p.Close(StatusNormal, "") }()
		}
		conn, in := rawClient(t, hostOf(f.serve(t, s)), deflateOffer)
		agreed := agreementOf(deflateOffer)
		g, err := readFrames(t, in, ServerRole, unpackingOf(ServerRole, agreed), true)
		if err != nil || len(g.messages) != 200 || g.packed < 100 {
			t.Fatalf("%d messages, %d compressed, %v", len(g.messages), g.packed, err)
		}
		next := map[int]int{}
		for _, m := range g.messages {
			var i, j int
			_, _ = fmt.Sscanf(m, "text:%d %d", &i, &j)
			if j != next[i] || m != fmt.Sprintf("text:%d %d %s", i, j, prose(100+20*j)) {
				t.Fatalf("%.40q; want %d of %d", m, next[i], i)
			}
			next[i]++
		}
		_, _ = conn.Write(wire(ClientRole, closeWith(1000, "")))
		conn.Close()
	})
}

// TestServerPlaces: places are given up with the connection, also where a
// middleware has changed what the address seems to be.
func TestServerPlaces(t *testing.T) {
	inEachForm(t, func(s *Server) { s.MaxConnsPerIP = 1 }, func(t *testing.T, s *Server, url string) {
		for range 3 {
			c := dial(t, &Dialer{}, url)
			_, _, err := (&Dialer{}).Dial(t.Context(), url)
			var failed *HandshakeError
			if !errors.As(err, &failed) || failed.Status() != 503 || failed.Exchange.Response.Get("Retry-After") == "" {
				t.Errorf("a second connection: %v", err)
			}
			if err := c.Close(StatusNormal, ""); err != nil {
				t.Error(err)
			}
			for s.Stats().Upgrades > 0 {
				<-tick()
			}
		}
		if n := s.Stats().NotUpgraded; n != 3 {
			t.Errorf("%d refused", n)
		}
	})
	s := &Server{MaxConnsPerIP: 1, OnMessage: func(*Peer, MessageType, []byte) {}}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "192.0.2.7:1234"
		s.ServeHTTP(w, r)
	}))
	defer h.Close()
	defer s.Close()
	for range 3 {
		c := dial(t, &Dialer{}, "ws"+strings.TrimPrefix(h.URL, "http"))
		_ = c.Close(StatusNormal, "")
		for s.Stats().Upgrades > 0 {
			<-tick()
		}
	}
}

// TestServerHijack: a server that does not give its connections away is told
// so, and no place is lost.
func TestServerHijack(t *testing.T) {
	var refused []string
	s := &Server{MaxConns: 1, OnRefused: func(_ net.Addr, rule, _ string) { refused = append(refused, rule) }}
	for range 2 {
		r := httptest.NewRequest("GET", "http://example.com/", nil)
		for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "cannot be taken over") {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	}
	if !slices.Equal(refused, []string{"hijack", "hijack"}) {
		t.Errorf("%q", refused)
	}
}

// TestServerHandlerContext: the context of a Handler ends with the connection,
// however that ends.
func TestServerHandlerContext(t *testing.T) {
	ends := map[string]func(conn net.Conn, s *Server){
		"a close":       func(conn net.Conn, _ *Server) { _, _ = conn.Write(wire(ClientRole, closeWith(1000, ""))) },
		"a broken rule": func(conn net.Conn, _ *Server) { _, _ = conn.Write(wire(ClientRole, fr{op: 3})) },
		"the end":       func(conn net.Conn, _ *Server) { conn.Close() },
		"Server.Close":  func(_ net.Conn, s *Server) { s.Close() },
	}
	inForms(t, func(t *testing.T, f form) {
		for name, end := range ends {
			done, read := make(chan error, 1), make(chan struct{}, 1)
			s := &Server{Handler: func(ctx context.Context, c *Conn) error {
				read <- struct{}{}
				_, _, err := c.Read(context.Background())
				<-ctx.Done()
				done <- err
				return err
			}}
			conn, _ := rawClient(t, hostOf(f.serve(t, s)), "")
			<-read
			end(conn, s)
			if err := <-done; err == nil {
				t.Errorf("%s, %s: no error", f.name, name)
			}
			conn.Close()
		}
	})
}

// TestServerLateData: data that comes some time behind the close frame is found
// by the connections of handlers, which look until the end.
func TestServerLateData(t *testing.T) {
	inForms(t, func(t *testing.T, f form) {
		rec := &trace.Recorder{}
		s := &Server{Tracer: trace.New(rec, trace.Connection), Handler: func(_ context.Context, c *Conn) error { return echo(c) }}
		conn, in := rawClient(t, hostOf(f.serve(t, s)), "")
		_, _ = conn.Write(wire(ClientRole, closeWith(1000, "")))
		if g, err := readFrames(t, in, ServerRole, nil, true); err != nil || g.code != StatusNormal {
			t.Fatal(g, err)
		}
		_, _ = conn.Write(wire(ClientRole, text("late"), text("later")))
		rec.Wait(t.Context().Done(), func(all []trace.Record) bool { return len(trace.Events[trace.Finding](all)) > 0 })
		conn.Close()
		if rules := rulesFound(rec); !slices.Equal(rules, []string{"data-after-close"}) {
			t.Errorf("%q", rules)
		}
	})
}
