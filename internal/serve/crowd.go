package serve

import (
	"context"
	"errors"
	"sync"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
)

// crowd are the peers of a server, and who waits for them.
type crowd[P comparable] struct {
	mu       sync.Mutex
	some     *sync.Cond // there is a peer, or the run is over
	peers    map[P]*member
	accepted bool // one has come
}

// member is what is kept of a peer.
type member struct {
	lines    joiner // of a stream
	writable chan struct{}
	gone     chan struct{}
}

func (c *crowd[P]) init() {
	c.some = sync.NewCond(&c.mu)
	c.peers = map[P]*member{}
}

// join makes a peer one of them. It reports whether another was first.
func (c *crowd[P]) join(p P) (m *member, late bool) {
	m = &member{writable: make(chan struct{}, 1), gone: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	late = c.accepted
	c.accepted = true
	c.peers[p] = m
	c.some.Broadcast()
	return m, late
}

// leave takes a peer off.
func (c *crowd[P]) leave(p P) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.peers[p]
	delete(c.peers, p)
	close(m.gone)
	return m
}

// hasCome reports whether there was a peer at some time.
func (c *crowd[P]) hasCome() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

func (c *crowd[P]) all() []P {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]P, 0, len(c.peers))
	for p := range c.peers {
		all = append(all, p)
	}
	return all
}

// anybody waits until there is a peer, and reports whether the run goes on.
func (c *crowd[P]) anybody(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.peers) == 0 && ctx.Err() == nil {
		c.some.Wait()
	}
	return ctx.Err() == nil
}

// wake ends the waiting once the run is over.
func (c *crowd[P]) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.some.Broadcast()
}

// room says that a peer takes bytes again.
func (c *crowd[P]) room(p P) {
	c.mu.Lock()
	m := c.peers[p]
	c.mu.Unlock()
	if m == nil {
		return
	}
	select {
	case m.writable <- struct{}{}:
	default:
	}
}

// deliver writes to a peer, and waits for room in its queue: nothing is dropped.
func (c *crowd[P]) deliver(ctx context.Context, p P, write func() error) {
	c.mu.Lock()
	m := c.peers[p]
	c.mu.Unlock()
	for m != nil && errors.Is(write(), tcp.ErrQueueFull) {
		select {
		case <-m.writable:
		case <-m.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// shown is whether what came is enough, and the end of the output then.
func (o *output) shown(message []byte, expect *session.Expectation) {
	if expect != nil && expect.Wanted() && expect.Saw(message) {
		o.stop(errOver)
		o.w = discard{}
	}
}

type discard struct{}

// Write implements [io.Writer].
func (discard) Write(p []byte) (int, error) { return len(p), nil }
