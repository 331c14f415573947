package socketio

import (
	"sync"
	"time"
)

// A hand that has nothing to do is kept for between one and two handRest, since its
// stack has grown to what handlers need; no more than mostHands are.
const (
	handRest  = time.Second
	mostHands = 256
)

// crew are the goroutines that run the lanes of a server. Nil starts one for each.
type crew struct {
	mu    sync.Mutex
	idle  []*hand // the one that has worked last comes last
	round int     // of sweep
	armed bool    // sweep will be called
	over  bool
}

// hand is a goroutine of a crew; a closed work ends it.
type hand struct {
	work  chan *lane
	round int
}

// run has a lane run. It does not wait.
func (c *crew) run(l *lane) {
	if c == nil {
		go l.run()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		c.idle[n-1].work <- l // it has room for one
		c.idle[n-1] = nil
		c.idle = c.idle[:n-1]
		return
	}
	go c.begin(&hand{work: make(chan *lane, 1)}, l)
}

func (c *crew) begin(h *hand, l *lane) {
	for l != nil {
		l.run()
		if !c.rest(h) {
			return
		}
		l = <-h.work
	}
}

// rest puts a hand among those that wait; false is its end.
func (c *crew) rest(h *hand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || len(c.idle) >= mostHands {
		return false
	}
	h.round = c.round
	c.idle = append(c.idle, h)
	if !c.armed {
		c.armed = true
		time.AfterFunc(handRest, c.sweep)
	}
	return true
}

// sweep ends those that have waited since before the last round.
func (c *crew) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.idle[:0]
	for _, h := range c.idle {
		if h.round < c.round {
			close(h.work)
		} else {
			kept = append(kept, h)
		}
	}
	clear(c.idle[len(kept):])
	c.idle = kept
	c.round++
	if c.armed = len(kept) > 0; c.armed {
		time.AfterFunc(handRest, c.sweep)
	}
}

// end has no hand wait any more.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, h := range c.idle {
		close(h.work)
	}
	c.idle = nil
}
