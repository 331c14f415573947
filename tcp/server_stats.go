package tcp

import (
	"maps"
	"sync/atomic"
)

// Stats is a count of what a [Server] did, and has.
type Stats struct {
	Accepted    uint64            // connections accepted, with those turned away
	Opened      uint64            // peers that became open
	Open        int               // peers that are open
	Handshaking int               // connections in a TLS handshake
	Detached    int               // connections that were handed over and are not closed
	Refused     map[string]uint64 // turned away, and failed TLS handshakes ("tls"), by rule

	BytesIn, BytesOut uint64 // of the application: read, and taken by Write
	Reads, Writes     uint64 // calls of the system's, with those that found nothing to read, or no room
	Waits             uint64 // calls of event loops that ask what there is to do
	Queued            int64  // bytes that wait for peers to read

	Drops        uint64 // writes refused with ErrQueueFull
	SlowPeers    uint64 // peers ended with ErrSlowPeer
	IdleTimeouts uint64 // peers ended with ErrIdle
	HeldBack     uint64 // peers that MaxRate held back at some time
	Panics       uint64 // in callbacks
	AcceptErrors uint64 // that were waited out
}

// counters are those of the server itself.
type counters struct {
	accepted, opened, drops, slow, idle atomic.Uint64
	held, panics, acceptErrors          atomic.Uint64
}

// calls counts calls of the system's.
type calls struct {
	reads, writes, waits atomic.Uint64
}

// tally is a sum over peers.
type tally struct{ in, out, reads, writes, waits uint64 }

func (t *tally) addPeer(p *Peer) {
	t.in += p.in.Load()
	t.out += p.out.Load()
	if c := p.transport().made(); c != nil {
		t.addCalls(c)
	}
}

func (t *tally) addCalls(c *calls) {
	t.reads += c.reads.Load()
	t.writes += c.writes.Load()
	t.waits += c.waits.Load()
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.setUp()
	st := Stats{
		Accepted: s.count.accepted.Load(), Opened: s.count.opened.Load(), Drops: s.count.drops.Load(),
		SlowPeers: s.count.slow.Load(), IdleTimeouts: s.count.idle.Load(), HeldBack: s.count.held.Load(),
		Panics: s.count.panics.Load(), AcceptErrors: s.count.acceptErrors.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.past
	s.loops.addTo(&sum)
	for p := range s.peers.all() {
		sum.addPeer(p)
		p.addTo(&st)
	}
	st.BytesIn, st.BytesOut = sum.in, sum.out
	st.Reads, st.Writes, st.Waits = sum.reads, sum.writes, sum.waits
	st.Detached = int(s.detached.Load())
	st.Refused = maps.Clone(s.refusals)
	return st
}
