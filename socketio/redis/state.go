package redis

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/tcp"
)

// State says whether Redis is there.
type State struct {
	Up  bool
	Err error // why it is not
	// Still is set where it was not there before either, and what it answers says
	// why: that it wants a password now, or is none.
	Still bool
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
	writing  error           // why nothing can be written; nil where it can
	reading  map[any]error   // by who reads
	since    time.Time       // when it was back last
	lostAt   time.Time       // when it was lost
	told     map[string]bool // the reasons that were told since it was lost
	changed  chan struct{}
	watchers map[any]func(State)
}

func (c *Conn) up() bool {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	return c.status.isUp()
}

func (s *status) isUp() bool { return s.writing == nil && len(s.reading) == 0 }

// cause is why Redis is not up.
func (s *status) cause() error {
	all := make([]error, 0, 1+len(s.reading))
	for _, err := range s.reading {
		all = append(all, err)
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if s.writing != nil {
		all = slices.Insert(all, 0, s.writing)
	}
	return causes(all)
}

// causes are several reasons in one line. Most of the time all say the same.
type causes []error

// Error implements error.
func (c causes) Error() string {
	var texts []string
	for _, err := range c {
		text := err.Error()
		if !slices.ContainsFunc(texts, func(other string) bool { return strings.HasSuffix(text, other) || strings.HasSuffix(other, text) }) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "; ")
}

// Unwrap has errors.Is and errors.As look at each.
func (c causes) Unwrap() []error { return c }

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

func (c *Conn) wrote(err error) { c.became(func(s *status) { s.writing = words(err) }) }

// heard notes what somebody who reads has found.
func (c *Conn) heard(who any, err error) {
	err = words(err)
	c.became(func(s *status) {
		if err == nil {
			delete(s.reading, who)
			return
		}
		if s.reading == nil {
			s.reading = map[any]error{}
		}
		s.reading[who] = err
	})
}

// away is why Redis is not up, and nil where it is.
func (c *Conn) away() error {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	if c.status.isUp() {
		return nil
	}
	return c.status.cause()
}

// lacks reports whether somebody who reads cannot.
func (c *Conn) lacks(who any) bool {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	return c.status.reading[who] != nil
}

// became notes what is known now, and tells those who watch where that changes
// whether Redis is there.
func (c *Conn) became(change func(*status)) {
	if c.ctx.Err() != nil {
		return
	}
	s := &c.status
	s.mu.Lock()
	was, wrote := s.isUp(), s.writing == nil
	change(s)
	state := State{Up: s.isUp()}
	if state.Up != was || wrote != (s.writing == nil) {
		s.wake()
	}
	if !state.Up {
		state.Err, state.Still = s.cause(), !was
	}
	if state.Up == was && !(state.Still && s.news(state.Err)) {
		s.mu.Unlock()
		return
	}
	switch {
	case state.Still:
	case state.Up:
		s.since, s.told = time.Now(), nil
	default:
		s.lostAt = time.Now()
		c.count.losses.Add(1)
		s.news(state.Err)
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
	switch {
	case s.Up:
		c.note("is back")
	case s.Still:
		c.note("is still lost: %v", s.Err)
	default:
		c.note("is lost: %v", s.Err)
	}
}

// news notes a reason, and reports whether it is one to be told: what was answered,
// by the word that it begins with, and not that nothing was.
func (s *status) news(err error) bool {
	var reply goredis.Error
	word := ""
	switch {
	case errors.As(err, &reply) && !errors.Is(err, goredis.Nil):
		word, _, _ = strings.Cut(reply.Error(), " ")
	case errors.As(err, new(framingError)):
		word = "no Redis"
	case errors.As(err, new(*tcp.TLSError)):
		word = "TLS"
	case errors.As(err, new(foreignError)):
		word = "MOVED"
	}
	if word == "" || s.told[word] || len(s.told) >= mostTold {
		return false
	}
	if s.told == nil {
		s.told = map[string]bool{}
	}
	s.told[word] = true
	return true
}

// mostTold bounds how many reasons are told of one loss.
const mostTold = 10

// wake wakes those who wait for a change.
func (s *status) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// writable reports whether Redis takes what is written, as far as is known.
func (c *Conn) writable() bool {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	return c.status.writing == nil
}

// change is closed at the next change of the state, or of whether Redis takes what
// is written.
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
	if s.isUp() {
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
