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
type Peer struct {
	srv       *Server
	id        trace.ID
	conn      net.Conn // the socket
	ip        netip.Addr
	transport transport
	polled    *polled // in an event loop; nil where a goroutine reads
	sealed    *sealed // the TLS layer; nil without
	born      time.Time
	tally     tally
	value     atomic.Pointer[any]
	hold      atomic.Bool  // the transport is not to read
	framed    atomic.Bool  // a protocol above reports what the bytes mean
	adopted   bool         // by Adopt
	idleFor   atomic.Int64 // a time.Duration; 0 is no limit
	last      atomic.Int64 // when a byte came or went, after born

	mu   sync.Mutex
	cond sync.Cond // something below has changed
	q    queue
	one  [1][]byte // the argument of a Write

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
	tasks     []event
	rate      bucket

	fin      bool // CloseWrite or Close was called: nothing more is taken
	finReady bool // the end stands behind what is queued
	finSent  bool
	shutWR   bool   // the socket's sending half is closed
	closing  bool   // Close was called: what comes is discarded
	ended    bool   // the peer's end has come
	leaving  bool   // Detach was called: nothing more is read or taken
	farewell bool   // OnIdle was called
	parked   bool   // the reading goroutine reads no more
	unread   []byte // what it had read by then
	detached bool   // the connection is no longer the server's
	dead     bool   // the socket is to be closed at once
	reset    bool   // with a reset
	gone     bool   // somebody closes it
	shut     bool   // it is closed
	finished bool   // no callback comes after those that wait
	cause    error

	corkSet                          bool
	corkTimer, idleTimer, closeTimer *time.Timer
}

func newPeer(s *Server, conn net.Conn) *Peer {
	p := &Peer{srv: s, conn: conn, born: time.Now(), ip: addrIP(conn.RemoteAddr())}
	p.setUp()
	p.transport = newTransport(p, conn)
	return p
}

func (p *Peer) setUp() {
	p.cond.L = &p.mu
	p.q.bufs = &p.srv.bufs
	p.idleFor.Store(int64(p.srv.IdleTimeout))
	p.rate = bucket{perSecond: p.srv.MaxRate, debt: -float64(p.srv.MaxRate)}
}

// changed tells whoever waits that the state is another, and has a peer of a
// loop go on where it can.
func (p *Peer) changed() {
	p.cond.Broadcast()
	if p.polled != nil {
		p.polled.goOn()
	}
}

// ID numbers the peer: in the trace, or in its server where nothing is traced.
func (p *Peer) ID() trace.ID { return p.id }

// LocalAddr returns the address that the peer connected to.
func (p *Peer) LocalAddr() net.Addr { return p.conn.LocalAddr() }

// RemoteAddr returns the peer's address.
func (p *Peer) RemoteAddr() net.Addr { return p.conn.RemoteAddr() }

// NetConn returns the socket, to ask about it or to set its options. Reading,
// writing, deadlines and closing are the server's.
func (p *Peer) NetConn() net.Conn {
	if p.polled != nil {
		return p.polled.view()
	}
	return p.conn
}

// TLS returns the state of the TLS layer; nil where there is none.
func (p *Peer) TLS() *tls.ConnectionState {
	if p.sealed == nil {
		return nil
	}
	state := p.sealed.stream.ConnectionState()
	return &state
}

// Value returns what SetValue was given last; nil before.
func (p *Peer) Value() any {
	if v := p.value.Load(); v != nil {
		return *v
	}
	return nil
}

// SetValue keeps v, the user's state of this peer.
func (p *Peer) SetValue(v any) { p.value.Store(&v) }

// Queued returns the bytes that wait to be sent, as they go on the wire.
func (p *Peer) Queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending()
}

// pending is Queued under the lock.
func (p *Peer) pending() int {
	if p.sealed != nil {
		return p.q.size + int(p.sealed.waiting.Load())
	}
	return p.q.size
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
func (p *Peer) setHold() { p.hold.Store(p.leaving || p.paused && !p.ended && !p.closing) }

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
	p.idleFor.Store(int64(max(d, 0)))
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
	if p.cause == nil {
		p.cause = err
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
	if !p.dead || p.gone || p.detached {
		last := p.polled != nil && p.polled.ends()
		p.mu.Unlock()
		if last {
			go p.leaveLoop()
		}
		return
	}
	p.gone = true
	p.stopTimers()
	p.changed()
	p.mu.Unlock()
	p.closeSocket()
}

func (p *Peer) stopTimers() {
	for _, t := range []*time.Timer{p.corkTimer, p.idleTimer, p.closeTimer, p.rate.timer} {
		if t != nil {
			t.Stop()
		}
	}
}

// closeSocket frees the place first, so that whoever sees the end finds it free.
func (p *Peer) closeSocket() {
	p.srv.free(p)
	if p.polled != nil {
		_ = p.polled.close(p.reset)
	} else {
		if c, ok := p.conn.(interface{ SetLinger(int) error }); ok && p.reset {
			_ = c.SetLinger(0)
		}
		_ = p.conn.Close()
	}
	p.mu.Lock()
	p.shut = true
	p.changed()
	p.unlock()
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
