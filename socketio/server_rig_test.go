package socketio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/ws"
)

// quickEngine is the engine of the official protocol's test suite.
func quickEngine() *engine.Server {
	return &engine.Server{PingInterval: 300 * time.Millisecond, PingTimeout: 2 * time.Second}
}

// places are where a server stands and what a client speaks.
var places = []struct {
	name  string
	serve func(t *testing.T, s *Server) (addr string)
	dial  func(t *testing.T, addr, query string) *peer
}{
	{"polling on net-http", onHTTP, dialPolling},
	{"websocket on net-http", onHTTP, dialWebSocket},
	{"polling on its own listener", onListener, dialPolling},
	{"websocket on its own listener", onListener, dialWebSocket},
}

// everywhere runs a test in each place.
func everywhere(t *testing.T, test func(t *testing.T, serve func(*testing.T, *Server) string, dial func(t *testing.T, addr, query string) *peer)) {
	t.Helper()
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) { test(t, p.serve, p.dial) })
	}
}

func onHTTP(t *testing.T, s *Server) string {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		closeQuickly(t, s)
		h.CloseClientConnections()
		h.Close()
	})
	return h.Listener.Addr().String()
}

func onListener(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		closeQuickly(t, s)
		<-done
	})
	return l.Addr().String()
}

func closeQuickly(t *testing.T, s *Server) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// peer is a client that speaks the protocols by hand.
type peer struct {
	t       *testing.T
	send    func(packets ...string) // of Engine.IO; binary is b and base64
	frames  chan string             // what came; closed at the end
	leave   func()                  // drops the connection
	session string
}

// start waits for the open packet.
func (p *peer) start() *peer {
	p.t.Helper()
	p.session = p.match(`^0\{"sid":"([^"]+)"`)[1]
	return p
}

// next returns the next packet that is no heartbeat; "" is the end.
func (p *peer) next() string {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case f, ok := <-p.frames:
			switch {
			case !ok || f == "1":
				return ""
			case f == "2":
				p.send("3")
			case f != "6":
				return f
			}
		case <-limit:
			p.t.Fatal("nothing came")
		}
	}
}

func (p *peer) want(packets ...string) {
	p.t.Helper()
	for _, want := range packets {
		if got := p.next(); got != want {
			p.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func (p *peer) match(pattern string) []string {
	p.t.Helper()
	got := p.next()
	m := regexp.MustCompile(pattern).FindStringSubmatch(got)
	if m == nil {
		p.t.Fatalf("got %q, want %s", got, pattern)
	}
	return m
}

// join connects to a namespace, and returns the socket's id.
func (p *peer) join(namespace string) (id string) {
	p.t.Helper()
	if namespace == "/" {
		p.send("40")
		return p.match(`^40\{"sid":"([\w-]{20})"`)[1]
	}
	p.send("40" + namespace + ",")
	return p.match(`^40` + namespace + `,\{"sid":"([\w-]{20})"`)[1]
}

// ended waits for the end of the connection, whatever comes before.
func (p *peer) ended() {
	p.t.Helper()
	for p.next() != "" {
	}
}

func dialWebSocket(t *testing.T, addr, query string) *peer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, _, err := (&ws.Dialer{}).Dial(ctx, "ws://"+addr+"/socket.io/?transport=websocket&"+orString(query, "EIO=4"))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	p := &peer{t: t, frames: make(chan string, 10000), leave: func() { _ = conn.CloseNow() }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.frames)
		for {
			kind, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if kind == ws.Binary {
				p.frames <- "b" + base64.StdEncoding.EncodeToString(data)
				continue
			}
			p.frames <- string(data)
		}
	}()
	p.send = func(packets ...string) {
		for _, s := range packets {
			kind, data := ws.Text, []byte(s)
			if strings.HasPrefix(s, "b") {
				kind = ws.Binary
				data, _ = base64.StdEncoding.DecodeString(s[1:])
			}
			_ = conn.Write(ctx, kind, data)
		}
	}
	t.Cleanup(func() {
		cancel()
		_ = conn.CloseNow()
		for range p.frames { // nobody is interested
		}
		<-done
	})
	return p.start()
}

func dialPolling(t *testing.T, addr, query string) *peer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	web := &http.Client{Transport: &http.Transport{}}
	url := "http://" + addr + "/socket.io/?transport=polling&" + orString(query, "EIO=4")
	p := &peer{t: t, frames: make(chan string, 10000), leave: cancel}
	ask := func(method, url, body string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		answer, err := web.Do(r)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		data, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = http.ErrAbortHandler
		}
		return string(data), err
	}
	opened := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.frames)
		at := url
		for {
			body, err := ask(http.MethodGet, at, "")
			if err != nil {
				return
			}
			for packet := range strings.SplitSeq(body, "\x1e") {
				p.frames <- packet
			}
			if at == url {
				var o struct{ SID string }
				_ = json.Unmarshal([]byte(strings.TrimPrefix(strings.Split(body, "\x1e")[0], "0")), &o)
				at += "&sid=" + o.SID
				opened <- at
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range p.frames {
		}
		<-done
		web.CloseIdleConnections()
	})
	var at string
	p.send = func(packets ...string) {
		_, _ = ask(http.MethodPost, at, strings.Join(packets, "\x1e"))
	}
	select {
	case at = <-opened:
	case <-time.After(patience):
		t.Fatal("no session")
	}
	return p.start()
}

// sockets has a server hand out its sockets.
func sockets(n interface{ OnConnection(func(*Socket)) }) chan *Socket {
	all := make(chan *Socket, 1000)
	n.OnConnection(func(s *Socket) { all <- s })
	return all
}

func get[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("no %T came", v)
	}
	return v
}

// reasons has a server tell why its sockets ended.
func reasons(n interface{ OnConnection(func(*Socket)) }) chan string {
	all := make(chan string, 1000)
	n.OnConnection(func(s *Socket) { s.OnDisconnect(func(reason string) { all <- reason }) })
	return all
}

// soon waits until something holds that nothing tells of.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(began) > patience {
			t.Fatalf("%s: not so", what)
		}
	}
}

func b64(data ...byte) string { return "b" + base64.StdEncoding.EncodeToString(data) }
