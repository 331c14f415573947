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
	lists        sync.Pool // *pieceList
	boxes        sync.Pool // *[1][]byte
	corks        sync.Pool // *corkTimer
}

func (b *buffers) init(readSize int) {
	b.read.New = func() any { p := make([]byte, readSize); return &p }
	b.small.New = func() any { return new([smallPiece]byte) }
	b.large.New = func() any { return new([largePiece]byte) }
	b.lists.New = func() any { return &pieceList{bufs: b} }
	b.boxes.New = func() any { return new([1][]byte) }
	b.corks.New = newCorkTimer
}

func (b *buffers) get() *[]byte  { return b.read.Get().(*[]byte) }
func (b *buffers) put(p *[]byte) { b.read.Put(p) }

// box makes a list of one, until unbox.
func (b *buffers) box(one []byte) *[1][]byte {
	box := b.boxes.Get().(*[1][]byte)
	box[0] = one
	return box
}

func (b *buffers) unbox(box *[1][]byte) {
	box[0] = nil
	b.boxes.Put(box)
}

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

// queue holds bytes that wait, in order, in pooled pieces. The zero value is
// empty, and holds nothing.
type queue struct {
	list *pieceList // pooled; nil while the queue is empty
}

// pieceList are the pieces of a queue.
type pieceList struct {
	bufs  *buffers
	size  int
	all   [][]byte // those before head are gone
	head  int
	whole []byte // the first piece before it was taken from
}

// size is how many bytes wait.
func (q *queue) size() int {
	if q.list == nil {
		return 0
	}
	return q.list.size
}

// pieces returns what waits. The last piece may grow.
func (q *queue) pieces() [][]byte {
	if q.list == nil {
		return nil
	}
	return q.list.all[q.list.head:]
}

// add copies b to the end, into pieces of bufs.
func (q *queue) add(bufs *buffers, b []byte) {
	if len(b) == 0 {
		return
	}
	if q.list == nil {
		q.list = bufs.lists.Get().(*pieceList)
	}
	l := q.list
	l.size += len(b)
	for len(b) > 0 {
		last := len(l.all) - 1
		if last < l.head || len(l.all[last]) == cap(l.all[last]) {
			l.push(bufs.piece(last >= l.head || len(b) > smallPiece))
			last = len(l.all) - 1
		}
		n := min(len(b), cap(l.all[last])-len(l.all[last]))
		l.all[last] = append(l.all[last], b[:n]...)
		b = b[n:]
	}
}

func (l *pieceList) push(piece []byte) {
	if l.head == len(l.all) {
		l.whole = piece
	}
	if l.head > mostKept && l.head > len(l.all)/2 { // or a queue that never runs empty would grow
		n := copy(l.all, l.all[l.head:])
		clear(l.all[n:])
		l.all, l.head = l.all[:n], 0
	}
	l.all = append(l.all, piece)
}

// with returns what waits and then bufs, for one call. Call without afterwards.
func (q *queue) with(bufs [][]byte) [][]byte {
	if q.list == nil {
		return bufs
	}
	q.list.all = slices.Grow(q.list.all, len(bufs))
	return append(q.pieces(), bufs...)
}

// without forgets the buffers of the last call of with.
func (q *queue) without(n int) {
	if q.list != nil {
		clear(q.list.all[len(q.list.all):][:n])
	}
}

// drop takes n bytes off the front. Pieces that are empty go back to the pool,
// and so does the list of an empty queue.
func (q *queue) drop(n int) {
	l := q.list
	if l == nil {
		return
	}
	for l.size -= n; n > 0; {
		first := l.all[l.head]
		if n < len(first) {
			l.all[l.head] = first[n:]
			return
		}
		n -= len(first)
		l.bufs.recycle(l.whole)
		l.next()
	}
	if l.size == 0 {
		q.list = nil
		l.bufs.lists.Put(l)
	}
}

// next goes on to the piece behind the first.
func (l *pieceList) next() {
	l.all[l.head], l.whole = nil, nil
	l.head++
	switch {
	case l.head < len(l.all):
		l.whole = l.all[l.head]
	case cap(l.all) > mostKept:
		l.all, l.head = nil, 0
	default:
		l.all, l.head = l.all[:0], 0
	}
}

// mostKept is how large a list of pieces is kept while there are none.
const mostKept = 64

// clear drops all.
func (q *queue) clear() { q.drop(q.size()) }
