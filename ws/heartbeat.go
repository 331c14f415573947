package ws

import (
	"context"
	"sync"
	"time"
)

// heartbeat pings the peer of a [Conn] from time to time.
type heartbeat struct {
	mu     sync.Mutex
	timer  *time.Timer
	missed int
	keys   [mostMissed + 1]string // of the last pings, the oldest first
	lost   *Violation             // the peer was given up
}

func (b *heartbeat) start(c *Conn, every time.Duration) {
	if every <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = time.AfterFunc(every, func() { b.tick(c, every) })
}

func (b *heartbeat) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// alive says that a pong came.
func (b *heartbeat) alive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missed = 0
}

func (b *heartbeat) tick(c *Conn, every time.Duration) {
	if c.refusal() != nil { // the closing handshake has a time limit of its own
		return
	}
	lost, due := b.miss(c, every)
	switch {
	case lost != nil:
		c.giveUp(lost)
	case due:
		ctx, cancel := context.WithTimeout(context.Background(), every)
		defer cancel()
		_ = c.writePing(ctx, b.nextKey(c))
	}
}

// miss counts the ping that is due as unanswered until its pong comes, or says
// that there were too many. While nobody reads that cannot be known.
func (b *heartbeat) miss(c *Conn, every time.Duration) (lost *Violation, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer == nil {
		return nil, false
	}
	if c.reading.try() {
		c.reading.free()
		b.missed = 0
	}
	if b.missed >= mostMissed {
		b.lost = &Violation{Rule: ruleOf(rulePongLost), Came: count(mostMissed, "ping") + " unanswered, one every " + every.String(), By: c.role.Peer()}
		return b.lost, false
	}
	b.missed++
	b.timer.Reset(every)
	return nil, true
}

// nextKey registers a ping in place of the one so many before it: they would
// pile up where a peer answers with pongs for none of them.
func (b *heartbeat) nextKey(c *Conn) string {
	key := c.register(&ping{came: make(chan struct{})})
	b.mu.Lock()
	oldest := b.keys[0]
	copy(b.keys[:], b.keys[1:])
	b.keys[len(b.keys)-1] = key
	b.mu.Unlock()
	c.forget(oldest)
	return key
}

// gaveUp is why the peer was given up, or nil.
func (b *heartbeat) gaveUp() *Violation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// giveUp ends the connection to a peer that does not answer.
func (c *Conn) giveUp(v *Violation) {
	c.report.finding(v)
	c.mu.Lock()
	if !c.closing.sent {
		c.closing.code, c.closing.reason, c.closing.local = v.Code, v.Summary, true
	}
	c.mu.Unlock()
	c.sendCloseNow(v.Code, v.Summary)
	c.readStop.kick() // whoever reads ends the connection
	select {
	case c.reading <- struct{}{}:
		defer c.reading.free()
		if c.readErr == nil {
			c.leaveOutput()
			c.end(v)
		}
	case <-c.done:
	}
}
