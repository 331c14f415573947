package tcp

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Peer is one connection of a [Server]. All methods may be called from any
// goroutine, also from callbacks, and none but Detach waits for the peer. A Peer is
// an [io.WriteCloser].
//
// There may be very many, nearly all of them idle: what a peer needs at times
// only stands elsewhere.
type Peer struct {
	srv     *Server
	id      trace.ID
	own     *own          // nil in an event loop
	polled  polled        // its socket, there
	born    time.Duration // after the server began
	in, out atomic.Uint64 // bytes of the application
	bounds  atomic.Pointer[bounds]

	mu    sync.Mutex
	value any
	q     queue
	more  *seldom // nil where nothing of it is needed

	place   uint32      // in the server's roster
	framed  atomic.Bool // a protocol above reports what the bytes mean
	adopted bool        // by Adopt

	opened    bool // OnOpen is due, or was called
	running   bool // a callback runs
	reading   bool // it runs in the reading goroutine
	corked    bool // what is written waits for it to return
	flushing  bool // the flusher runs, and nobody else writes
	over      bool // the queue was over half of the mark, or a write was refused
	dropped   bool // a write was refused at some time
	due       bool // OnWritable waits for its turn
	paused    bool // by Pause
	throttled bool // by MaxRate

	fin      bool // CloseWrite or Close was called: nothing more is taken
	finReady bool // the end stands behind what is queued
	finSent  bool
	shutWR   bool // the socket's sending half is closed
	closing  bool // Close was called: what comes is discarded
	ended    bool // the peer's end has come
	leaving  bool // Detach was called: nothing more is read or taken
	farewell bool // OnIdle was called
	detached bool // the connection is no longer the server's
	dead     bool // the socket is to be closed at once
	reset    bool // with a reset
	gone     bool // somebody closes it
	shut     bool // it is closed
	finished bool // no callback comes after those that wait
}

// age is how long there has been the peer.
func (p *Peer) age() time.Duration { return time.Since(p.srv.began) - p.born }

// wait waits for a change.
func (p *Peer) wait() {
	more := p.seldom()
	if more.waiters == nil {
		more.waiters = sync.NewCond(&p.mu)
	}
	more.waiters.Wait()
}

// ip is the address that MaxConnsPerIP counts, where there is such a limit.
func (p *Peer) ip() (ip netip.Addr) {
	if p.srv.MaxConnsPerIP > 0 {
		ip = addrIP(p.RemoteAddr())
	}
	return ip
}

func newPeer(s *Server, conn net.Conn) *Peer {
	p := &Peer{srv: s, own: &own{conn: conn}, born: time.Since(s.began)}
	p.setUp()
	p.own.transport = newTransport(p, conn)
	return p
}

func (p *Peer) setUp() {
	if rate := p.srv.MaxRate; rate > 0 {
		p.bounds.Store(&bounds{rate: &bucket{perSecond: rate, debt: -float64(rate)}})
	}
	if limit := p.srv.IdleTimeout; limit > 0 {
		p.setIdle(limit)
	}
}

// tell tells whoever waits that the state is another.
func (p *Peer) tell() {
	if p.more != nil && p.more.waiters != nil {
		p.more.waiters.Broadcast()
	}
}

// changed tells whoever waits that the state is another, and has a peer of a
// loop go on where it can.
func (p *Peer) changed() {
	p.tell()
	if p.own == nil {
		p.goOn()
	}
}

// ID numbers the peer: in the trace, or in its server where nothing is traced.
func (p *Peer) ID() trace.ID { return p.id }

// LocalAddr returns the address that the peer connected to.
func (p *Peer) LocalAddr() net.Addr { return p.socket().LocalAddr() }

// RemoteAddr returns the peer's address.
func (p *Peer) RemoteAddr() net.Addr { return p.socket().RemoteAddr() }

// NetConn returns the socket, to ask about it or to set its options. Reading,
// writing, deadlines and closing are the server's.
func (p *Peer) NetConn() net.Conn {
	if p.own == nil {
		return p.view()
	}
	return p.own.conn
}

// TLS returns the state of the TLS layer; nil where there is none.
func (p *Peer) TLS() *tls.ConnectionState {
	t := p.sealed()
	if t == nil {
		return nil
	}
	state := t.stream.ConnectionState()
	return &state
}

// Value returns what SetValue was given last; nil before.
func (p *Peer) Value() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.value
}

// SetValue keeps v, the user's state of this peer.
func (p *Peer) SetValue(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.value = v
}

// Queued returns the bytes that wait to be sent, as they go on the wire; in OnClose,
// those that never were.
func (p *Peer) Queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending()
}

// pending is Queued under the lock.
func (p *Peer) pending() int {
	if t := p.sealed(); t != nil {
		return p.q.size() + int(t.waiting.Load())
	}
	return p.q.size()
}

// Pause stops reading: OnData and OnEnd are not called until Resume. What the
// peer sends waits in the kernel, and so does its reset: only a Write notices.
// A callback that runs in another goroutine goes on.
func (p *Peer) Pause() { p.setPaused(true) }

// Resume goes on reading after Pause.
func (p *Peer) Resume() { p.setPaused(false) }

func (p *Peer) setPaused(on bool) {
	p.mu.Lock()
	defer p.unlock()
	p.paused = on
	p.setHold()
	p.touch()
	p.changed()
}

// setHold tells the transport whether it may read.
func (p *Peer) setHold() {
	if p.own != nil {
		p.own.hold.Store(p.leaving || p.paused && !p.ended && !p.closing)
	}
}

// Post runs f in the peer's order, as a callback. It reports false where the
// peer is closed and f will not run. What waits is not bounded.
func (p *Peer) Post(f func()) bool {
	p.mu.Lock()
	defer p.unlock()
	return p.post(event{kind: onPost, f: f})
}

// SetIdleTimeout replaces [Server.IdleTimeout] for this peer; 0 means none. The
// silence begins anew.
func (p *Peer) SetIdleTimeout(d time.Duration) {
	p.mu.Lock()
	defer p.unlock()
	p.setIdle(max(d, 0))
	p.touch()
	p.startIdle()
}

// Abort ends the peer at once: what is queued is lost, and TCP is reset. OnClose
// gets reason, or [ErrAborted] where it is nil.
func (p *Peer) Abort(reason error) {
	if reason == nil {
		reason = ErrAborted
	}
	p.mu.Lock()
	defer p.unlock()
	p.abort(reason)
}

// abort is Abort under the lock.
func (p *Peer) abort(reason error) {
	if p.dead || p.detached {
		return
	}
	p.setCause(reason)
	p.dead, p.reset = true, true
}

func (p *Peer) setCause(err error) {
	if p.cause() == nil && err != nil {
		p.seldom().cause = err
	}
}

// fail ends the peer after an error of the socket.
func (p *Peer) fail(err error) {
	p.mu.Lock()
	defer p.unlock()
	p.failed(err)
}

// failed is fail under the lock. After both ends of an orderly close what the
// peer does to the connection is no failure any more.
func (p *Peer) failed(err error) {
	if p.dead || p.detached {
		return
	}
	if !p.closing || !p.finSent {
		p.setCause(err)
	}
	p.dead = true
}

func (p *Peer) isOpen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened && !p.gone && !p.detached
}

func (p *Peer) addTo(st *Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone || p.detached:
	case p.opened:
		st.Open++
		st.Queued += int64(p.pending())
	default:
		st.Handshaking++
	}
}

// unlock ends a piece of work on the peer's state, and closes the socket if
// that is what came of it.
func (p *Peer) unlock() {
	if p.unlocked() {
		go p.endPolled()
	}
}

// unlocked is unlock for who makes the last callback by itself, where it reports
// that it is due.
func (p *Peer) unlocked() (last bool) {
	if p.dead && !p.gone && !p.detached {
		p.gone = true
		p.stopTimers()
		p.changed()
		p.mu.Unlock()
		p.closeSocket()
		p.mu.Lock()
		p.shut = true
		p.changed()
	}
	last = p.own == nil && p.ends()
	p.mu.Unlock()
	return last
}

func (p *Peer) stopTimers() {
	p.disarmCork()
	if p.more != nil {
		stop(p.more.closeTimer)
	}
	if b := p.bounds.Load(); b != nil {
		stop(b.idling.timer)
		if b.rate != nil {
			stop(b.rate.timer)
		}
	}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// closeSocket frees the place first, so that whoever sees the end finds it free.
func (p *Peer) closeSocket() {
	p.srv.free(p)
	if p.own == nil {
		_ = p.closePolled(p.reset)
		return
	}
	if c, ok := p.own.conn.(interface{ SetLinger(int) error }); ok && p.reset {
		_ = c.SetLinger(0)
	}
	_ = p.own.conn.Close()
}

// PanicError is a panic in a callback.
type PanicError struct {
	Callback string // OnData, ...
	Value    any    // what it panicked with
	Stack    []byte // as by [runtime/debug.Stack]
}

// Error implements error. The stack is left out.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in %s: %v", e.Callback, e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
