package trace

import (
	"slices"
	"sync"
)

// Recorder is a sink in memory, for tests and for views that come later. The
// zero value is ready.
type Recorder struct {
	mu      sync.Mutex
	records []Record
	added   chan struct{}
}

// Record implements [Sink]. It keeps copies of payloads.
func (r *Recorder) Record(rec Record) {
	rec.Event = Clone(rec.Event)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, rec)
	if r.added != nil {
		close(r.added)
		r.added = nil
	}
}

// Records returns what was recorded so far, oldest first.
func (r *Recorder) Records() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// Wait returns once ok holds for the records so far, and reports whether it
// came to that before done was closed.
func (r *Recorder) Wait(done <-chan struct{}, ok func([]Record) bool) bool {
	for {
		r.mu.Lock()
		if r.added == nil {
			r.added = make(chan struct{})
		}
		records, added := slices.Clone(r.records), r.added
		r.mu.Unlock()
		if ok(records) {
			return true
		}
		select {
		case <-added:
		case <-done:
			return false
		}
	}
}

// Events returns the events of type E among records, oldest first.
func Events[E Event](records []Record) []E {
	var found []E
	for _, r := range records {
		if e, ok := r.Event.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// Cloner is an event that holds borrowed bytes.
type Cloner interface {
	Event
	// Clone returns the event with bytes of its own.
	Clone() Event
}

// Clone returns e with payload bytes of its own, so that it can be kept.
func Clone(e Event) Event {
	if c, ok := e.(Cloner); ok {
		return c.Clone()
	}
	return e
}

// Clone implements [Cloner].
func (e Data) Clone() Event { e.Payload = slices.Clone(e.Payload); return e }

// Clone implements [Cloner].
func (e Datagram) Clone() Event { e.Payload = slices.Clone(e.Payload); return e }

// Clone implements [Cloner].
func (e Bytes) Clone() Event { e.Payload = slices.Clone(e.Payload); return e }
