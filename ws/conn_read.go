package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Read returns the next message. Its bytes are valid until the next Read. A
// cancelled Read leaves the connection as it was. The end of the connection is a
// [*CloseError], also where the peer broke a rule and this end closed for it: the
// error is a [*Violation] too then.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	if err := c.reading.wait(ctx); err != nil {
		return 0, nil, fmt.Errorf("ws: read: %w", err)
	}
	defer c.reading.free()
	if err := c.readStop.begin(ctx); err != nil {
		return 0, nil, fmt.Errorf("ws: read: %w", err)
	}
	defer c.readStop.end()
	for {
		ev, err := c.event(ctx)
		if err != nil {
			return 0, nil, err
		}
		if c.rate.exceeded() {
			c.tooMany()
			continue
		}
		c.countIn.Add(1)
		c.report.message(trace.In, &ev)
		return ev.Type, ev.Payload, nil
	}
}

// event returns the next message, having reacted to what comes before it.
func (c *Conn) event(ctx context.Context) (Event, error) {
	for c.readErr == nil {
		n, ev := c.dec.Next(c.rest)
		c.rest = c.rest[n:]
		switch ev.Kind {
		case EventNone:
			if err := c.fill(); err != nil {
				return Event{}, c.failed(ctx, err)
			}
		case EventMessage:
			return ev, nil
		default:
			c.react(&ev)
		}
	}
	return Event{}, c.readErr
}

// fill reads once from the socket, straight into a message that is under way
// where it is large.
func (c *Conn) fill() error {
	if room := c.dec.room(); len(room) >= largeRead {
		n, err := c.conn.Read(room)
		c.dec.filled(n)
		return errBehind(n, err)
	}
	if c.fewer { // what waits for long waits with little
		putBuffer(c.in)
		c.in, c.fewer = nil, false
	}
	if c.in == nil {
		c.in = getBuffer(smallRead)
	}
	c.in = c.in[:cap(c.in)]
	n, err := c.conn.Read(c.in)
	c.rest = c.in[:n]
	c.fewer = len(c.in) > smallRead && n < len(c.in)/4
	if n == len(c.in) && n < largeRead { // there is more: take larger bites
		bigger := append(getBuffer(4*n), c.in...)
		putBuffer(c.in)
		c.in, c.rest = bigger, bigger
	}
	return errBehind(n, err)
}

// errBehind leaves an error that came with bytes to the next read.
func errBehind(n int, err error) error {
	if n > 0 {
		return nil
	}
	return err
}

// react does what the protocol asks for.
func (c *Conn) react(ev *Event) {
	if ev.Header != nil {
		c.report.frame(trace.In, ev.Header, c.dec.packed && !ev.Header.Opcode.Control())
	}
	if ev.Violation != nil {
		c.report.finding(ev.Violation)
	}
	switch ev.Kind {
	case EventPing:
		c.report.ping(trace.In, false, ev.Payload, 0)
		c.answer(ev.Payload)
	case EventPong:
		c.report.ping(trace.In, true, ev.Payload, c.pongCame(ev.Payload))
	case EventClose:
		c.report.close(trace.In, ev.Code, ev.Reason)
		c.closeCame(ev.Code, ev.Reason)
	case EventBroken:
		c.broke(ev.Violation)
	}
}

// answer sends a pong. Where somebody writes, they send it; of several pings the
// last is answered then (RFC 6455 section 5.5.3).
func (c *Conn) answer(payload []byte) {
	c.mu.Lock()
	c.pong = append(c.pong[:0], payload...)
	if c.pong == nil {
		c.pong = []byte{}
	}
	c.mu.Unlock()
	c.sendPong()
}

// sendPong sends the pong that waits, if nobody writes: whoever does will.
func (c *Conn) sendPong() {
	for c.pongWaits() && c.writing.try() {
		c.mu.Lock()
		payload := c.pong
		c.pong = nil
		stop := c.closing.sent
		c.mu.Unlock()
		if payload != nil && !stop {
			c.sendPongNow(payload)
		}
		c.writing.free()
	}
}

func (c *Conn) sendPongNow(payload []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
	defer cancel()
	_ = c.sendControl(ctx, OpPong, payload)
}

func (c *Conn) pongWaits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pong != nil
}

// pongCame ends the pings up to the one that is answered, and returns its
// round-trip time.
func (c *Conn) pongCame(payload []byte) time.Duration {
	c.beat.alive()
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pings[string(payload)]
	if p == nil {
		return 0 // nobody asked (RFC 6455 section 5.5.3 allows it)
	}
	for key, other := range c.pings { // those before it are answered, too
		if !other.sent.After(p.sent) {
			delete(c.pings, key)
			other.rtt = time.Since(other.sent)
			close(other.came)
		}
	}
	return p.rtt
}

// closeCame takes the peer's close frame, and answers it.
func (c *Conn) closeCame(code StatusCode, reason string) {
	c.mu.Lock()
	c.closing.received = true
	if !c.closing.sent {
		c.closing.code, c.closing.reason = code, reason
	}
	c.mu.Unlock()
	c.sendCloseNow(code, "")
	c.end(nil)
}

// tooMany closes because of [Server.MaxRate].
func (c *Conn) tooMany() {
	v := c.rate.violation()
	c.report.finding(v)
	c.report.emit(trace.Limit{Rule: "max-rate", Reason: v.Came + ": closed"})
	c.broke(v)
}

// broke closes because of a rule that the peer broke.
func (c *Conn) broke(v *Violation) {
	c.mu.Lock()
	if !c.closing.sent {
		c.closing.code, c.closing.reason, c.closing.local = v.Code, v.Summary, true
	}
	c.mu.Unlock()
	c.sendCloseNow(v.Code, v.Summary)
	c.end(v)
}

// end makes the error of all that follows, and has the socket closed.
func (c *Conn) end(cause error) {
	c.mu.Lock()
	k := c.closing
	c.mu.Unlock()
	c.readErr = c.finish(k.ended(cause))
	c.mu.Lock()
	c.lingering = true
	c.mu.Unlock()
	c.tellEnd()
	c.readStop.quit()
	quiet := cause != nil || c.cameAfter(c.rest)
	c.dropInput()
	go c.linger(quiet)
}

// lingers reports whether the socket will be closed in good order.
func (c *Conn) lingers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lingering
}

// cameAfter reports bytes behind the peer's close frame, if there are any.
func (c *Conn) cameAfter(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	c.report.finding(afterClose(c.role.Peer(), b))
	return true
}

// linger waits for the peer's end, so that the last frame reaches it: a socket
// that is closed over bytes that were not read would reset the connection
// (RFC 2525 section 2.17). A client leaves the end to the server (RFC 6455
// section 7.1.1). Quiet is that bytes are no surprise.
func (c *Conn) linger(quiet bool) {
	defer c.shut()
	if c.role == ServerRole {
		if err := tcp.CloseWrite(c.conn); err != nil {
			return
		}
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTime))
	junk := getBuffer(smallRead)
	defer putBuffer(junk)
	for taken := 0; taken < lingerBytes; {
		n, err := c.conn.Read(junk[:cap(junk)])
		quiet = quiet || c.cameAfter(junk[:n])
		if err != nil {
			return
		}
		taken += n
	}
}

// failed is an error of reading: the context's, or the end of the connection.
func (c *Conn) failed(ctx context.Context, err error) error {
	if v := c.beat.gaveUp(); v != nil {
		c.end(v)
		return c.readErr
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return fmt.Errorf("ws: read: %w", context.Cause(ctx))
	}
	c.mu.Lock()
	k := c.closing
	if isClosed(err) && c.writeErr != nil && !k.sent {
		err = c.writeErr
	}
	c.mu.Unlock()
	closed := &CloseError{Code: StatusAbnormal, Local: k.local && isClosed(err), Err: err}
	if !closed.Local {
		c.lost(err)
	}
	c.readErr = c.finish(closed)
	c.dropInput()
	c.shut()
	return c.readErr
}

// lost reports an end without a close frame.
func (c *Conn) lost(err error) {
	if v := c.dec.End(); v != nil && (err == io.EOF || tcp.IsReset(err)) {
		c.report.finding(v)
	}
}

func (c *Conn) dropInput() {
	c.dec.Release()
	if c.in != nil {
		putBuffer(c.in)
		c.in, c.rest = nil, nil
	}
}
