package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// balancer shares clients out among servers in turn, and has the requests of a
// session all reach one. Who is refused by one is sent to the next, as nginx does
// (proxy_next_upstream error http_503).
type balancer struct {
	*httptest.Server
	net.Listener
	mu      sync.Mutex
	conns   []net.Conn
	servers []string // host and port
	turn    int
	of      map[string]string // the server of a session
}

func newBalancer(t testing.TB) *balancer {
	t.Helper()
	b := &balancer{of: map[string]string{}}
	b.Server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme = "http" },
		Transport:    b,
		ErrorLog:     log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	b.Listener = b.Server.Listener
	b.Server.Listener = b
	b.Start()
	t.Cleanup(func() { b.cut(); b.Server.Close() })
	return b
}

// Accept implements [net.Listener].
func (b *balancer) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err == nil {
		b.mu.Lock()
		b.conns = append(b.conns, c)
		b.mu.Unlock()
	}
	return c, err
}

// Close implements [net.Listener].
func (b *balancer) Close() error { return b.Listener.Close() }

// cut cuts every connection.
func (b *balancer) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

// among says which servers there are.
func (b *balancer) among(servers ...clusterMember) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.servers = nil
	for _, m := range servers {
		b.servers = append(b.servers, strings.TrimPrefix(m.url(), "http://"))
	}
}

// candidates are the servers that a request may go to.
func (b *balancer) candidates(sid string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.of[sid]; sid != "" && at != "" {
		return []string{at}
	}
	var all []string
	b.turn++
	for i := range b.servers {
		all = append(all, b.servers[(b.turn+i)%len(b.servers)])
	}
	return all
}

// RoundTrip implements [http.RoundTripper].
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	sid := r.URL.Query().Get("sid")
	err := errors.New("no server")
	for _, at := range b.candidates(sid) {
		out := r.Clone(r.Context())
		out.URL.Host = at
		var answer *http.Response
		if answer, err = http.DefaultTransport.RoundTrip(out); err != nil {
			continue
		}
		if answer.StatusCode == http.StatusServiceUnavailable {
			answer.Body.Close()
			err = errors.New("503")
			continue
		}
		if sid == "" && answer.StatusCode == http.StatusOK {
			err = b.learn(answer, at)
		}
		return answer, err
	}
	return nil, err
}

// learn notes which server a session is at.
func (b *balancer) learn(answer *http.Response, at string) error {
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	var open struct{ SID string }
	first, _, _ := bytes.Cut(bytes.TrimPrefix(body, []byte("0")), []byte{0x1e})
	if json.Unmarshal(first, &open) == nil {
		b.mu.Lock()
		b.of[open.SID] = at
		b.mu.Unlock()
	}
	return err
}

// flock are official clients in one room, and servers that say numbers to it: what
// each client gets is held against recovery's promise.
type flock struct {
	t    testing.TB
	mu   sync.Mutex
	said map[string]int // by who says it
	all  map[string]*listener
	rest []byte
	it   *proc
	bad  []string
	rate time.Duration // between two numbers of a server
	moved, anew,
	events int
}

// listener is one client.
type listener struct {
	got      map[string]int // by who said it; -1 is that any number is the next
	connects int
	in       bool // the room
	gone     bool // and not back yet
}

func newFlock(t testing.TB) *flock {
	t.Helper()
	g := &flock{t: t, rate: 5 * time.Millisecond, said: map[string]int{}, all: map[string]*listener{}}
	g.it = start(t, program{args: []string{"node", "node/sio-client.cjs", sioClient4}, hold: true, out: g})
	return g
}

func (g *flock) act(a sioAct) {
	if err := json.NewEncoder(g.it.in).Encode(a); err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.wrong("%v", err)
	}
}

func (g *flock) wrong(format string, args ...any) {
	if len(g.bad) < 20 {
		g.bad = append(g.bad, fmt.Sprintf(format, args...))
	}
}

// dial has n more clients connect, by transports, and waits until they are in the
// room and have got something.
func (g *flock) dial(url string, n int, transports ...string) {
	g.t.Helper()
	for range n {
		g.mu.Lock()
		name := fmt.Sprintf("client %d", len(g.all)+1)
		g.all[name] = &listener{got: map[string]int{}}
		g.mu.Unlock()
		g.act(sioAct{Do: "connect", Of: name, URL: url, Options: map[string]any{"transports": transports, "forceNew": true}})
	}
	poll(g.t, "all clients to be in", func() bool { return g.every(func(l *listener) bool { return l.in }) })
}

func (g *flock) every(ok func(*listener) bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.all {
		if !ok(l) {
			return false
		}
	}
	return true
}

// Write implements [io.Writer]: it takes what the clients see.
func (g *flock) Write(b []byte) (int, error) {
	g.rest = append(g.rest, b...)
	for {
		line, rest, ok := bytes.Cut(g.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		var s sioSaw
		err := json.Unmarshal(line, &s)
		g.rest = rest
		g.mu.Lock()
		if l := g.all[s.Of]; err == nil && l != nil {
			g.saw(l, s)
		} else if s.Saw == "error" || err != nil {
			g.wrong("the clients' program: %s", line)
		}
		g.mu.Unlock()
	}
}

func (g *flock) saw(l *listener, s sioSaw) {
	switch s.Saw {
	case "connect":
		if l.connects++; l.connects > 1 {
			g.moved++
		}
		l.gone = false
		if s.Recovered {
			return
		}
		if l.connects > 1 {
			g.anew++
		}
		l.in = false
		g.forget(l, true)
		go g.act(sioAct{Do: "emit", Of: s.Of, Event: "join", Args: []any{"room"}, Ack: true})
	case "disconnect":
		l.gone = true
		if s.Reason != "transport close" && s.Reason != "transport error" {
			g.wrong("%s was disconnected: %s", s.Of, s.Reason)
		}
	case "ack":
		l.in = true
		g.forget(l, false)
	case "event":
		g.took(l, s)
	}
}

// forget has any number be the next of those who speak already: all of them, or
// those of whom nothing has come.
func (g *flock) forget(l *listener, all bool) {
	for name := range g.said {
		if all || l.got[name] == 0 {
			l.got[name] = -1
		}
	}
}

// took holds a number against what is due.
func (g *flock) took(l *listener, s sioSaw) {
	var args []json.RawMessage
	var name string
	var n int
	if json.Unmarshal(s.Args, &args) != nil || len(args) < 2 || json.Unmarshal(args[0], &name) != nil || json.Unmarshal(args[1], &n) != nil {
		g.wrong("%s got %s", s.Of, s)
		return
	}
	g.events++
	due := l.got[name] + 1
	switch {
	case l.got[name] < 0, n == due:
	case n < due:
		g.wrong("%s got %d of %s again, %d was due", s.Of, n, name, due)
		return
	default:
		g.wrong("%s got %d of %s, %d was due", s.Of, n, name, due)
	}
	l.got[name] = n
}

// speak has a server say numbers until stop is called, which returns once it does
// so no more.
func (g *flock) speak(m *goMember, name string) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for pause := time.NewTicker(g.rate); ; <-pause.C {
			select {
			case <-over:
				pause.Stop()
				return
			default:
			}
			g.mu.Lock()
			g.said[name]++
			n := g.said[name]
			g.mu.Unlock()
			if err := m.To("room").Emit("x", name, n, []byte{1, 2}); err != nil {
				g.mu.Lock()
				g.wrong("%s: %v", name, err)
				g.mu.Unlock()
			}
			_ = m.To("room").Except("room").Emit("x", "nobody", 1)
		}
	}()
	return sync.OnceFunc(func() { close(over); <-done })
}

// settles waits until every client has got the last of all that was said.
func (g *flock) settles() {
	g.t.Helper()
	defer g.report()
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		missing := g.missing()
		if missing == "" {
			return
		}
		if time.Now().After(limit) {
			g.t.Errorf("lost at the end: %s", missing)
			return
		}
	}
}

// missing says what somebody has not got yet.
func (g *flock) missing() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, who := range slices.Sorted(maps.Keys(g.all)) {
		for name, n := range g.said {
			if got := g.all[who].got[name]; got != n && got != -1 {
				return fmt.Sprintf("%s has %d of %s, %d were said", who, got, name, n)
			}
		}
	}
	return ""
}

// report says what was wrong.
func (g *flock) report() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, text := range g.bad {
		g.t.Error(text)
	}
	g.t.Logf("%d clients got %d events; they came back %d times, %d of them anew", len(g.all), g.events, g.moved, g.anew)
}
