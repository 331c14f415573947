package ws

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
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

// overHTTP2 runs a test for callbacks and for a handler, each served over
// HTTP/2. The server echoes.
func overHTTP2(t *testing.T, set func(*Server), test func(t *testing.T, s *Server, url string)) {
	for _, kind := range []string{"callbacks", "handler"} {
		t.Run(kind, func(t *testing.T) {
			noLeaks(t)
			s := &Server{HTTP2: &HTTP2{}}
			if kind == "handler" {
				s.Handler = func(_ context.Context, c *Conn) error { return echo(c) }
			} else {
				s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
			}
			if set != nil {
				set(s)
			}
			test(t, s, forms[0].serve(t, s))
		})
	}
}

func TestHTTP2Echo(t *testing.T) {
	overHTTP2(t, func(s *Server) { s.Deflate = &handshake.Deflate{} }, func(t *testing.T, s *Server, url string) {
		for _, offer := range []*handshake.Deflate{nil, {}, {ServerMaxWindowBits: 9, ClientMaxWindowBits: 10}} {
			c := dial(t, &Dialer{HTTP2: &HTTP2{}, Deflate: offer}, url+"/chat?x=1")
			if i := c.HTTP2(); i == nil || !i.Connect || i.Stream != 1 || c.Agreed().Compressed != (offer != nil) {
				t.Fatalf("%+v, %+v", i, c.Agreed())
			}
			for _, size := range []int{0, 5, 126, 70000, 1 << 20, 3000, 3000} {
				roundTrip(t, c, Text, []byte(strings.Repeat("sockkit ", size/8+1)[:size]))
				roundTrip(t, c, Binary, bytes.Repeat([]byte{0xff, 1, 2}, size/3))
			}
			if err := c.Close(StatusNormal, "done"); err != nil {
				t.Error(err)
			}
		}
		roundTrip(t, dial(t, &Dialer{}, url), Text, []byte("HTTP/1.1 beside it"))
	})
}

func TestHTTP2Exchange(t *testing.T) {
	asked := make(chan *Request, 1)
	s := &Server{HTTP2: &HTTP2{}, Subprotocols: []string{"b", "c"}, Permit: func(r *Request) error {
		asked <- &Request{Head: r.Head.Clone(), HTTP2: r.HTTP2}
		r.Answer = append(r.Answer, handshake.F("Set-Cookie", "a=b"))
		return nil
	}}
	url := forms[0].serve(t, s)
	d := &Dialer{HTTP2: &HTTP2{}, Subprotocols: []string{"a", "c"}, Header: []handshake.Field{handshake.F("X-Own", "1")}}
	c, x, err := d.Dial(t.Context(), url+"/chat?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	host := strings.TrimPrefix(url, "ws://")
	if got, want := string(x.Request.AppendTo(nil)), "CONNECT /chat?x=1 HTTP/2\r\n:protocol: websocket\r\n:scheme: http\r\n:authority: "+host+
		"\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: a, c\r\nx-own: 1\r\n\r\n"; got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if got, want := string(x.Response.AppendTo(nil)), "HTTP/2 200 \r\nsec-websocket-protocol: c\r\nset-cookie: a=b\r\n\r\n"; got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	r := <-asked
	if !r.HTTP2 || r.Path() != "/chat" || r.Get("Host") != host || r.Get("X-Own") != "1" || c.Subprotocol() != "c" {
		t.Errorf("%s", r.AppendTo(nil))
	}
	for _, v := range JudgeHTTP2(x, c.HTTP2()) {
		if v.Finding != nil {
			t.Errorf("%s", v.Finding.Error())
		}
	}
}

func TestHTTP2Refuses(t *testing.T) {
	overHTTP2(t, func(s *Server) { s.MaxConns = 1 }, func(t *testing.T, s *Server, url string) {
		tests := []struct {
			name   string
			d      Dialer
			status int
		}{
			{"foreign origin", Dialer{Origin: "https://evil.example"}, 403},
			{"version 8", Dialer{Edit: func(h *handshake.Head) { h.Set(handshake.F("Sec-WebSocket-Version", "8")) }}, 400},
		}
		for _, test := range tests {
			test.d.HTTP2 = &HTTP2{}
			_, x, err := test.d.Dial(t.Context(), url)
			var failed *HandshakeError
			if !errors.As(err, &failed) || failed.Status() != test.status || !failed.Refused() {
				t.Errorf("%s: %v; want %d", test.name, err, test.status)
			} else if len(x.Body) == 0 || !strings.Contains(err.Error(), "RFC 8441") {
				t.Errorf("%s: %v, %q", test.name, err, x.Body)
			}
		}
		c := dial(t, &Dialer{HTTP2: &HTTP2{}, Origin: "http" + strings.TrimPrefix(url, "ws")}, url)
		_, _, err := (&Dialer{HTTP2: &HTTP2{}}).Dial(t.Context(), url)
		var failed *HandshakeError
		if !errors.As(err, &failed) || failed.Status() != 503 {
			t.Errorf("beyond MaxConns: %v", err)
		}
		roundTrip(t, c, Text, []byte("undisturbed"))
	})
}

func TestHTTP2Shutdown(t *testing.T) {
	overHTTP2(t, nil, func(t *testing.T, s *Server, url string) {
		c := dial(t, &Dialer{HTTP2: &HTTP2{}}, url)
		roundTrip(t, c, Text, []byte("hello"))
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.WithoutCancel(t.Context())) }()
		if _, _, err := c.Read(t.Context()); CloseStatus(err) != StatusGoingAway {
			t.Errorf("%v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestHTTP2Panic(t *testing.T) {
	told := make(chan *tcp.PanicError, 1)
	overHTTP2(t, func(s *Server) {
		if s.Handler != nil {
			s.Handler = func(ctx context.Context, c *Conn) error { _, _, _ = c.Read(ctx); panic("oh") }
		}
		s.OnMessage = func(*Peer, MessageType, []byte) { panic("oh") }
		s.OnPanic = func(_ net.Addr, err *tcp.PanicError) { told <- err }
	}, func(t *testing.T, _ *Server, url string) {
		c := dial(t, &Dialer{HTTP2: &HTTP2{}}, url)
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

func TestHTTP2ManyAtOnce(t *testing.T) {
	overHTTP2(t, nil, func(t *testing.T, _ *Server, url string) {
		var clients sync.WaitGroup
		for range 30 {
			clients.Go(func() {
				c, _, err := (&Dialer{HTTP2: &HTTP2{}}).Dial(t.Context(), url)
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

// TestHTTP2Cancel holds that a cancelled Read leaves the connection as it was.
func TestHTTP2Cancel(t *testing.T) {
	overHTTP2(t, nil, func(t *testing.T, _ *Server, url string) {
		c := dial(t, &Dialer{HTTP2: &HTTP2{}}, url)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		roundTrip(t, c, Text, []byte("as it was"))
	})
}

// secureServer serves s with TLS, and returns its URL and what clients need.
func secureServer(t *testing.T, s *Server) (string, *tcp.Dialer) {
	t.Helper()
	certs := httptest.NewTLSServer(nil)
	certs.Close()
	s.TCP = &tcp.Server{TLS: &tls.Config{Certificates: certs.TLS.Certificates}}
	url := forms[0].serve(t, s)
	return "wss" + strings.TrimPrefix(url, "ws"), &tcp.Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}
}

func TestHTTP2Secure(t *testing.T) {
	s := &Server{HTTP2: &HTTP2{}, OnMessage: func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }}
	url, below := secureServer(t, s)
	if i, err := (&Dialer{TCP: below}).ProbeHTTP2(t.Context(), url); err != nil || !i.Connect || i.ALPN != "h2" {
		t.Errorf("%+v, %v", i, err)
	}
	c, x, err := (&Dialer{HTTP2: &HTTP2{}, TCP: below}).Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if i := c.HTTP2(); i.ALPN != "h2" || !i.Secure || x.Request.Get(":scheme") != "https" {
		t.Errorf("%+v", i)
	}
	roundTrip(t, c, Binary, make([]byte, 1<<20))
	if err := c.Close(StatusNormal, ""); err != nil {
		t.Error(err)
	}
	roundTrip(t, dial(t, &Dialer{TCP: below}, url), Text, []byte("HTTP/1.1 by ALPN"))
}

// TestHTTP2Chosen holds that what ALPN has chosen is what is spoken, whatever
// comes first (RFC 9113 section 3.2).
func TestHTTP2Chosen(t *testing.T) {
	url, _ := secureServer(t, &Server{HTTP2: &HTTP2{}})
	conn, err := tls.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "wss://"), "/"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	got, err := io.ReadAll(conn)
	if bytes.Contains(got, []byte("HTTP/1.1")) || !bytes.Contains(got, []byte("preface")) {
		t.Errorf("%q, %v; want a GOAWAY that names the preface", got, err)
	}
}

func TestHTTP2Pages(t *testing.T) {
	noLeaks(t)
	waits, left := make(chan struct{}), make(chan struct{})
	s := &Server{HTTP2: &HTTP2{}, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/panic":
			panic("oh")
		case "/wait":
			close(waits)
			<-r.Context().Done()
			close(left)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d %s", r.Proto, r.Method, r.URL, len(body), r.Header.Get("Cookie"))
	})}
	url, _ := secureServer(t, s)
	url = "https" + strings.TrimPrefix(url, "wss")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, size := range []int{0, 1 << 20} {
		req, _ := http.NewRequest("POST", url+"/page?x=1", bytes.NewReader(make([]byte, size)))
		req.Header.Add("Cookie", "a=b")
		req.Header.Add("Cookie", "c=d")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf("HTTP/2.0 POST /page?x=1 %d a=b; c=d", size); string(body) != want {
			t.Errorf("%q; want %q", body, want)
		}
	}
	if _, err := client.Get(url + "/panic"); err == nil {
		t.Error("an answer of a handler that panics")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-waits; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, "GET", url+"/wait", nil)
	if _, err := client.Do(req); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-left // the handler's context ends with the stream
	s.HTTP = nil
	resp, err := client.Get(url + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 405 || !strings.Contains(string(body), "RFC 8441") {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

// TestHTTP2NotOffered holds what is said of servers that have no WebSockets over
// HTTP/2.
func TestHTTP2NotOffered(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") })
	plain := httptest.NewServer(page)
	defer plain.Close()
	two := httptest.NewUnstartedServer(page)
	two.Config.ErrorLog = log.New(io.Discard, "", 0)
	two.EnableHTTP2 = true
	two.StartTLS()
	defer two.Close()
	none, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: two.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	unaware := &http.Server{Handler: page, ErrorLog: two.Config.ErrorLog}
	go func() { _ = unaware.Serve(none) }()
	defer unaware.Close()
	for _, test := range []struct{ url, rule string }{
		{"ws" + strings.TrimPrefix(plain.URL, "http"), "http2-settings"},
		{"ws" + strings.TrimPrefix(two.URL, "http"), "http2-connect-setting"},
		{"wss://" + none.Addr().String(), "http2-alpn"},
	} {
		d := &Dialer{HTTP2: &HTTP2{}, TCP: &tcp.Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}}
		_, _, err := d.Dial(t.Context(), test.url)
		_, probed := d.ProbeHTTP2(t.Context(), test.url)
		for _, err := range []error{err, probed} {
			var failed *HandshakeError
			if !errors.As(err, &failed) || failed.Finding == nil || failed.Finding.ID != test.rule || failed.Finding.Mend == "" {
				t.Errorf("%s: %v; want %s", test.url, err, test.rule)
			}
		}
	}
}

// TestHTTP2Share holds that several WebSockets stand on one connection, that one
// which nobody reads holds up no other, and that the connection ends with the
// last of them.
func TestHTTP2Share(t *testing.T) {
	overHTTP2(t, func(s *Server) { s.MaxConns = 6 }, func(t *testing.T, s *Server, url string) {
		d := &Dialer{HTTP2: &HTTP2{Share: true}}
		sleepy := dial(t, d, url)
		ctx, cancel := context.WithCancel(t.Context())
		flood := make(chan struct{})
		go func() { // its echoes are not read
			defer close(flood)
			for sleepy.Write(ctx, Binary, make([]byte, 100<<10)) == nil {
			}
		}()
		var all []*Conn
		for i := range 5 {
			c := dial(t, d, url)
			if stream := c.HTTP2().Stream; stream != uint32(2*i+3) {
				t.Errorf("the WebSocket is on stream %d", stream)
			}
			roundTrip(t, c, Binary, make([]byte, 1<<20))
			all = append(all, c)
		}
		_, _, err := d.Dial(t.Context(), url)
		var failed *HandshakeError
		if !errors.As(err, &failed) || failed.Status() != 503 {
			t.Errorf("beyond MaxConns: %v", err)
		}
		if st := s.Stats(); st.Upgraded != 6 || st.Detached != 1 {
			t.Errorf("%d WebSockets, %d connections", st.Upgraded, st.Detached)
		}
		for _, c := range all {
			if err := c.Close(StatusNormal, ""); err != nil {
				t.Error(err)
			}
		}
		cancel()
		<-flood
		sleepy.CloseNow()
		for s.Stats().Detached > 0 {
			time.Sleep(time.Millisecond)
		}
		roundTrip(t, dial(t, d, url), Text, []byte("on a new one"))
	})
}

// TestHTTP2Ends holds how the end of one side looks to the other: without a close
// frame it is 1006, by END_STREAM as well as by RST_STREAM (RFC 8441 section 5).
func TestHTTP2Ends(t *testing.T) {
	for name, end := range map[string]func(p *Peer){
		"aborted": func(p *Peer) { p.Abort(errors.New("enough")) },
		"closed":  func(p *Peer) { p.Close(StatusGoingAway, "that is all") },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			gone := make(chan error, 1)
			s := &Server{HTTP2: &HTTP2{}, OnMessage: func(p *Peer, _ MessageType, _ []byte) { end(p) }, OnClose: func(_ *Peer, err error) { gone <- err }}
			c := dial(t, &Dialer{HTTP2: &HTTP2{}}, forms[0].serve(t, s))
			if err := c.Write(t.Context(), Text, []byte("x")); err != nil {
				t.Fatal(err)
			}
			_, _, err := c.Read(t.Context())
			if aborted := name == "aborted"; aborted && (CloseStatus(err) != StatusAbnormal || !tcp.IsReset(err)) || !aborted && CloseStatus(err) != StatusGoingAway {
				t.Errorf("the client saw %v", err)
			}
			<-gone
		})
	}
	t.Run("the client's", func(t *testing.T) {
		noLeaks(t)
		gone := make(chan error, 1)
		s := &Server{HTTP2: &HTTP2{}, OnClose: func(_ *Peer, err error) { gone <- err }}
		c := dial(t, &Dialer{HTTP2: &HTTP2{}}, forms[0].serve(t, s))
		c.CloseNow()
		if err := <-gone; CloseStatus(err) != StatusAbnormal {
			t.Errorf("the server saw %v", err)
		}
	})
}
