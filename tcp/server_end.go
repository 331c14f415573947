package tcp

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// CloseWrite ends the sending half behind what is queued: a FIN, and on TLS a
// close_notify (RFC 8446 section 6.1). The peer can go on sending; once its end
// has come too the connection is closed. It fails with [errors.ErrUnsupported]
// where the connection has no halves.
func (p *Peer) CloseWrite() error {
	if _, ok := p.socket().(interface{ CloseWrite() error }); !ok && p.sealed() == nil {
		return fmt.Errorf("half-close of %T: %w", p.socket(), errors.ErrUnsupported)
	}
	p.end(false, nil)
	return nil
}

// Close ends the connection in good order: what is queued is sent, then our
// end, and what the peer still sends is discarded until its own end, for 2
// seconds at most. A socket that is closed sooner, over bytes that were not
// read, would reset the connection, and what is on its way to the peer could be
// lost (RFC 2525 section 2.17). Close returns at once, and its error is nil.
func (p *Peer) Close() error {
	p.end(true, nil)
	return nil
}

// endWriting is CloseWrite, or Close where there are no halves.
func (p *Peer) endWriting() {
	if p.CloseWrite() != nil {
		_ = p.Close()
	}
}

// end begins our end of the connection.
func (p *Peer) end(closing bool, cause error) {
	p.mu.Lock()
	if p.dead || p.leaving {
		p.unlock()
		return
	}
	first := !p.fin
	p.fin = true
	if closing && !p.closing {
		p.closing = true
		p.setCause(cause)
		p.setHold()
		p.changed()
	}
	p.unlock()
	if first && p.sealed() != nil {
		p.sealed().end()
	}
	p.mu.Lock()
	defer p.unlock()
	if first {
		p.finReady = true
	}
	if !p.corked {
		p.flush()
	}
	p.settle()
}

// settle does what is due once nothing is queued: it sends our end, and closes
// the connection where that was all.
func (p *Peer) settle() {
	if !p.finReady || p.dead || p.detached || p.flushing || p.pending() > 0 {
		return
	}
	if !p.finSent {
		p.finSent = true
		p.emit(trace.HalfClose{Dir: trace.Out})
	}
	if p.ended { // closing the socket sends the FIN as well
		p.dead = true
		return
	}
	if err := p.shutDownWriting(); err != nil {
		p.failed(err)
	}
	if p.closing && p.seldom().closeTimer == nil {
		p.more.closeTimer = time.AfterFunc(p.srv.conf.linger, p.lingered)
	}
}

// shutDownWriting sends the FIN. TLS has ended by its close_notify, and gets
// the FIN only when the connection is closed.
func (p *Peer) shutDownWriting() error {
	if p.shutWR || p.sealed() != nil && !p.closing {
		return nil
	}
	p.shutWR = true
	err := CloseWrite(p.socket())
	if errors.Is(err, errors.ErrUnsupported) {
		p.dead = true
		return nil
	}
	return err
}

// lingered ends the waiting for the peer's end.
func (p *Peer) lingered() {
	p.mu.Lock()
	defer p.unlock()
	p.dead = true
}

// shutDown tells the peer of the server's end. A handshake is broken off.
func (p *Peer) shutDown() {
	p.mu.Lock()
	switch {
	case !p.opened:
		p.abort(ErrServerClosed)
		p.unlock()
	case p.srv.OnShutdown != nil:
		p.post(event{kind: onShutdown})
		p.unlock()
	default:
		p.unlock()
		p.endWriting()
	}
}

// touch notes that the peer is not idle.
func (p *Peer) touch() {
	if i := p.idling(); i != nil {
		i.last.Store(int64(p.age()))
	}
}

// idling is a peer's idle timeout.
type idling struct {
	limit atomic.Int64 // a time.Duration; 0 is none
	last  atomic.Int64 // when a byte came or went, in the age of the peer
	timer *time.Timer
}

func (p *Peer) setIdle(limit time.Duration) {
	if p.bounds.Load() == nil {
		p.bounds.Store(&bounds{})
	}
	p.idling().limit.Store(int64(limit))
}

func (p *Peer) startIdle() {
	i := p.idling()
	if i == nil {
		return
	}
	if i.timer != nil {
		i.timer.Stop()
	}
	if limit := time.Duration(i.limit.Load()); limit > 0 && p.opened && !p.dead {
		i.timer = time.AfterFunc(limit, p.checkIdle)
	}
}

// checkIdle ends a peer that was silent for long enough, or looks again when it
// could have been.
func (p *Peer) checkIdle() {
	p.mu.Lock()
	i := p.idling()
	limit := time.Duration(i.limit.Load())
	if limit == 0 || p.dead || p.closing || p.leaving {
		p.unlock()
		return
	}
	if p.paused {
		p.touch()
	}
	silent := p.age() - time.Duration(i.last.Load())
	if silent < limit {
		i.timer.Reset(limit - silent)
		p.unlock()
		return
	}
	p.idle(limit)
}

// idle ends the peer, and unlocks it. What it did not take by now is lost.
func (p *Peer) idle(limit time.Duration) {
	p.srv.count.idle.Add(1)
	reason := fmt.Sprintf("no byte came or went for %v: closed", limit)
	p.limit("idle-timeout", reason)
	cause := fmt.Errorf("%w: %s", ErrIdle, reason)
	if p.srv.OnIdle != nil && !p.farewell {
		p.farewell = true
		p.post(event{kind: onIdle})
		p.idling().timer.Reset(limit)
		p.unlock()
		return
	}
	if p.q.size() > 0 {
		p.abort(cause)
	}
	p.unlock()
	p.end(true, cause)
}

// record makes the records of bytes that the application sent or received.
func (p *Peer) record(dir trace.Dir, b []byte) {
	if len(b) == 0 {
		return
	}
	if t, framed := p.srv.Tracer, p.framed.Load(); t.On(dataLevel(framed, p.sealed() == nil)) {
		t.Emit(p.id, trace.Data{Dir: dir, Size: len(b), Framed: framed, Payload: b})
	}
	if p.sealed() == nil {
		p.recordWire(dir, b)
	}
}

func (p *Peer) recordWire(dir trace.Dir, b []byte) {
	if t := p.srv.Tracer; t.On(trace.Byte) {
		t.Emit(p.id, trace.Bytes{Dir: dir, Size: len(b), Payload: b})
	}
}

func (p *Peer) emit(e trace.Event) { p.srv.Tracer.Emit(p.id, e) }

// limit records that the peer reached a limit.
func (p *Peer) limit(rule, reason string) { p.emit(trace.Limit{Rule: rule, Reason: reason}) }

func (p *Peer) emitOpen() {
	if t := p.srv.Tracer; t.On(trace.Connection) {
		t.Emit(p.id, trace.Open{
			Side: trace.Server, Network: p.LocalAddr().Network(),
			Local: p.LocalAddr().String(), Remote: p.RemoteAddr().String(),
		})
	}
}

func (p *Peer) emitClose() {
	if t := p.srv.Tracer; t.On(trace.Connection) {
		t.Emit(p.id, trace.Close{
			In: int64(p.in.Load()), Out: int64(p.out.Load()), Duration: p.age(),
			Reset: p.reset || IsReset(p.cause()), Error: Reason(p.cause()),
		})
	}
}
