package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// guest is a client of Socket.IO that does by hand what a browser does by
// itself, and an observer that makes the records of it.
type guest struct {
	stage  *Stage
	who    string
	url    string
	http   *http.Client
	seen   *engine.Observer
	sid    string
	conn   *ws.Conn
	socket *engine.ObservedSocket
}

// guest brings in a client that is called who.
func (s *Stage) guest(who, url string) *guest {
	g := &guest{stage: s, who: who, url: url, http: &http.Client{Transport: &http.Transport{}}}
	g.seen = &engine.Observer{Tracer: s.tracer.View(part{s.cast, who}, trace.Frame), OnPacket: func(p engine.Observed) {
		if p.Dir == trace.In && p.Packet.Type == engine.Open {
			g.sid = p.Session
		}
	}}
	s.Keep(closerFunc(g.leave))
	return g
}

func (g *guest) leave() error {
	g.http.CloseIdleConnections()
	if g.conn != nil {
		return g.conn.CloseNow()
	}
	return nil
}

// target is what a request asks for.
func (g *guest) target(transport string) string {
	q := "?EIO=4&transport=" + transport
	if g.sid != "" {
		q += "&sid=" + url.QueryEscape(g.sid)
	}
	return socketPath + q
}

const socketPath = "/socket.io/"

// answer is one to a request of polling.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// asks sends a request and returns its answer. Nothing is recorded.
func (g *guest) asks(body string) answer {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, g.url+g.target("polling"), strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	came, err := g.http.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer came.Body.Close()
	b, err := io.ReadAll(came.Body)
	return answer{came.StatusCode, came.Header, b, err}
}

// request records a request, and returns what takes its answer.
func (g *guest) request(body string) *engine.ObservedExchange {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	g.stage.Note(g.who, "%s %s", method, g.target("polling"))
	return g.seen.Request(0, method, g.target("polling"), http.Header{}, []byte(body))
}

// take records an answer.
func (g *guest) take(x *engine.ObservedExchange, a answer) error {
	if a.err != nil {
		return a.err
	}
	g.stage.Note(g.who, "answered %d %s, %s", a.status, http.StatusText(a.status), bodyOf(a.body))
	x.Response(a.status, a.header, a.body)
	return nil
}

func bodyOf(b []byte) string {
	if len(b) > 40 {
		return grouped(len(b)) + " bytes"
	}
	return fmt.Sprintf("%q", b)
}

// polls asks what there is; posts says something.
func (g *guest) polls() error { return g.posts("") }

func (g *guest) posts(body string) error {
	x := g.request(body)
	return g.take(x, g.asks(body))
}

// upgrades opens a WebSocket, for the session that there is or a new one.
func (g *guest) upgrades() error {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	at := g.target("websocket")
	c, _, err := (&ws.Dialer{}).Dial(ctx, "ws"+strings.TrimPrefix(g.url, "http")+at)
	if err != nil {
		return err
	}
	g.conn = c
	g.stage.Note(g.who, "a WebSocket is open: %s", at)
	g.socket = g.seen.WebSocket(0, at)
	return nil
}

// says sends messages on the WebSocket; those that begin with \x00 are binary.
func (g *guest) says(messages ...string) error {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	for _, m := range messages {
		kind := ws.Text
		if rest, ok := strings.CutPrefix(m, "\x00"); ok {
			kind, m = ws.Binary, rest
		}
		g.socket.Message(trace.Out, kind, []byte(m))
		if err := g.conn.Write(ctx, kind, []byte(m)); err != nil {
			return err
		}
	}
	return nil
}

// hears waits for a message that begins with want, and it has to be the next.
func (g *guest) hears(want string) error {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	kind, b, err := g.conn.Read(ctx)
	if err != nil {
		return err
	}
	g.socket.Message(trace.In, kind, b)
	if !strings.HasPrefix(string(b), want) {
		return fmt.Errorf("%s was due, and %.60q came", want, b)
	}
	return nil
}

// enters opens a session by a WebSocket alone, and joins the main namespace.
// What passes is known by now, and is not shown.
func (f *socketIOStory) enters(s *Stage, who string) (*guest, *socketio.Socket, error) {
	g := s.guest(who, f.url)
	shown := g.seen.Tracer
	g.seen.Tracer = nil
	err := errors.Join(g.quietly(), g.hears("0{"), g.says("40"), g.hears("40{"))
	g.seen.Tracer = shown
	if err != nil {
		return nil, nil, err
	}
	socket, err := within(s, "the socket", f.came)
	return g, socket, err
}

// asksIn opens a session by polling, and joins the main namespace, unseen.
func (f *socketIOStory) asksIn(s *Stage, who string) (*guest, *socketio.Socket, error) {
	g := s.guest(who, f.url)
	shown := g.seen.Tracer
	g.seen.Tracer = nil
	for _, body := range []string{"", "40", ""} {
		x := g.seen.Request(0, http.MethodGet, g.target("polling"), http.Header{}, nil)
		a := g.asks(body)
		if a.err != nil {
			return nil, nil, a.err
		}
		x.Response(a.status, a.header, a.body)
	}
	g.seen.Tracer = shown
	socket, err := within(s, "the socket", f.came)
	return g, socket, err
}

// gone has a client leave, unseen. Each step ends its own: a reader takes time,
// and nobody answers pings meanwhile.
func (f *socketIOStory) gone(s *Stage, guests ...*guest) error {
	for _, g := range guests {
		g.seen.Tracer = nil
		if g.conn == nil {
			if a := g.asks("41"); a.err != nil {
				return a.err
			}
		} else if err := g.says("41"); err != nil {
			return err
		}
		if _, err := within(s, "the end of "+g.who, f.told); err != nil {
			return err
		}
	}
	return nil
}

// quietly opens a WebSocket without a word.
func (g *guest) quietly() error {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	at := g.target("websocket")
	c, _, err := (&ws.Dialer{}).Dial(ctx, "ws"+strings.TrimPrefix(g.url, "http")+at)
	if err == nil {
		g.conn, g.socket = c, g.seen.WebSocket(0, at)
	}
	return err
}

// until waits for what makes no event.
func (s *Stage) until(what string, ok func() bool) error {
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: it did not come within %v", what, patience)
		}
	}
	return nil
}

// within waits for a value.
func within[T any](s *Stage, what string, from <-chan T) (v T, err error) {
	select {
	case v = <-from:
		return v, nil
	case <-s.ctx.Done():
		return v, context.Cause(s.ctx)
	case <-time.After(patience):
		return v, fmt.Errorf("%s: it did not come within %v", what, patience)
	}
}

// serve has the server of the lesson listen.
func (f *socketIOStory) serve(s *Stage) error {
	l, err := s.listen("server")
	if err != nil {
		return err
	}
	f.url = "http://" + l.Addr().String()
	f.io = newSocketServer(f, &engine.Server{})
	s.keepServer(f.io)
	go func() { _ = f.io.Serve(l.Sockets()[0]) }()
	return nil
}

func (s *Stage) keepServer(io *socketio.Server) {
	s.Keep(closerFunc(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), patience)
		defer cancel()
		return io.Close(ctx)
	}))
}

// newSocketServer is a server with the handlers of the lesson.
func newSocketServer(f *socketIOStory, e *engine.Server) *socketio.Server {
	io := socketio.NewServer(&socketio.ServerOptions{Engine: e})
	io.OnConnection(func(c *socketio.Socket) {
		c.On("add", func(a, b int, ack func(int)) { ack(a + b) })
		c.On("upload", func(name string, data []byte, ack func(string)) {
			ack(fmt.Sprintf("%s has %d bytes", name, len(data)))
		})
		c.On("join", func(room string, ack func()) {
			_ = c.Join(room)
			ack()
		})
		c.On("shout", func(text string) { _ = c.Broadcast().Emit("message", text) })
		c.OnDisconnect(func(reason string) { f.told <- reason })
		f.came <- c
	})
	io.Of("/admin").Use(func(c *socketio.Socket) error {
		if c.Handshake().Auth["token"] == "open sesame" {
			return nil
		}
		return &socketio.Error{Message: "Authentication error", Data: map[string]any{"retry": true}}
	})
	return io
}
