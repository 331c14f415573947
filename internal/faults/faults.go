// Package faults does to traffic, on purpose, what bad networks and bad peers
// do: it delays, slows, loses, doubles, reorders, stalls and cuts. It knows
// readers and writers only, no sockets, but for [DropSegments].
//
// A [Faults] says what is to be done. Each connection has a [Connection], and
// each of its two directions a [Link] that moves the bytes or datagrams.
package faults

import (
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Direction says which way of a connection suffers.
type Direction int

// The directions. The zero value is both.
const (
	Both Direction = iota
	Up             // from the client to the target
	Down           // from the target to the client
)

// Trigger is an amount or a time after which something happens, or both, and
// then whichever is reached first. The zero value never happens.
type Trigger struct {
	OnSize bool
	Size   int64 // bytes that are passed on first; 0 is at once
	OnTime bool
	Time   time.Duration // since the connection was passed on; 0 is at once
}

// On reports whether the trigger can ever happen.
func (t Trigger) On() bool { return t.OnSize || t.OnTime }

// Faults says what is done to traffic, to each connection for itself. The zero
// value does nothing. It must not be changed while in use.
type Faults struct {
	// Delay is how much later everything arrives, ends included. It does not
	// limit how much passes a second, up to Buffer.
	Delay time.Duration
	// Jitter makes each delay longer or shorter at random, by this much at the
	// most, and never shorter than nothing. It reorders datagrams, as networks
	// do, but never a stream.
	Jitter time.Duration
	// Bandwidth is how many bytes pass a second in each direction, evenly; 0 is
	// no limit.
	Bandwidth int64
	// Loss, Reorder and Duplicate are the probabilities, from 0 to 1, of a
	// datagram being lost, being overtaken by the next one, and coming twice.
	// They do not apply to streams.
	Loss, Reorder, Duplicate float64
	// Cut resets the connection. Stall has nothing pass any more, while the
	// connection stays open. The size of both is counted in all directions that
	// suffer together, to the byte on streams; a datagram passes whole or not.
	Cut, Stall Trigger
	// HalfClose ends the sending half towards the client; where Direction is
	// Up, towards the target. Its size is that of this direction alone. What
	// still comes is read and dropped; the other direction goes on.
	HalfClose Trigger
	// Direction is the way that suffers.
	Direction Direction
	// Seed makes a run repeatable: the same seed makes the same decisions for
	// the n-th datagram of the n-th connection.
	Seed uint64
	// Buffer bounds the bytes that wait in one direction of one connection; 0
	// means 16 MiB. A full one is not read into any more. All of them together
	// have sixteen times as much, and each may always hold one piece.
	Buffer int

	held atomic.Int64 // bytes waiting in all connections
}

const (
	defaultBuffer = 16 << 20
	allBuffers    = 16 // times Buffer
)

func (f *Faults) buffer() int64 {
	if f.Buffer > 0 {
		return int64(f.Buffer)
	}
	return defaultBuffer
}

// Any reports whether anything is to be done at all.
func (f *Faults) Any() bool { return f != nil && (f.Affects(trace.Out) || f.Affects(trace.In)) }

// ForDatagrams reports whether there are faults that only datagrams know.
func (f *Faults) ForDatagrams() bool { return f.Loss > 0 || f.Reorder > 0 || f.Duplicate > 0 }

// Random reports whether chance has a part, so that the seed matters.
func (f *Faults) Random() bool { return f.ForDatagrams() || f.Jitter > 0 }

// Affects reports whether one direction suffers: [trace.Out] from the client to
// the target, [trace.In] back.
func (f *Faults) Affects(d trace.Dir) bool {
	if f == nil {
		return false
	}
	harmed := f.Delay > 0 || f.Bandwidth > 0 || f.Random() || f.Cut.On() || f.Stall.On()
	return f.suffers(d) && harmed || f.halfCloses(d)
}

func (f *Faults) suffers(d trace.Dir) bool {
	return f.Direction == Both || (f.Direction == Up) == (d == trace.Out)
}

func (f *Faults) halfCloses(d trace.Dir) bool {
	return f.HalfClose.On() && (f.Direction == Up) == (d == trace.Out)
}
