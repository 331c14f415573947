package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sockkit/sockkit/trace"
)

// ErrServerV2 says that the server is one of Socket.IO 2, whose protocol is
// another one (Protocol: 3), in the words of the official client.
var ErrServerV2 = errors.New("It seems you are trying to reach a Socket.IO server in v2.x with a v3.x client, but they are not compatible " + //nolint:staticcheck // the official text
	"(more information here: https://socket.io/docs/v3/migrating-from-2-x-to-3-0/)")

// packet takes a packet for the client's namespace.
func (c *Client) packet(l *link, p *Packet) {
	switch p.Type {
	case PacketConnect:
		c.welcomed(l, p)
	case PacketEvent:
		c.event(l, p)
	case PacketAck:
		c.acknowledged(l, p)
	case PacketDisconnect:
		c.dismissed(l)
	case PacketConnectError:
		c.refused(l, connectError(p.Data))
	}
}

// connectError is what the server says of a namespace that it refuses: an object
// with a message, or from servers of v2 any value.
func connectError(data []byte) *Error {
	e := &Error{}
	if json.Unmarshal(data, e) == nil && e.Message != "" {
		return e
	}
	e.Message, e.Data = string(data), nil
	_ = json.Unmarshal(data, &e.Data)
	if text, ok := e.Data.(string); ok {
		e.Message, e.Data = text, nil
	}
	return e
}

// welcomed is the answer to CONNECT: what has waited for it goes first, then the
// handlers run.
func (c *Client) welcomed(l *link, p *Packet) {
	id, pid := c.session(l, p)
	if id == "" {
		c.refused(l, ErrServerV2)
		return
	}
	c.mu.Lock()
	if c.link != l || c.connected {
		c.mu.Unlock()
		return
	}
	if !c.active { // it has left before the answer came
		c.link = nil
		l.send(&Packet{Type: PacketDisconnect, Namespace: c.namespace}, Flags{})
		c.mu.Unlock()
		return
	}
	c.recovered = pid != "" && pid == c.pid
	c.id, c.pid, c.connected, c.failure = id, pid, true, nil
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for _, early := range c.early {
		c.enter(l, early)
	}
	c.early = nil
	c.flush()
	c.resend(true)
	waiting := c.waiting
	c.waiting = nil
	c.tell(c.ctx, "connect")
	c.mu.Unlock()
	for _, w := range waiting {
		w <- nil
	}
}

// session returns the ids that the server gives.
func (c *Client) session(l *link, p *Packet) (id, pid string) {
	if c.manager.options.Protocol == 3 {
		if c.namespace != "/" {
			return c.namespace + "#" + l.engine.ID(), ""
		}
		return l.engine.ID(), ""
	}
	var s struct{ SID, PID string }
	_ = json.Unmarshal(p.Data, &s)
	return s.SID, s.PID
}

// flush sends what has waited for the connection, in its order.
func (c *Client) flush() {
	buffer := c.buffer
	c.buffer = nil
	for i, b := range buffer {
		if !c.link.send(b.packet, b.flags) {
			c.buffer = buffer[i:]
			return
		}
		c.sent(b.packet)
	}
}

// event takes an event. One that comes before the answer to CONNECT waits for it.
func (c *Client) event(l *link, p *Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.link != l:
	case c.connected:
		c.enter(l, p)
	case len(c.early) >= c.manager.options.maxPending() && c.manager.options.maxPending() > 0:
		c.overflow(l)
	default:
		c.early = append(c.early, p)
	}
}

// enter puts an event behind those that wait for the handlers.
func (c *Client) enter(l *link, p *Packet) {
	raw := splitArray(nil, p.Data)
	if len(raw) == 0 {
		return
	}
	size := len(p.Data)
	for _, a := range p.Attachments {
		size += len(a)
	}
	ctx, o := c.ctx, &c.manager.options
	if !c.events.add(&deferredCall{f: func() { c.handle(ctx, l, raw, p) }}, size, o.maxPending(), o.maxPendingBytes()) {
		c.overflow(l)
		return
	}
	if last := raw[len(raw)-1]; c.pid != "" && !p.HasID && last[0] == '"' {
		c.offset = unquote(last) // as the server appends it to what it may have to send again
	}
}

// overflow gives up a connection whose events wait for handlers too long.
func (c *Client) overflow(l *link) {
	text := fmt.Sprintf("more than %d events, or %d bytes of them, wait for handlers", c.manager.options.maxPending(), c.manager.options.maxPendingBytes())
	c.note(text)
	l.fail(ReasonTransportError, text)
}

// handle runs what an event concerns: OnAny, then its handlers.
func (c *Client) handle(ctx context.Context, l *link, raw []json.RawMessage, p *Packet) {
	event, args := eventName(raw[0]), Args{raw[1:], p.Attachments}
	for _, any := range c.handlers.get(&c.handlers.any) {
		c.manager.guard(c, func() { any.f(event, args) })
	}
	var ack *acknowledgement
	if p.HasID {
		ack = newAcknowledgement(func(answer ...any) error { return c.sendAck(l, p.ID, answer) })
	}
	for _, h := range c.handlers.take(event) {
		c.call(ctx, h, event, args, ack)
	}
}

// sendAck acknowledges an event, by the session that it came by.
func (c *Client) sendAck(l *link, id uint64, args []any) error {
	data, attachments, err := encodeArgs(args...)
	if err != nil {
		err = fmt.Errorf("socketio: acknowledgement: %w", err)
		c.handlerError("acknowledgement", err)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == l && c.connected {
		l.send(&Packet{Type: PacketAck, Namespace: c.namespace, ID: id, HasID: true, Data: data, Attachments: attachments}, Flags{})
	}
	return nil
}

// acknowledged gives an acknowledgement to who waits for it. It never waits
// behind a handler.
func (c *Client) acknowledged(l *link, p *Packet) {
	c.mu.Lock()
	if c.link != l || !p.HasID { // without a number it answers nothing
		c.mu.Unlock()
		return
	}
	answer := c.takeAck(p.ID)
	c.mu.Unlock()
	if answer != nil {
		answer(nil, Args{splitArray(nil, p.Data), p.Attachments})
	}
}

// dismissed is the server's DISCONNECT.
func (c *Client) dismissed(l *link) {
	c.mu.Lock()
	is := c.link == l && c.connected
	c.mu.Unlock()
	if is {
		c.leave(ReasonIOServerDisconnect)
	}
}

// handlerError tells of arguments that a function cannot take.
func (c *Client) handlerError(event string, err error) {
	c.note(fmt.Sprintf("the event %q: %v", event, err))
	if f := c.manager.options.OnHandlerError; f != nil {
		f(c, event, err)
	} else {
		c.manager.misfits.log(event, err)
	}
}

// note puts something that went wrong into the trace.
func (c *Client) note(text string) {
	c.manager.options.Tracer.Emit(0, trace.Note{Text: "namespace " + c.namespace + ": " + text})
}
