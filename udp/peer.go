package udp

import (
	"math"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Peer is one sender to a [Server]: an address and port, or a Unix name. It is
// the same *Peer for every datagram until it is forgotten. Its methods may be
// called from any goroutine.
type Peer struct {
	loop   *loop
	origin origin
	id     trace.ID
	since  time.Time
	gone   atomic.Bool
	value  atomic.Pointer[any]
	stay   atomic.Int64 // when Keep was called, on the loop's clock

	// The loop's alone.
	rate         rate
	seen         int64 // when the last datagram came
	told         int64 // when a dropped one was last reported
	in           int64 // bytes
	newer, older *Peer // in the table's order of last datagrams

	// Under the outbox's lock, once the peer is known to others.
	target target
	source netip.Addr     // of ours to send from, where the system would guess
	local  netip.AddrPort // that the peer sends to
	uncut  int            // datagrams of this size and more are not sent as bursts
	out    int64          // bytes
}

// noLimit is the uncut of a peer to whom every size may be sent in bursts.
const noLimit = math.MaxInt

// Write sends b to the peer as one datagram, and does not keep b. While the
// server handles a batch of datagrams, what is written is sent at the end of
// the batch, in few system calls, but within 5 to 10 ms also where a callback
// blocks; then failures are counted in [Stats] only. Otherwise it is sent at
// once.
//
// A datagram larger than [MaxPayload] is an [ErrTooLarge]; a peer that was
// forgotten is [net.ErrClosed].
func (p *Peer) Write(b []byte) (int, error) {
	err := p.check(b)
	if err == nil {
		p.loop.reportOut(p, b)
		err = p.loop.out.add(p, b)
	}
	if err != nil {
		return 0, opError("write", p.loop.socket.link, p.RemoteAddr(), err)
	}
	return len(b), nil
}

func (p *Peer) check(b []byte) error {
	switch {
	case p.gone.Load():
		return net.ErrClosed
	case p.origin.addr.IsValid():
		return checkSize(len(b))
	case p.origin.path == "":
		return ErrNoName
	}
	return nil
}

// Keep counts as a sign of life, as a datagram from the peer does.
func (p *Peer) Keep() { p.stay.Store(p.loop.clock()) }

// Close forgets the peer. The next datagram from its address is a new peer's.
// OnGone is called on the socket's own goroutine, soon.
func (p *Peer) Close() error {
	if !p.gone.Swap(true) {
		p.loop.leave(p)
	}
	return nil
}

// Addr returns the peer's address; it is not valid for a Unix peer.
func (p *Peer) Addr() netip.AddrPort { return p.origin.addr }

// RemoteAddr returns the peer's address as a *[net.UDPAddr] or *[net.UnixAddr].
func (p *Peer) RemoteAddr() net.Addr { return p.origin.netAddr() }

// String returns the peer's address, ip:port or a path.
func (p *Peer) String() string {
	if p.origin.addr.IsValid() {
		return p.origin.addr.String()
	}
	return p.origin.path
}

// LocalAddr returns the address of ours that the peer last sent to.
func (p *Peer) LocalAddr() net.Addr {
	if p.loop.socket.network == unixgram {
		return p.loop.socket.LocalAddr()
	}
	p.loop.out.mu.Lock()
	defer p.loop.out.mu.Unlock()
	return net.UDPAddrFromAddrPort(p.local)
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

// TraceID returns the peer's number in the trace.
func (p *Peer) TraceID() trace.ID { return p.id }
