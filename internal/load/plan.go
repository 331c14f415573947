// Package load puts a load on a server and measures how it bears it: it opens
// many connections, sends, compares what comes back byte for byte, and keeps the
// latencies in HDR histograms.
//
// What it costs itself is kept low: streams run on the event-driven server of
// package tcp, datagrams on Linux on loops of their own, messages are made in
// pooled buffers, and none takes an allocation.
package load

import (
	"context"
	"net"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// Mode is what is done with the connections.
type Mode string

// The modes.
const (
	Echo      Mode = "echo"      // send, and wait for the same back
	Push      Mode = "push"      // send only, as fast as is taken
	Idle      Mode = "idle"      // hold them open
	Connect   Mode = "connect"   // open, shake hands, close, and again
	Broadcast Mode = "broadcast" // one more sends, and all receive
)

// Modes are all of them.
var Modes = []Mode{Echo, Push, Idle, Connect, Broadcast}

// Kind is how messages are told from each other.
type Kind uint8

// The kinds.
const (
	Stream Kind = iota // by their size
	Datagram
	WebSocket
	SocketIO
)

// Target is what is loaded.
type Target struct {
	Kind Kind
	// Dial opens a connection, opening handshake and all.
	Dial func(context.Context) (*Link, error)
	// Binary has WebSocket messages sent as such.
	Binary bool
	// Namespace and Event are those of Socket.IO. Where Ack is set an event asks
	// for its acknowledgement, which is the answer then; else the same event is.
	Namespace, Event string
	Ack              bool
}

// Link is a connection that is open, up to the first message.
type Link struct {
	Conn   net.Conn
	Early  []byte              // what was read already
	Agreed handshake.Agreement // of a WebSocket
}

// Plan is a load. Fields that are 0 have the defaults.
type Plan struct {
	Target
	Mode     Mode          // Echo
	Conns    int           // connections at once; 1
	Duration time.Duration // of the measurement; 10 s, unless Count is set
	Count    int64         // messages in all, or connections of Connect; it may end before Duration
	Size     int           // bytes of a message; 32
	Rate     float64       // messages a second in all, or connections; as fast as goes
	InFlight int           // messages of one connection that wait for their answers; 1
	Ramp     time.Duration // the connections are opened evenly over it
	Wait     time.Duration // for an answer, and at the end for those that are due; 10 s
	// Progress is told how far it is, once a second.
	Progress func(Snapshot)

	bubble bool // time is a test's
}

const (
	defaultDuration = 10 * time.Second
	defaultSize     = 32
	defaultWait     = 10 * time.Second
	openingAtOnce   = 64 // without a ramp
)

// withDefaults is p with its defaults put in.
func (p Plan) withDefaults() Plan {
	p.Conns, p.InFlight = max(p.Conns, 1), max(p.InFlight, 1)
	if p.Mode == "" {
		p.Mode = Echo
	}
	if p.Size <= 0 {
		p.Size = defaultSize
	}
	if p.Duration <= 0 && p.Count <= 0 {
		p.Duration = defaultDuration
	}
	if p.Wait <= 0 {
		p.Wait = defaultWait
	}
	return p
}

// interval is the time between two messages; 0 where no rate is set.
func (p *Plan) interval() float64 {
	if p.Rate <= 0 {
		return 0
	}
	return float64(time.Second) / p.Rate
}
