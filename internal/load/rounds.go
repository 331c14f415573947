package load

// rounds are the messages of Broadcast that are under way: each until all that
// are there have received it. They stand under the lock of who sends.
type rounds struct {
	sender    *flow
	receivers int
	left      []int // who has not received it, by the number modulo its length
	begun     int64 // rounds that left knows of
}

// received takes message n at one of the receivers.
func (r *rounds) received(n int64) {
	f := r.sender
	f.mu.Lock()
	defer f.mu.Unlock()
	r.begin()
	f.now = f.run.clock()
	r.less(n)
	f.fill()
	f.settle()
}

// begin counts who is to receive what was sent meanwhile.
func (r *rounds) begin() {
	for ; r.begun < r.sender.sent; r.begun++ {
		r.left[r.begun%int64(len(r.left))] = r.receivers
	}
}

// less is one fewer to wait for.
func (r *rounds) less(n int64) {
	f := r.sender
	if n < f.back || n >= f.sent {
		return
	}
	slot := n % int64(len(r.left))
	if r.left[slot]--; r.left[slot] > 0 {
		return
	}
	sent := f.times[slot]
	f.run.records.of(0).add(f.now-f.intended(n, sent), f.now-sent)
	f.back++
}

// gone has a receiver that is lost waited for no more. Its lock is held.
func (r *rounds) gone(lost *flow) {
	if lost == r.sender {
		return
	}
	f := r.sender
	f.mu.Lock()
	defer f.mu.Unlock()
	r.begin()
	f.now = f.run.clock()
	r.receivers--
	for n := lost.back; n < f.sent; n++ {
		r.less(n)
	}
	if r.receivers == 0 {
		f.quota = f.back
	}
	f.fill()
	f.settle()
}
