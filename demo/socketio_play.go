package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
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
	header http.Header // of each request, and seen only where a step notes it
	http   *http.Client
	seen   *engine.Observer
	sid    string
	conn   *ws.Conn
	socket *engine.ObservedSocket
}

// guest brings in a client that is called who.
func (s *Stage) guest(who, url string) *guest {
	g := &guest{stage: s, who: who, url: url, header: http.Header{}, http: &http.Client{Transport: &http.Transport{}}}
	g.seen = &engine.Observer{Tracer: s.at(who, trace.Frame), OnPacket: func(p engine.Observed) {
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
	r.Header = g.header.Clone()
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
	if err := g.quietly(); err != nil {
		return err
	}
	g.stage.Note(g.who, "a WebSocket is open: %s", g.target("websocket"))
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

// ended waits for the end of the WebSocket.
func (g *guest) ended() error {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	for {
		if _, _, err := g.conn.Read(ctx); err != nil {
			return ctx.Err()
		}
	}
}

// quietly opens a WebSocket without a word.
func (g *guest) quietly() error {
	ctx, cancel := context.WithTimeout(g.stage.ctx, patience)
	defer cancel()
	at := g.target("websocket")
	c, _, err := (&ws.Dialer{Header: fields(g.header)}).Dial(ctx, "ws"+strings.TrimPrefix(g.url, "http")+at)
	if err == nil {
		g.conn, g.socket = c, g.seen.WebSocket(0, at)
	}
	return err
}

// fields are headers as a request has them.
func fields(h http.Header) (list []handshake.Field) {
	for name, values := range h {
		for _, v := range values {
			list = append(list, handshake.F(name, v))
		}
	}
	return list
}

// toSay and toHear are says and hears, to be done later.
func (g *guest) toSay(messages ...string) func() error {
	return func() error { return g.says(messages...) }
}

func (g *guest) toHear(want string) func() error {
	return func() error { return g.hears(want) }
}

// asked says something, and hears the answer.
func (g *guest) asked(message, want string) error {
	return inTurn(g.toSay(message), g.toHear(want))
}

// answersLast acknowledges the event that was heard last.
func (g *guest) answersLast(values string) error {
	heard := events[trace.EIOPacket](g.stage.entries(), g.who)
	text := string(heard[len(heard)-1].Payload)
	var id int
	if _, err := fmt.Sscanf(text, "2%d[", &id); err != nil {
		return fmt.Errorf("%q asks for no acknowledgement", text)
	}
	return g.says(fmt.Sprintf("43%d%s", id, values))
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
