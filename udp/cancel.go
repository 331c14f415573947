package udp

import (
	"context"
	"sync"
	"time"
)

// aLongTimeAgo as a deadline frees whoever waits, now.
var aLongTimeAgo = time.Unix(1, 0)

// canceller frees a read when its context ends. It lets one reader in at a
// time, and stays registered with the last reader's context, so that a read
// allocates nothing.
type canceller struct {
	slot chan struct{}

	mu      sync.Mutex
	set     func(time.Time) error // the socket's SetReadDeadline
	user    time.Time             // the deadline that the user set
	done    <-chan struct{}       // whose context is registered
	stop    func() bool           // ends the registration
	reading bool
	fired   bool // the deadline is in the past because of the context
	closed  bool
}

func (c *canceller) init(set func(time.Time) error) {
	c.slot, c.set = make(chan struct{}, 1), set
}

// enter waits for the reader before to be done, and begins a read under ctx.
func (c *canceller) enter(ctx context.Context) error {
	select {
	case c.slot <- struct{}{}:
	default:
		select {
		case c.slot <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if ctx.Done() == nil {
		return nil
	}
	c.register(ctx)
	// Only now: a context that ended before fire could see reading.
	if err := ctx.Err(); err != nil {
		c.leave()
		return err
	}
	return nil
}

func (c *canceller) register(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = true
	done := ctx.Done()
	if done == c.done || c.closed {
		return
	}
	if c.stop != nil {
		c.stop()
	}
	c.done = done
	c.stop = context.AfterFunc(ctx, func() { c.fire(done) })
}

func (c *canceller) fire(done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading && c.done == done {
		c.fired = true
		_ = c.set(aLongTimeAgo)
	}
}

// leave ends a read and reports whether its context ended it.
func (c *canceller) leave() (cancelled bool) {
	c.mu.Lock()
	c.reading = false
	if c.fired {
		c.fired, cancelled = false, true
		_ = c.set(c.user)
	}
	c.mu.Unlock()
	<-c.slot
	return cancelled
}

// deadline is the user's SetReadDeadline.
func (c *canceller) deadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user = t
	if c.fired {
		return nil
	}
	return c.set(t)
}

// close ends the registration for good.
func (c *canceller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.stop != nil {
		c.stop()
		c.stop, c.done = nil, nil
	}
}
