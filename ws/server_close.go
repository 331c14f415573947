package ws

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Close sends a close frame, and ends the connection once the peer has answered
// it, or after [Server.CloseTimeout]. What the peer sends until then is dropped.
// It returns at once. A code that must not be
// sent, such as 1005, sends none.
func (p *Peer) Close(code StatusCode, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closeSent() || p.gone {
		return
	}
	if e := p.ends(); !e.received {
		e.code, e.reason, e.local = code, cutReason(reason), true
	}
	p.sendClose(code, reason)
	p.stopTimer()
	p.seldom().timer = time.AfterFunc(p.srv.closeTimeout(), p.unanswered)
}

// sendClose sends a close frame under the lock.
func (p *Peer) sendClose(code StatusCode, reason string) {
	e := p.ends()
	if e.sent {
		return
	}
	e.sent = true
	p.quiet.Store(true)
	var body [maxControl]byte
	b := appendCloseBody(body[:0], code, reason)
	if len(b) == 0 {
		code = StatusNoStatus
	}
	p.report().close(trace.Out, code, cutReason(reason))
	h := Header{Fin: true, Opcode: OpClose}
	if errors.Is(p.send(&h, b), tcp.ErrQueueFull) {
		e.unsent = append([]byte{}, b...)
	}
}

// sendUnsent sends the close frame that found the queue full.
func (p *Peer) sendUnsent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended().unsent == nil {
		return
	}
	e, h := p.more.end, Header{Fin: true, Opcode: OpClose}
	if errors.Is(p.send(&h, e.unsent), tcp.ErrQueueFull) {
		return
	}
	e.unsent = nil
	if e.hangUp {
		_ = p.tcp.Close()
	}
}

// finish ends the connection behind the close frame, under the lock.
func (p *Peer) finish() {
	p.stopTimer()
	if e := p.ends(); e.unsent != nil {
		e.hangUp = true
		return
	}
	_ = p.tcp.Close()
}

// unanswered ends a peer that did not answer our close frame.
func (p *Peer) unanswered() {
	v := &Violation{Rule: ruleOf(ruleCloseLost), Came: "nothing within " + p.srv.closeTimeout().String(), By: ClientRole}
	p.mu.Lock()
	e := p.ends()
	if e.received || p.gone || e.cause != nil {
		p.mu.Unlock()
		return
	}
	e.lost = v
	p.mu.Unlock()
	p.report().finding(v)
	_ = p.tcp.Close()
}

// closeCame answers the peer's close frame, and ends the connection.
func (p *Peer) closeCame(code StatusCode, reason string) {
	p.mu.Lock()
	e := p.ends()
	e.received = true
	if !e.sent {
		e.code, e.reason = code, reason
	}
	p.sendClose(code, "")
	p.finish()
	p.mu.Unlock()
}

// broke closes because of a rule that the peer broke.
func (p *Peer) broke(v *Violation) {
	p.mu.Lock()
	e := p.ends()
	if p.gone || e.received || e.cause != nil {
		p.mu.Unlock()
		return
	}
	p.srv.count.violations.Add(1)
	if !e.sent {
		e.code, e.reason, e.local = v.Code, v.Summary, true
	}
	e.cause = v
	p.sendClose(v.Code, v.Summary)
	p.finish()
	p.mu.Unlock()
}

// Abort ends the connection at once, without a close frame.
func (p *Peer) Abort(reason error) { p.tcp.Abort(reason) }

func (p *Peer) stopTimer() {
	if p.more != nil && p.more.timer != nil {
		p.more.timer.Stop()
		p.more.timer = nil
	}
}

// ended is OnEnd of the connections below.
func (s *Server) ended(t *tcp.Peer) {
	p := t.Value().(*Peer)
	switch {
	case p.waiting != nil && p.waiting.plain != nil && (p.waiting.buf == nil || !p.waiting.plain.isAnswered()):
	case p.waiting != nil:
		p.cutShort()
	case p.isOpen():
		if v := p.decoder().End(); v != nil {
			p.report().finding(v)
		}
	}
	_ = t.Close()
}

// cutShort is the end of a peer whose request was never complete.
func (p *Peer) cutShort() {
	p.answered()
	j := heads.Get().(*judging)
	defer heads.Put(j)
	cut := &handshake.Reader{Source: bytes.NewReader(p.waiting.buf)}
	_ = cut.ReadRequest(&j.head)
	err := p.srv.acceptor.Accept(&j.head, &j.answer)
	if err == nil {
		return
	}
	_, _ = p.tcp.Write(j.answer.AppendTo(nil))
	p.report().refusal(trace.Server, &j.answer, err)
	rule, reason := whyRefused(&j.answer, err)
	p.srv.refusedBy(p.tcp.RemoteAddr(), rule, reason)
}

func (s *Server) writable(t *tcp.Peer) {
	p := t.Value().(*Peer)
	if p.waiting != nil {
		return
	}
	p.sendUnsent()
	if s.OnWritable != nil {
		p.guarded("OnWritable", func() { s.OnWritable(p) })
	}
}

// shutPeer is OnShutdown of the connections below.
func (s *Server) shutPeer(t *tcp.Peer) {
	p := t.Value().(*Peer)
	if p.waiting != nil {
		_ = t.Close()
		return
	}
	p.Close(StatusGoingAway, "the server is shutting down")
}

// idle is OnIdle of the connections below: the peer hears why.
func (s *Server) idle(t *tcp.Peer) {
	p := t.Value().(*Peer)
	if p.waiting != nil {
		_ = t.Close()
		return
	}
	p.mu.Lock()
	if e := p.ends(); e.why == nil && !e.sent {
		e.why = tcp.ErrIdle
	}
	p.mu.Unlock()
	p.Close(StatusPolicyViolation, "idle for too long")
}

// closed is OnClose of the connections below.
func (s *Server) closed(t *tcp.Peer, err error) {
	p := t.Value().(*Peer)
	p.lost()
	p.mu.Lock()
	was := p.open
	p.gone = true
	p.stopTimer()
	if p.waiting != nil && p.waiting.timer != nil {
		p.waiting.timer.Stop()
	}
	enc := p.encoder()
	enc.release()
	p.mu.Unlock()
	if p.dec != nil {
		p.dec.forget()
	}
	if !was || errors.Is(err, tcp.ErrDetached) {
		return
	}
	s.end(p.seatIP(), p.Agreed(), p.in.Load(), p.out.Load())
	if s.OnClose != nil {
		end := p.endError(err)
		p.guarded("OnClose", func() { s.OnClose(p, end) })
	}
}

// endError is how the connection ended.
func (p *Peer) endError(err error) *CloseError {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.ended()
	switch {
	case k.cause != nil:
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local, Err: k.cause}
	case k.why != nil:
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local, Err: k.why}
	case k.received:
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local, Err: err}
	case k.lost != nil:
		err = k.lost
	}
	if err == nil {
		err = io.EOF
	}
	return &CloseError{Code: StatusAbnormal, Local: k.local, Err: err}
}
