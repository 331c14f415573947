package tcp

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// own is what a peer has that is read by a goroutine of its own.
type own struct {
	conn      net.Conn // the socket
	transport transport
	sealed    *sealed     // the TLS layer; nil without
	hold      atomic.Bool // the transport is not to read
	parked    bool        // the reading goroutine reads no more
}

// bounds are those of time and rate; nil where there never were any.
type bounds struct {
	idling idling
	rate   *bucket // nil without MaxRate
}

// seldom is what most peers do without, most of the time.
type seldom struct {
	tasks      []event
	unread     []byte     // what was read by the time that the peer was detached, or before it was adopted
	cause      error      // of the end
	waiters    *sync.Cond // somebody waited for a change of the state
	cork       *corkTimer // while a callback that has written runs
	closeTimer *time.Timer
	polled     *polledMore // of a socket in an event loop
}

// needed reports whether it cannot be left out.
func (m *seldom) needed() bool {
	return len(m.tasks) > 0 || m.unread != nil || m.cause != nil || m.waiters != nil || m.cork != nil || m.closeTimer != nil || m.polled != nil
}

var seldoms = sync.Pool{New: func() any { return &seldom{} }}

func (p *Peer) seldom() *seldom {
	if p.more == nil {
		p.more = seldoms.Get().(*seldom)
	}
	return p.more
}

// rest gives back what is needed no more, under the lock.
func (p *Peer) rest() {
	if p.more != nil && !p.more.needed() {
		seldoms.Put(p.more)
		p.more = nil
	}
}

// sealed is the TLS layer; nil without.
func (p *Peer) sealed() *sealed {
	if p.own == nil {
		return nil
	}
	return p.own.sealed
}

// socket is the connection underneath.
func (p *Peer) socket() net.Conn {
	if p.own == nil {
		return p.polledSocket()
	}
	return p.own.conn
}

// transport moves the peer's bytes.
func (p *Peer) transport() transport {
	if p.own == nil {
		return p.polledTransport()
	}
	return p.own.transport
}

func (p *Peer) idling() *idling {
	if b := p.bounds.Load(); b != nil {
		return &b.idling
	}
	return nil
}

func (p *Peer) rate() *bucket {
	if b := p.bounds.Load(); b != nil {
		return b.rate
	}
	return nil
}

// cause is what ended the peer, or ends it.
func (p *Peer) cause() error {
	if p.more == nil {
		return nil
	}
	return p.more.cause
}

// hasTasks reports whether something posted waits for its turn.
func (p *Peer) hasTasks() bool { return p.more != nil && len(p.more.tasks) > 0 }

// early is what was read before the peer was adopted.
func (p *Peer) early() []byte {
	if !p.adopted || p.more == nil {
		return nil
	}
	return p.more.unread
}
