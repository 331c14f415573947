package engine

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sockkit/sockkit/tcp"
)

// seen collects the requests that reach a server.
type seen struct {
	mu   sync.Mutex
	list []*http.Request
}

func (s *seen) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.list = append(s.list, r.Clone(context.Background()))
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (s *seen) all() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.list...)
}

// echo opens a session, has a message echoed behind the upgrade if there is one,
// and closes.
func echo(t *testing.T, d *Dialer, address string) *Client {
	t.Helper()
	got, moved := make(chan string, 1), make(chan error, 1)
	c, err := d.Dial(t.Context(), address, Events{
		OnMessage: func(b []byte, _ bool) { got <- string(b) },
		OnUpgrade: func(_ string, err error) { moved <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Transport() == "polling" && d.Transports == nil && !d.NoUpgrade {
		if err := take(t, moved, "the upgrade"); err != nil {
			t.Fatal(err)
		}
	}
	c.Send([]byte("hi"), false)
	if m := take(t, got, "the echo"); m != "hi" {
		t.Errorf("%q came", m)
	}
	transport := c.Transport()
	c.Close()
	take(t, c.Done(), "the end")
	if d.Transports == nil && !d.NoUpgrade && transport != "websocket" {
		t.Errorf("it used %s", transport)
	}
	return c
}

// Query, headers, Host and cookies go with all requests, upgrades included.
func TestClientRequests(t *testing.T) {
	r := newRig(t, &Server{Path: "/deep/", Cookie: &http.Cookie{}})
	requests := &seen{}
	r.s.Use(requests.around)
	r.addr = onHTTP(t, r.s)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &Dialer{
		Path: "deep", Query: url.Values{"token": {"a=b&c"}}, Jar: jar,
		Header: http.Header{"X-Custom": {"yes"}, "Host": {"other.example"}, "Cookie": {"mine=1"}},
	}
	echo(t, d, "ws://"+r.addr+"/namespace?of=url")
	cookies := 0
	for i, req := range requests.all() {
		q := req.URL.Query()
		if req.URL.Path != "/deep/" || q.Get("token") != "a=b&c" || q.Get("of") != "url" || q.Get("EIO") != "4" {
			t.Errorf("%s", req.URL)
		}
		if req.Header.Get("X-Custom") != "yes" || req.Host != "other.example" {
			t.Errorf("%s: %v, Host %s", req.URL, req.Header, req.Host)
		}
		line := strings.Join(req.Header.Values("Cookie"), "; ")
		if !strings.Contains(line, "mine=1") || strings.Contains(line, "io=") != (i > 0) {
			t.Errorf("request %d, %s: Cookie: %s", i, req.URL, line)
		}
		cookies += strings.Count(line, "io=")
	}
	if cookies < 2 {
		t.Errorf("%d cookies came back", cookies)
	}
	d.Transports = []string{"websocket"} // the cookie of a 101 is kept
	if d.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	c := echo(t, d, "http://"+r.addr)
	u := &url.URL{Scheme: "http", Host: "other.example"}
	if got := fmt.Sprint(d.Jar.Cookies(u)); got != "[io="+c.ID()+"]" {
		t.Errorf("the jar has %s", got)
	}
}

// Payloads are kept below what the server takes.
func TestMaxPayload(t *testing.T) {
	each(t, func() *Server { return &Server{MaxHTTPBufferSize: 100} }, func(r *rig) {
		in := newInbox()
		c, err := (&Dialer{Transports: []string{"polling"}}).Dial(t.Context(), "http://"+r.addr, in.events())
		if err != nil {
			t.Fatal(err)
		}
		if c.MaxPayload() != 100 {
			t.Errorf("maxPayload is %d", c.MaxPayload())
		}
		for i := range 100 {
			c.Send([]byte(strings.Repeat("é", i%49)), i%3 == 0 && i%49 < 30)
		}
		in.await(t, "all", func() bool { return len(in.messages) == 100 || in.closed != "" })
		if in.closed != "" {
			t.Errorf("it ended: %s", in.closed)
		}
		c.Close()
		take(t, c.Done(), "the end")
	})
}

func TestFitting(t *testing.T) {
	text, bin := Packet{Data: make([]byte, 9)}, Packet{Data: make([]byte, 7), Binary: true} // 10 and 13 bytes
	for _, test := range []struct {
		packets []Packet
		most    int64
		want    int
	}{
		{[]Packet{text, text, text}, 0, 3}, {[]Packet{text, text, text}, 21, 2}, {[]Packet{text, text, text}, 20, 1},
		{[]Packet{text}, 3, 1}, {[]Packet{text, text}, 3, 1}, {[]Packet{bin, bin}, 27, 2}, {[]Packet{bin, bin}, 26, 1},
	} {
		got := fitting(test.packets, test.most)
		if size := len(AppendPayload(nil, test.packets[:got])); got != test.want || got > 1 && test.most > 0 && int64(size) > test.most {
			t.Errorf("%d of %d fit into %d (%d bytes), want %d", got, len(test.packets), test.most, size, test.want)
		}
	}
}

// The next session begins with what the last one has come to use.
func TestRememberUpgrade(t *testing.T) {
	r := newRig(t, plain())
	requests := &seen{}
	r.s.Use(requests.around)
	r.addr = onHTTP(t, r.s)
	d := &Dialer{RememberUpgrade: true}
	echo(t, d, "http://"+r.addr)
	before := len(requests.all())
	echo(t, d, "http://"+r.addr)
	after := requests.all()[before:]
	if len(after) != 1 || after[0].URL.Query().Get("transport") != "websocket" {
		t.Errorf("the second session made %d requests", len(after))
	}
	if _, err := d.Dial(t.Context(), at(t, saying(404, "")), Events{}); err == nil {
		t.Fatal("it is open")
	}
	before = len(requests.all())
	echo(t, d, "http://"+r.addr) // it is forgotten with the failure
	if after = requests.all()[before:]; after[0].URL.Query().Get("transport") != "polling" {
		t.Error("the upgrade is remembered behind a failure")
	}
}

// The next transport is tried where one fails.
func TestTryAllTransports(t *testing.T) {
	r := newRig(t, &Server{Transports: []string{"websocket"}})
	r.addr = onHTTP(t, r.s)
	c := echo(t, &Dialer{TryAllTransports: true, NoUpgrade: true}, "http://"+r.addr)
	if c.Transport() != "websocket" {
		t.Errorf("it used %s", c.Transport())
	}
	if _, err := (&Dialer{}).Dial(t.Context(), "http://"+r.addr, Events{}); err == nil {
		t.Error("another transport was tried without being asked for")
	}
}

// What is buffered leaves before the end, on each transport and while it moves.
func TestCloseDrains(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			var count atomic.Int32
			s := &Server{AllowEIO3: true, OnConnection: func(s *Session) {}}
			r := newRig(t, s)
			s.OnConnection = func(c *Session) {
				c.OnMessage = func([]byte, bool) { count.Add(1) }
				c.OnClose = func(reason, description string) { r.closed <- reason }
			}
			r.addr = onHTTP(t, s)
			for range 10 {
				count.Store(0)
				c, err := way.d.Dial(t.Context(), "http://"+r.addr, Events{})
				if err != nil {
					t.Fatal(err)
				}
				for range 100 {
					c.Send([]byte("x"), false)
				}
				c.Close()
				c.Send([]byte("too late"), false)
				take(t, c.Done(), "the end")
				r.wantClosed("transport close")
				if n := count.Load(); n != 100 {
					t.Errorf("%d messages came", n)
				}
			}
		})
	}
}

// TLS, and a proxy, by the dialer below: for polls and for WebSockets.
func TestClientTLSAndProxy(t *testing.T) {
	r := newRig(t, plain())
	h := httptest.NewUnstartedServer(r.s)
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	defer h.Close()
	defer shut(t, r.s)
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels.Add(1)
		tunnel(w, r)
	}))
	defer proxy.Close()
	config := &tls.Config{RootCAs: h.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	echo(t, &Dialer{TCP: &tcp.Dialer{TLS: config}}, h.URL)
	via, _ := url.Parse(proxy.URL)
	echo(t, &Dialer{TCP: &tcp.Dialer{TLS: config, Proxy: via}}, h.URL)
	if tunnels.Load() < 2 {
		t.Errorf("%d connections went by the proxy", tunnels.Load())
	}
	if _, err := (&Dialer{}).Dial(t.Context(), h.URL, Events{}); err == nil || !strings.HasPrefix(err.Error(), "xhr poll error: ") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
}

func tunnel(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		return
	}
	defer to.Close()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(to, rw)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, to)
	conn.Close()
	<-done
}
