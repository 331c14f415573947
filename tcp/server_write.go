package tcp

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/sockkit/sockkit/trace"
)

// Write sends b, and never waits: what the socket does not take at once is
// copied and queued. Either all of b is taken or nothing: it fails with
// [ErrQueueFull] or [ErrSlowPeer] by [Server.Overflow], with [ErrDetached], and
// with [net.ErrClosed] after CloseWrite, Close or the end of the connection.
//
// What is written while a callback of this peer runs leaves in one system call
// when the callback returns, after 5 milliseconds, or when it comes to 128 KiB;
// 32 KiB and more in one Write leave at once, with what waits before them.
func (p *Peer) Write(b []byte) (int, error) {
	if t := p.sealed(); t != nil {
		return t.writeOne(b)
	}
	p.mu.Lock()
	defer p.unlock()
	one := p.srv.bufs.box(b)
	err := p.write(one[:], len(b))
	p.srv.bufs.unbox(one)
	return taken(len(b), err)
}

// Writev is Write for bytes that stand in several places: all of them or none.
func (p *Peer) Writev(bufs ...[]byte) (int, error) {
	n := 0
	for _, b := range bufs {
		n += len(b)
	}
	if t := p.sealed(); t != nil {
		return t.writeAll(bufs, n)
	}
	p.mu.Lock()
	defer p.unlock()
	return taken(n, p.write(bufs, n))
}

func taken(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return n, nil
}

// write takes n bytes in bufs.
func (p *Peer) write(bufs [][]byte, n int) error {
	if err := p.admit(n); err != nil {
		return err
	}
	p.sent(bufs, n)
	if p.flushing || p.corked && n < largeWrite {
		p.enqueue(bufs)
	} else {
		p.send(bufs)
	}
	if p.dead {
		return p.closedError()
	}
	return nil
}

// enqueue puts bufs behind what waits.
func (p *Peer) enqueue(bufs [][]byte) {
	for _, b := range bufs {
		p.q.add(&p.srv.bufs, b)
	}
	switch {
	case p.flushing:
		p.watchMark()
	case p.q.size() >= p.srv.conf.cork:
		p.flush()
	default:
		p.armCork()
	}
}

// admit says whether n bytes more are taken.
func (p *Peer) admit(n int) error {
	switch {
	case p.leaving:
		return ErrDetached
	case p.dead || p.fin:
		return p.closedError()
	case p.full() && p.corked:
		p.flush()
	}
	if p.full() {
		return p.overflow(n)
	}
	return nil
}

func (p *Peer) full() bool { return p.pending() >= p.srv.conf.mark }

func (p *Peer) closedError() error {
	if cause := p.cause(); cause != nil {
		return fmt.Errorf("write to %s: %w (%w)", p.RemoteAddr(), net.ErrClosed, cause)
	}
	return fmt.Errorf("write to %s: %w", p.RemoteAddr(), net.ErrClosed)
}

func (p *Peer) overflow(n int) error {
	p.over = true
	if p.srv.Overflow == CloseSlow {
		p.tooSlow("write-queue", fmt.Sprintf("%d bytes are queued, and %d are the most: closed", p.q.size(), p.srv.conf.mark))
		return p.closedError()
	}
	p.srv.count.drops.Add(1)
	if !p.dropped {
		p.dropped = true
		p.limit("write-queue", fmt.Sprintf("%d bytes are queued, and %d are the most: %d more dropped", p.q.size(), p.srv.conf.mark, n))
	}
	return ErrQueueFull
}

// tooSlow aborts a peer that does not read.
func (p *Peer) tooSlow(rule, reason string) {
	p.srv.count.slow.Add(1)
	p.limit(rule, reason)
	p.abort(fmt.Errorf("%w: %s", ErrSlowPeer, reason))
}

// flush sends what is queued, as far as the socket takes it at once, in one
// system call. Its frame is small, as are those below it: they stand on the
// stack that a peer keeps.
func (p *Peer) flush() {
	if p.q.size() == 0 || p.flushing || p.dead {
		return
	}
	n, err := p.transport().try(p.q.pieces())
	if err != nil {
		p.failed(err)
		return
	}
	p.q.drop(n)
	p.tried()
}

// send is flush for what is queued and then bufs. It queues what is left of
// bufs.
func (p *Peer) send(bufs [][]byte) {
	n, err := p.transport().try(p.q.with(bufs))
	p.q.without(len(bufs))
	if err != nil {
		p.failed(err)
		return
	}
	queued := min(n, p.q.size())
	p.q.drop(queued)
	n -= queued
	for _, b := range bufs {
		skip := min(n, len(b))
		n -= skip
		p.q.add(&p.srv.bufs, b[skip:])
	}
	p.tried()
}

// tried has a flusher wait for the socket where something is left.
func (p *Peer) tried() {
	p.moved()
	if p.q.size() > 0 {
		p.flushing = true
		go p.flusher()
	}
}

// moved follows a change of the queue: it was sent from.
func (p *Peer) moved() {
	p.touch()
	p.watchMark()
}

// watchMark holds reading while the queue is long, and says when it is short
// again.
func (p *Peer) watchMark() {
	switch mark := p.srv.conf.mark; {
	case p.q.size() > mark/2:
		p.over = true
	case p.over && p.q.size() <= mark/4:
		p.over = false
		p.changed()
		if p.srv.OnWritable != nil && !p.due {
			p.due = p.post(event{kind: onWritable})
		}
	}
}

// flusher waits for the socket until nothing is queued any more.
func (p *Peer) flusher() {
	var copied [16][]byte
	for {
		p.mu.Lock()
		if p.q.size() == 0 || p.dead {
			p.transport().wrote()
			p.flushing = false
			p.settle()
			p.changed()
			p.unlock()
			return
		}
		// Others may lengthen the last piece meanwhile: take its bounds now.
		pieces := copied[:copy(copied[:], p.q.pieces())]
		p.mu.Unlock()
		n, err := p.transport().write(pieces, p.srv.conf.write)
		p.flushed(n, err)
	}
}

func (p *Peer) flushed(n int, err error) {
	p.mu.Lock()
	defer p.unlock()
	p.q.drop(n)
	switch {
	case err == nil:
		p.moved()
	case errors.Is(err, os.ErrDeadlineExceeded) && n > 0:
		p.moved()
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.tooSlow("write-timeout", fmt.Sprintf("took none of %d queued bytes for %v: closed", p.q.size(), p.srv.conf.write))
	default:
		p.failed(err)
	}
}

// sent records what the application sends, before it goes.
func (p *Peer) sent(bufs [][]byte, n int) {
	p.out.Add(uint64(n))
	if t := p.srv.Tracer; t.On(trace.Message) {
		for _, b := range bufs {
			p.record(trace.Out, b)
		}
	}
}
