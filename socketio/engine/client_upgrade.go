package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// maybeUpgrade moves a session that polls to a WebSocket, beside the polling.
func (c *Client) maybeUpgrade(polling *clientPolling) {
	if c.dialer.NoUpgrade || !slices.Contains(c.opening.Upgrades, "websocket") || !slices.Contains(c.dialer.transports(), "websocket") {
		return
	}
	t := &clientSocket{c: c}
	first, err := c.probe(t, polling)
	if err != nil && t.socket != nil {
		_ = t.socket.CloseNow()
	}
	c.dialer.remembered.set(err == nil)
	if c.events.OnUpgrade != nil {
		c.notify(func() { c.events.OnUpgrade("websocket", err) })
	}
	if err != nil {
		return
	}
	c.web.CloseIdleConnections()
	r := <-first
	if r.err != nil {
		c.broke(t, r.err)
		return
	}
	c.record(t.conn(), trace.In, t.name(), r.p)
	c.packet(t, r.p)
	t.loop()
}

// probeTimeout bounds the probe of a transport.
const probeTimeout = 20 * time.Second

// received is a packet, or the end.
type received struct {
	p   Packet
	err error
}

// probe is the protocol's dance: a ping and its pong by the new transport, then
// the end of polling, then the upgrade packet. What the new transport brings
// first comes by the channel. Where it fails the session goes on polling, and
// nothing is lost: what is sent waits meanwhile.
func (c *Client) probe(t *clientSocket, polling *clientPolling) (<-chan received, error) {
	ctx, cancel := context.WithTimeout(c.ctx, probeTimeout)
	defer cancel()
	if err := c.pingPong(ctx, t); err != nil {
		return nil, fmt.Errorf("probe error: %w", err)
	}
	first := make(chan received, 1)
	go func() {
		p, err := t.read(c.ctx)
		first <- received{p, err}
	}()
	err := c.pause(ctx, polling, first)
	if err == nil {
		err = c.send(t, Packet{Type: Upgrade})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.transport = t
		polling.close(false)
	} else {
		polling.resume()
	}
	c.paused = false
	c.cond.Broadcast()
	if err != nil {
		return nil, fmt.Errorf("probe error: %w", err)
	}
	return first, nil
}

// send writes one packet beside the queue.
func (c *Client) send(t *clientSocket, p Packet) error {
	c.record(t.conn(), trace.Out, t.name(), p)
	return t.write([]Packet{p})
}

// pingPong opens the new transport and tries it.
func (c *Client) pingPong(ctx context.Context, t *clientSocket) error {
	if err := t.dial(ctx); err != nil {
		return err
	}
	if err := c.send(t, Packet{Type: Ping, Data: []byte("probe")}); err != nil {
		return err
	}
	p, err := t.read(ctx)
	if err != nil {
		return err
	}
	c.record(t.conn(), trace.In, t.name(), p)
	if p.Type != Pong || string(p.Data) != "probe" {
		return fmt.Errorf("a pong was due, and %s came", p.Type)
	}
	return nil
}

// pause waits until nothing is on its way by polling. What the new transport
// brings before is its end.
func (c *Client) pause(ctx context.Context, polling *clientPolling, first chan received) error {
	c.mu.Lock()
	c.paused = true
	for c.writing && !c.closed {
		c.cond.Wait()
	}
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return errors.New("the session has ended")
	}
	select {
	case <-polling.halt():
	case r := <-first:
		if r.err == nil {
			return fmt.Errorf("%s came before the upgrade", r.p.Type)
		}
		return fmt.Errorf("the transport closed: %w", r.err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if polling.over.Load() {
		return errors.New("the session has ended")
	}
	return nil
}
