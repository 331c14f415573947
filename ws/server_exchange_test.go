package ws

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// plainServer answers what is offered to it in place, by its path: /later when it
// is told to, /last with the end of the connection, /pass not at all.
type plainServer struct {
	*Server
	addr  string
	later chan *Exchange
	gone  chan string
	began chan string // net/http has /begun
}

func servePlain(t *testing.T, s *Server) *plainServer {
	t.Helper()
	noLeaks(t)
	p := &plainServer{Server: s, later: make(chan *Exchange, 10), gone: make(chan string, 1000), began: make(chan string, 10)}
	s.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			p.began <- "it"
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "net/http: %s", body)
	})
	s.Plain = func(x *Exchange) bool {
		path, body := string(x.Head.Target), string(x.Body)
		switch {
		case path == "/pass":
			return false
		case path == "/panic":
			panic("oh")
		case strings.HasPrefix(path, "/later"):
			x.OnGone(func() { p.gone <- path })
			p.later <- x
		default:
			_ = x.Answer(inPlace(path+" "+body), path == "/last")
		}
		return true
	}
	s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
	p.addr = hostOf(forms[0].serve(t, s))
	return p
}

func inPlace(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (p *plainServer) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

const simple = " HTTP/1.1\r\nHost: x\r\n\r\n"

// TestExchange sends requests in one piece, in many, and several in one: each is
// answered in its turn, and the connection becomes a WebSocket behind them.
func TestExchange(t *testing.T) {
	p := servePlain(t, &Server{})
	conn, in := p.dial(t)
	send := func(pieces ...string) {
		for _, piece := range pieces {
			_, _ = io.WriteString(conn, piece)
		}
	}
	send("GET /a" + simple)
	page(t, in, "/a ")
	send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
	page(t, in, "/b hello")
	send("GET /c HT", "TP/1.1\r\nHost:", " x\r\n\r\n")
	page(t, in, "/c ")
	send("GET /d" + simple + "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /f" + simple + "GET /g HTTP")
	page(t, in, "/d ")
	page(t, in, "/e hi")
	page(t, in, "/f ")
	send("/1.1\r\nHost: x\r\n\r\n")
	page(t, in, "/g ")

	send("GET /later"+simple+"GET /h"+simple, "GET /later2"+simple+"GET /i"+simple)
	first := <-p.later
	select {
	case <-p.later:
		t.Fatal("the second came before the first was answered")
	default:
	}
	_ = first.Answer(inPlace("one"), false)
	page(t, in, "one")
	page(t, in, "/h ")
	_ = (<-p.later).Answer(inPlace("two"), false)
	page(t, in, "two")
	page(t, in, "/i ")

	send(strings.ReplaceAll(wellFormed, "pipe", p.addr) + string(wire(ClientRole, text("early"), closeWith(1000, ""))))
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatal(err, resp)
	}
	if g, err := readFrames(t, in, ServerRole, nil, true); err != nil || len(g.messages) != 1 || g.code != StatusNormal {
		t.Errorf("%+v, %v", g, err)
	}
	if n := p.Stats().Detached; n > 0 {
		t.Errorf("%d connections went to net/http", n)
	}
}

// TestExchangeOdd sends what is for net/http: all but the plainest.
func TestExchangeOdd(t *testing.T) {
	p := servePlain(t, &Server{})
	for _, test := range []struct{ request, want string }{
		{"GET /pass" + simple, "net/http: "},
		{"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", "net/http: "},
		{"HEAD /a" + simple, ""},
		{"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "net/http: x"},
		{"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "net/http: "},
		{"GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n", "net/http: "},
		{"GET /a HTTP/1.1\nHost: x\n\n", "net/http: "},
		{"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "net/http: x"},
		{"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", ""},
		{"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "net/http: x"},
		{"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "net/http: x"},
	} {
		conn, in := p.dial(t)
		_, _ = io.WriteString(conn, test.request)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%q: %v", test.request, err)
			continue
		}
		body := make([]byte, len(test.want))
		if _, err := io.ReadFull(resp.Body, body); err != nil || string(body) != test.want {
			t.Errorf("%q is answered %q, %v; want %q", test.request, body, err, test.want)
		}
	}
	conn, in := p.dial(t) // the rest of the body comes later
	_, _ = io.WriteString(conn, "POST /begun HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
	<-p.began
	_, _ = io.WriteString(conn, "llo")
	page(t, in, "net/http: hello")
	for _, bad := range []string{
		"GET /a HTTP/1.1\r\n\r\n", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
	} {
		conn, in := p.dial(t)
		_, _ = io.WriteString(conn, bad)
		if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 400 {
			t.Errorf("%q: %v, %+v", bad, err, resp)
		}
	}
}

// TestExchangeEnds: what goes while it waits is told of, and the last answer is
// followed by the end.
func TestExchangeEnds(t *testing.T) {
	p := servePlain(t, &Server{HandshakeTimeout: 50 * time.Millisecond})
	conn, _ := p.dial(t)
	_, _ = io.WriteString(conn, "GET /later"+simple)
	x := <-p.later
	conn.Close()
	if gone := <-p.gone; gone != "/later" {
		t.Error(gone)
	}
	_ = x.Answer(inPlace("in vain"), false)

	conn, in := p.dial(t)
	_, _ = io.WriteString(conn, "GET /last"+simple)
	page(t, in, "/last ")
	if b, err := io.ReadAll(in); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}

	conn, in = p.dial(t) // half of a second request
	_, _ = io.WriteString(conn, "GET /a"+simple+"GET /b")
	page(t, in, "/a ")
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%v, %+v", err, resp)
	}

	conn, in = p.dial(t) // a poll may take longer
	_, _ = io.WriteString(conn, "GET /later"+simple)
	x = <-p.later
	<-time.After(100 * time.Millisecond) // than a request may
	_ = x.Answer(inPlace("at last"), false)
	page(t, in, "at last")

	conn, in = p.dial(t) // more behind it than may be
	_, _ = io.WriteString(conn, "GET /later"+simple)
	x = <-p.later
	_, _ = io.WriteString(conn, strings.Repeat("GET /a"+simple, 1+mostBehind/len("GET /a"+simple)))
	if gone := <-p.gone; gone != "/later" {
		t.Error(gone)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("it was answered")
	}
}

// TestExchangeGone: who has the whole answer may go; who goes before is told of.
func TestExchangeGone(t *testing.T) {
	p := servePlain(t, &Server{})
	big := inPlace(strings.Repeat("x", 400<<10))
	for range 100 {
		conn, in := p.dial(t)
		_, _ = io.WriteString(conn, "GET /later"+simple)
		go func(x *Exchange) { _ = x.Answer(big, false) }(<-p.later)
		if _, err := io.ReadFull(in, make([]byte, len(big))); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	for p.Stats().Open > 0 {
		<-time.After(time.Millisecond)
	}
	if len(p.gone) > 0 {
		t.Errorf("%d of those who had it all are gone", len(p.gone))
	}
	conn, in := p.dial(t)
	_, _ = io.WriteString(conn, "GET /later"+simple)
	if err := (<-p.later).Answer(inPlace(strings.Repeat("x", 16<<20)), false); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadByte(); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	if gone := <-p.gone; gone != "/later" {
		t.Error(gone)
	}
}

// TestExchangePanic: a panic ends its own connection, and is told of.
func TestExchangePanic(t *testing.T) {
	told := make(chan *tcp.PanicError, 1)
	p := servePlain(t, &Server{OnPanic: func(_ net.Addr, err *tcp.PanicError) { told <- err }})
	conn, in := p.dial(t)
	_, _ = io.WriteString(conn, "GET /panic"+simple)
	if err := <-told; err.Value != "oh" {
		t.Error(err)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("it was answered")
	}
	conn, in = p.dial(t)
	_, _ = io.WriteString(conn, "GET /a"+simple)
	page(t, in, "/a ")
}
