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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
)

// form is a way to serve.
type form struct {
	name  string
	serve func(t *testing.T, s *Server) (url string)
}

// forms are the ways to serve: they behave alike.
var forms = []form{
	{"listener", func(t *testing.T, s *Server) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		t.Cleanup(func() {
			s.Close()
			if err := <-served; !errors.Is(err, ErrServerClosed) {
				t.Error(err)
			}
		})
		return "ws://" + l.Addr().String()
	}},
	{"net/http", func(t *testing.T, s *Server) string {
		h := httptest.NewServer(s)
		t.Cleanup(func() { s.Close(); h.Close() })
		return "ws" + strings.TrimPrefix(h.URL, "http")
	}},
}

// inEachForm runs a test for callbacks and for a handler, each served in every
// form. The server echoes.
func inEachForm(t *testing.T, set func(*Server), test func(t *testing.T, s *Server, url string)) {
	for _, f := range forms {
		for _, kind := range []string{"callbacks", "handler"} {
			t.Run(f.name+"/"+kind, func(t *testing.T) {
				noLeaks(t)
				s := &Server{}
				if kind == "handler" {
					s.Handler = func(_ context.Context, c *Conn) error { return echo(c) }
				} else {
					s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
				}
				if set != nil {
					set(s)
				}
				test(t, s, f.serve(t, s))
			})
		}
	}
}

func dial(t *testing.T, d *Dialer, url string) *Conn {
	t.Helper()
	c, _, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func roundTrip(t *testing.T, c *Conn, kind MessageType, p []byte) {
	t.Helper()
	errs := make(chan error, 1)
	go func() { errs <- c.Write(t.Context(), kind, p) }()
	k, got, err := c.Read(t.Context())
	if err != nil || k != kind || !bytes.Equal(got, p) {
		t.Fatalf("%v, %v, %d bytes; want %d", err, k, len(got), len(p))
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
}

func TestServerEcho(t *testing.T) {
	inEachForm(t, func(s *Server) { s.Deflate = &handshake.Deflate{} }, func(t *testing.T, s *Server, url string) {
		for _, offer := range []*handshake.Deflate{nil, {}, {ServerMaxWindowBits: 9, ClientMaxWindowBits: 10}, {ServerNoContextTakeover: true, ClientNoContextTakeover: true}} {
			c := dial(t, &Dialer{Deflate: offer}, url+"/chat?x=1")
			for _, size := range []int{0, 5, 126, 70000, 1 << 20, 3000, 3000} {
				roundTrip(t, c, Text, []byte(strings.Repeat("sockkit ", size/8+1)[:size]))
				roundTrip(t, c, Binary, bytes.Repeat([]byte{0xff, 1, 2}, size/3))
			}
			if err := c.Close(StatusNormal, "done"); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestServerSubprotocol(t *testing.T) {
	inEachForm(t, func(s *Server) { s.Subprotocols = []string{"b", "c"} }, func(t *testing.T, _ *Server, url string) {
		if c := dial(t, &Dialer{Subprotocols: []string{"a", "c", "b"}}, url); c.Subprotocol() != "c" {
			t.Errorf("%q was chosen", c.Subprotocol())
		}
		if c := dial(t, &Dialer{}, url); c.Subprotocol() != "" {
			t.Errorf("%q was chosen", c.Subprotocol())
		}
	})
}

func TestServerRefuses(t *testing.T) {
	inEachForm(t, func(s *Server) { s.MaxConns = 1 }, func(t *testing.T, s *Server, url string) {
		tests := []struct {
			name   string
			d      Dialer
			status int
		}{
			{"foreign origin", Dialer{Origin: "https://evil.example"}, 403},
			{"version 8", Dialer{Edit: func(h *handshake.Head) { h.Set(handshake.F("Sec-WebSocket-Version", "8")) }}, 426},
			{"no upgrade", Dialer{Edit: func(h *handshake.Head) { h.Omit("Upgrade") }}, 426},
			{"short key", Dialer{Edit: func(h *handshake.Head) { h.Set(handshake.F("Sec-WebSocket-Key", "c2hvcnQ=")) }}, 400},
		}
		for _, test := range tests {
			_, x, err := test.d.Dial(t.Context(), url)
			var failed *HandshakeError
			if !errors.As(err, &failed) || failed.Status() != test.status {
				t.Errorf("%s: %v; want %d", test.name, err, test.status)
			} else if len(x.Body) == 0 {
				t.Errorf("%s: no body", test.name)
			}
		}
		c := dial(t, &Dialer{Origin: "http" + strings.TrimPrefix(url, "ws")}, url)
		_, _, err := (&Dialer{}).Dial(t.Context(), url)
		var failed *HandshakeError
		if !errors.As(err, &failed) || failed.Status() != 503 {
			t.Errorf("beyond MaxConns: %v", err)
		}
		roundTrip(t, c, Text, []byte("undisturbed"))
	})
}

func TestServerShutdown(t *testing.T) {
	inEachForm(t, nil, func(t *testing.T, s *Server, url string) {
		c := dial(t, &Dialer{}, url)
		roundTrip(t, c, Text, []byte("hello"))
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.WithoutCancel(t.Context())) }()
		_, _, err := c.Read(t.Context())
		if CloseStatus(err) != StatusGoingAway {
			t.Errorf("%v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestServerPanic(t *testing.T) {
	told := make(chan *tcp.PanicError, 1)
	inEachForm(t, func(s *Server) {
		if s.Handler != nil {
			s.Handler = func(ctx context.Context, c *Conn) error { _, _, _ = c.Read(ctx); panic("oh") }
		}
		s.OnMessage = func(*Peer, MessageType, []byte) { panic("oh") }
		s.OnPanic = func(_ net.Addr, err *tcp.PanicError) { told <- err }
	}, func(t *testing.T, _ *Server, url string) {
		c := dial(t, &Dialer{}, url)
		if err := c.Write(t.Context(), Text, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); CloseStatus(err) != StatusInternalError {
			t.Error(err)
		}
		if err := <-told; err.Value != "oh" {
			t.Error(err)
		}
	})
}

func TestServerPings(t *testing.T) {
	inEachForm(t, func(s *Server) { s.PingInterval = 20 * time.Millisecond; s.CloseTimeout = 50 * time.Millisecond }, func(t *testing.T, _ *Server, url string) {
		mute := dial(t, &Dialer{}, url)
		time.Sleep(time.Millisecond) // it answers no ping, for it does not read
		raw := make([]byte, 4096)
		var got []byte
		for {
			n, err := mute.NetConn().Read(raw)
			got = append(got, raw[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Contains(got, []byte{0x88}) || !bytes.Contains(got, []byte("\x03\xf0")) {
			t.Errorf("no close frame with 1008 in %x", got)
		}
	})
}

func TestServerHTTP(t *testing.T) {
	s := &Server{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "page %s", r.URL.Path) })}
	s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
	url := forms[0].serve(t, s)
	for range 2 {
		resp, err := http.Get("http" + strings.TrimPrefix(url, "ws") + "/index")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "page /index" {
			t.Errorf("%q", body)
		}
	}
	roundTrip(t, dial(t, &Dialer{}, url), Text, []byte("and a WebSocket"))
}

func TestServerContext(t *testing.T) {
	type key struct{}
	ended := make(chan any, 1)
	s := &Server{Handler: func(ctx context.Context, c *Conn) error {
		_ = echo(c)
		<-ctx.Done()
		ended <- ctx.Value(key{})
		return nil
	}}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
	}))
	defer h.Close()
	defer s.Close()
	c := dial(t, &Dialer{}, "ws"+strings.TrimPrefix(h.URL, "http"))
	if err := c.Write(t.Context(), Text, []byte("x")); err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if v := <-ended; v != "value" {
		t.Errorf("%v", v)
	}
}

func TestServerHTTP2(t *testing.T) {
	h := httptest.NewUnstartedServer(&Server{})
	h.EnableHTTP2 = true
	h.StartTLS()
	defer h.Close()
	resp, err := h.Client().Get(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || resp.StatusCode != 505 || !strings.Contains(string(body), "HTTP/1.1") {
		t.Errorf("%s %s: %s", resp.Proto, resp.Status, body)
	}
}

// All frames of one read are answered by one write.
func TestServerOneWrite(t *testing.T) {
	s := &Server{}
	s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
	url := forms[0].serve(t, s)
	c := dial(t, &Dialer{}, url)
	roundTrip(t, c, Text, []byte("warm"))
	before := s.Stats().Writes
	enc := NewEncoder(ClientRole, handshake.Agreement{})
	var burst []byte
	for range 16 {
		burst = enc.AppendMessage(burst, Text, []byte("sixteen at once"))
	}
	if _, err := c.NetConn().Write(burst); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if writes := s.Stats().Writes - before; writes > 2 {
		t.Errorf("%d writes for one read", writes)
	}
}

func TestServerSlowHead(t *testing.T) {
	s := &Server{HandshakeTimeout: 30 * time.Millisecond}
	url := forms[0].serve(t, s)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HT")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestServerManyAtOnce(t *testing.T) {
	inEachForm(t, nil, func(t *testing.T, s *Server, url string) {
		var clients sync.WaitGroup
		for range 50 {
			clients.Go(func() {
				c, _, err := (&Dialer{}).Dial(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 20 {
					p := fmt.Appendf(nil, "message %d", i)
					if err := c.Write(t.Context(), Text, p); err != nil {
						t.Error(err)
					}
					if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, p) {
						t.Error(string(got), err)
					}
				}
				if err := c.Close(StatusNormal, ""); err != nil {
					t.Error(err)
				}
			})
		}
		clients.Wait()
	})
}

// OnRead comes once behind all messages of one read, and what it sends goes with
// their answers.
func TestServerOnRead(t *testing.T) {
	reads := make(chan int, 16)
	n := 0
	s := &Server{
		OnMessage: func(p *Peer, kind MessageType, b []byte) { n++; _ = p.Write(kind, b) },
		OnRead:    func(p *Peer) { reads <- n; _ = p.Write(Text, []byte("all")) },
	}
	for _, f := range forms {
		n = 0
		conn, in := rawClient(t, strings.TrimPrefix(f.serve(t, s), "ws://"), "")
		// Three masked frames, whose key is zero.
		if _, err := io.WriteString(conn, "\x81\x81\x00\x00\x00\x00a\x81\x81\x00\x00\x00\x00b\x81\x81\x00\x00\x00\x00c"); err != nil {
			t.Fatal(err)
		}
		const want = "\x81\x01a\x81\x01b\x81\x01c\x81\x03all"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", f.name, got, err)
		}
		if got := <-reads; got != 3 {
			t.Errorf("%s: it was called behind %d messages", f.name, got)
		}
	}
}
