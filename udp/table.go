package udp

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// table holds the peers of one socket, in the order of their last datagrams.
// All but peers is the loop's alone.
type table struct {
	mu     sync.Mutex // guards the maps against peers
	byAddr map[netip.AddrPort]*Peer
	byPath map[string]*Peer

	last           *Peer // found last
	oldest, newest *Peer

	list atomic.Pointer[[]*Peer] // what peers returned, until it changes
}

// find returns the peer of an origin, or nil.
func (t *table) find(o *origin) *Peer {
	if t.last != nil && t.last.origin == *o {
		return t.last
	}
	var p *Peer
	if o.addr.IsValid() {
		p = t.byAddr[o.addr]
	} else {
		p = t.byPath[o.path]
	}
	if p != nil {
		t.last = p
	}
	return p
}

// add adds a new peer as the newest.
func (t *table) add(p *Peer) {
	t.mu.Lock()
	if p.origin.addr.IsValid() {
		if t.byAddr == nil {
			t.byAddr = map[netip.AddrPort]*Peer{}
		}
		t.byAddr[p.origin.addr] = p
	} else {
		if t.byPath == nil {
			t.byPath = map[string]*Peer{}
		}
		t.byPath[p.origin.path] = p
	}
	t.list.Store(nil)
	t.mu.Unlock()
	t.last = p
	t.append(p)
}

// remove forgets a peer.
func (t *table) remove(p *Peer) {
	t.mu.Lock()
	if p.origin.addr.IsValid() {
		delete(t.byAddr, p.origin.addr)
	} else {
		delete(t.byPath, p.origin.path)
	}
	t.list.Store(nil)
	t.mu.Unlock()
	if t.last == p {
		t.last = nil
	}
	t.unlink(p)
}

// touch makes p the newest, as of now.
func (t *table) touch(p *Peer, now int64) {
	p.seen = now
	if t.newest != p {
		t.unlink(p)
		t.append(p)
	}
}

func (t *table) append(p *Peer) {
	p.older, p.newer = t.newest, nil
	if t.newest == nil {
		t.oldest = p
	} else {
		t.newest.newer = p
	}
	t.newest = p
}

func (t *table) unlink(p *Peer) {
	if p.older == nil {
		t.oldest = p.newer
	} else {
		p.older.newer = p.newer
	}
	if p.newer == nil {
		t.newest = p.older
	} else {
		p.newer.older = p.older
	}
	p.older, p.newer = nil, nil
}

// expired returns the peer that was silent longest if that is idle or more,
// and else nil.
func (t *table) expired(now, idle int64) *Peer {
	for p := t.oldest; p != nil; p = t.oldest {
		if now-p.seen < idle {
			return nil
		}
		stay := p.stay.Load()
		if now-stay >= idle {
			return p
		}
		t.touch(p, stay) // it was kept alive: a little out of order, and seen again in time
	}
	return nil
}

// peers returns the peers, in no order. The slice must not be changed. It may
// be called from any goroutine.
func (t *table) peers() []*Peer {
	if list := t.list.Load(); list != nil {
		return *list
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list := slices.AppendSeq(make([]*Peer, 0, len(t.byAddr)+len(t.byPath)), maps.Values(t.byAddr))
	list = slices.AppendSeq(list, maps.Values(t.byPath))
	t.list.Store(&list)
	return list
}
