package ws

import (
	"context"
	"sync"
	"time"
)

// interrupter frees a read or a write that waits when its context ends. A
// context that is used again and again is registered once: no allocation a
// message.
type interrupter struct {
	deadline func(time.Time) error // SetReadDeadline or SetWriteDeadline

	mu     sync.Mutex
	done   <-chan struct{} // of the context that is registered
	stop   func() bool
	active bool
	fired  bool
	off    bool // the deadline is somebody else's now
}

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// begin has ctx free what follows, until end.
func (i *interrupter) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.off {
		return nil
	}
	if i.fired {
		i.fired = false
		_ = i.deadline(time.Time{})
	}
	i.active = true
	if done := ctx.Done(); done != i.done {
		i.unregister()
		if i.done = done; done != nil {
			i.stop = context.AfterFunc(ctx, func() { i.fire(done) })
		}
	}
	return nil
}

func (i *interrupter) fire(done <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.active && i.done == done {
		i.fired = true
		_ = i.deadline(past)
	}
}

// end says that nothing waits any more.
func (i *interrupter) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.active = false
}

// quit leaves the deadline to the caller, for good.
func (i *interrupter) quit() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.off, i.active, i.done = true, false, nil
	i.unregister()
}

// kick frees what waits, and whatever comes after it, until somebody sets a
// deadline again.
func (i *interrupter) kick() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.off {
		i.off = true
		_ = i.deadline(past)
	}
}

// release forgets the context.
func (i *interrupter) release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unregister()
	i.done = nil
}

func (i *interrupter) unregister() {
	if i.stop != nil {
		i.stop()
		i.stop = nil
	}
}

// lock is a mutex that can be waited for with a context.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) try() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l lock) wait(ctx context.Context) error {
	if l.try() {
		return nil
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l lock) free() { <-l }
