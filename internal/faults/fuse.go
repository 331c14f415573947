package faults

import (
	"sync"
	"time"
)

// fuse blows once its trigger is reached. A nil fuse never does.
type fuse struct {
	mu      *sync.Mutex // the connection's
	trigger Trigger
	left    int64 // bytes that may still be taken
	pending int64 // taken, and not passed on yet
	timer   *time.Timer
	blown   chan struct{}
	by      Trigger // what was reached, once blown
	report  func(reached Trigger)
}

// newFuse starts a fuse; nil where t never happens.
func newFuse(mu *sync.Mutex, t Trigger, report func(Trigger)) *fuse {
	if !t.On() {
		return nil
	}
	f := &fuse{mu: mu, trigger: t, left: t.Size, blown: make(chan struct{}), report: report}
	if t.OnTime {
		f.timer = time.AfterFunc(t.Time, func() {
			mu.Lock()
			defer mu.Unlock()
			f.blow(Trigger{OnTime: true, Time: t.Time})
		})
	}
	return f
}

// done is closed when the fuse has blown.
func (f *fuse) done() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.blown
}

func (f *fuse) isBlown() bool {
	select {
	case <-f.done():
		return true
	default:
		return false
	}
}

// blow is called with the lock held.
func (f *fuse) blow(by Trigger) {
	if f.isBlown() {
		return
	}
	f.by = by
	f.report(by)
	close(f.blown)
}

func (f *fuse) stop() {
	if f != nil && f.timer != nil {
		f.timer.Stop()
	}
}

// bounds returns how many of n bytes may pass: if whole, all of them or none.
func (f *fuse) bounds(n int, whole bool) int {
	if !f.trigger.OnSize || f.left >= int64(n) {
		return n
	}
	if whole {
		f.left = 0
		return 0
	}
	return int(f.left)
}

// takes counts n bytes that are about to pass.
func (f *fuse) takes(n int) {
	if f.trigger.OnSize {
		f.left -= int64(n)
		f.pending += int64(n)
	}
}

// passed counts n bytes that have.
func (f *fuse) passed(n int) {
	if !f.trigger.OnSize {
		return
	}
	f.pending -= int64(n)
	if f.left <= 0 && f.pending == 0 {
		f.blow(Trigger{OnSize: true, Size: f.trigger.Size})
	}
}
