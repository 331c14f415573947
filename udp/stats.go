package udp

import "sync/atomic"

// Stats are a server's counters since it began.
type Stats struct {
	DatagramsIn, BytesIn   uint64 // handed to OnDatagram
	DatagramsOut, BytesOut uint64 // taken by the system
	Peers                  int    // now
	PeersTotal             uint64 // ever
	Panics                 uint64 // in callbacks
	Dropped                Dropped
}

// Dropped counts the datagrams that were lost on the way through a server, by
// the reason.
type Dropped struct {
	MaxRate       uint64 // in: the peer was over MaxRate
	MaxPeers      uint64 // in: a new peer over MaxPeers
	MaxPeersPerIP uint64 // in: a new peer over MaxPeersPerIP
	Denied        uint64 // in: Allow refused the peer
	ReceiveBuffer uint64 // in: the socket's buffer was full (Linux tells, elsewhere 0)
	SendFull      uint64 // out: a Unix peer's queue, or the system's, was full
	SendErrors    uint64 // out: refused by the system: unreachable, forbidden, too large
}

// counters are the Stats while they grow.
type counters struct {
	datagramsIn, bytesIn   atomic.Uint64
	datagramsOut, bytesOut atomic.Uint64
	peers                  atomic.Int64
	peersTotal             atomic.Uint64

	maxRate, maxPeers, maxPeersPerIP, denied atomic.Uint64
	sendFull, sendErrors, panics             atomic.Uint64
	receiveBuffer                            atomic.Uint64 // of sockets that are closed
}

func (c *counters) stats() Stats {
	return Stats{
		DatagramsIn: c.datagramsIn.Load(), BytesIn: c.bytesIn.Load(),
		DatagramsOut: c.datagramsOut.Load(), BytesOut: c.bytesOut.Load(),
		Peers: int(c.peers.Load()), PeersTotal: c.peersTotal.Load(), Panics: c.panics.Load(),
		Dropped: Dropped{
			MaxRate: c.maxRate.Load(), MaxPeers: c.maxPeers.Load(), MaxPeersPerIP: c.maxPeersPerIP.Load(),
			Denied: c.denied.Load(), ReceiveBuffer: c.receiveBuffer.Load(),
			SendFull: c.sendFull.Load(), SendErrors: c.sendErrors.Load(),
		},
	}
}
