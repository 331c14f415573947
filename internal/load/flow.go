package load

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/ws"
)

// flow is one connection, and the messages that it has under way.
type flow struct {
	run   *run
	index uint32
	from  uint32 // whose messages it receives: its own, but for Broadcast
	talk  talk
	link  io.Writer // takes whole messages, and is safe for several goroutines
	close func(err error)

	mu      sync.Mutex
	now     int64 // when the bytes that are looked at have come
	sent    int64
	back    int64   // answered, or given up
	allowed int64   // may be sent by now
	quota   int64   // may be sent at all
	times   []int64 // when the messages under way were sent, by their number modulo its length
	waiting []bool  // datagrams: which of them wait
	deaf    bool    // what comes is of no interest
	each    bool    // each message is a datagram
	joined  bool    // the link takes several datagrams at once
	ending  bool    // it is ours to end it
	dead    bool
	done    bool
	met     bool // a receiver of Broadcast that did receive
	opened  chan struct{}
	alive   atomic.Bool
}

const endless = int64(1) << 62

func (r *run) newFlow(index uint32) *flow {
	f := &flow{run: r, index: index, from: index, quota: endless, opened: make(chan struct{})}
	f.each = r.Kind == Datagram
	f.deaf = r.Mode == Push || r.Mode == Idle
	f.alive.Store(true)
	return f
}

// sends has it send up to quota messages.
func (f *flow) sends(quota int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quota, f.times = quota, make([]int64, f.run.InFlight)
	if f.run.rounds != nil && f.run.rounds.receivers == 0 {
		f.quota = 0
	}
	if f.each {
		f.waiting = make([]bool, f.run.InFlight)
	}
}

// awaits reports whether what comes is of interest.
func (f *flow) awaits() bool {
	return !f.deaf && (f.run.start.Load() != 0 || f.run.Mode == Broadcast)
}

// surprised reports whether an answer comes to nothing that was sent.
func (f *flow) surprised() bool { return f.run.Mode == Echo && f.back >= f.sent }

func (f *flow) mismatch(at, came int) error {
	if f.surprised() {
		return &Mismatch{Message: -1}
	}
	return f.mismatchOf(f.back, at, came)
}

func (f *flow) mismatchOf(n int64, at, came int) error {
	return &Mismatch{Message: n, At: max(at, 0), Size: f.run.Size, Came: came}
}

// came takes bytes, and sends what may be sent then.
func (f *flow) came(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.run.clock()
	if f.took(b) {
		f.fill()
		f.settle()
	}
}

// cameEach takes datagrams that have come together.
func (f *flow) cameEach(all [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.run.clock()
	for _, b := range all {
		if !f.took(b) {
			return
		}
	}
	f.fill()
	f.settle()
}

// took looks at bytes, and reports whether there may be more.
func (f *flow) took(b []byte) bool {
	if f.dead || f.ending {
		return false
	}
	f.run.in.Add(int64(len(b)))
	if err := f.talk.take(f, b); err != nil {
		f.fail(err)
		return false
	}
	return true
}

// answered keeps the latency of message n. It reports false where that has its
// answer already.
func (f *flow) answered(n int64) bool {
	if f.run.rounds != nil {
		f.back++
		f.run.rounds.received(n)
		return true
	}
	slot := n % int64(len(f.times))
	if f.each {
		if !f.waiting[slot] || n < f.sent-int64(len(f.times)) {
			return false
		}
		f.waiting[slot] = false
	}
	f.back++
	sent := f.times[slot]
	f.run.records.of(f.index).add(f.now-f.intended(n, sent), f.now-sent)
	return true
}

// intended is when message n should have been sent: in time with the rate, and
// else when it was.
func (f *flow) intended(n, sent int64) int64 {
	if f.run.every == 0 {
		return sent
	}
	return f.run.due(n*int64(len(f.run.senders)) + int64(f.index-f.run.senders[0].index))
}

// most is how many bytes are handed on at once.
const most = 256 << 10

// fill sends what may be under way.
func (f *flow) fill() {
	if f.ending || !f.maySend() {
		return
	}
	buf := f.run.bufs.Get().(*[]byte)
	out := (*buf)[:0]
	for f.maySend() && !f.dead {
		slot := f.sent % int64(len(f.times))
		f.times[slot] = f.now
		if f.each {
			f.waiting[slot] = true
		}
		out = f.talk.add(out, f.sent)
		f.sent++
		if f.each && !f.joined || len(out) >= most {
			f.write(out)
			out = out[:0]
		}
	}
	if len(out) > 0 {
		f.write(out)
	}
	*buf = out
	f.run.bufs.Put(buf)
}

func (f *flow) maySend() bool {
	if f.sent >= min(f.allowed, f.quota) {
		return false
	}
	if f.each {
		return !f.waiting[f.sent%int64(len(f.times))]
	}
	return f.sent-f.back < int64(len(f.times))
}

func (f *flow) write(b []byte) {
	n, err := f.link.Write(b)
	f.run.out.Add(int64(n))
	if err != nil && !f.dead {
		f.fail(err)
	}
}

// reply sends what the protocol asks for.
func (f *flow) reply(b []byte) {
	if !f.ending {
		_, _ = f.link.Write(b) // an error shows when it is read
	}
}

// fail ends the connection for a reason that counts.
func (f *flow) fail(err error) {
	if f.dead {
		return
	}
	f.dead = true
	f.alive.Store(false)
	if !f.ending {
		f.run.lose(f, err)
	}
	f.settle()
	f.close(err)
}

// ended is the end of the connection, which was not ours.
func (f *flow) ended(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || err == io.EOF {
		err = ErrClosed
	}
	if f.run.web() { // no close frame came before it
		err = &ws.CloseError{Code: ws.StatusAbnormal, Err: err}
	}
	f.fail(err)
}

// settle notes that all is answered, or never will be.
func (f *flow) settle() {
	if f.done || f.times == nil || !f.dead && f.back < f.quota {
		return
	}
	f.done = true
	f.run.left.Done()
}

// start sends the first messages.
func (f *flow) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.run.every == 0 {
		f.allowed = f.quota
	}
	f.now = f.run.clock()
	f.fill()
	f.settle()
}

// allow lets it send one message more.
func (f *flow) allow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return
	}
	f.allowed++
	f.now = f.run.clock()
	f.fill()
}

// stop lets it send nothing but what is due already.
func (f *flow) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quota = f.sent
	if f.run.every > 0 {
		f.quota = f.allowed
	}
	f.settle()
}

// expire gives up on what was not answered in time: on the connection, or on
// that datagram alone.
func (f *flow) expire(now int64, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	late := func(slot int64) bool { return now-f.times[slot] > int64(wait) }
	switch size := int64(len(f.times)); {
	case f.dead || f.done:
	case !f.each:
		if f.sent > f.back && late(f.back%size) {
			f.fail(ErrLate)
		}
	default:
		for slot := range f.waiting {
			if f.waiting[slot] && late(int64(slot)) {
				f.waiting[slot] = false
				f.back++
				f.run.failures.add(ErrLate, 1)
				f.run.lost.Add(1)
			}
		}
		f.now = now
		f.fill()
		f.settle()
	}
}

// giveUp counts what is still due at the end, which came early where the run was
// stopped.
func (f *flow) giveUp(stopped error) {
	late := ErrLate
	if stopped != nil {
		late = ErrStopped
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ending = true
	if f.done || f.dead || f.times == nil {
		return
	}
	f.run.failures.add(late, f.sent-f.back)
	f.run.lost.Add(f.sent - f.back)
	f.run.failures.add(ErrUnsent, f.quota-f.sent)
	f.run.unsent.Add(f.quota - f.sent)
	f.done = true
	f.run.left.Done()
}
