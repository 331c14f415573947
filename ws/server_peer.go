package ws

import (
	"net"
	"net/netip"
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
	waiting *waiting // until the request is answered; the reading callbacks' alone
	dec     *Decoder // theirs, too; nil between messages
	count   controlCount
	terms   *terms // nil where there are none
	value   atomic.Pointer[any]
	in, out atomic.Uint64
	quiet   atomic.Bool  // a close frame was sent: messages are dropped
	deaf    atomic.Int32 // more than 0 while nothing is read: in a callback, or paused
	paused  atomic.Bool

	mu   sync.Mutex // orders what is sent
	more *seldom    // nil before it is needed
	open bool       // OnOpen is due, or was called
	gone bool
}

// terms are what is special about a connection. They stand when it opens.
type terms struct {
	agreed  handshake.Agreement
	deflate *deflater  // nil where compression was not agreed on
	rate    *rate      // nil without [Server.MaxRate]
	seat    netip.Addr // that it counts for, see [Server.MaxConnsPerIP]
}

// seldom is what most peers do without, most of the time.
type seldom struct {
	adopted *adopted      // until OnOpen, where it comes from net/http
	end     *ending       // nil until one end closes
	beat    *beat         // nil before the first ping
	timer   *time.Timer   // of the next ping, or of the answer to our close
	rtt     time.Duration // of the last pong
}

// special is the peer's terms, to be changed before it opens.
func (p *Peer) special() *terms {
	if p.terms == nil {
		p.terms = &terms{}
	}
	return p.terms
}

// seldom is what is kept of the peer beside, to be changed under the lock.
func (p *Peer) seldom() *seldom {
	if p.more == nil {
		p.more = &seldom{}
	}
	return p.more
}

// ending is how far a connection's end has come.
type ending struct {
	closing
	cause  *Violation // that ended the connection
	why    error      // this end closed
	lost   *Violation // our close frame was not answered
	unsent []byte     // the body of a close frame that the full queue did not take
	hangUp bool       // the connection is to end behind it
}

// beat are the pings of a peer.
type beat struct {
	missed int       // that were not answered
	at     time.Time // when the last one was sent
	n      uint64
}

// ends is the peer's ending, to be changed under the lock.
func (p *Peer) ends() *ending {
	more := p.seldom()
	if more.end == nil {
		more.end = &ending{}
	}
	return more.end
}

// ended is the peer's ending to look at, under the lock.
func (p *Peer) ended() (e ending) {
	if p.more != nil && p.more.end != nil {
		e = *p.more.end
	}
	return e
}

// closeSent reports whether a close frame was sent, under the lock.
func (p *Peer) closeSent() bool { return p.more != nil && p.more.end != nil && p.more.end.sent }

func (p *Peer) beats() *beat {
	more := p.seldom()
	if more.beat == nil {
		more.beat = &beat{}
	}
	return more.beat
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
func (p *Peer) Agreed() (agreed handshake.Agreement) {
	if p.terms != nil {
		agreed = p.terms.agreed
	}
	return agreed
}

// Subprotocol returns the subprotocol that was agreed on; "" is none.
func (p *Peer) Subprotocol() string { return p.Agreed().Subprotocol }

// RTT returns the round-trip time that the last pong came with; 0 before.
func (p *Peer) RTT() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more == nil {
		return 0
	}
	return p.more.rtt
}

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
func (p *Peer) Post(f func()) bool { return p.tcp.Post(func() { p.guarded("Post", f) }) }

// Pause stops reading until Resume. Pongs wait as well, and are not missed.
func (p *Peer) Pause() {
	if !p.paused.Swap(true) {
		p.deaf.Add(1)
	}
	p.tcp.Pause()
}

// Resume goes on reading.
func (p *Peer) Resume() {
	if p.paused.Swap(false) {
		p.deaf.Add(-1)
	}
	p.tcp.Resume()
}

func (p *Peer) report() reporter {
	return reporter{p.srv.tcp.Tracer, p.tcp.ID()}
}

func (p *Peer) isOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open && !p.gone && !p.closeSent()
}

// agree takes what the opening handshake agreed on.
func (p *Peer) agree(agreed handshake.Agreement) {
	s := p.srv
	if agreed != (handshake.Agreement{}) {
		p.special().agreed = agreed
	}
	if agreed.Compressed {
		p.special().deflate = newDeflater(ServerRole, agreed.Deflate)
	}
	if s.MaxRate > 0 {
		p.special().rate = &rate{perSecond: s.MaxRate}
	}
	s.begin(agreed)
}

// sit keeps the address that the peer counts for, where that matters.
func (p *Peer) sit(seat netip.Addr) {
	if p.srv.MaxConnsPerIP > 0 {
		p.special().seat = seat
	}
}

func (p *Peer) seatIP() (ip netip.Addr) {
	if p.terms != nil {
		ip = p.terms.seat
	}
	return ip
}

// encoder sends what the server sends to this peer.
func (p *Peer) encoder() Encoder {
	e := Encoder{Role: ServerRole, CompressFrom: p.srv.CompressFrom}
	if p.terms != nil {
		e.deflate = p.terms.deflate
	}
	return e
}

// decoders are pooled: a peer needs one only while a message is under way, but
// for a context that it keeps.
var decoders = sync.Pool{New: func() any { return &Decoder{} }}

// decoder is the one that goes on where the last bytes ended.
func (p *Peer) decoder() *Decoder {
	if p.dec == nil {
		s := p.srv
		p.dec = decoders.Get().(*Decoder)
		p.dec.init(ClientRole, p.Agreed(), s.Limits)
		p.dec.Frames = s.tcp.Tracer.On(trace.Frame) || s.Tracer.On(trace.Frame)
		p.dec.controls = p.count
	}
	return p.dec
}

// restDecoder gives it back where nothing is under way.
func (p *Peer) restDecoder() {
	if d := p.dec; d.rests() {
		p.count, p.dec = d.controls, nil
		*d = Decoder{ctl: d.ctl[:0]}
		decoders.Put(d)
	}
}

// opened begins the peer's life as a WebSocket.
func (p *Peer) opened(r *Request) {
	s := p.srv
	p.mu.Lock()
	p.open = true
	p.mu.Unlock()
	p.schedule()
	if s.OnOpen != nil {
		p.guarded("OnOpen", func() { s.OnOpen(p, r) })
	}
}

// guarded runs a callback whose panic ends this peer only, with 1011.
func (p *Peer) guarded(name string, f func()) {
	p.deaf.Add(1)
	defer p.deaf.Add(-1)
	defer p.caught(name)
	f()
}

// caught is deferred.
func (p *Peer) caught(name string) {
	if v := recover(); v != nil {
		p.Close(StatusInternalError, "")
		p.srv.panicked(p.RemoteAddr(), &tcp.PanicError{Callback: name, Value: v, Stack: debug.Stack()})
	}
}

// feed takes what came behind the request. It goes on to the end of b whatever
// a callback does: the next bytes continue a frame that begins in these.
func (p *Peer) feed(b []byte) {
	p.deaf.Add(1)
	defer p.deaf.Add(-1)
	before := p.in.Load()
	dec := p.decoder()
	for {
		n, ev := dec.Next(b)
		b = b[n:]
		if ev.Kind == EventNone {
			break
		}
		p.take(&ev)
	}
	dec.Release()
	p.restDecoder()
	if f := p.srv.OnRead; f != nil && p.in.Load() != before {
		defer p.caught("OnRead")
		f(p)
	}
}

// take reacts to an event.
func (p *Peer) take(ev *Event) {
	r := p.report()
	if ev.Header != nil {
		r.frame(trace.In, ev.Header, p.dec.packed && !ev.Header.Opcode.Control())
	}
	if ev.Violation != nil {
		r.finding(ev.Violation)
	}
	switch ev.Kind {
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
	if p.quiet.Load() {
		return
	}
	if t := p.terms; t != nil && t.rate != nil && t.rate.exceeded() {
		v := t.rate.violation()
		p.report().finding(v)
		p.report().emit(trace.Limit{Rule: "max-rate", Reason: v.Came + ": closed"})
		p.broke(v)
		p.dec.dead = true
		return
	}
	p.in.Add(1)
	p.report().message(trace.In, ev)
	if f := p.srv.OnMessage; f != nil {
		defer p.caught("OnMessage")
		f(p, ev.Type, ev.Payload)
	}
}
