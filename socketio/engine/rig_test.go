package engine

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/leaks"
	"github.com/sockkit/sockkit/ws"
)

// patience is when a test gives up on something that does not come.
const patience = 60 * time.Second

// TestMain holds that no test leaves a goroutine behind: of this package, of
// those below it, or of an HTTP connection.
func TestMain(m *testing.M) { leaks.Main(m, `sockkit/(socketio/engine|ws|tcp)\.`+leaks.HTTP) }

// rig is a server that a test talks to by hand.
type rig struct {
	t        *testing.T
	s        *Server
	addr     string
	web      *http.Client
	sessions chan *Session
	closed   chan string // reason: description
	refused  chan string
}

// forms are the ways to serve: everything holds for each.
var forms = []struct {
	name  string
	serve func(t *testing.T, s *Server) (addr string)
}{
	{"on net/http", onHTTP},
	{"on its own listener", onListener},
}

func onHTTP(t *testing.T, s *Server) string {
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		shut(t, s)
		h.CloseClientConnections()
		h.Close()
	})
	return h.Listener.Addr().String()
}

func onListener(t *testing.T, s *Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { shut(t, s) })
	return l.Addr().String()
}

func shut(t *testing.T, s *Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Logf("Close: %v", err)
	}
}

// each runs f in each form, with a server that echoes.
func each(t *testing.T, make func() *Server, f func(r *rig)) {
	t.Helper()
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			r := newRig(t, make())
			r.addr = form.serve(t, r.s)
			f(r)
		})
	}
}

// newRig has the server echo, and tell what it is called back with.
func newRig(t *testing.T, s *Server) *rig {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	r := &rig{
		t: t, s: s, web: &http.Client{Transport: transport, Timeout: patience},
		sessions: make(chan *Session, 1000), closed: make(chan string, 1000), refused: make(chan string, 1000),
	}
	more := s.OnConnection
	s.OnConnection = func(c *Session) {
		c.OnMessage = func(b []byte, binary bool) { c.Send(bytes.Clone(b), binary) }
		c.OnClose = func(reason, description string) { r.closed <- reason + ": " + description }
		if more != nil {
			more(c)
		}
		r.sessions <- c
	}
	s.OnConnectionError = func(e *ConnectionError) { r.refused <- fmt.Sprintf("%d %s %s", e.Code, e.Message(), e.Context) }
	return r
}

func plain() *Server { return &Server{} }

// answer is what came to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// try makes a request.
func (r *rig) try(method, target, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.web.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}, err
}

func (r *rig) do(method, target, body string, header ...string) answer {
	r.t.Helper()
	a, err := r.try(method, target, body, header...)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

const polls = "/engine.io/?EIO=4&transport=polling"
const sockets = "/engine.io/?EIO=4&transport=websocket"

var sidIn = regexp.MustCompile(`"sid":"([^"]+)"`)

// begin begins a session by polling, and returns what it is asked by.
func (r *rig) begin(target string) (session *Session, base string) {
	r.t.Helper()
	a := r.do("GET", target, "")
	m := sidIn.FindStringSubmatch(a.body)
	if a.status != 200 || m == nil {
		r.t.Fatalf("the handshake is answered %d %q", a.status, a.body)
	}
	return <-r.sessions, target + "&sid=" + m[1]
}

func (r *rig) get(base string) answer { r.t.Helper(); return r.do("GET", base, "") }

func (r *rig) post(base, body string, header ...string) answer {
	r.t.Helper()
	return r.do("POST", base, body, header...)
}

// pending makes a poll that the server holds, and returns its answer to come.
func (r *rig) pending(s *Session, base string) <-chan answer {
	r.t.Helper()
	came := make(chan answer, 1)
	go func() {
		a, err := r.try("GET", base, "")
		if err != nil {
			a.body = err.Error()
		}
		came <- a
	}()
	r.until("the poll is held", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		p, ok := s.transport.(*polling)
		return !ok || p.poll != nil || s.state == stateClosed
	})
	return came
}

// until waits for what no event tells.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for began := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(began) > patience {
			r.t.Fatalf("%s: did not come to be", what)
		}
	}
}

// take is what comes by a channel, or the end of the test.
func take[T any](t testing.TB, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return v
}

func (r *rig) wantClosed(want string) {
	r.t.Helper()
	if got := take(r.t, r.closed, "the end"); !strings.HasPrefix(got, want) {
		r.t.Errorf("the session ended with %q, want %q", got, want)
	}
}

func (r *rig) want(a answer, status int, body string) {
	r.t.Helper()
	if a.status != status || a.body != body {
		r.t.Errorf("the answer is %d %q, want %d %q", a.status, a.body, status, body)
	}
}

// line is a WebSocket by hand.
type line struct {
	t    testing.TB
	conn *ws.Conn
}

// dial opens a WebSocket.
func (r *rig) dial(target string) *line {
	r.t.Helper()
	conn, _, err := (&ws.Dialer{}).Dial(r.t.Context(), "ws://"+r.addr+target)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.CloseNow() })
	return &line{r.t, conn}
}

// beginSocket begins a session by WebSocket.
func (r *rig) beginSocket(target string) (*Session, *line) {
	r.t.Helper()
	l := r.dial(target)
	if got := l.next(); !strings.HasPrefix(got, `0{"sid":`) {
		r.t.Fatalf("the session begins with %q", got)
	}
	s := <-r.sessions
	r.until("nothing is held back", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.held == nil
	})
	return s, l
}

func (l *line) send(texts ...string) {
	l.t.Helper()
	for _, s := range texts {
		if err := l.conn.Write(context.Background(), ws.Text, []byte(s)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// next is the next message: a binary one in quotes behind "binary", and the end
// as its code.
func (l *line) next() string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, b, err := l.conn.Read(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		return fmt.Sprintf("closed %d", int(ws.CloseStatus(err)))
	case err != nil:
		l.t.Fatal(err)
	case kind == ws.Binary:
		return fmt.Sprintf("binary %q", b)
	}
	return string(b)
}

func (l *line) want(want ...string) {
	l.t.Helper()
	for _, w := range want {
		if got := l.next(); got != w {
			l.t.Fatalf("%q came, want %q", got, w)
		}
	}
}

// raw sends bytes, and returns all that comes until the end of the connection.
func (r *rig) raw(bytes string) string {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, bytes); err != nil {
		r.t.Fatal(err)
	}
	b, _ := io.ReadAll(conn)
	return string(b)
}

const upgradeLines = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// upgrade asks for a WebSocket by hand, with more header lines, and returns the
// answer.
func (r *rig) upgrade(method, target, more string) answer {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, method+" "+target+" HTTP/1.1\r\n"+upgradeLines+more+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// head asks for a WebSocket, and returns the head of the 101.
func (r *rig) head(target, more string) http.Header {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET "+target+" HTTP/1.1\r\n"+upgradeLines+more+"\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 101 {
		r.t.Fatalf("the upgrade is answered %v (%v)", resp, err)
	}
	return resp.Header
}
