package ws

import (
	"encoding/binary"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// schedule has pings sent from time to time.
func (p *Peer) schedule() {
	if every := p.srv.PingInterval; every > 0 {
		p.mu.Lock()
		p.seldom().timer = time.AfterFunc(every, p.heartbeat)
		p.mu.Unlock()
	}
}

// mostMissed is how many pings in a row may stay unanswered.
const mostMissed = 2

func (p *Peer) heartbeat() {
	p.mu.Lock()
	if p.closeSent() || p.gone {
		p.mu.Unlock()
		return
	}
	b := p.beats()
	if p.deaf.Load() > 0 { // its pong may wait to be read
		b.missed = 0
	}
	if b.missed >= mostMissed {
		p.mu.Unlock()
		v := &Violation{Rule: ruleOf(rulePongLost), Came: count(mostMissed, "ping") + " unanswered, one every " + p.srv.PingInterval.String(), By: ClientRole}
		p.report().finding(v)
		p.report().emit(trace.Limit{Rule: "ping-interval", Reason: v.Came + ": closed"})
		p.broke(v)
		return
	}
	b.missed++
	p.more.timer.Reset(p.srv.PingInterval)
	p.mu.Unlock()
	_ = p.Ping()
}

// Ping sends a ping. RTT has the time until its pong once that has come.
func (p *Peer) Ping() error {
	p.mu.Lock()
	b := p.beats()
	b.n++
	payload := binary.BigEndian.AppendUint64(nil, b.n)
	b.at = time.Now()
	p.mu.Unlock()
	return p.control(OpPing, payload)
}

// pongCame takes a pong. Any pong shows that the peer is there; that of the last
// ping says how long it took.
func (p *Peer) pongCame(payload []byte) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more == nil || p.more.beat == nil {
		return 0 // nobody asked (RFC 6455 section 5.5.3 allows it)
	}
	b := p.more.beat
	b.missed = 0
	if len(payload) != 8 || binary.BigEndian.Uint64(payload) != b.n {
		return 0
	}
	rtt := time.Since(b.at)
	p.more.rtt = rtt
	return rtt
}
