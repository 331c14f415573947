package tcp

import (
	"iter"
	"sync/atomic"
)

// roster is a table of the peers of a server. Each has a place, a number that is
// its own until it is removed; at may be asked at any time, and the rest under
// the server's lock.
type roster struct {
	chunks atomic.Pointer[[]*rosterChunk]
	used   int      // places that were ever taken
	free   []uint32 // those of them that are free
}

type rosterChunk [512]atomic.Pointer[Peer]

// at returns the peer at a place; nil where there is none.
func (t *roster) at(place uint32) *Peer {
	chunks := t.chunks.Load()
	if chunks == nil || int(place) >= len(*chunks)*len(rosterChunk{}) {
		return nil
	}
	return slotOf(*chunks, place).Load()
}

func slotOf(chunks []*rosterChunk, place uint32) *atomic.Pointer[Peer] {
	const each = uint32(len(rosterChunk{}))
	return &chunks[place/each][place%each]
}

// add gives p a place.
func (t *roster) add(p *Peer) {
	if last := len(t.free) - 1; last >= 0 {
		p.place, t.free = t.free[last], t.free[:last]
	} else {
		p.place = uint32(t.used)
		t.used++
	}
	slotOf(t.reaching(p.place), p.place).Store(p)
}

// reaching returns the chunks, with one more where place needs it.
func (t *roster) reaching(place uint32) []*rosterChunk {
	var chunks []*rosterChunk
	if old := t.chunks.Load(); old != nil {
		chunks = *old
	}
	if int(place) >= len(chunks)*len(rosterChunk{}) {
		more := append(chunks[:len(chunks):len(chunks)], new(rosterChunk))
		t.chunks.Store(&more)
		return more
	}
	return chunks
}

func (t *roster) remove(p *Peer) {
	slotOf(*t.chunks.Load(), p.place).Store(nil)
	t.free = append(t.free, p.place)
}

// all yields the peers in the order of their places.
func (t *roster) all() iter.Seq[*Peer] {
	return func(yield func(*Peer) bool) {
		for place := range t.used {
			if p := t.at(uint32(place)); p != nil && !yield(p) {
				return
			}
		}
	}
}
