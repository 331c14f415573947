package dissect

import "github.com/sockkit/sockkit/trace"

// What an Assembler keeps.
const (
	MaxWire     = 64 << 10 // of one record
	mostBuffer  = 1 << 20  // of one direction, without a record that they belong to
	mostTotal   = 16 << 20 // of all connections
	mostPending = 64 << 10 // records of one direction that wait for their bytes
	mostConns   = 4096
)

// Assembler finds the bytes of each http_head and each ws_frame among those of
// the stream, which are recorded at level byte. It is fed every record, in
// order, and is not safe for concurrent use. The zero value is ready.
//
// Where a peer is read the bytes come before the records, and where something is
// sent behind them; a relay that is observed has both. So bytes wait for
// records, and records for bytes, and they meet only where the bytes are what
// the record says: FIN, RSV, opcode, key and length. A connection that it did
// not see open gets nothing.
type Assembler struct {
	conns map[trace.ID]*stream
	total int // bytes that are kept
}

// stream is one connection.
type stream struct {
	flows [3]flow // by direction
	// layered says that a layer such as TLS stands below: what the application
	// says is in data records then, and bytes records are the layer's.
	layered bool
}

// Add takes record n. Attach is called, now or during a later Add, with the
// number of a record and its bytes, MaxWire of them at most; they are the
// caller's then. A frame that the end of the connection has cut gets what came.
func (a *Assembler) Add(n int, r trace.Record, attach func(n int, wire []byte)) {
	if _, begins := r.Event.(trace.Open); begins {
		a.open(r.Conn)
		return
	}
	s := a.conns[r.Conn]
	if s == nil {
		return
	}
	switch e := r.Event.(type) {
	case trace.TLSStart:
		a.layer(s)
	case trace.Bytes:
		if !s.layered {
			a.bytes(s, e.Dir, e.Payload, e.Size, attach)
		}
	case trace.Data:
		a.data(s, e, attach)
	case trace.HTTPHead:
		a.expect(s, e.Dir, pendingHead(n, e), attach)
	case trace.WSFrame:
		a.expect(s, e.Dir, pendingFrame(n, e), attach)
	case trace.Close:
		a.close(r.Conn, s, attach)
	}
}

// open begins a connection. Where there are too many one of them is forgotten.
func (a *Assembler) open(id trace.ID) {
	if id == 0 {
		return
	}
	if a.conns == nil {
		a.conns = map[trace.ID]*stream{}
	}
	a.forget(id)
	for other := range a.conns {
		if len(a.conns) < mostConns {
			break
		}
		a.forget(other)
	}
	a.conns[id] = &stream{}
}

func (a *Assembler) forget(id trace.ID) {
	s := a.conns[id]
	if s == nil {
		return
	}
	for i := range s.flows {
		a.total -= s.flows[i].kept()
	}
	delete(a.conns, id)
}

// layer says that what came so far was a layer's.
func (a *Assembler) layer(s *stream) {
	s.layered = true
	for i := range s.flows {
		a.total -= s.flows[i].clear()
	}
}

// data takes a piece of what the application says. Where no protocol is known to
// be spoken it is nobody's frame; and on a bare connection its bytes follow.
func (a *Assembler) data(s *stream, e trace.Data, attach func(int, []byte)) {
	if !e.Framed {
		a.total -= s.flows[e.Dir%3].clear()
		return
	}
	if !s.layered {
		a.layer(s)
	}
	a.bytes(s, e.Dir, e.Payload, e.Size, attach)
}

func (a *Assembler) bytes(s *stream, dir trace.Dir, b []byte, size int, attach func(int, []byte)) {
	f := &s.flows[dir%3]
	before := f.kept()
	if size != len(b) { // the record does not hold all that passed
		f.lose()
	} else {
		f.bytes(dir, b, attach)
	}
	a.tally(f, before)
}

func (a *Assembler) expect(s *stream, dir trace.Dir, p pending, attach func(int, []byte)) {
	f := &s.flows[dir%3]
	before := f.kept()
	f.expect(dir, p, attach)
	a.tally(f, before)
}

// tally follows what a direction keeps, and takes it away where all keep too
// much.
func (a *Assembler) tally(f *flow, before int) {
	a.total += f.kept() - before
	if a.total > mostTotal {
		a.total -= f.kept()
		f.lose()
	}
}

// close attaches what came of frames that are not whole, and forgets.
func (a *Assembler) close(id trace.ID, s *stream, attach func(int, []byte)) {
	for i := range s.flows {
		if cur := s.flows[i].cur; cur != nil && !cur.told {
			attach(cur.n, cur.wire)
		}
	}
	a.forget(id)
}
