// Package live keeps trace records and shows them while they come, also to
// browsers.
package live

import (
	"slices"
	"sync"

	"github.com/sockkit/sockkit/internal/dissect"
	"github.com/sockkit/sockkit/trace"
)

// Timeline keeps the records of several parts in one order, and forgets the
// oldest beyond its bounds. The zero value is ready.
type Timeline struct {
	// MaxRecords bounds the records that are kept; 0 is 20,000.
	MaxRecords int
	// MaxBytes bounds the bytes of their payloads, as they passed and as they are
	// put together again; 0 is 32 MiB.
	MaxBytes int
	// Between says that the records are made between the two ends of each
	// connection, and by neither: tap's.
	Between bool

	mu      sync.Mutex
	first   int // the number of kept[0]
	kept    []kept
	bytes   int
	added   chan struct{} // closed once another record is there
	wires   dissect.Assembler
	streams map[stream]*ends
}

// Entry is a record, and the part whose it is.
type Entry struct {
	Number int // from 0, one more for each record
	Who    string
	trace.Record
}

// kept is an entry with what is known about it.
type kept struct {
	Entry
	wire []byte // of a record that holds none itself
	ends ends   // of its connection
}

// stream names a connection: each part counts its own.
type stream struct {
	who string
	id  trace.ID
}

const (
	defaultRecords = 20_000
	defaultBytes   = 32 << 20
)

// Sink returns the sink of a part, by the name that it is shown under. A part
// that is no end of a connection by its records, as an observer, says by side
// which end it stands at: [trace.Client] or [trace.Server], or neither.
func (t *Timeline) Sink(who, side string) trace.Sink { return part{t, who, side} }

type part struct {
	timeline  *Timeline
	who, side string
}

// Record implements [trace.Sink].
func (p part) Record(r trace.Record) {
	r.Event = trace.Clone(r.Event)
	t := p.timeline
	t.mu.Lock()
	defer t.mu.Unlock()
	k := kept{Entry: Entry{t.first + len(t.kept), p.who, r}}
	k.ends = t.endsOf(p, r)
	t.kept = append(t.kept, k)
	t.bytes += size(r.Event)
	t.wires.Add(k.Number, r, t.attach)
	t.forget()
	if t.added != nil {
		close(t.added)
		t.added = nil
	}
}

// attach keeps the bytes that a frame had on the wire.
func (t *Timeline) attach(n int, wire []byte) {
	if n >= t.first && n < t.first+len(t.kept) {
		t.kept[n-t.first].wire = slices.Clone(wire)
		t.bytes += len(wire)
	}
}

// forget keeps within the bounds. It drops some more than it must, so that not
// each record moves all the others.
func (t *Timeline) forget() {
	most, mostBytes := orDefault(t.MaxRecords, defaultRecords), orDefault(t.MaxBytes, defaultBytes)
	if len(t.kept) <= most && t.bytes <= mostBytes {
		return
	}
	n := 0
	for n < len(t.kept)-1 && (len(t.kept)-n > most-most/8 || t.bytes > mostBytes-mostBytes/8) {
		t.bytes -= size(t.kept[n].Event) + len(t.kept[n].wire)
		n++
	}
	t.kept = slices.Delete(t.kept, 0, n)
	t.first += n
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// size is what a record's payload takes.
func size(e trace.Event) int { return len(payload(e)) }

func payload(e trace.Event) []byte {
	switch e := e.(type) {
	case trace.Data:
		return e.Payload
	case trace.Datagram:
		return e.Payload
	case trace.Bytes:
		return e.Payload
	case trace.HTTPHead:
		return e.Payload
	case trace.WSMessage:
		return e.Payload
	case trace.WSPing:
		return e.Payload
	case trace.EIOPacket:
		return e.Payload
	case trace.SIOPacket:
		return e.Payload
	case trace.AdapterMessage:
		return e.Payload
	}
	return nil
}

// Next is the number of the record that comes next.
func (t *Timeline) Next() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first + len(t.kept)
}

// Since returns the entries from number n on that are still kept.
func (t *Timeline) Since(n int) []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since(n)
}

func (t *Timeline) since(n int) []Entry {
	from := t.kept[min(max(n-t.first, 0), len(t.kept)):]
	list := make([]Entry, len(from))
	for i, k := range from {
		list[i] = k.Entry
	}
	return list
}

// Await returns once ok holds for the entries from number n on, and reports
// whether it came to that before done was closed.
func (t *Timeline) Await(done <-chan struct{}, n int, ok func([]Entry) bool) bool {
	for {
		t.mu.Lock()
		list, added := t.since(n), t.more()
		t.mu.Unlock()
		if ok(list) {
			return true
		}
		select {
		case <-added:
		case <-done:
			return false
		}
	}
}

// more is closed once another record is there.
func (t *Timeline) more() <-chan struct{} {
	if t.added == nil {
		t.added = make(chan struct{})
	}
	return t.added
}
