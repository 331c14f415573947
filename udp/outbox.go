package udp

import (
	"sync"
	"sync/atomic"
	"time"
)

// outbox collects what a server sends on one socket, so that it leaves in few
// system calls: at the end of the batch of reads in which it was written, or at
// once where none is under way.
type outbox struct {
	mu      sync.Mutex
	link    *link
	count   *counters
	sender  sender
	joins   bool // the kernel cuts bursts into datagrams (UDP GSO)
	closed  bool
	holding bool // a batch of reads is under way
	batches uint // of reads, so far

	// The timer that sends what a batch holds back for too long.
	guard   *time.Timer
	guarded bool   // it runs
	during  uint   // the batch that it was set in
	memory  []byte // the payloads, one behind the other
	queue   []parcel
	err     error // the first failure of this flush
}

// parcel is one send: a datagram, or a burst of them to one peer, of one size
// each but for the last, which may be shorter.
type parcel struct {
	to         *Peer
	start, end int // in the outbox's memory
	size       int // of each datagram
	count      int
	full       bool // nothing may follow
}

const (
	outboxMemory = 256 << 10
	outboxQueue  = 64
	// maxBurst is the most datagrams that the kernel cuts from one buffer
	// (UDP_MAX_SEGMENTS, 64 before Linux 6.9).
	maxBurst = 64
)

// add queues a datagram for p, and sends it at once unless a batch of reads is
// under way. The error of sending is that of this datagram.
func (o *outbox) add(p *Peer, b []byte) error {
	o.mu.Lock()
	err := o.addLocked(p, b) // a defer would cost a tenth of the rest
	o.mu.Unlock()
	return err
}

func (o *outbox) addLocked(p *Peer, b []byte) error {
	if o.closed {
		return ErrServerClosed
	}
	if len(o.queue) == outboxQueue || len(o.memory)+len(b) > outboxMemory {
		o.flushLocked()
	}
	if o.memory == nil {
		o.memory = make([]byte, 0, outboxMemory)
		o.queue = make([]parcel, 0, outboxQueue+maxBurst)
	}
	start := len(o.memory)
	o.memory = append(o.memory, b...)
	p.out += int64(len(b))
	if !o.join(p, len(b)) {
		o.queue = append(o.queue, parcel{to: p, start: start, end: len(o.memory), size: len(b), count: 1})
	}
	if o.holding {
		o.watch()
		return nil
	}
	o.err = nil
	o.flushLocked()
	return o.err
}

// join makes the size bytes just added part of the burst before them.
func (o *outbox) join(p *Peer, size int) bool {
	if !o.joins || len(o.queue) == 0 {
		return false
	}
	last := &o.queue[len(o.queue)-1]
	if last.to != p || last.full || size == 0 || size > last.size || last.size >= p.uncut ||
		last.count == maxBurst || last.end-last.start+size > MaxPayload {
		return false
	}
	last.end += size
	last.count++
	last.full = size < last.size
	return true
}

// hold keeps what is written until release.
func (o *outbox) hold() {
	o.mu.Lock()
	o.holding = true
	o.batches++
	o.mu.Unlock()
}

// release ends a batch of reads and sends what is queued.
func (o *outbox) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holding = false
	o.flushLocked()
}

// holdTime is how long a batch of reads may hold back what is written.
const holdTime = 5 * time.Millisecond

// watch has the timer look after this batch. Under load it runs on from batch
// to batch, so that a batch does not pay for it.
func (o *outbox) watch() {
	if o.guarded {
		return
	}
	o.guarded, o.during = true, o.batches
	if o.guard == nil {
		o.guard = time.AfterFunc(holdTime, o.overdue)
		return
	}
	o.guard.Reset(holdTime)
}

// overdue sends what is queued if it is still the same batch that holds it.
func (o *outbox) overdue() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.guarded = false
	if !o.holding || o.closed || len(o.queue) == 0 {
		return
	}
	if o.during == o.batches {
		o.flushLocked()
		return
	}
	o.watch()
}

// flushLocked sends the queue. Failures are counted, each for its own peer.
func (o *outbox) flushLocked() {
	if len(o.queue) == 0 || o.closed {
		return
	}
	o.sender.send(o)
	o.queue, o.memory = o.queue[:0], o.memory[:0]
}

// close drops what is queued and refuses what comes.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.queue, o.memory = true, nil, nil
	if o.guard != nil {
		o.guard.Stop()
	}
}

// sent counts a parcel that the system took.
func (o *outbox) sent(k *parcel) {
	o.count.datagramsOut.Add(uint64(k.count))
	o.count.bytesOut.Add(uint64(k.end - k.start))
}

// failed counts a parcel that it did not take.
func (o *outbox) failed(k *parcel, reason *atomic.Uint64, err error) {
	reason.Add(uint64(k.count))
	if o.err == nil {
		o.err = err
	}
}

// split replaces the burst at index i by its datagrams.
func (o *outbox) split(i int) {
	k := o.queue[i]
	singles := make([]parcel, 0, k.count)
	for start := k.start; start < k.end; start += k.size {
		end := min(start+k.size, k.end)
		singles = append(singles, parcel{to: k.to, start: start, end: end, size: end - start, count: 1, full: true})
	}
	o.queue = append(o.queue[:i], append(singles, o.queue[i+1:]...)...)
}
