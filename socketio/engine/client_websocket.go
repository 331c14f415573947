package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// clientSocket is the transport over WebSocket.
type clientSocket struct {
	c    *Client
	conn *ws.Conn
}

func (t *clientSocket) name() string { return "websocket" }

// dial opens the WebSocket, for a session that there is or a new one.
func (t *clientSocket) dial(ctx context.Context, sid string) error {
	d := t.c.dialer
	u := *t.c.base
	q := u.Query()
	q.Set("transport", "websocket")
	if sid != "" {
		q.Set("sid", sid)
	}
	u.RawQuery = q.Encode()
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	dialer := &ws.Dialer{
		TCP: d.TCP, NetDial: d.NetDial, TLSFor: d.TLSFor, Tracer: d.Tracer, Deflate: d.Deflate, Timeout: -1,
		Header: t.header(), Limits: ws.Limits{MaxMessage: maxAnswer}, CloseTimeout: 2 * time.Second,
	}
	conn, x, err := dialer.Dial(ctx, u.String())
	if err != nil {
		return socketError(err, x)
	}
	t.conn = conn
	return nil
}

// socketError is a WebSocket that did not open.
func socketError(err error, x *handshake.Exchange) error {
	e := &TransportError{Message: "websocket error", Err: err}
	var failed *ws.HandshakeError
	if errors.As(err, &failed) && failed.Status() != 0 && failed.Status() != 101 {
		e.Status, e.Body = failed.Status(), string(x.Body)
	}
	return e
}

// header are the headers of the opening request, cookies included.
func (t *clientSocket) header() (fields []handshake.Field) {
	for name, values := range t.c.dialer.Header {
		for _, v := range values {
			fields = append(fields, handshake.F(name, v))
		}
	}
	if jar := t.c.dialer.Jar; jar != nil {
		r := &http.Request{Header: http.Header{}}
		for _, cookie := range jar.Cookies(t.c.base) {
			r.AddCookie(cookie)
		}
		if line := r.Header.Get("Cookie"); line != "" {
			fields = append(fields, handshake.F("Cookie", line))
		}
	}
	return fields
}

// open begins a session, and returns its first packet.
func (t *clientSocket) open(ctx context.Context, sid string) (Packet, error) {
	if err := t.dial(ctx, sid); err != nil {
		return Packet{}, err
	}
	p, err := t.read(ctx)
	if err != nil {
		t.conn.CloseNow()
		return Packet{}, &TransportError{Message: "websocket error", Err: err}
	}
	return p, nil
}

// read returns the next packet, with bytes of its own.
func (t *clientSocket) read(ctx context.Context) (Packet, error) {
	kind, b, err := t.conn.Read(ctx)
	if err != nil {
		return Packet{}, err
	}
	b = bytes.Clone(b)
	three := t.c.dialer.protocol() == 3
	var p Packet
	switch {
	case kind == ws.Text && three:
		p, err = parseText3(b)
	case kind == ws.Text:
		p, err = ParseText(b)
	case three:
		p, err = parseBinary3(b)
	default:
		p = Packet{Type: Message, Data: b, Binary: true}
	}
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
			t.ended(err)
			return
		}
		t.c.packet(t, p)
	}
}

func (t *clientSocket) ended(err error) {
	var closed *ws.CloseError
	if errors.As(err, &closed) {
		t.c.closedBy(t, err)
		return
	}
	t.c.broke(t, err)
}

// closedBy ends the session because the WebSocket was closed.
func (c *Client) closedBy(t clientTransport, err error) {
	c.mu.Lock()
	current := c.transport == t
	c.mu.Unlock()
	if current {
		c.end(ReasonTransportClose, "websocket connection closed: "+err.Error())
	}
}

func (t *clientSocket) write(packets []Packet) error {
	var text []byte
	for i := range packets {
		p := &packets[i]
		kind := ws.Text
		switch {
		case !p.Binary:
			text = p.AppendText(text[:0])
		case t.c.dialer.protocol() == 3:
			kind, text = ws.Binary, append(append(text[:0], byte(Message)), p.Data...)
		default:
			kind, text = ws.Binary, append(text[:0], p.Data...)
		}
		if err := t.conn.Write(t.c.ctx, kind, text); err != nil {
			return &TransportError{Message: "websocket error", Err: err}
		}
	}
	return nil
}

func (t *clientSocket) close(polite bool) {
	if !polite {
		_ = t.conn.CloseNow()
		return
	}
	_ = t.conn.Close(ws.StatusNoStatus, "")
}

// maybeUpgrade moves a session that polls to a WebSocket, beside the polling.
func (c *Client) maybeUpgrade() {
	if c.dialer.NoUpgrade || !contains(c.opening.Upgrades, "websocket") || !contains(c.dialer.transports(), "websocket") {
		return
	}
	polling := c.transport.(*clientPolling)
	go func() {
		t := &clientSocket{c: c}
		err := c.probe(t, polling)
		if err != nil && t.conn != nil {
			t.conn.CloseNow()
		}
		if c.ctx.Err() == nil && c.events.OnUpgrade != nil {
			c.events.OnUpgrade("websocket", err)
		}
		if err == nil {
			t.loop()
		}
	}()
}

func contains(list []string, name string) bool {
	for _, s := range list {
		if s == name {
			return true
		}
	}
	return false
}

// probeTimeout bounds the probe of a transport.
const probeTimeout = 20 * time.Second

// probe is the protocol's dance: a ping and its pong by the new transport, then
// the end of polling, then the upgrade packet.
func (c *Client) probe(t *clientSocket, polling *clientPolling) error {
	ctx, cancel := context.WithTimeout(c.ctx, probeTimeout)
	defer cancel()
	if err := t.dial(ctx, c.opening.SID); err != nil {
		return fmt.Errorf("probe error: %w", err)
	}
	if err := t.write([]Packet{{Type: Ping, Data: []byte("probe")}}); err != nil {
		return fmt.Errorf("probe error: %w", err)
	}
	p, err := t.read(ctx)
	if err != nil {
		return fmt.Errorf("probe error: %w", err)
	}
	if p.Type != Pong || string(p.Data) != "probe" {
		return fmt.Errorf("probe error: a pong was due, and %s came", p.Type)
	}
	if !c.pause(ctx, polling) {
		return errors.New("probe error: the session ended meanwhile")
	}
	err = t.write([]Packet{{Type: Upgrade}})
	c.mu.Lock()
	if err == nil {
		c.transport = t
	}
	c.paused = false
	c.cond.Broadcast()
	c.mu.Unlock()
	if err != nil { // polling has ended, and there is nothing to go back to
		c.end(ReasonTransportError, err.Error())
	}
	return err
}

// pause waits until nothing is on its way by polling.
func (c *Client) pause(ctx context.Context, polling *clientPolling) bool {
	c.mu.Lock()
	c.paused = true
	for c.writing && !c.closed {
		c.cond.Wait()
	}
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return false
	}
	select {
	case <-polling.pause():
		polling.over.Store(true)
		return true
	case <-ctx.Done():
		return false
	}
}
