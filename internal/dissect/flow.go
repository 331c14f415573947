package dissect

import (
	"bytes"

	"github.com/sockkit/sockkit/trace"
)

// flow is one direction of a connection.
type flow struct {
	buf  []byte    // bytes that no record claims yet
	pend []pending // records whose bytes are still to come
	held int       // bytes of their heads
	cur  *current
	// lost says that the place in the stream is not known: what follows is
	// nobody's, until a head or a masking key is found again.
	lost bool
}

// pending is a record that waits for its bytes.
type pending struct {
	n     int
	begin []byte // what its bytes begin with: the head, or the frame's header
	size  int64  // all of its bytes
	sure  bool   // the beginning is found nowhere else by chance
}

// current is the frame whose payload passes.
type current struct {
	n    int
	wire []byte
	left int64 // bytes that are still to come
	told bool  // MaxWire are attached, and the rest passes by
}

func pendingHead(n int, e trace.HTTPHead) pending {
	return pending{n: n, begin: bytes.Clone(e.Payload), size: int64(len(e.Payload)), sure: true}
}

func pendingFrame(n int, e trace.WSFrame) pending {
	head := headerOf(e)
	if len(head) != e.Head { // no header of ours, nor of the wire's
		return pending{n: n}
	}
	return pending{n: n, begin: head, size: int64(len(head)) + e.Size, sure: e.Mask != "" && e.Mask != "00000000"}
}

// expect takes a record. What came in has been seen by then; what goes out is
// still to be.
func (f *flow) expect(dir trace.Dir, p pending, attach func(int, []byte)) {
	gap := dir == trace.In && f.cur != nil // a frame begins where another has not ended
	if gap || len(f.pend) >= mostPending || len(p.begin) == 0 {
		f.lose()
		return
	}
	f.pend = append(f.pend, p)
	f.held += len(p.begin)
	f.match(dir, dir == trace.In, attach)
}

// begun reports whether b is the first part, or none yet, of what the record
// begins with.
func (p *pending) begun(b []byte) bool {
	return len(b) < len(p.begin) && bytes.HasPrefix(p.begin, b)
}

// bytes takes a piece. Whatever goes out is recorded before it is sent, so all
// records that wait begin in this piece; those that do not were never sent.
func (f *flow) bytes(dir trace.Dir, b []byte, attach func(int, []byte)) {
	if f.lost {
		f.buf = nil // only what stands in one piece is found again
	}
	f.buf = append(f.buf, b...)
	if dir == trace.Out && f.cur == nil {
		f.drop()
	}
	f.match(dir, dir == trace.Out, attach)
	if len(f.buf) > mostBuffer {
		f.lose()
	}
}

// drop forgets records of frames that were never sent: a full queue refuses
// them after they were recorded. As each is recorded just before it is sent, what
// came belongs to the last ones.
func (f *flow) drop() {
	if len(f.pend) < 2 {
		return
	}
	if n := f.covered(); n < len(f.pend) {
		for range len(f.pend) - max(n, 1) {
			f.pop()
		}
	}
}

// covered is how many of the waiting records begin in what came, one behind the
// other.
func (f *flow) covered() (n int) {
	rest := f.buf
	for ; n < len(f.pend); n++ {
		i := f.pend[n].find(rest)
		switch {
		case i < 0 && len(rest) > 0 && f.pend[n].begun(rest):
			return n + 1
		case i < 0:
			return n
		}
		rest = rest[i:]
		rest = rest[min(int64(len(rest)), f.pend[n].size):]
	}
	return n
}

// find is where the record's bytes begin in b; less than 0 is nowhere.
func (p *pending) find(b []byte) int {
	switch {
	case bytes.HasPrefix(b, p.begin):
		return 0
	case p.sure:
		return bytes.Index(b, p.begin)
	}
	return -1
}

// match brings records and bytes together. Due says that the bytes of the
// records have come, if ever they will.
func (f *flow) match(dir trace.Dir, due bool, attach func(int, []byte)) {
	for {
		if f.cur != nil && !f.fill(attach) {
			return
		}
		if len(f.pend) == 0 {
			return
		}
		p := &f.pend[0]
		i := p.find(f.buf)
		if f.lost && !p.sure {
			i = -1
		}
		switch {
		case i >= 0:
			f.begin(p, i)
		case dir == trace.Out && p.begun(f.buf):
			return
		case due:
			f.lost = f.lost || len(f.buf) > 0
		default:
			return
		}
		f.pop()
	}
}

// begin makes a record the one whose bytes pass.
func (f *flow) begin(p *pending, at int) {
	f.buf, f.lost = f.buf[at:], false
	f.cur = &current{n: p.n, left: p.size}
}

func (f *flow) pop() {
	f.held -= len(f.pend[0].begin)
	f.pend[0] = pending{}
	if f.pend = f.pend[1:]; len(f.pend) == 0 {
		f.pend = nil
	}
}

// fill gives the current record its bytes. It reports whether that is all of
// them.
func (f *flow) fill(attach func(int, []byte)) bool {
	c := f.cur
	n := min(int64(len(f.buf)), c.left)
	if !c.told {
		c.wire = append(c.wire, f.buf[:min(n, int64(MaxWire-len(c.wire)))]...)
	}
	c.left -= n
	if f.buf = f.buf[n:]; len(f.buf) == 0 {
		f.buf = nil
	}
	if !c.told && (c.left == 0 || len(c.wire) == MaxWire) {
		c.told = true
		attach(c.n, c.wire)
		c.wire = nil
	}
	if c.left > 0 {
		return false
	}
	f.cur = nil
	return true
}

// lose forgets all, and the place.
func (f *flow) lose() {
	*f = flow{lost: true}
}

// clear forgets the bytes, and returns how many they were. Records go on
// waiting.
func (f *flow) clear() int {
	before := f.kept()
	f.buf, f.cur, f.lost = nil, nil, false
	return before - f.kept()
}

// kept is how many bytes are kept.
func (f *flow) kept() int {
	n := len(f.buf) + f.held
	if f.cur != nil {
		n += len(f.cur.wire)
	}
	return n
}
