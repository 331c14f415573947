// Package trace holds what happened on a socket, as typed records.
//
// Every package of sockkit takes an optional [*Tracer]: a sink and a level.
// Records above the level are never built, and a nil tracer costs nothing.
// The text that -v prints, JSON lines, pcapng captures, the demo and the tests
// are all views of the same records. The names of records and of their fields
// are a promise: they are added to, never renamed (docs/events.md).
package trace

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Level says how much a tracer records, by how often it happens.
type Level uint8

// The levels, each of which includes those before it.
const (
	Off        Level = iota // nothing
	Connection              // -v: connections come and go, and why
	Message                 // -vv: what the application sent and received, and handshakes
	Frame                   // -vvv: frames, packets and TLS records
	Byte                    // -vvvv: every byte as it passed on the wire
)

var levelNames = [...]string{"off", "connection", "message", "frame", "byte"}

// String returns the level's name as it stands in JSON.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// Dir is the way a byte went, seen from this process.
type Dir uint8

// The directions. None is a note about neither.
const (
	None Dir = iota
	In       // from the peer
	Out      // to the peer
)

var dirNames = [...]string{"", "in", "out"}

// String returns "in", "out" or the empty string.
func (d Dir) String() string { return dirNames[d%3] }

// MarshalText implements [encoding.TextMarshaler].
func (d Dir) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Dir) UnmarshalText(b []byte) error {
	for i, name := range dirNames {
		if name == string(b) {
			*d = Dir(i)
			return nil
		}
	}
	return fmt.Errorf("trace: direction %q is none of \"in\", \"out\" and \"\"", b)
}

// ID numbers a connection within one tracer, from 1. 0 stands for no
// connection in particular.
type ID uint64

// Record is one thing that happened.
type Record struct {
	Time  time.Time
	Conn  ID
	Event Event
}

// Event is the typed part of a record: one of the structs of this package, or
// of a package that has events of its own.
type Event interface {
	// Name is the event's name in JSON, in lower case with underscores.
	Name() string
	// Level is the level from which on the event is recorded.
	Level() Level
}

// Sink takes records. Record is called by many goroutines at once. Payloads
// are valid during the call only: a sink that keeps them copies them.
type Sink interface {
	Record(Record)
}

// Tracer hands records up to a level to a sink. A nil *Tracer records nothing.
// A Tracer must not be copied after its first use.
type Tracer struct {
	Sink  Sink
	Level Level

	ids  atomic.Uint64
	from *Tracer // whose numbers are used, where this one is a view of it
}

// New returns a tracer that hands records up to level to sink.
func New(sink Sink, level Level) *Tracer { return &Tracer{Sink: sink, Level: level} }

// On reports whether records of level l are wanted. Ask before building one.
func (t *Tracer) On(l Level) bool { return t != nil && t.Level >= l }

// Emit stamps e with the time and hands it to the sink, if its level is wanted.
func (t *Tracer) Emit(conn ID, e Event) {
	if t.On(e.Level()) {
		t.Sink.Record(Record{Time: time.Now(), Conn: conn, Event: e})
	}
}

// NewID returns the next connection number; 0 from a nil tracer.
func (t *Tracer) NewID() ID {
	switch {
	case t == nil:
		return 0
	case t.from != nil:
		return t.from.NewID()
	}
	return ID(t.ids.Add(1))
}

// View returns a tracer with another sink and level that shares t's connection
// numbers. A view of a nil tracer is nil.
func (t *Tracer) View(sink Sink, level Level) *Tracer {
	if t == nil {
		return nil
	}
	return &Tracer{Sink: sink, Level: level, from: t}
}

// Branch is one sink of a [Tee] with the level it wants.
type Branch struct {
	Sink  Sink
	Level Level
}

// Tee hands each record to every branch whose level includes it.
type Tee []Branch

// Record implements [Sink].
func (t Tee) Record(r Record) {
	for _, b := range t {
		if b.Level >= r.Event.Level() {
			b.Sink.Record(r)
		}
	}
}

// Level returns the highest level that a branch wants.
func (t Tee) Level() Level {
	var most Level
	for _, b := range t {
		most = max(most, b.Level)
	}
	return most
}
