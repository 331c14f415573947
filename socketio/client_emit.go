package socketio

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Emit sends an event to the server, once the client is connected: it never
// waits. A function as the last argument gets the acknowledgement: its parameters
// are what the server answers with, behind an error where it takes one first,
// which is [ErrTimeout] (with Timeout or AckTimeout) or [ErrDisconnected]. Emit is
// an error where the event's name is reserved, an argument is no JSON, the client
// is closed, or too many events wait ([ErrBufferFull]).
func (c *Client) Emit(event string, args ...any) error { return c.emit(event, args, Flags{}) }

// Send emits "message".
func (c *Client) Send(args ...any) error { return c.Emit("message", args...) }

// EmitWithAck sends an event and waits for the acknowledgement, or until the
// context ends, the time limit is over ([ErrTimeout]) or the connection is lost
// ([ErrDisconnected]). Before the client is connected it waits for that, too. It
// may be called in a handler of the same client.
func (c *Client) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return c.emitWithAck(ctx, event, args, Flags{})
}

// ClientEmitter sends to the server, in a certain way.
type ClientEmitter struct {
	client *Client
	flags  Flags
}

// Volatile drops what is sent where it would have to wait: for the connection, or
// for what is being sent.
func (c *Client) Volatile() ClientEmitter { return ClientEmitter{c, Flags{Volatile: true}} }

// Compress says whether what is sent may be compressed; it may by default.
func (c *Client) Compress(on bool) ClientEmitter { return ClientEmitter{c, Flags{NoCompress: !on}} }

// Timeout bounds the wait for an acknowledgement, in place of AckTimeout.
func (c *Client) Timeout(d time.Duration) ClientEmitter { return ClientEmitter{c, Flags{Timeout: d}} }

// Volatile is [Client.Volatile], on top of what e does.
func (e ClientEmitter) Volatile() ClientEmitter { e.flags.Volatile = true; return e }

// Compress is [Client.Compress], on top of what e does.
func (e ClientEmitter) Compress(on bool) ClientEmitter { e.flags.NoCompress = !on; return e }

// Timeout is [Client.Timeout], on top of what e does.
func (e ClientEmitter) Timeout(d time.Duration) ClientEmitter { e.flags.Timeout = d; return e }

// Emit is [Client.Emit].
func (e ClientEmitter) Emit(event string, args ...any) error {
	return e.client.emit(event, args, e.flags)
}

// Send is [Client.Send].
func (e ClientEmitter) Send(args ...any) error { return e.Emit("message", args...) }

// EmitWithAck is [Client.EmitWithAck].
func (e ClientEmitter) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return e.client.emitWithAck(ctx, event, args, e.flags)
}

func (c *Client) emit(event string, args []any, f Flags) error {
	args, ack, err := splitAck(args, f.Timeout)
	if err != nil {
		return fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	var answer func(error, Args)
	if ack != nil {
		answer = func(err error, a Args) {
			c.acks.must(func() {
				c.manager.guard(c, func() {
					if err := ack(context.Background(), err, a); err != nil {
						c.handlerError(event, err)
					}
				})
			})
		}
	}
	_, err = c.dispatch(event, args, answer, f)
	return err
}

func (c *Client) emitWithAck(ctx context.Context, event string, args []any, f Flags) (Args, error) {
	type result struct {
		answer Args
		err    error
	}
	came := make(chan result, 1)
	forget, err := c.dispatch(event, args, func(err error, a Args) { came <- result{a, err} }, f)
	if err != nil {
		return Args{}, err
	}
	select {
	case r := <-came:
		return r.answer, r.err
	case <-ctx.Done():
		forget()
	}
	select {
	case r := <-came: // in the meantime
		return r.answer, r.err
	default:
		return Args{}, context.Cause(ctx)
	}
}

// dispatch sends an event or has it wait. Forget takes it back, as far as that is
// possible.
func (c *Client) dispatch(event string, args []any, answer func(error, Args), f Flags) (forget func(), err error) {
	if reserved(event) {
		return nil, &ReservedEventError{event}
	}
	data, attachments, err := encodeEvent(event, args)
	if err != nil {
		return nil, fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	if f.Timeout == 0 {
		f.Timeout = c.manager.options.AckTimeout
	}
	p := &Packet{Type: PacketEvent, Namespace: c.namespace, Data: data, Attachments: attachments}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClientClosed
	}
	if c.manager.options.Retries > 0 && !f.Volatile {
		return c.enqueue(p, answer, f)
	}
	if f.Volatile && !c.writable() {
		c.expect(p, answer, f.Timeout) // which will not come
	} else if err = c.transmit(p, answer, f); err != nil {
		return nil, err
	}
	return func() { c.forget(p) }, nil
}

// writable reports whether something would leave at once.
func (c *Client) writable() bool {
	l := c.link
	return l != nil && l.ctx.Err() == nil && !l.engine.Expired() && l.engine.Writable()
}

// transmit sends a packet, or keeps it until the client is connected.
func (c *Client) transmit(p *Packet, answer func(error, Args), f Flags) error {
	if c.full() {
		return ErrBufferFull
	}
	c.expect(p, answer, f.Timeout)
	if c.connected && !c.link.engine.Expired() && c.link.send(p, f) {
		c.sent(p)
		return nil
	}
	c.buffer = append(c.buffer, buffered{p, f})
	return nil
}

// full reports whether no more may wait: for a connection, or for a server that
// takes it slowly.
func (c *Client) full() bool {
	o := c.manager.options
	if !c.connected {
		most := o.maxBuffered()
		return most > 0 && len(c.buffer) >= most
	}
	most := o.maxBufferedBytes()
	return most > 0 && c.link.engine.Queued() > most
}

// sent has the handlers of OnAnyOutgoing run.
func (c *Client) sent(p *Packet) {
	all := c.handlers.get(&c.handlers.anyOut)
	if len(all) == 0 {
		return
	}
	c.events.must(func() {
		raw := splitArray(nil, p.Data)
		for _, l := range all {
			c.manager.guard(c, func() { l.f(eventName(raw[0]), Args{raw[1:], p.Attachments}) })
		}
	})
}

// expect numbers a packet and registers who waits for its acknowledgement.
func (c *Client) expect(p *Packet, answer func(error, Args), limit time.Duration) {
	if answer == nil {
		return
	}
	id := c.ids
	c.ids++
	p.ID, p.HasID = id, true
	pending := &pendingAck{answer: answer}
	if limit > 0 {
		pending.timer = time.AfterFunc(limit, func() { c.expire(id) })
	}
	c.pending[id] = pending
}

// takeAck returns who waits for an acknowledgement, who then waits no more.
func (c *Client) takeAck(id uint64) func(error, Args) {
	pending := c.pending[id]
	if pending == nil {
		return nil
	}
	delete(c.pending, id)
	if pending.timer != nil {
		pending.timer.Stop()
	}
	return pending.answer
}

// takeAcks is takeAck for all whose events have left already: those that still
// wait for the connection may have their answer yet.
func (c *Client) takeAcks() (answers []func(error, Args)) {
	waits := map[uint64]bool{}
	for _, b := range c.buffer {
		if b.packet.HasID {
			waits[b.packet.ID] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.pending)) {
		if !waits[id] {
			answers = append(answers, c.takeAck(id))
		}
	}
	return answers
}

func answerAll(answers []func(error, Args), err error) {
	for _, answer := range answers {
		if answer != nil {
			answer(err, Args{})
		}
	}
}

// expire is the end of the time for an acknowledgement. An event that has not
// left by then does not leave any more.
func (c *Client) expire(id uint64) {
	c.mu.Lock()
	answer := c.takeAck(id)
	c.unbuffer(id)
	c.mu.Unlock()
	if answer != nil {
		answer(ErrTimeout, Args{})
	}
}

func (c *Client) unbuffer(id uint64) {
	c.buffer = slices.DeleteFunc(c.buffer, func(b buffered) bool { return b.packet.HasID && b.packet.ID == id })
}

// forget takes an event back that nobody waits for any more.
func (c *Client) forget(p *Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.HasID {
		c.takeAck(p.ID)
		c.unbuffer(p.ID)
	}
}
