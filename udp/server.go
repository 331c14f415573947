package udp

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Server keeps many peers apart on one or several sockets. Set the fields
// before Serve and leave them alone then; the zero value counts what comes and
// drops it.
//
// The callbacks of one socket run one after the other on one goroutine, so that
// datagrams stay in order; a callback that blocks leaves the others of its
// socket in the receive buffer, which loses what does not fit. What goes wrong
// with one peer is counted and does not end the server. Where the send buffer
// of a UDP socket is full, because an interface is slow, its peers wait for it.
// Unix peers share one thing: what they do not read fills the socket's send
// buffer, and while that is full what is sent to any of them is dropped and
// counted.
//
// On Linux an answer leaves from the address that the peer wrote to, also where
// the socket is bound to every address.
type Server struct {
	// OnDatagram is called for each datagram. The payload is valid until it
	// returns.
	OnDatagram func(p *Peer, payload []byte, info Info)
	// OnPeer is called before a new peer's first datagram.
	OnPeer func(p *Peer)
	// OnGone is called when a peer is forgotten: [ErrIdle], [net.ErrClosed]
	// after [Peer.Close], [ErrServerClosed], a [*PanicError], or what ended its
	// socket.
	OnGone func(p *Peer, reason error)
	// OnPanic is told of a panic in a callback, which ends the peer (nil if it
	// was in Allow) and nobody else. Nil logs it by package log.
	OnPanic func(p *Peer, err *PanicError)

	// Allow is asked about a new peer's address; an error turns it away, a
	// [*Refusal] names the rule too. It must be quick and may be called by
	// several sockets at once. Unix peers are not asked about.
	Allow func(netip.Addr) error
	// MaxPeers is the most peers at a time; 0 means 10,000, less than 0 no
	// limit. The datagrams of those above are dropped.
	MaxPeers int
	// MaxPeersPerIP is the same for one IP address; 0 is no limit.
	MaxPeersPerIP int
	// PeerIdle is the silence after which a peer is forgotten; 0 means 2
	// minutes, less than 0 never.
	PeerIdle time.Duration
	// MaxRate is how many datagrams a second are taken from one peer, and as
	// many at once after a pause; those above are dropped. 0 is no limit.
	MaxRate int

	// Tracer takes the records; nil records nothing.
	Tracer *trace.Tracer

	mu     sync.Mutex
	closed bool
	loops  map[*loop]struct{}
	perIP  map[netip.Addr]int
	told   rate // of records of peers turned away

	count counters
}

// Defaults of a Server.
const (
	DefaultMaxPeers = 10_000
	DefaultPeerIdle = 2 * time.Minute
)

func (s *Server) maxPeers() int64 {
	if s.MaxPeers == 0 {
		return DefaultMaxPeers
	}
	return int64(s.MaxPeers)
}

// idle is PeerIdle in nanoseconds; 0 is never.
func (s *Server) idle() int64 {
	if s.PeerIdle == 0 {
		return int64(DefaultPeerIdle)
	}
	return int64(max(s.PeerIdle, 0))
}

// Serve reads the sockets until Shutdown or Close, which make it return
// [ErrServerClosed], until ctx ends, whose error it returns, or until a socket
// fails. It owns the sockets and closes them.
func (s *Server) Serve(ctx context.Context, sockets ...*Socket) error {
	loops, err := s.begin(sockets)
	if err != nil {
		for _, socket := range sockets {
			err = and(err, socket.Close())
		}
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.end(loops, context.Cause(ctx)) })
	defer stop()
	failures := make(chan error)
	for _, l := range loops {
		go func() { failures <- l.serve() }()
	}
	var first error
	for range loops {
		if err := <-failures; first == nil {
			first = err
			s.end(loops, err) // the others go with it
		}
	}
	return first
}

func (s *Server) begin(sockets []*Socket) ([]*loop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrServerClosed
	}
	if len(sockets) == 0 {
		return nil, errors.New("udp: serve: no socket")
	}
	var loops []*loop
	for _, socket := range sockets {
		l, err := newLoop(s, socket)
		if err != nil {
			return nil, &Error{Op: "serve", Address: socket.display(), Err: err}
		}
		loops = append(loops, l)
	}
	if s.loops == nil {
		s.loops = map[*loop]struct{}{}
	}
	for _, l := range loops {
		s.loops[l] = struct{}{}
	}
	return loops, nil
}

// end makes loops leave, with reason.
func (s *Server) end(loops []*loop, reason error) {
	for _, l := range loops {
		l.end(reason)
	}
}

// Shutdown ends the server: datagrams that have come are still handled and
// what was written is sent; then every peer is forgotten and the sockets are
// closed. It returns once that is done. If ctx ends before, the sockets are
// closed at once and its error is returned. It must not be called by a
// callback.
func (s *Server) Shutdown(ctx context.Context) error {
	loops := s.close()
	for _, l := range loops {
		select {
		case <-l.done:
		case <-ctx.Done():
			for _, l := range loops {
				_ = l.socket.Close()
			}
			return ctx.Err()
		}
	}
	return nil
}

// Close ends the server without waiting, and without handling what has come.
// A callback may call it.
func (s *Server) Close() error {
	var failed error
	for _, l := range s.close() {
		failed = and(failed, l.socket.Close())
	}
	return failed
}

// close refuses further Serves and makes those that run leave.
func (s *Server) close() []*loop {
	s.mu.Lock()
	s.closed = true
	loops := s.running()
	s.mu.Unlock()
	s.end(loops, ErrServerClosed)
	return loops
}

func (s *Server) running() []*loop {
	loops := make([]*loop, 0, len(s.loops))
	for l := range s.loops {
		loops = append(loops, l)
	}
	return loops
}

// Stats returns the counters. It may be called at any time.
func (s *Server) Stats() Stats {
	stats := s.count.stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.loops {
		stats.Dropped.ReceiveBuffer += kernelDrops(l.socket.link)
	}
	return stats
}

// Peers returns the peers there are, in no order. Those that come meanwhile
// may be missing.
func (s *Server) Peers() iter.Seq[*Peer] {
	return func(yield func(*Peer) bool) {
		s.mu.Lock()
		loops := s.running()
		s.mu.Unlock()
		for _, l := range loops {
			for _, p := range l.peers.peers() {
				if !yield(p) {
					return
				}
			}
		}
	}
}
