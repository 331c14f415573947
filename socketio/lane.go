package socketio

import (
	"context"
	"sync"
)

// lane runs tasks one after the other, in a goroutine that exists only while there
// are some. Adding to it never waits.
type lane struct {
	crew    *crew // whose goroutines it runs in; nil is its own
	mu      sync.Mutex
	first   task // of those that wait
	last    *queued
	waiting int
	size    int // bytes that those that wait, or run, stand for
	running bool
	held    bool
	idle    chan struct{} // closed once nothing runs or waits; nil where nobody asks
}

// task is what a lane runs. It is in one lane at a time.
type task interface {
	run()
	inLane() *queued
}

// queued is a task's place in a lane.
type queued struct {
	next task
	size int
}

func (q *queued) inLane() *queued { return q }

// deferredCall is a function as a task.
type deferredCall struct {
	queued
	f func()
}

func (c *deferredCall) run() { c.f() }

// add appends a task that stands for size bytes. It reports false where more than
// most would wait.
func (l *lane) add(t task, size, most, mostBytes int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most > 0 && l.waiting >= most || mostBytes > 0 && l.size+size > mostBytes && l.waiting > 0 {
		return false
	}
	q := t.inLane()
	q.size = size
	if l.first == nil {
		l.first = t
	} else {
		l.last.next = t
	}
	l.last = q
	l.waiting++
	l.size += size
	l.start()
	return true
}

// must appends a function whatever waits.
func (l *lane) must(f func()) { l.add(&deferredCall{f: f}, 0, 0, 0) }

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
	if l.running || l.held || l.first == nil {
		return
	}
	l.running = true
	l.crew.run(l)
}

func (l *lane) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.first != nil && !l.held {
		t := l.take()
		l.mu.Unlock()
		t.run()
		l.mu.Lock()
		l.size -= t.inLane().size
	}
	l.running = false
	if l.first == nil && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// take takes the first task off the lane.
func (l *lane) take() task {
	t := l.first
	q := t.inLane()
	if l.first = q.next; l.first == nil {
		l.last = nil
	}
	q.next = nil
	l.waiting--
	return t
}

// wait returns once nothing runs or waits, or ctx is done.
func (l *lane) wait(ctx context.Context) error {
	l.mu.Lock()
	if !l.running && l.first == nil {
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
