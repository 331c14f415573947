package udp

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// admit makes the sender of buffer i a peer, unless a limit turns it away with
// its datagrams; then it returns nil.
func (l *loop) admit(i int, r *received, datagrams uint64) *Peer {
	s := l.server
	addr := r.Remote.Addr()
	if s.Allow != nil && addr.IsValid() {
		if err := s.Allow(addr.WithZone("")); err != nil {
			rule := "allow"
			var refusal *Refusal
			if errors.As(err, &refusal) {
				rule = refusal.Rule
			}
			s.turnAway(r, &s.count.denied, datagrams, rule, err)
			return nil
		}
	}
	if most := s.maxPeers(); s.count.peers.Add(1) > most && most > 0 {
		s.count.peers.Add(-1)
		s.turnAway(r, &s.count.maxPeers, datagrams, "max-conns", fmt.Errorf("%d peers are served already", most))
		return nil
	}
	if !s.takePlace(addr) {
		s.count.peers.Add(-1)
		s.turnAway(r, &s.count.maxPeersPerIP, datagrams, "max-conns-per-ip",
			fmt.Errorf("%d peers of this address are served already", s.MaxPeersPerIP))
		return nil
	}
	s.count.peersTotal.Add(1)
	return l.welcome(l.in.target(i), r)
}

// welcome makes a peer and tells of it.
func (l *loop) welcome(to target, r *received) *Peer {
	p := &Peer{
		loop: l, origin: r.origin(), since: time.Now(), seen: l.now,
		target: to, source: r.reply, local: r.Local, uncut: noLimit,
	}
	l.peers.add(p)
	if t := l.server.Tracer; t.On(trace.Connection) {
		p.id = t.NewID()
		t.Emit(p.id, trace.Open{
			Side: trace.Server, Network: l.socket.network, Local: l.localText(p, trace.In), Remote: p.String(),
		})
	}
	if l.server.OnPeer != nil {
		l.current = p
		l.server.OnPeer(p)
	}
	return p
}

// takePlace counts a peer of addr and returns false if there are too many.
func (s *Server) takePlace(addr netip.Addr) bool {
	if s.MaxPeersPerIP <= 0 || !addr.IsValid() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perIP == nil {
		s.perIP = map[netip.Addr]int{}
	}
	if s.perIP[addr] >= s.MaxPeersPerIP {
		return false
	}
	s.perIP[addr]++
	return true
}

func (s *Server) leavePlace(addr netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perIP[addr]--; s.perIP[addr] <= 0 {
		delete(s.perIP, addr)
	}
}

// turnedAwayRate is the most records of peers turned away in a second: senders
// are easily forged, and a flood of them must not become one of records.
const turnedAwayRate = 16

func (s *Server) turnAway(r *received, reason *atomic.Uint64, datagrams uint64, rule string, why error) {
	reason.Add(datagrams)
	if !s.Tracer.On(trace.Connection) {
		return
	}
	s.mu.Lock()
	tell := s.told.take(time.Now().UnixNano(), turnedAwayRate)
	s.mu.Unlock()
	if tell {
		s.Tracer.Emit(0, trace.TurnedAway{Remote: r.From(), Rule: rule, Reason: why.Error()})
	}
}

// forget removes a peer and tells why.
func (l *loop) forget(p *Peer, reason error) {
	if l.peers.find(&p.origin) != p {
		return // it was forgotten before
	}
	p.gone.Store(true)
	l.peers.remove(p)
	l.server.count.peers.Add(-1)
	if l.server.MaxPeersPerIP > 0 && p.origin.addr.IsValid() {
		l.server.leavePlace(p.origin.addr.Addr())
	}
	l.farewell(p, reason)
	if l.server.Tracer.On(trace.Connection) {
		l.reportClose(p, reason)
	}
}

func (l *loop) farewell(p *Peer, reason error) {
	if l.server.OnGone == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			l.server.panicked(p, v)
		}
	}()
	l.server.OnGone(p, reason)
}

// recovered ends the peer whose callback panicked; nobody else notices.
func (l *loop) recovered() {
	p := l.current
	l.current = nil
	v := recover()
	if v == nil {
		return
	}
	failure := l.server.panicked(p, v)
	if p != nil {
		l.forget(p, failure)
	}
}

// panicked counts a panic and tells of it.
func (s *Server) panicked(p *Peer, v any) *PanicError {
	failure := &PanicError{Value: v, Stack: debug.Stack()}
	s.count.panics.Add(1)
	if s.OnPanic != nil {
		s.OnPanic(p, failure)
	} else {
		log.Printf("udp: %v\n%s", failure, failure.Stack)
	}
	return failure
}

// reportClose tells the end of a peer. That it was silent, or we ended it, is
// no failure.
func (l *loop) reportClose(p *Peer, reason error) {
	l.out.mu.Lock()
	end := trace.Close{In: p.in, Out: p.out, Duration: time.Since(p.since)}
	l.out.mu.Unlock()
	var failure *Error
	var panicked *PanicError
	if errors.As(reason, &failure) || errors.As(reason, &panicked) {
		end.Error = reason.Error()
	}
	l.server.Tracer.Emit(p.id, end)
}

// moved notes that the peer sends to another address of ours than before.
func (l *loop) moved(p *Peer, r *received) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	p.local, p.source = r.Local, r.reply
}

// localText is our address in a record of a datagram that goes dir. What comes
// to a group leaves from an address of our own.
func (l *loop) localText(p *Peer, dir trace.Dir) string {
	if l.socket.network == unixgram {
		return l.socket.localText()
	}
	l.out.mu.Lock()
	local, source := p.local, p.source
	l.out.mu.Unlock()
	if dir == trace.Out && (local.Addr().IsMulticast() || local.Addr().IsUnspecified()) {
		if !source.IsValid() {
			source, _ = sourceFor(context.Background(), p.origin.addr, nil)
		}
		if source.IsValid() {
			return netip.AddrPortFrom(source, local.Port()).String()
		}
	}
	return local.String()
}

func (l *loop) reportIn(p *Peer, payload []byte, info *Info) {
	l.server.Tracer.Emit(p.id, trace.Datagram{
		Dir: trace.In, Network: l.socket.network, Local: l.localText(p, trace.In), Remote: p.String(),
		Size: info.Size, Truncated: info.Truncated, TTL: info.TTL,
		Interface: l.socket.InterfaceName(info.Interface), Payload: payload,
	})
}

func (l *loop) reportOut(p *Peer, payload []byte) {
	if !l.server.Tracer.On(trace.Message) {
		return
	}
	l.server.Tracer.Emit(p.id, trace.Datagram{
		Dir: trace.Out, Network: l.socket.network, Local: l.localText(p, trace.Out), Remote: p.String(),
		Size: len(payload), Payload: payload,
	})
}
