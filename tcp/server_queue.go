package tcp

import (
	"slices"
	"sync"
)

// Sizes of the pieces that a queue is made of: a peer that is slow with a few
// bytes holds a small one.
const (
	smallPiece = 4 << 10
	largePiece = 16 << 10
)

// buffers are the pools of one server.
type buffers struct {
	read         sync.Pool // *[]byte of the read buffer's size
	small, large sync.Pool // *[smallPiece]byte, *[largePiece]byte
}

func (b *buffers) init(readSize int) {
	b.read.New = func() any { p := make([]byte, readSize); return &p }
	b.small.New = func() any { return new([smallPiece]byte) }
	b.large.New = func() any { return new([largePiece]byte) }
}

func (b *buffers) get() *[]byte  { return b.read.Get().(*[]byte) }
func (b *buffers) put(p *[]byte) { b.read.Put(p) }

func (b *buffers) piece(large bool) []byte {
	if large {
		return b.large.Get().(*[largePiece]byte)[:0]
	}
	return b.small.Get().(*[smallPiece]byte)[:0]
}

func (b *buffers) recycle(piece []byte) {
	switch cap(piece) {
	case smallPiece:
		b.small.Put((*[smallPiece]byte)(piece[:smallPiece]))
	case largePiece:
		b.large.Put((*[largePiece]byte)(piece[:largePiece]))
	}
}

// queue holds bytes that wait, in order, in pooled pieces. The zero value with
// its pools set is empty.
type queue struct {
	bufs  *buffers
	all   [][]byte // the pieces; those before head are gone
	head  int
	whole []byte // the first piece before it was taken from
	size  int
}

// pieces returns what waits. The last piece may grow.
func (q *queue) pieces() [][]byte { return q.all[q.head:] }

// add copies b to the end.
func (q *queue) add(b []byte) {
	q.size += len(b)
	for len(b) > 0 {
		last := len(q.all) - 1
		if last < q.head || len(q.all[last]) == cap(q.all[last]) {
			q.push(q.bufs.piece(last >= q.head || len(b) > smallPiece))
			last = len(q.all) - 1
		}
		n := min(len(b), cap(q.all[last])-len(q.all[last]))
		q.all[last] = append(q.all[last], b[:n]...)
		b = b[n:]
	}
}

func (q *queue) push(piece []byte) {
	if q.head == len(q.all) {
		q.whole = piece
	}
	if q.head > mostKept && q.head > len(q.all)/2 { // or a queue that never runs empty would grow
		n := copy(q.all, q.all[q.head:])
		clear(q.all[n:])
		q.all, q.head = q.all[:n], 0
	}
	q.all = append(q.all, piece)
}

// with returns what waits and then bufs, for one call. Call without afterwards.
func (q *queue) with(bufs [][]byte) [][]byte {
	q.all = slices.Grow(q.all, len(bufs))
	return append(q.pieces(), bufs...)
}

// without forgets the buffers of the last call of with.
func (q *queue) without(n int) { clear(q.all[len(q.all):][:n]) }

// drop takes n bytes off the front. Pieces that are empty go back to the pool.
func (q *queue) drop(n int) {
	q.size -= n
	for n > 0 {
		first := q.all[q.head]
		if n < len(first) {
			q.all[q.head] = first[n:]
			return
		}
		n -= len(first)
		q.next()
	}
}

// next gives the first piece back.
func (q *queue) next() {
	q.bufs.recycle(q.whole)
	q.all[q.head], q.whole = nil, nil
	q.head++
	switch {
	case q.head < len(q.all):
		q.whole = q.all[q.head]
	case cap(q.all) > mostKept:
		q.all, q.head = nil, 0
	default:
		q.all, q.head = q.all[:0], 0
	}
}

// mostKept is how large a list of pieces is kept while there are none.
const mostKept = 64

// clear drops all.
func (q *queue) clear() { q.drop(q.size) }
