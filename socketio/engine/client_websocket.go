package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// clientSocket is the transport over WebSocket.
type clientSocket struct {
	c      *Client
	socket *ws.Conn
}

func (t *clientSocket) name() string { return "websocket" }

func (t *clientSocket) conn() trace.ID {
	if t.socket == nil {
		return 0
	}
	if c, ok := t.socket.NetConn().(interface{ TraceID() trace.ID }); ok {
		return c.TraceID()
	}
	return 0
}

// dial opens the WebSocket, for a session that there is or a new one.
func (t *clientSocket) dial(ctx context.Context) error {
	d := t.c.dialer
	u := *t.c.base
	q := u.Query()
	q.Set("transport", "websocket")
	if sid := t.c.opening.SID; sid != "" {
		q.Set("sid", sid)
	}
	u.RawQuery = q.Encode()
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	dialer := &ws.Dialer{
		TCP: d.TCP, NetDial: d.NetDial, TLSFor: d.TLSFor, Tracer: d.Tracer, Deflate: d.Deflate, Timeout: -1,
		Header: t.header(), Limits: ws.Limits{MaxMessage: d.maxMessage()}, CloseTimeout: 2 * time.Second,
	}
	conn, x, err := dialer.Dial(ctx, u.String())
	t.cookies(x)
	if err != nil {
		return socketError(err, x)
	}
	t.socket = conn
	return nil
}

// socketError is a WebSocket that did not open.
func socketError(err error, x *handshake.Exchange) error {
	e := &TransportError{Message: "websocket error", Err: err}
	var failed *ws.HandshakeError
	if errors.As(err, &failed) && failed.Status() != 0 && failed.Status() != 101 {
		e.Status = failed.Status()
		if x != nil {
			e.Body = string(x.Body)
		}
	}
	return e
}

// header are the headers of the opening request, cookies included.
func (t *clientSocket) header() (list []handshake.Field) {
	r := &http.Request{Header: t.c.dialer.Header.Clone()}
	if jar := t.c.dialer.Jar; jar != nil {
		if r.Header == nil {
			r.Header = http.Header{}
		}
		for _, cookie := range jar.Cookies(t.c.cookieURL()) {
			r.AddCookie(cookie)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			list = append(list, handshake.F(name, v))
		}
	}
	return list
}

// cookieURL is what cookies belong to: the host by its header, as package
// net/http has it for polls.
func (c *Client) cookieURL() *url.URL {
	u := *c.base
	u.Host = or(c.dialer.Header.Get("Host"), u.Host)
	return &u
}

// cookies keeps those of the answer.
func (t *clientSocket) cookies(x *handshake.Exchange) {
	jar := t.c.dialer.Jar
	if jar == nil || x == nil || x.Response == nil {
		return
	}
	h := http.Header{"Set-Cookie": x.Response.Values("Set-Cookie")}
	if list := (&http.Response{Header: h}).Cookies(); len(list) > 0 {
		jar.SetCookies(t.c.cookieURL(), list)
	}
}

// open begins a session, and returns its first packet.
func (t *clientSocket) open(ctx context.Context) (Packet, error) {
	if err := t.dial(ctx); err != nil {
		return Packet{}, err
	}
	p, err := t.read(ctx)
	if err != nil {
		_ = t.socket.CloseNow()
		message := "websocket error"
		if errors.As(err, new(*parseError)) {
			message = "server error"
		}
		return Packet{}, &TransportError{Message: message, Err: err}
	}
	return p, nil
}

// read returns the next packet, with bytes of its own.
func (t *clientSocket) read(ctx context.Context) (Packet, error) {
	kind, b, err := t.socket.Read(ctx)
	if err != nil {
		return Packet{}, err
	}
	b = bytes.Clone(b)
	p, err := parseMessage(kind, b, t.c.dialer.protocol())
	if err != nil {
		return p, &parseError{fmt.Errorf("%w: %.80q is no packet of Engine.IO", err, b)}
	}
	return p, nil
}

// loop reads until the session ends.
func (t *clientSocket) loop() {
	for {
		p, err := t.read(t.c.ctx)
		if err != nil {
			t.c.broke(t, err)
			return
		}
		t.c.record(t.conn(), trace.In, t.name(), p)
		t.c.packet(t, p)
	}
}

// write sends packets. It is called by one goroutine at a time.
func (t *clientSocket) write(packets []Packet) error {
	b := scratch.Get().(*[]byte)
	defer scratch.Put(b)
	for i := range packets {
		kind, message := packets[i].message((*b)[:0], t.c.dialer.protocol(), false)
		if err := t.socket.Write(t.c.ctx, kind, message); err != nil {
			return &TransportError{Message: "websocket error", Err: err}
		}
		if kind == ws.Text && cap(message) <= maxScratch {
			*b = message
		}
	}
	return nil
}

func (t *clientSocket) close(polite bool) {
	if !polite {
		_ = t.socket.CloseNow()
		return
	}
	_ = t.socket.Close(ws.StatusNoStatus, "")
}
