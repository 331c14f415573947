package capture

import (
	"net/netip"
)

// Bounds of what is kept of datagrams that came in fragments.
const (
	mostFragmented = 256      // datagrams at once; beyond it the oldest is dropped
	mostFragments  = 256      // of one datagram
	mostDatagram   = 64 << 10 // bytes of one, as IP has it
)

// whole names a datagram that comes in fragments.
type whole struct {
	from, to netip.Addr
	protocol byte
	id       uint32
}

// parts are the fragments that have come.
type parts struct {
	list  []part
	total int // -1 until the last has come
	hops  byte
}

type part struct {
	at   int
	data []byte
}

// fragments puts datagrams together (RFC 791 section 3.2, RFC 8200 section 4.5).
type fragments struct {
	open  map[whole]*parts
	order []whole // the oldest first
	lost  int     // datagrams that were dropped
}

// add takes a fragment. It returns the datagram once it is whole. Where
// fragments overlap the first that came counts.
func (f *fragments) add(d datagram) (datagram, bool) {
	key := whole{d.from, d.to, d.protocol, d.id}
	p := f.open[key]
	if p == nil {
		p = f.begin(key, d.hops)
	}
	if d.missing > 0 || d.at+len(d.payload) > mostDatagram || len(p.list) >= mostFragments {
		f.drop(key)
		f.lost++
		return d, false
	}
	p.list = append(p.list, part{d.at, append([]byte(nil), d.payload...)})
	if !d.more {
		p.total = d.at + len(d.payload)
	}
	payload, ok := p.join()
	if !ok {
		return d, false
	}
	f.drop(key)
	d.payload, d.fragment, d.hops = payload, false, p.hops
	return d, true
}

func (f *fragments) begin(key whole, hops byte) *parts {
	if f.open == nil {
		f.open = map[whole]*parts{}
	}
	if len(f.order) >= mostFragmented {
		f.drop(f.order[0])
		f.lost++
	}
	p := &parts{total: -1, hops: hops}
	f.open[key] = p
	f.order = append(f.order, key)
	return p
}

func (f *fragments) drop(key whole) {
	delete(f.open, key)
	for i, k := range f.order {
		if k == key {
			f.order = append(f.order[:i], f.order[i+1:]...)
			return
		}
	}
}

// join puts the parts together where none is missing.
func (p *parts) join() ([]byte, bool) {
	if p.total < 0 {
		return nil, false
	}
	size := 0
	for _, part := range p.list {
		size += len(part.data)
	}
	if size < p.total {
		return nil, false
	}
	out, known := make([]byte, p.total), make([]bool, p.total)
	left := p.total
	for _, part := range p.list {
		for i, c := range part.data {
			if at := part.at + i; at < p.total && !known[at] {
				out[at], known[at] = c, true
				left--
			}
		}
	}
	return out, left == 0
}
