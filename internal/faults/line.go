package faults

import (
	"container/heap"
	"sync"
	"time"
)

// piece is some bytes of a stream, or one datagram, or the source's end, on its
// way.
type piece struct {
	due    time.Time
	order  uint64 // among those that are due together
	data   []byte
	copies int
	err    error // the source's end; io.EOF is the regular one
	index  int   // in the heap
}

// overhead is what a piece costs beside its bytes.
const overhead = 128

func (p *piece) cost() int64 { return int64(len(p.data) + overhead) }

// line holds what is on its way, in the order in which it is due, up to a
// number of bytes. One goroutine puts in and one takes out.
type line struct {
	faults *Faults

	mu     sync.Mutex
	queue  pieces
	size   int64
	order  uint64
	latest time.Time // when the last of all is due
	closed bool      // what is put in is forgotten

	added chan struct{} // one or more were put in, or became due sooner
	taken chan struct{} // one or more were taken out
}

func (q *line) init(f *Faults) {
	q.faults = f
	q.added, q.taken = make(chan struct{}, 1), make(chan struct{}, 1)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put waits until there is room and adds p. It reports false where closed came
// first.
func (q *line) put(p *piece, closed <-chan struct{}) bool {
	for !q.add(p) {
		select {
		case <-q.taken:
		case <-closed:
			return false
		}
	}
	signal(q.added)
	return true
}

func (q *line) add(p *piece) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		p.index = -1
		return true
	}
	cost, limit := p.cost(), q.faults.buffer()
	if q.size > 0 && (q.size+cost > limit || q.faults.held.Load()+cost > allBuffers*limit) {
		return false
	}
	q.size += cost
	q.faults.held.Add(cost)
	p.order, q.order = q.order, q.order+1
	if p.due.After(q.latest) {
		q.latest = p.due
	}
	heap.Push(&q.queue, p)
	return true
}

// behind makes held due right behind p, which has just been put in, if it was
// to wait longer.
func (q *line) behind(held, p *piece) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if held.index < 0 {
		return // it has gone
	}
	held.due, held.order = p.due, q.order
	q.order++
	heap.Fix(&q.queue, held.index)
	signal(q.added)
}

// last returns when the last piece so far is due.
func (q *line) last() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.latest
}

// busy reports whether anything waits.
func (q *line) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) > 0
}

// take returns the next piece if it is due at now, or else how long that will
// take; a negative time is nobody knows.
func (q *line) take(now time.Time) (*piece, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil, -1
	}
	if wait := q.queue[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	p := heap.Pop(&q.queue).(*piece)
	q.size -= p.cost()
	q.faults.held.Add(-p.cost())
	signal(q.taken)
	return p, 0
}

// close forgets all that waits and all that comes.
func (q *line) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.queue {
		p.index = -1
	}
	q.faults.held.Add(-q.size)
	q.queue, q.size, q.closed = nil, 0, true
	signal(q.taken)
}

// pieces is a heap by time.
type pieces []*piece

func (q pieces) Len() int { return len(q) }

func (q pieces) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].order < q[j].order
	}
	return q[i].due.Before(q[j].due)
}

func (q pieces) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *pieces) Push(v any) {
	p := v.(*piece)
	p.index = len(*q)
	*q = append(*q, p)
}

// Pop implements [heap.Interface].
func (q *pieces) Pop() any {
	n := len(*q) - 1
	p := (*q)[n]
	(*q)[n], *q = nil, (*q)[:n]
	p.index = -1
	return p
}
