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
	apart    bool // none has to do with the others: only that one has come is kept
}

// member is what is kept of a peer.
type member struct {
	lines   joiner        // of a stream
	changed chan struct{} // it takes bytes again, or is gone; nil while nobody waits for that
}

// tell wakes who waits for the member, under the lock of the crowd.
func (m *member) tell() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (c *crowd[P]) init() {
	c.some = sync.NewCond(&c.mu)
	c.peers = map[P]*member{}
}

// join makes a peer one of them, where it is not apart. It reports whether another
// was first.
func (c *crowd[P]) join(p P) (m *member, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	late = c.accepted
	c.accepted = true
	if c.apart {
		return nil, late
	}
	m = &member{}
	c.peers[p] = m
	c.some.Broadcast()
	return m, late
}

// leave takes a peer off.
func (c *crowd[P]) leave(p P) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.peers[p]
	if m != nil {
		delete(c.peers, p)
		m.tell()
	}
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
	defer c.mu.Unlock()
	if m := c.peers[p]; m != nil {
		m.tell()
	}
}

// watch returns the channel that says that p has changed; nil when it is gone.
func (c *crowd[P]) watch(p P) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.peers[p]
	if m == nil {
		return nil
	}
	if m.changed == nil {
		m.changed = make(chan struct{}, 1)
	}
	return m.changed
}

// deliver writes to a peer, and waits for room in its queue: nothing is dropped.
func (c *crowd[P]) deliver(ctx context.Context, p P, write func() error) {
	var changed chan struct{}
	for errors.Is(write(), tcp.ErrQueueFull) {
		if changed != nil {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
		if changed = c.watch(p); changed == nil { // it may have changed before it was watched
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
