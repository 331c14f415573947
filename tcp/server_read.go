package tcp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// serve is the goroutine of one peer.
func (s *Server) serve(p *Peer) {
	defer s.leave()
	p.emitOpen()
	if s.TLS != nil && !p.adopted && !p.secure() {
		p.finish()
		return
	}
	if p.open() {
		p.readAll()
		p.awaitEnd()
	}
	p.finish()
}

// open makes it a peer that callbacks hear of, OnOpen first.
func (p *Peer) open() bool {
	p.mu.Lock()
	if p.dead {
		p.unlock()
		return false
	}
	p.beginOpen()
	p.mu.Unlock()
	p.invoke(onOpen, nil, nil)
	p.endTurn()
	return true
}

// beginOpen begins the turn of OnOpen.
func (p *Peer) beginOpen() {
	p.opened = true
	p.srv.count.opened.Add(1)
	p.touch()
	p.startIdle()
	p.begin(true)
}

// readAll reads until there is nothing more to come, or nobody cares.
func (p *Peer) readAll() {
	if p.sealed() != nil && p.mayRead() { // the handshake can have brought the first bytes
		p.readEnd(p.decrypt())
	}
	p.takeEarly()
	for p.mayRead() {
		buf, n, err := p.transport().read(p.share(p.srv.conf.readBuffer))
		if err == io.EOF && p.sealed() != nil { // no close_notify came before it
			err = ErrTruncated
		}
		if n > 0 {
			p.took(n)
			if p.sealed() == nil {
				p.deliver(onData, (*buf)[:n])
			} else {
				err = p.sealed().received((*buf)[:n], err)
			}
			p.srv.bufs.put(buf)
		}
		p.readEnd(err)
	}
}

// mayRead waits until reading may go on. It reports false when it is over.
func (p *Peer) mayRead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.dead || p.leaving || p.ended:
			return false
		case p.closing:
			return true
		case !p.paused && !p.over && !p.throttled:
			return true
		}
		p.wait()
	}
}

// share is how much of most the next read may take.
func (p *Peer) share(most int) int {
	if rate := p.rate(); rate != nil && rate.perSecond < int64(most) {
		return int(rate.perSecond)
	}
	return most
}

// took follows the reading of n bytes from the wire.
func (p *Peer) took(n int) {
	p.touch()
	rate := p.rate()
	if rate == nil {
		return
	}
	p.mu.Lock()
	defer p.unlock()
	if wait := rate.take(n, p.age()); wait > 0 && !p.closing && !p.dead {
		p.throttle(rate, wait)
	}
}

// throttle holds reading back for a while.
func (p *Peer) throttle(rate *bucket, wait time.Duration) {
	p.throttled = true
	if rate.timer != nil {
		rate.timer.Reset(wait)
		return
	}
	p.srv.count.held.Add(1)
	p.limit("max-rate", fmt.Sprintf("more than %d bytes a second: held back", rate.perSecond))
	rate.timer = time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.unlock()
		p.throttled = false
		p.changed()
	})
}

// bucket is a token bucket that holds one second's worth of bytes.
type bucket struct {
	perSecond int64
	debt      float64 // bytes taken beyond what the time gave; at least -perSecond
	at        time.Duration
	timer     *time.Timer
}

// take takes n bytes at the time now, and returns how long to wait before more
// are taken.
func (b *bucket) take(n int, now time.Duration) time.Duration {
	rate := float64(b.perSecond)
	b.debt = max(b.debt-(now-b.at).Seconds()*rate, -rate) + float64(n)
	b.at = now
	return time.Duration(b.debt / rate * float64(time.Second))
}

// came counts and records what came for the handler.
func (p *Peer) came(b []byte) {
	p.in.Add(uint64(len(b)))
	if p.srv.Tracer.On(trace.Message) {
		p.record(trace.In, b)
	}
}

// keepUnread keeps what was read but not delivered for Detach. After Close it
// is discarded.
func (p *Peer) keepUnread(b []byte) {
	if p.leaving {
		p.came(b)
		more := p.seldom()
		more.unread = append(more.unread, b...)
		if p.sealed() != nil {
			p.sealed().coming = slices.Clone(p.sealed().coming)
		}
	}
}

// readEnd takes an error of reading.
func (p *Peer) readEnd(err error) {
	switch {
	case err == nil, err == errHeld, err == errAgain:
	case err == io.EOF:
		p.peerEnded(nil)
	case errors.Is(err, ErrTruncated):
		p.peerEnded(err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		// Detach or closeSocket wants the reading to stop.
	default:
		p.fail(err)
	}
}

// peerEnded takes the peer's end. The cause says what was wrong with it.
func (p *Peer) peerEnded(cause error) {
	p.mu.Lock()
	if p.ended || p.dead || p.leaving {
		p.unlock()
		return
	}
	p.ended = true
	if cause != nil && !p.closing {
		p.setCause(cause)
	}
	p.setHold()
	p.emit(trace.HalfClose{Dir: trace.In})
	p.settle()
	p.unlock()
	if p.srv.OnEnd == nil {
		p.endWriting()
		return
	}
	p.deliver(onEnd, nil)
}

// awaitEnd waits for the end of a connection that is read no more.
func (p *Peer) awaitEnd() {
	p.mu.Lock()
	watch := p.ended && !p.dead && !p.leaving
	p.mu.Unlock()
	if watch {
		p.readEnd(p.transport().watch())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own.parked = true
	p.changed()
	for !p.detached && !p.shut {
		p.wait()
	}
}

// finish makes the last record and the last callback.
func (p *Peer) finish() {
	p.mu.Lock()
	p.dead = !p.detached
	p.unlock()
	p.mu.Lock()
	for p.flushing || p.running || !p.detached && !p.shut {
		p.wait()
	}
	if p.opened {
		p.begin(true)
	}
	p.finished = true
	p.stopTimers()
	p.mu.Unlock()
	if !p.detached {
		p.emitClose()
	}
	p.srv.forget(p)
	if p.opened {
		p.lastTurn() // which may ask what is unsent
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.detached {
		p.q.clear()
	}
}

// lastTurn runs what was posted, and OnClose behind it.
func (p *Peer) lastTurn() {
	p.mu.Lock()
	p.runPosted()
	p.mu.Unlock()
	p.invoke(onClose, nil, nil)
	p.endTurn()
}
