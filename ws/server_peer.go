package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Peer is one connection of a [Server] that calls back. All methods may be
// called from any goroutine, and none waits for the peer.
type Peer struct {
	srv     *Server
	tcp     *tcp.Peer
	adopted *adopted // until OnOpen, where it comes from net/http
	waiting *waiting // until the request is answered; the reading callbacks' alone
	dec     Decoder  // theirs, too
	rate    rate
	agreed  handshake.Agreement
	value   atomic.Pointer[any]
	rtt     atomic.Int64
	in, out atomic.Uint64

	mu      sync.Mutex // orders what is sent
	enc     Encoder
	closing closing
	open    bool // OnOpen is due, or was called
	gone    bool
	cause   *Violation
	timer   *time.Timer // of the next ping, or of the answer to our close
	missed  int         // pings that were not answered
	pinged  time.Time   // when the last one was sent
	pings   uint64
}

// ID numbers the peer, as in the trace.
func (p *Peer) ID() trace.ID { return p.tcp.ID() }

// RemoteAddr returns the peer's address.
func (p *Peer) RemoteAddr() net.Addr { return p.tcp.RemoteAddr() }

// LocalAddr returns the address that the peer connected to.
func (p *Peer) LocalAddr() net.Addr { return p.tcp.LocalAddr() }

// NetConn returns the socket, to ask about it.
func (p *Peer) NetConn() net.Conn { return p.tcp.NetConn() }

// Agreed returns what the opening handshake agreed on.
func (p *Peer) Agreed() handshake.Agreement { return p.agreed }

// Subprotocol returns the subprotocol that was agreed on; "" is none.
func (p *Peer) Subprotocol() string { return p.agreed.Subprotocol }

// RTT returns the round-trip time that the last pong came with; 0 before.
func (p *Peer) RTT() time.Duration { return time.Duration(p.rtt.Load()) }

// Queued returns the bytes that wait to be sent.
func (p *Peer) Queued() int { return p.tcp.Queued() }

// Value returns what SetValue was given last; nil before.
func (p *Peer) Value() any {
	if v := p.value.Load(); v != nil {
		return *v
	}
	return nil
}

// SetValue keeps v, the user's state of this peer.
func (p *Peer) SetValue(v any) { p.value.Store(&v) }

// Post runs f in the peer's order, as a callback. It reports false where the
// peer is closed and f will not run.
func (p *Peer) Post(f func()) bool { return p.tcp.Post(f) }

// Pause stops reading until Resume.
func (p *Peer) Pause() { p.tcp.Pause() }

// Resume goes on reading.
func (p *Peer) Resume() { p.tcp.Resume() }

func (p *Peer) report() reporter {
	return reporter{p.srv.tcp.Tracer, p.tcp.ID()}
}

func (p *Peer) isOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open && !p.gone && !p.closing.sent
}

// agree takes what the opening handshake agreed on.
func (p *Peer) agree(agreed handshake.Agreement) {
	s := p.srv
	p.agreed = agreed
	p.dec.init(ClientRole, agreed, s.Limits)
	p.dec.Frames = s.tcp.Tracer.On(trace.Frame) || s.Tracer.On(trace.Frame)
	p.enc.init(ServerRole, agreed)
	p.enc.CompressFrom = s.CompressFrom
	p.rate.perSecond = s.MaxRate
	s.begin(agreed)
}

// opened begins the peer's life as a WebSocket.
func (p *Peer) opened(r *Request) {
	s := p.srv
	p.mu.Lock()
	p.open = true
	p.mu.Unlock()
	p.schedule()
	if s.OnOpen != nil {
		p.guarded(func() { s.OnOpen(p, r) })
	}
}

// guarded runs a callback whose panic ends this peer only, with 1011.
func (p *Peer) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			p.srv.panicked(p.RemoteAddr(), &tcp.PanicError{Callback: "callback", Value: v, Stack: debug.Stack()})
			p.Close(StatusInternalError, "")
		}
	}()
	f()
}

// feed takes what came behind the request.
func (p *Peer) feed(b []byte) {
	p.guarded(func() {
		for {
			n, ev := p.dec.Next(b)
			b = b[n:]
			if ev.Kind == EventNone {
				return
			}
			p.take(&ev)
		}
	})
	p.dec.Release()
}

// take reacts to an event.
func (p *Peer) take(ev *Event) {
	r := p.report()
	if ev.Violation != nil {
		r.finding(ev.Violation)
	}
	switch ev.Kind {
	case EventFrame:
		r.frame(trace.In, ev.Header, p.dec.packed && !ev.Header.Opcode.Control())
	case EventMessage:
		p.message(ev)
	case EventPing:
		r.ping(trace.In, false, ev.Payload, 0)
		_ = p.control(OpPong, ev.Payload)
	case EventPong:
		r.ping(trace.In, true, ev.Payload, p.pongCame(ev.Payload))
	case EventClose:
		r.close(trace.In, ev.Code, ev.Reason)
		p.closeCame(ev.Code, ev.Reason)
	case EventBroken:
		p.broke(ev.Violation)
	}
}

func (p *Peer) message(ev *Event) {
	s := p.srv
	if p.rate.exceeded() {
		v := &Violation{Rule: ruleOf(ruleMessageRate), Came: "more than " + count(int64(s.MaxRate), "message") + " a second", By: ClientRole}
		p.report().finding(v)
		p.report().emit(trace.Limit{Rule: "max-rate", Reason: v.Came + ": closed"})
		p.broke(v)
		p.dec.dead = true
		return
	}
	p.in.Add(1)
	p.report().message(trace.In, ev)
	if s.OnMessage != nil {
		s.OnMessage(p, ev.Type, ev.Payload)
	}
}

// rate is a token bucket that holds one second's worth.
type rate struct {
	perSecond int
	debt      float64
	at        time.Time
}

func (r *rate) exceeded() bool {
	if r.perSecond <= 0 {
		return false
	}
	now := time.Now()
	most := float64(r.perSecond)
	if r.at.IsZero() {
		r.debt = -most
	} else {
		r.debt = max(r.debt-now.Sub(r.at).Seconds()*most, -most)
	}
	r.at = now
	r.debt++
	return r.debt > 0
}

// Write sends a message, and never waits: what the socket does not take at once
// is queued. It fails with [tcp.ErrQueueFull] or [tcp.ErrSlowPeer] by
// [tcp.Server.Overflow], and with a [*CloseError] behind the end. A text has to
// be UTF-8; that is not checked.
func (p *Peer) Write(t MessageType, payload []byte) error {
	h := Header{Fin: true, Opcode: t}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		return err
	}
	body := payload
	if packed := p.enc.compress(payload); packed != nil {
		defer putBuffer(packed)
		h.RSV, body = rsv1, packed
	}
	if r := p.report(); r.on(trace.Message) {
		r.message(trace.Out, &Event{Type: t, Payload: payload, Frames: 1, Wire: int64(len(body)), Compressed: h.RSV != 0})
	}
	err := p.send(&h, body)
	if err != nil && h.RSV != 0 && takesOver(p.agreed) { // the peer lacks what the context has
		p.tcp.Abort(err)
	}
	if err == nil {
		p.out.Add(1)
	}
	return err
}

// WritePrepared is Write for a message that was encoded before.
func (p *Peer) WritePrepared(m *Prepared) error {
	if p.report().on(trace.Message) {
		return p.Write(m.kind, m.payload)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		return err
	}
	_, err := p.tcp.Write(m.frame(&p.enc))
	if err == nil {
		p.out.Add(1)
	}
	return err
}

func (p *Peer) refusal() error {
	if k := &p.closing; k.sent || k.received || p.gone {
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local}
	}
	return nil
}

// pieces are a frame's header and its payload, pooled.
type pieces struct {
	head [maxHeaderSize]byte
	list [2][]byte
}

var piecesPool = sync.Pool{New: func() any { return &pieces{} }}

// send sends a frame under the lock.
func (p *Peer) send(h *Header, payload []byte) error {
	q := piecesPool.Get().(*pieces)
	defer piecesPool.Put(q)
	h.Length = int64(len(payload))
	head := h.AppendTo(q.head[:0])
	h.Size = len(head)
	p.report().frame(trace.Out, h, h.RSV&rsv1 != 0)
	q.list = [2][]byte{head, payload}
	_, err := p.tcp.Writev(q.list[:]...)
	q.list = [2][]byte{}
	return err
}

// control sends a ping or a pong.
func (p *Peer) control(op Opcode, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing.sent || p.gone {
		return net.ErrClosed
	}
	p.report().ping(trace.Out, op == OpPong, payload, 0)
	h := Header{Fin: true, Opcode: op}
	return p.send(&h, payload)
}

// Close sends a close frame, and ends the connection once the peer has answered
// it, or after [Server.CloseTimeout]. It returns at once. A code that must not be
// sent, such as 1005, sends none.
func (p *Peer) Close(code StatusCode, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing.sent || p.gone {
		return
	}
	if !p.closing.received {
		p.closing.code, p.closing.reason, p.closing.local = code, cutReason(reason), true
	}
	p.sendClose(code, reason)
	p.stopTimer()
	p.timer = time.AfterFunc(p.srv.closeTimeout(), p.unanswered)
}

// sendClose sends a close frame under the lock.
func (p *Peer) sendClose(code StatusCode, reason string) {
	if p.closing.sent {
		return
	}
	p.closing.sent = true
	var body [maxControl]byte
	b := appendCloseBody(body[:0], code, reason)
	if len(b) == 0 {
		code = StatusNoStatus
	}
	p.report().close(trace.Out, code, cutReason(reason))
	h := Header{Fin: true, Opcode: OpClose}
	_ = p.send(&h, b)
}

// unanswered ends a peer that did not answer our close frame.
func (p *Peer) unanswered() {
	v := &Violation{Rule: ruleOf(ruleCloseLost), Came: "nothing within " + p.srv.closeTimeout().String(), By: ClientRole}
	p.report().finding(v)
	_ = p.tcp.Close()
}

// closeCame answers the peer's close frame, and ends the connection.
func (p *Peer) closeCame(code StatusCode, reason string) {
	p.mu.Lock()
	p.closing.received = true
	if !p.closing.sent {
		p.closing.code, p.closing.reason = code, reason
	}
	p.sendClose(code, "")
	p.stopTimer()
	p.mu.Unlock()
	_ = p.tcp.Close()
}

// broke closes because of a rule that the peer broke.
func (p *Peer) broke(v *Violation) {
	p.srv.count.violations.Add(1)
	p.mu.Lock()
	if !p.closing.sent {
		p.closing.code, p.closing.reason, p.closing.local = v.Code, v.Summary, true
	}
	p.cause = v
	p.sendClose(v.Code, v.Summary)
	p.stopTimer()
	p.mu.Unlock()
	_ = p.tcp.Close()
}

// Abort ends the connection at once, without a close frame.
func (p *Peer) Abort(reason error) { p.tcp.Abort(reason) }

func (p *Peer) stopTimer() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// schedule has pings sent from time to time.
func (p *Peer) schedule() {
	if every := p.srv.PingInterval; every > 0 {
		p.mu.Lock()
		p.timer = time.AfterFunc(every, p.heartbeat)
		p.mu.Unlock()
	}
}

// mostMissed is how many pings in a row may stay unanswered.
const mostMissed = 2

func (p *Peer) heartbeat() {
	p.mu.Lock()
	if p.closing.sent || p.gone {
		p.mu.Unlock()
		return
	}
	if p.missed >= mostMissed {
		p.mu.Unlock()
		v := &Violation{Rule: ruleOf(rulePongLost), Came: count(mostMissed, "ping") + " unanswered, one every " + p.srv.PingInterval.String(), By: ClientRole}
		p.report().finding(v)
		p.report().emit(trace.Limit{Rule: "ping-interval", Reason: v.Came + ": closed"})
		p.broke(v)
		return
	}
	p.missed++
	p.timer.Reset(p.srv.PingInterval)
	p.mu.Unlock()
	_ = p.Ping()
}

// Ping sends a ping. RTT has the time until its pong once that has come.
func (p *Peer) Ping() error {
	p.mu.Lock()
	p.pings++
	payload := binary.BigEndian.AppendUint64(nil, p.pings)
	p.pinged = time.Now()
	p.mu.Unlock()
	return p.control(OpPing, payload)
}

// pongCame takes a pong. Any pong shows that the peer is there; that of the last
// ping says how long it took.
func (p *Peer) pongCame(payload []byte) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed = 0
	if len(payload) != 8 || binary.BigEndian.Uint64(payload) != p.pings || p.pings == 0 {
		return 0
	}
	rtt := time.Since(p.pinged)
	p.rtt.Store(int64(rtt))
	return rtt
}

// ended is OnEnd of the connections below.
func (s *Server) ended(t *tcp.Peer) {
	p := t.Value().(*Peer)
	switch {
	case p.waiting != nil:
		p.cutShort()
	case p.isOpen():
		if v := p.dec.End(); v != nil {
			p.report().finding(v)
		}
	}
	_ = t.Close()
}

// cutShort is the end of a peer whose request was never complete.
func (p *Peer) cutShort() {
	if p.waiting.timer != nil {
		p.waiting.timer.Stop()
	}
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
	if p := t.Value().(*Peer); s.OnWritable != nil && p.waiting == nil {
		s.OnWritable(p)
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

// closed is OnClose of the connections below.
func (s *Server) closed(t *tcp.Peer, err error) {
	p := t.Value().(*Peer)
	p.mu.Lock()
	was := p.open
	p.gone = true
	p.stopTimer()
	if p.waiting != nil && p.waiting.timer != nil {
		p.waiting.timer.Stop()
	}
	p.mu.Unlock()
	p.dec.Release()
	if !was || errors.Is(err, tcp.ErrDetached) {
		return
	}
	s.end(p.RemoteAddr(), p.agreed, p.in.Load(), p.out.Load())
	if s.OnClose != nil {
		end := p.endError(err)
		p.guarded(func() { s.OnClose(p, end) })
	}
}

// endError is how the connection ended.
func (p *Peer) endError(err error) *CloseError {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.closing
	switch {
	case p.cause != nil:
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local, Err: p.cause}
	case k.received:
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local}
	}
	if err == nil {
		err = io.EOF
	}
	return &CloseError{Code: StatusAbnormal, Local: k.local, Err: err}
}
