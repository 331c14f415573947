package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Open has the client connect, and does not wait. It does nothing where the
// client is connected, or about to be.
func (c *Client) Open() { c.open(nil) }

// open activates the client. It reports whether it was inactive, and has the
// outcome sent to w.
func (c *Client) open(w chan<- error) (began bool) {
	c.mu.Lock()
	refused := c.manager.invalid
	if c.closed {
		refused = ErrClientClosed
	}
	switch {
	case refused != nil:
		began, w = false, reply(w, refused)
	case c.connected:
		w = reply(w, nil)
	default:
		began = !c.active
		c.active = true
		if w != nil {
			c.waiting = append(c.waiting, w)
		}
	}
	done := refused != nil || c.connected
	c.mu.Unlock()
	if done {
		return false
	}
	if l := c.manager.ensure(); l != nil {
		c.join(l)
	}
	return began
}

// reply answers who waits, if anybody does.
func reply(w chan<- error, err error) chan<- error {
	if w != nil {
		w <- err
	}
	return nil
}

// Connect has the client connect, and waits until it is connected. Attempts that
// are made again, as the options say, are waited for, until the context ends.
// It is an error, which wraps the cause, where that happens, where the server
// refuses the namespace (an [*Error]), or where the last attempt has failed; the
// client is inactive then, as it was before, and keeps what was emitted. Once
// connected, the client reconnects by itself until it is disconnected or closed.
func (c *Client) Connect(ctx context.Context) error {
	w := make(chan error, 1)
	began := c.open(w)
	var err error
	select {
	case err = <-w:
	case <-ctx.Done():
		err = c.impatient(context.Cause(ctx), c.manager.Engine() != nil, w)
	}
	if err == nil {
		return nil
	}
	if began {
		c.leave(ReasonIOClientDisconnect)
	}
	return fmt.Errorf("socketio: connect to %s: %w", c.where(), err)
}

// impatient ends the wait of one that has waited long enough, with the session
// open below or not.
func (c *Client) impatient(err error, session bool, w chan error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.waiting {
		if other == w {
			c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
		}
	}
	select {
	case outcome := <-w: // it came at the same time
		return outcome
	default:
	}
	if c.failure != nil {
		return fmt.Errorf("%w; the last attempt: %w", err, c.failure)
	}
	if session {
		return &UnansweredError{c.namespace, err}
	}
	return err
}

// where names the server and the namespace, for errors.
func (c *Client) where() string {
	if c.namespace == "/" {
		return c.manager.address
	}
	return c.manager.address + ", namespace " + c.namespace
}

// Disconnect leaves the namespace ("io client disconnect"), and ends the
// connection where no other client needs it. The client keeps its handlers and
// what is emitted from now on: Connect and Open bring it back.
func (c *Client) Disconnect() { c.leave(ReasonIOClientDisconnect) }

// Close is Disconnect for good. It waits until the connection has ended, for 5
// seconds at most, so that what was sent last has left. Events that still waited
// for a connection are dropped. It may be called in a handler.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	wait := c.leave(ReasonIOClientDisconnect)
	c.mu.Lock()
	c.buffer, c.early = nil, nil
	answers := c.takeAcks()
	for _, q := range c.queue {
		answers = append(answers, q.answer)
	}
	c.queue = nil
	c.mu.Unlock()
	answerAll(answers, errDisconnected)
	c.cancel()
	c.manager.drop(c)
	wait()
	return nil
}

// leave makes the client inactive, for a reason that ends reconnection. What it
// returns waits for the end of the connection, if that ends too.
func (c *Client) leave(reason string) (wait func()) {
	c.mu.Lock()
	was, l := c.connected, c.link
	c.active = false
	if was {
		if reason == ReasonIOClientDisconnect {
			l.send(&Packet{Type: PacketDisconnect, Namespace: c.namespace}, Flags{})
		}
		c.link = nil
	}
	answers := c.unlink()
	waiting := c.waiting
	c.waiting = nil
	ctx := c.ctx
	c.mu.Unlock()
	answerAll(answers, errDisconnected)
	for _, w := range waiting {
		w <- errDisconnected
	}
	if was {
		c.farewell(ctx, reason, "")
	}
	return c.manager.release()
}

// unlink has the client be connected no more. Who waits for acknowledgements
// that cannot come now is returned.
func (c *Client) unlink() (answers []func(error, Args)) {
	c.connected, c.id = false, ""
	c.cancel()
	return c.takeAcks()
}

// farewell runs the handlers of a disconnection, behind what came before.
func (c *Client) farewell(ctx context.Context, reason, description string) {
	first, _ := json.Marshal(reason)
	second, _ := json.Marshal(description)
	c.tell(ctx, "disconnect", first, second)
}

// lost is the end of a session.
func (c *Client) lost(l *link, reason, description string) {
	c.mu.Lock()
	if c.link != l {
		c.mu.Unlock()
		return
	}
	was, active, ctx := c.connected, c.active, c.ctx
	c.link, c.early = nil, nil
	err := lostError(l.engine.Err(), reason, description)
	c.failure = err
	answers := c.unlink()
	c.mu.Unlock()
	answerAll(answers, errDisconnected)
	switch {
	case was:
		c.farewell(ctx, reason, description)
	case active: // the official client calls this a disconnection, of what never was connected
		c.tellError(err)
	}
}

// failed is an attempt to open the connection that came to nothing.
func (c *Client) failed(err error) {
	c.mu.Lock()
	c.failure = err
	c.mu.Unlock()
	c.tellError(err)
}

// refused is the end of an attempt that is not made again.
func (c *Client) refused(l *link, err error) {
	c.mu.Lock()
	if c.link != l || c.connected {
		c.mu.Unlock()
		return
	}
	wanted := c.active
	c.link, c.early, c.active, c.failure = nil, nil, false, err
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	c.manager.release()
	if !wanted {
		return
	}
	c.tellError(err)
	for _, w := range waiting {
		w <- err
	}
}

// takeWaiting returns who waits in Connect, for somebody to tell them.
func (c *Client) takeWaiting() []chan<- error {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.waiting
	c.waiting = nil
	return waiting
}

// join begins to join the namespace by a session.
func (c *Client) join(l *link) {
	c.mu.Lock()
	if !c.active || c.link == l {
		c.mu.Unlock()
		return
	}
	c.link, c.connected, c.early = l, false, nil
	auth := c.auth
	c.mu.Unlock()
	switch f := auth.(type) {
	case func(context.Context) (map[string]any, error):
		go c.joinWith(l, func() (any, error) { return f(l.ctx) })
	default:
		c.joinWith(l, func() (any, error) { return auth, nil })
	}
}

// joinWith sends CONNECT with what auth returns.
func (c *Client) joinWith(l *link, auth func() (any, error)) {
	var v any
	err := errors.New("the Auth function panicked")
	c.manager.guard(c, func() { v, err = auth() })
	c.mu.Lock()
	if c.link != l {
		c.mu.Unlock()
		return
	}
	if !c.active { // it has left meanwhile
		c.link = nil
		c.mu.Unlock()
		return
	}
	var p *Packet
	if err == nil {
		p, err = c.connectPacket(v)
	}
	if err == nil && !c.joinsItself() {
		l.send(p, Flags{})
	}
	c.mu.Unlock()
	if err != nil && l.ctx.Err() == nil { // else it is the connection that was lost
		c.refused(l, fmt.Errorf("auth: %w", err))
	}
}

// joinsItself reports whether the server has the client join without being asked,
// as those of v2 do in the main namespace.
func (c *Client) joinsItself() bool { return c.manager.options.Protocol == 3 && c.namespace == "/" }

// connectPacket asks for the namespace, and for what was missed.
func (c *Client) connectPacket(auth any) (*Packet, error) {
	p := &Packet{Type: PacketConnect, Namespace: c.namespace}
	if c.manager.options.Protocol == 3 {
		return p, nil
	}
	data, attachments, err := encodeValue(auth)
	switch {
	case err != nil:
		return nil, err
	case len(attachments) > 0:
		return nil, errors.New("it cannot hold binary values")
	case string(data) == "null":
		data = nil
	case data[0] != '{':
		return nil, fmt.Errorf("it is %T, want an object", auth)
	}
	p.Data = withSession(data, c.pid, c.offset)
	return p, nil
}

// withSession puts what recovery needs in front of the members of an object.
func withSession(object []byte, pid, offset string) []byte {
	if pid == "" {
		return object
	}
	session, _ := json.Marshal(struct {
		PID    string `json:"pid"`
		Offset string `json:"offset,omitempty"`
	}{pid, offset})
	if len(object) <= len("{}") {
		return session
	}
	return append(append(session[:len(session)-1], ','), object[1:]...)
}
