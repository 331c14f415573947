package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Server is an event-driven server for stream connections: TCP, TLS over TCP,
// and Unix. It reads, and calls back; a handler writes without ever waiting.
//
// The callbacks of one peer run one after the other, in the order of what
// happened, and never two at the same time; those of different peers run at
// once. A callback may block: its own peer waits, what that peer sends stays
// in the kernel, and nobody else notices. A panic in a callback ends its peer
// and reaches OnPanic.
//
// The zero value reads and discards. Fields must not change once Serve is
// called, and a Server must not be copied.
type Server struct {
	// OnOpen is called for each new peer, after the TLS handshake.
	OnOpen func(*Peer)
	// OnData takes what a peer sent, cut as it came. The bytes are valid during
	// the call. Without it they are discarded.
	OnData func(p *Peer, data []byte)
	// OnEnd is called at the peer's end (FIN, close_notify). Its own half is
	// still open: the handler can go on writing, and calls CloseWrite or Close
	// when it is done. Without it the server does CloseWrite at once. A
	// connection of which both halves have ended is closed.
	OnEnd func(*Peer)
	// OnIdle is called when a peer reaches its idle timeout, to say good-bye and
	// Close. Without it the server closes.
	OnIdle func(*Peer)
	// OnWritable is called once the queue has fallen to a quarter of WriteQueue
	// after it had been over half of it, or after a Write was refused.
	OnWritable func(*Peer)
	// OnShutdown is called for each open peer when Shutdown begins, to say good
	// bye and Close. Without it the server does CloseWrite.
	OnShutdown func(*Peer)
	// OnClose is called exactly once for each peer that OnOpen was due for, and
	// last. The error is nil after an orderly end.
	OnClose func(p *Peer, err error)
	// OnRefused is told of each connection that was turned away, and of each TLS
	// handshake that failed (rule "tls"). It may run in the accepting goroutine,
	// and must not block.
	OnRefused func(remote net.Addr, rule, reason string)
	// OnPanic is told of each panic in a callback, which is the error that OnClose
	// gets, too. Nil logs it by package log.
	OnPanic func(p *Peer, err *PanicError)

	// TLS makes it a TLS server.
	TLS *tls.Config
	// HandshakeTimeout bounds each TLS handshake; 0 means 10 seconds, less than
	// 0 no bound.
	HandshakeTimeout time.Duration
	// IdleTimeout closes a peer when no byte came or went for so long; 0 means
	// never. A peer whose handler has called Pause is not idle.
	IdleTimeout time.Duration
	// WriteTimeout aborts a peer that takes none of the bytes queued for it for
	// so long; 0 means 30 seconds, less than 0 never.
	WriteTimeout time.Duration

	// MaxConns bounds the connections at once, those in a handshake and those
	// detached included; 0 means 10,000, less than 0 no bound.
	MaxConns int
	// MaxConnsPerIP bounds the connections at once of one IP address; 0 means
	// no bound.
	MaxConnsPerIP int
	// MaxRate bounds the bytes a second read from one peer, after a first
	// second's worth; 0 means no bound. A peer that sends more is held back.
	MaxRate int64
	// Admit turns a connection away by an error, whose text is the reason; a
	// [*Refusal] names the rule too. It runs in the accepting goroutine, and
	// must not block.
	Admit func(remote net.Addr) error

	// ReadBuffer is the most that OnData gets at once, in bytes; 0 means 64 KiB,
	// and 128 KiB on event loops. It is at most half of WriteQueue. Buffers are
	// pooled, or a loop's: a peer that sends nothing holds none.
	ReadBuffer int
	// WriteQueue is the high-water mark of a peer's queue, in bytes; 0 means
	// 1 MiB. A Write is taken while less is queued, so that at most this and one
	// Write wait. Reading pauses while the queue is over half of it, and goes on
	// at a quarter: an echo never comes to the mark.
	WriteQueue int
	// Overflow says what happens to a Write once WriteQueue is reached.
	Overflow Overflow

	// Loops is how many event loops serve, where the system has them (Linux) and
	// TLS is nil: callbacks run in the goroutine of a loop, one for many peers, and
	// a peer that is idle has neither a goroutine nor a buffer. A callback that
	// blocks is found out within 4 milliseconds, and others go on. 0 is one loop a
	// processor (GOMAXPROCS); less than 0 is a goroutine a peer.
	Loops int

	// Tracer gets records of every connection; nil costs nothing.
	Tracer *trace.Tracer

	once  sync.Once
	began time.Time
	conf  settings
	bufs  buffers
	count counters

	mu        sync.Mutex
	loops     *loopSet
	looping   int // listeners and peers that need the loops
	listeners map[net.Listener]struct{}
	peers     roster
	perIP     map[netip.Addr]int
	slots     int           // connections that count against MaxConns
	active    int           // peers whose last callback has not returned
	ids       trace.ID      // numbers peers where the tracer does not
	past      tally         // of peers that are gone
	done      chan struct{} // closed when Shutdown or Close begins
	empty     chan struct{} // closed once no peer is active any more after that
	refusals  map[string]uint64
	turning   atomic.Int32 // connections turned away that still linger
	detached  atomic.Int64 // connections handed over that are not closed
}

// Overflow is a policy for a full queue.
type Overflow uint8

const (
	// DropWrite refuses the Write with [ErrQueueFull]; nothing of it is queued.
	DropWrite Overflow = iota
	// CloseSlow aborts the peer with [ErrSlowPeer].
	CloseSlow
)

// Errors of a [Server] and its peers. Where they end a peer they say so to
// OnClose, wrapped.
var (
	// ErrServerClosed is returned by Serve after Shutdown or Close, and ends the
	// peers that these closed.
	ErrServerClosed = errors.New("tcp: server closed")
	// ErrQueueFull refuses a Write; the peer stays.
	ErrQueueFull = errors.New("the queue of a peer that does not read is full")
	// ErrSlowPeer ends a peer that does not read what is sent to it.
	ErrSlowPeer = errors.New("the peer does not read what is sent to it")
	// ErrIdle ends a peer at its idle timeout.
	ErrIdle = errors.New("idle for too long")
	// ErrAborted ends a peer by Abort(nil).
	ErrAborted = errors.New("aborted")
	// ErrDetached ends a peer whose connection was handed over by Detach.
	ErrDetached = errors.New("the connection was handed over")
)

// Refusal is an error of [Server.Admit] that names the rule besides the reason.
type Refusal struct {
	Rule   string // as the user knows it: deny, allow, ...
	Reason string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Reason }

// settings are the fields of a Server with their defaults put in. 0 is no bound.
type settings struct {
	handshake, write time.Duration
	maxConns         int
	readBuffer       int
	loopBuffer       int           // of an event loop
	mark             int           // high-water mark
	cork             int           // what is corked leaves at this size at the latest
	corkFor          time.Duration // and after this time
	linger           time.Duration // for the peer's end after ours
}

const (
	largeWrite   = 32 << 10 // is not copied into a queue that is empty
	mostCorked   = 128 << 10
	corkTime     = 5 * time.Millisecond
	lingerTime   = 2 * time.Second
	mostConns    = 10000
	queueMark    = 1 << 20
	readSize     = 64 << 10
	loopReadSize = 128 << 10
	handshakeFor = 10 * time.Second
	writeFor     = 30 * time.Second
)

func (s *Server) setUp() {
	s.once.Do(func() {
		s.began = time.Now()
		c := &s.conf
		c.handshake = bound(s.HandshakeTimeout, handshakeFor)
		c.write = bound(s.WriteTimeout, writeFor)
		c.maxConns = bound(s.MaxConns, mostConns)
		c.mark = max(bound(s.WriteQueue, queueMark), 2)
		c.readBuffer = min(max(bound(s.ReadBuffer, readSize), 1), c.mark/2)
		c.loopBuffer = min(max(bound(s.ReadBuffer, loopReadSize), 1), c.mark/2)
		c.cork = min(mostCorked, c.mark/2)
		c.corkFor = bound(c.corkFor, corkTime)
		c.linger = bound(c.linger, lingerTime)
		s.bufs.init(c.readBuffer)
		s.listeners = make(map[net.Listener]struct{})
		s.perIP = make(map[netip.Addr]int)
		s.refusals = make(map[string]uint64)
		s.done, s.empty = make(chan struct{}), make(chan struct{})
	})
}

// bound returns v, the default where it is 0, and 0 where it is less.
func bound[T ~int | ~int64](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

// Shutdown stops accepting, tells every peer (OnShutdown, or else CloseWrite
// behind what is queued) and waits until all have ended and their last callback
// has returned. When ctx is done before that, it aborts those that are left and
// returns the context's error. Serve returns at once. Called from a callback it
// waits for that callback, until ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	for p := range s.all() {
		p.shutDown()
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		s.abortAll()
		return ctx.Err()
	}
}

// Close stops accepting and aborts every peer. It does not wait for callbacks;
// a Shutdown after it does.
func (s *Server) Close() error {
	err := s.stop()
	s.abortAll()
	return err
}

func (s *Server) abortAll() {
	for p := range s.all() {
		p.Abort(ErrServerClosed)
	}
}

// stop closes the listeners, once.
func (s *Server) stop() error {
	s.setUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped() {
		return nil
	}
	close(s.done)
	if s.active == 0 {
		close(s.empty)
	}
	var errs []error
	for l := range s.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

func (s *Server) stopped() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// all yields the connections that there are, also those in a handshake.
func (s *Server) all() iter.Seq[*Peer] {
	s.setUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Values(slices.Collect(s.peers.all()))
}

// Peers yields the peers that are open at the time of the call, in no order.
func (s *Server) Peers() iter.Seq[*Peer] {
	all := s.all()
	return func(yield func(*Peer) bool) {
		for p := range all {
			if p.isOpen() && !yield(p) {
				return
			}
		}
	}
}
