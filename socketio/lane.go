package socketio

import (
	"context"
	"sync"
)

// lane runs functions one after the other, in a goroutine that exists only while
// there are some. Adding to it never waits.
type lane struct {
	crew    *crew // whose goroutines it runs in; nil is its own
	mu      sync.Mutex
	waiting []func()
	running bool
	size    int // bytes that those that wait stand for
	held    bool
	idle    chan struct{} // closed once nothing runs or waits; nil where nobody asks
}

// add appends a function that stands for size bytes. It reports false where more
// than most would wait.
func (l *lane) add(f func(), size, most, mostBytes int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most > 0 && len(l.waiting) >= most || mostBytes > 0 && l.size+size > mostBytes && len(l.waiting) > 0 {
		return false
	}
	l.size += size
	l.waiting = append(l.waiting, func() {
		f()
		l.mu.Lock()
		l.size -= size
		l.mu.Unlock()
	})
	l.start()
	return true
}

// must appends a function whatever waits.
func (l *lane) must(f func()) { l.add(f, 0, 0, 0) }

// hold has nothing run until release.
func (l *lane) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

func (l *lane) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	l.start()
}

func (l *lane) start() {
	if l.running || l.held || len(l.waiting) == 0 {
		return
	}
	l.running = true
	l.crew.run(l)
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 || l.held {
			l.running = false
			if len(l.waiting) == 0 {
				l.waiting = nil
				if l.idle != nil {
					close(l.idle)
					l.idle = nil
				}
			}
			l.mu.Unlock()
			return
		}
		f := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		f()
	}
}

// wait returns once nothing runs or waits, or ctx is done.
func (l *lane) wait(ctx context.Context) error {
	l.mu.Lock()
	if !l.running && len(l.waiting) == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	l.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
