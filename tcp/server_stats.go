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

// tally counts what passed over a peer. Each has its own, so that peers on
// different cores share no counter.
type tally struct {
	in, out, reads, writes atomic.Uint64
}

func (t *tally) add(other *tally) {
	t.in.Add(other.in.Load())
	t.out.Add(other.out.Load())
	t.reads.Add(other.reads.Load())
	t.writes.Add(other.writes.Load())
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.setUp()
	st := Stats{
		Accepted: s.count.accepted.Load(), Opened: s.count.opened.Load(), Drops: s.count.drops.Load(),
		SlowPeers: s.count.slow.Load(), IdleTimeouts: s.count.idle.Load(), HeldBack: s.count.held.Load(),
		Panics: s.count.panics.Load(), AcceptErrors: s.count.acceptErrors.Load(),
	}
	var sum tally
	s.mu.Lock()
	defer s.mu.Unlock()
	sum.add(&s.past)
	for p := range s.peers {
		sum.add(&p.tally)
		p.addTo(&st)
	}
	st.BytesIn, st.BytesOut = sum.in.Load(), sum.out.Load()
	st.Reads, st.Writes = sum.reads.Load(), sum.writes.Load()
	st.Detached = int(s.detached.Load())
	st.Refused = maps.Clone(s.refusals)
	return st
}
