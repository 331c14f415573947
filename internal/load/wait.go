package load

import (
	"context"
	"time"
)

// waiter waits for the time of the next message.
type waiter interface {
	// wait waits for d. It reports false where it was ended before.
	wait(d time.Duration) bool
	close()
}

// timed waits by a timer of Go's, which on most systems is up to a millisecond
// late where nothing else happens.
type timed struct {
	ctx   context.Context
	timer *time.Timer
}

func newTimed(ctx context.Context) waiter {
	t := &timed{ctx, time.NewTimer(time.Hour)}
	t.timer.Stop()
	return t
}

func (t *timed) wait(d time.Duration) bool {
	t.timer.Reset(d)
	select {
	case <-t.timer.C:
		return true
	case <-t.ctx.Done():
		return false
	}
}

func (t *timed) close() { t.timer.Stop() }
