package capture

import (
	"bytes"
	"slices"
)

// Bounds of what one direction of a TCP connection keeps.
const (
	mostAhead    = 1 << 20 // bytes that wait behind a gap
	mostSegments = 1024    // pieces that wait
	patience     = 64      // packets that a gap is left open for, once its bytes are acknowledged
	pastKept     = 4 << 10 // bytes that retransmissions are compared with
)

// stream puts the segments of one direction in order (RFC 9293 section 3.4).
// What it has it hands to a receiver at once; what is missing it waits for, until
// it is clear that the capture does not have it.
type stream struct {
	to receiver

	begun  bool
	next   uint32 // the sequence number that is due
	ahead  []piece
	waits  int // bytes in ahead
	open   int // packets since there is a gap that the other end has acknowledged
	past   []byte
	end    uint32 // where the stream ends, once a FIN said so
	ending bool
	ended  bool

	size      int64 // bytes handed on
	missing   int64 // bytes in gaps
	gaps      int
	repeated  int64 // bytes that came again
	conflicts int   // segments that came again with other bytes
}

// receiver takes a stream in order.
type receiver interface {
	bytes(b []byte)
	gap(n int64)
	conflict()
	finish()
}

// piece is a segment that waits. cut are bytes behind it that no packet has.
type piece struct {
	seq  uint32
	data []byte
	cut  int
}

// less orders sequence numbers, which wrap around.
func less(a, b uint32) bool { return int32(a-b) < 0 }

// begin sets the first sequence number.
func (s *stream) begin(seq uint32) { s.begun, s.next = true, seq }

// add takes what a segment carries.
func (s *stream) add(seq uint32, b []byte, cut int) {
	if !s.begun {
		s.begin(seq)
	}
	if s.ended {
		s.repeated += int64(len(b))
		return
	}
	if len(b) > 0 || cut > 0 {
		if less(s.next, seq) {
			s.wait(seq, b, cut)
		} else {
			s.take(seq, b, cut)
		}
	}
	s.drain()
}

// fin takes the end that a segment says.
func (s *stream) fin(at uint32) {
	if !s.ending {
		s.ending, s.end = true, at
	}
	s.drain()
}

// take hands on what is new of a piece that begins at or before what is due.
func (s *stream) take(seq uint32, b []byte, cut int) {
	known := int64(s.next - seq)
	s.compare(known, b)
	if known > int64(len(b)) {
		cut -= int(known) - len(b)
		b = nil
	} else {
		b = b[known:]
	}
	if len(b) > 0 {
		s.size += int64(len(b))
		s.next += uint32(len(b))
		s.remember(b)
		s.to.bytes(b)
	}
	if cut > 0 {
		s.skip(uint32(cut))
	}
}

// compare looks at bytes that were there before: known of them, the last of
// which are kept.
func (s *stream) compare(known int64, b []byte) {
	again := b[:min(known, int64(len(b)))]
	s.repeated += int64(len(again))
	if known <= 0 || len(again) == 0 {
		return
	}
	from := int64(len(s.past)) - known // where again begins in what is kept
	if from < 0 {
		again = again[min(-from, int64(len(again))):]
		from = 0
	}
	if n := min(int64(len(again)), int64(len(s.past))-from); n > 0 && !bytes.Equal(again[:n], s.past[from:from+n]) {
		s.conflicts++
		s.to.conflict()
	}
}

func (s *stream) remember(b []byte) {
	if len(b) >= pastKept {
		s.past = append(s.past[:0], b[len(b)-pastKept:]...)
		return
	}
	if over := len(s.past) + len(b) - pastKept; over > 0 {
		s.past = append(s.past[:0], s.past[over:]...)
	}
	s.past = append(s.past, b...)
}

// wait keeps a piece that is ahead of what is due. What overlaps with another
// that waits counts as it came first.
func (s *stream) wait(seq uint32, b []byte, cut int) {
	i, _ := slices.BinarySearchFunc(s.ahead, seq, func(p piece, seq uint32) int { return int(int32(p.seq - seq)) })
	if i > 0 {
		before := s.ahead[i-1]
		if over := int64(before.seq+uint32(len(before.data))) - int64(seq); over > 0 && less(seq, before.seq+uint32(len(before.data))) {
			n := min(over, int64(len(b)))
			s.differs(before.data[seq-before.seq:], b[:n])
			seq, b = seq+uint32(n), b[n:]
		}
	}
	for i < len(s.ahead) && len(b) > 0 && less(s.ahead[i].seq, seq+uint32(len(b))) {
		after := s.ahead[i]
		if n := int(int32(after.seq - seq)); n > 0 {
			s.insert(i, piece{seq, bytes.Clone(b[:n]), 0})
			seq, b = after.seq, b[n:]
			i++
		}
		n := min(len(b), len(after.data))
		s.differs(after.data, b[:n])
		seq, b = seq+uint32(n), b[n:]
		if n == 0 {
			break
		}
		i++
	}
	if len(b) > 0 {
		s.insert(i, piece{seq, bytes.Clone(b), cut})
	}
}

func (s *stream) insert(i int, p piece) {
	s.ahead = slices.Insert(s.ahead, i, p)
	s.waits += len(p.data)
}

func (s *stream) differs(first, again []byte) {
	n := min(len(first), len(again))
	s.repeated += int64(n)
	if !bytes.Equal(first[:n], again[:n]) {
		s.conflicts++
		s.to.conflict()
	}
}

// drain hands on what no gap is before any more.
func (s *stream) drain() {
	for len(s.ahead) > 0 && !less(s.next, s.ahead[0].seq) {
		p := s.ahead[0]
		s.ahead[0] = piece{}
		s.ahead = s.ahead[1:]
		s.waits -= len(p.data)
		s.take(p.seq, p.data, p.cut)
	}
	if len(s.ahead) == 0 {
		s.ahead, s.open = nil, 0
	}
	if s.ending && !s.ended && !less(s.next, s.end) {
		s.ended = true
		s.to.finish()
	}
	for s.waits > mostAhead || len(s.ahead) > mostSegments {
		s.jump()
	}
}

// acknowledged says that the other end has all up to a number. What is not there
// by then was not captured, or comes soon.
func (s *stream) acknowledged(upTo uint32) {
	if !s.begun || s.ended || !less(s.next, upTo) || int32(upTo-s.next) > 1<<30 {
		return
	}
	if s.open++; s.open < patience {
		return
	}
	s.open = 0
	s.reach(upTo)
}

// reach goes over the gaps before a number.
func (s *stream) reach(upTo uint32) {
	for less(s.next, upTo) && !s.ended {
		if len(s.ahead) > 0 && less(s.ahead[0].seq, upTo) {
			s.jump()
			continue
		}
		s.skip(upTo - s.next)
		s.drain()
	}
}

// jump goes over a gap to the first piece that waits.
func (s *stream) jump() {
	if len(s.ahead) == 0 {
		return
	}
	s.skip(s.ahead[0].seq - s.next)
	s.drain()
}

// skip says that bytes are missing.
func (s *stream) skip(n uint32) {
	if n == 0 {
		return
	}
	s.next += n
	s.missing += int64(n)
	s.gaps++
	s.past = s.past[:0]
	s.to.gap(int64(n))
}

// flush hands on all that there is: nothing more comes.
func (s *stream) flush() {
	for len(s.ahead) > 0 {
		s.jump()
	}
	if s.ending && !s.ended && less(s.next, s.end) && int32(s.end-s.next) < 1<<30 {
		s.skip(s.end - s.next)
		s.drain()
	}
}
