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
	lost   *Violation // the peer was given up
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
	b.mu.Lock()
	if b.timer == nil {
		b.mu.Unlock()
		return
	}
	if b.missed >= mostMissed {
		b.lost = &Violation{Rule: ruleOf(rulePongLost), Came: count(mostMissed, "ping") + " unanswered, one every " + every.String(), By: c.role.Peer()}
		b.mu.Unlock()
		c.giveUp(b.lost)
		return
	}
	b.missed++
	b.timer.Reset(every)
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), every)
	defer cancel()
	p := &ping{came: make(chan struct{})}
	_ = c.writePing(ctx, c.register(p))
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
	c.sendClose(v.Code, v.Summary)
	c.shut()
}
