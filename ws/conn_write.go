package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Write sends a message in one frame. A text has to be UTF-8; that is not
// checked. A Write that is cancelled before its first byte has left leaves the
// connection as it was; later it ends it. p is not changed and not kept.
func (c *Conn) Write(ctx context.Context, t MessageType, p []byte) error {
	if !isMessage(t) {
		return fmt.Errorf("ws: write: %w", errNoMessage)
	}
	if err := c.beginWrite(ctx); err != nil {
		return err
	}
	defer c.endWrite()
	if err := c.refusal(); err != nil {
		return err
	}
	h := Header{Fin: true, Opcode: t}
	body := p
	if packed := c.enc.compress(p); packed != nil {
		defer putBuffer(packed)
		h.RSV, body = rsv1, packed
	}
	if c.report.on(trace.Message) {
		c.report.message(trace.Out, &Event{Type: t, Payload: p, Frames: 1, Wire: int64(len(body)), Compressed: h.RSV != 0})
	}
	err := c.writeFrame(ctx, &h, body)
	if err == nil {
		c.countOut.Add(1)
	}
	return err
}

func isMessage(t MessageType) bool { return t == Text || t == Binary }

var errNoMessage = errors.New("the type of a message is Text or Binary")

// WritePrepared sends a message that was encoded before.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	return c.Write(ctx, m.kind, m.payload)
}

// WriteFrame sends one frame as it is, also against the rules: to test what the
// peer does about it. What it does to the protocol is the caller's business; a
// close frame counts as one.
func (c *Conn) WriteFrame(ctx context.Context, f Frame) error {
	if err := c.beginWrite(ctx); err != nil {
		return err
	}
	defer c.endWrite()
	out := f.AppendTo(getBuffer(maxHeaderSize + len(f.Payload)))
	defer putBuffer(out)
	var h Header
	parseHeader(out, &h)
	c.report.frame(trace.Out, &h, false)
	if f.Opcode == OpClose {
		c.closedByHand(f.Payload)
	}
	return c.send(ctx, out, false)
}

// closedByHand takes note of a close frame that WriteFrame sends.
func (c *Conn) closedByHand(body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &c.closing
	if !k.sent && !k.received {
		k.local, k.code = true, StatusNoStatus
		if len(body) >= 2 {
			k.code, k.reason = StatusCode(body[0])<<8|StatusCode(body[1]), validText(string(body[2:]))
			if !k.code.Sendable() {
				k.wrong = &Violation{Rule: ruleOf(ruleCloseCode), Came: "the code " + k.code.String(), By: c.role}
			}
		}
	}
	k.sent = true
}

func (c *Conn) beginWrite(ctx context.Context) error {
	if err := c.writing.wait(ctx); err != nil {
		return fmt.Errorf("ws: write: %w", err)
	}
	if err := c.writeStop.begin(ctx); err != nil {
		c.writing.free()
		return fmt.Errorf("ws: write: %w", err)
	}
	return nil
}

// endWrite frees the lock, and sends what waited for it.
func (c *Conn) endWrite() {
	c.writeStop.end()
	c.writing.free()
	c.sendPong()
}

// refusal is why nothing more can be sent, or nil.
func (c *Conn) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.sent || c.closing.received || c.final != nil || c.writeErr != nil {
		return fmt.Errorf("ws: write: %w", c.endedAs())
	}
	return nil
}

// writeFrame sends a frame under the lock. A large payload of a server is not
// copied, that of a client in parts.
func (c *Conn) writeFrame(ctx context.Context, h *Header, payload []byte) error {
	first := min(len(payload), mostCopied)
	if c.role == ServerRole && (len(payload) >= mostCopied || first >= separateFrom && c.takesVectors()) {
		first = 0
	}
	out := c.enc.appendHeader(getBuffer(maxHeaderSize+first), h, int64(len(payload)))
	defer putBuffer(out)
	h.Size = len(out)
	c.report.frame(trace.Out, h, h.RSV&rsv1 != 0)
	if first == 0 && len(payload) > 0 {
		return c.sendBoth(ctx, out, payload)
	}
	for at, start := 0, len(out); ; start = 0 {
		part := payload[at : at+min(len(payload)-at, mostCopied)]
		out = append(out[:start], part...)
		if h.Masked {
			cipher(out[start:], h.Key, at)
		}
		err := c.send(ctx, out, at > 0)
		if at += len(part); err != nil || at == len(payload) {
			return err
		}
	}
}

// takesVectors reports whether two pieces leave in one system call.
func (c *Conn) takesVectors() bool {
	switch c.conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

func (c *Conn) sendBoth(ctx context.Context, head, payload []byte) error {
	c.pieces = [2][]byte{head, payload}
	c.vec = c.pieces[:]
	n, err := c.vec.WriteTo(c.conn)
	c.vec, c.pieces = nil, [2][]byte{}
	return c.sent(ctx, n > 0, err)
}

// send writes bytes of a frame, of which some may have left before.
func (c *Conn) send(ctx context.Context, b []byte, within bool) error {
	n, err := c.conn.Write(b)
	return c.sent(ctx, within || n > 0, err)
}

// sent takes the result of a write. What has left in part ends the connection,
// for a later frame would stand within this one; so does a compressed message
// whose context the peer now lacks.
func (c *Conn) sent(ctx context.Context, begun bool, err error) error {
	if err == nil {
		return nil
	}
	cancelled := errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil
	if cancelled && !begun && c.enc.deflate == nil && !c.layered() {
		return fmt.Errorf("ws: write: %w", context.Cause(ctx))
	}
	if cancelled {
		err = context.Cause(ctx)
	}
	c.mu.Lock()
	over, end := c.final != nil || c.closing.received || c.closing.sent, c.endedAs()
	if c.writeErr == nil {
		c.writeErr = err
	}
	c.mu.Unlock()
	if cancelled {
		if !over {
			c.finish(&CloseError{Code: StatusAbnormal, Local: true, Err: err})
		}
		c.shut()
	} else { // what the peer has sent before it went says why, and can still be read
		c.shutLater.Do(func() { time.AfterFunc(lingerTime, func() { c.shut() }) })
	}
	if over {
		return fmt.Errorf("ws: write: %w", end)
	}
	return fmt.Errorf("ws: write: %w", err)
}

// layered reports whether a layer such as TLS stands below, which cannot go on
// after a write that failed.
func (c *Conn) layered() bool {
	for conn := c.conn; ; {
		if _, secured := conn.(interface{ HandshakeContext(context.Context) error }); secured {
			return true
		}
		below, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return false
		}
		conn = below.NetConn()
	}
}

// sendControl sends a control frame under the lock.
func (c *Conn) sendControl(ctx context.Context, op Opcode, payload []byte) error {
	if err := c.writeStop.begin(ctx); err != nil {
		return err
	}
	defer c.writeStop.end()
	switch op {
	case OpPing, OpPong:
		c.report.ping(trace.Out, op == OpPong, payload, 0)
	}
	h := Header{Fin: true, Opcode: op}
	return c.writeFrame(ctx, &h, payload)
}

// Ping sends a ping and returns the time until its pong came. Somebody has to
// Read meanwhile.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	p := &ping{came: make(chan struct{})}
	key := c.register(p)
	defer c.forget(key)
	if err := c.writePing(ctx, key); err != nil {
		return 0, err
	}
	select {
	case <-p.came:
		return p.rtt, nil
	case <-c.done:
		return 0, fmt.Errorf("ws: ping: %w", c.ended())
	case <-ctx.Done():
		return 0, fmt.Errorf("ws: ping: no pong came: %w", context.Cause(ctx))
	}
}

func (c *Conn) writePing(ctx context.Context, key string) error {
	if err := c.beginWrite(ctx); err != nil {
		return err
	}
	defer c.endWrite()
	if err := c.refusal(); err != nil {
		return err
	}
	c.report.ping(trace.Out, false, []byte(key), 0)
	h := Header{Fin: true, Opcode: OpPing}
	return c.writeFrame(ctx, &h, []byte(key))
}

// register numbers a ping; the number is its payload.
func (c *Conn) register(p *ping) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pingNext++
	key := strconv.FormatUint(c.pingNext, 10)
	if c.pings == nil {
		c.pings = map[string]*ping{}
	}
	p.sent = time.Now()
	c.pings[key] = p
	return key
}

func (c *Conn) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pings, key)
}

// ended is how the connection ended, once it has.
func (c *Conn) ended() *CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endedAs()
}

// ended is the end that the close frames have brought, or what came between.
func (k *closing) ended(cause error) *CloseError {
	if cause == nil && k.wrong != nil {
		cause = k.wrong
	}
	return &CloseError{Code: k.code, Reason: k.reason, Local: k.local, Err: cause}
}

// endedAs is ended under the lock.
func (c *Conn) endedAs() *CloseError {
	k := &c.closing
	switch {
	case c.final != nil:
		return c.final
	case k.sent || k.received:
		return k.ended(nil)
	case c.writeErr != nil:
		return &CloseError{Code: StatusAbnormal, Err: c.writeErr}
	}
	return &CloseError{Code: StatusAbnormal, Err: io.ErrUnexpectedEOF}
}

// Close sends a close frame, waits for the peer's and ends the connection; what
// comes before it is dropped. It returns nil once the peer has answered. Where
// the peer does not, within [Config.CloseTimeout], it ends the connection all the
// same and says so. A code that must not be sent, such as 1005, sends none.
func (c *Conn) Close(code StatusCode, reason string) error {
	c.mu.Lock()
	first := !c.closing.sent && !c.closing.received
	if first {
		c.closing.code, c.closing.reason, c.closing.local = code, cutReason(reason), true
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.waitFor)
	defer cancel()
	c.sendClose(ctx, code, reason)
	err := c.awaitClose(ctx)
	if err != nil && !c.lingers() {
		c.shut()
	}
	<-c.done // within [lingerTime]: the peer has had its time to end, too
	return err
}

// awaitClose reads up to the peer's close frame, or waits for whoever reads.
func (c *Conn) awaitClose(ctx context.Context) error {
	select {
	case c.reading <- struct{}{}:
		defer c.reading.free()
		c.leaveOutput()
		if err := c.readStop.begin(ctx); err != nil {
			return c.unanswered(err)
		}
		defer c.readStop.end()
		for {
			if _, err := c.event(ctx); err != nil {
				return c.closeResult(ctx, err)
			}
		}
	case <-c.done:
		return c.closeResult(ctx, nil)
	case <-ctx.Done():
		return c.unanswered(context.Cause(ctx))
	}
}

// leaveOutput leaves the message of the last Read to its user.
func (c *Conn) leaveOutput() {
	c.dec.keepOutput()
	c.in, c.fewer = nil, false
}

// closeResult is nil where both close frames have passed.
func (c *Conn) closeResult(ctx context.Context, err error) error {
	c.mu.Lock()
	k := c.closing
	c.mu.Unlock()
	switch {
	case k.received:
		return nil
	case ctx.Err() != nil:
		return c.unanswered(context.Cause(ctx))
	case err == nil:
		return fmt.Errorf("ws: close: %w", c.ended())
	}
	return fmt.Errorf("ws: close: %w", err)
}

func (c *Conn) unanswered(err error) error {
	v := &Violation{Rule: ruleOf(ruleCloseLost), Came: "nothing within " + c.waitFor.String(), By: c.role.Peer()}
	c.report.finding(v)
	return fmt.Errorf("ws: close: the peer did not answer the close frame within %v: %w", c.waitFor, err)
}

// sendCloseNow is sendClose within a time of its own.
func (c *Conn) sendCloseNow(code StatusCode, reason string) {
	ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
	defer cancel()
	c.sendClose(ctx, code, reason)
}

// sendClose sends a close frame, once; whoever is second returns when the frame of
// the first has been sent, for the socket may be closed then.
func (c *Conn) sendClose(ctx context.Context, code StatusCode, reason string) {
	c.mu.Lock()
	sent, gone := c.closing.sent, c.closing.gone
	if !sent {
		gone = make(chan struct{})
		c.closing.sent, c.closing.gone = true, gone
	}
	c.mu.Unlock()
	switch {
	case !sent:
		defer close(gone)
	case gone != nil:
		select {
		case <-gone:
		case <-ctx.Done():
		}
		return
	}
	if c.writing.wait(ctx) != nil {
		return // somebody writes to a peer that does not read
	}
	defer c.writing.free()
	if sent {
		return // by WriteFrame, which held the lock
	}
	var body [maxControl]byte
	b := appendCloseBody(body[:0], code, reason)
	shown := code
	if len(b) == 0 {
		shown = StatusNoStatus
	}
	c.report.close(trace.Out, shown, cutReason(reason))
	_ = c.sendControl(ctx, OpClose, b)
}
