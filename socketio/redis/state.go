package redis

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// State says whether Redis is there.
type State struct {
	Up  bool
	Err error // why it is not
}

// Stats are what a [Conn] has counted since it was opened.
type Stats struct {
	Up        bool  // Redis can be written to, and every subscription stands
	Published int64 // messages that Redis has taken
	Received  int64 // messages of others
	Garbage   int64 // what came and was no message
	Dropped   int64 // messages that found no room in the queue
	Failed    int64 // messages that Redis has refused, or may not have got
	Losses    int64 // how often Redis was lost
	Queued    int   // messages that wait now
}

type counters struct {
	published, received, garbage, dropped, failed, losses atomic.Int64
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	return Stats{
		Up: c.up(), Published: c.count.published.Load(), Received: c.count.received.Load(), Garbage: c.count.garbage.Load(),
		Dropped: c.count.dropped.Load(), Failed: c.count.failed.Load(), Losses: c.count.losses.Load(), Queued: c.queue.size(),
	}
}

// status is what is known of Redis: writing and reading go over connections of
// their own, and either may be lost.
type status struct {
	mu       sync.Mutex
	writing  error // why nothing can be written; nil where it can
	reading  error
	since    time.Time // when it was back last
	lostAt   time.Time // when it was lost
	changed  chan struct{}
	watchers map[any]func(State)
}

func (c *Conn) up() bool {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	return c.status.writing == nil && c.status.reading == nil
}

// cause is why Redis is not up.
func (s *status) cause() error { return errors.Join(s.writing, s.reading) }

// watch has f told of changes, until unwatch is called with the same key.
func (c *Conn) watch(key any, f func(State)) {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	if c.status.watchers == nil {
		c.status.watchers = map[any]func(State){}
	}
	c.status.watchers[key] = f
}

func (c *Conn) unwatch(key any) {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	delete(c.status.watchers, key)
}

func (c *Conn) wrote(err error) { c.became(func(s *status) { s.writing = err }) }
func (c *Conn) heard(err error) { c.became(func(s *status) { s.reading = err }) }

// became notes what is known now, and tells those who watch where that changes
// whether Redis is there.
func (c *Conn) became(change func(*status)) {
	if c.ctx.Err() != nil {
		return
	}
	s := &c.status
	s.mu.Lock()
	was := s.writing == nil && s.reading == nil
	change(s)
	state := State{Up: s.writing == nil && s.reading == nil}
	if state.Up == was {
		s.mu.Unlock()
		return
	}
	state.Err = s.cause()
	if state.Up {
		s.since = time.Now()
	} else {
		s.lostAt = time.Now()
		c.count.losses.Add(1)
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	told := make([]func(State), 0, len(s.watchers)+1)
	for _, f := range s.watchers {
		told = append(told, f)
	}
	if c.options.OnState != nil {
		told = append(told, c.options.OnState)
	}
	c.say(state)
	for _, f := range told { // under the lock: in order
		f(state)
	}
	s.mu.Unlock()
}

func (c *Conn) say(s State) {
	if s.Up {
		c.note("is back")
		return
	}
	c.note("is lost: %v", s.Err)
}

// change is closed at the next change of the state.
func (c *Conn) change() <-chan struct{} {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	if c.status.changed == nil {
		c.status.changed = make(chan struct{})
	}
	return c.status.changed
}

// backFor is how long Redis has been there since it was lost last; it is not
// known to have been lost where ok is false.
func (c *Conn) backFor() (d time.Duration, ok bool) {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	return time.Since(c.status.since), !c.status.since.IsZero()
}

// downFor is how long Redis has been gone; 0 where it is there.
func (c *Conn) downFor() time.Duration {
	s := &c.status
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing == nil && s.reading == nil {
		return 0
	}
	return max(time.Since(s.lostAt), 1)
}

// garbage drops what came and is no message.
func (c *Conn) garbage(channel string, err error) {
	c.count.garbage.Add(1)
	c.note("dropped what came over %q: %v", channel, err)
	if c.options.OnDrop != nil {
		c.options.OnDrop(channel, err)
	}
}
