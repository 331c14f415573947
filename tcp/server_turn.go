package tcp

import (
	"log"
	"runtime/debug"
	"time"
)

// event is a callback that was posted.
type event struct {
	kind eventKind
	f    func() // of onPost
}

type eventKind uint8

const (
	onOpen eventKind = iota
	onData
	onEnd
	onWritable
	onShutdown
	onIdle
	onPost
	onClose
)

var callbackNames = [...]string{"OnOpen", "OnData", "OnEnd", "OnWritable", "OnShutdown", "OnIdle", "Post", "OnClose"}

// Callbacks take turns: whoever sets running runs one, and then those that were
// posted meanwhile. It is the reading goroutine, or one that was started for
// what was posted while no callback ran.

// deliver runs OnData or OnEnd in the reading goroutine, unless what the peer
// sends is of no interest any more.
func (p *Peer) deliver(k eventKind, data []byte) {
	p.mu.Lock()
	for p.takes() && (p.running || p.paused) {
		p.wait()
	}
	if !p.takes() {
		p.keepUnread(data)
		p.unlock()
		return
	}
	p.begin(true)
	p.mu.Unlock()
	if k == onData {
		p.came(data)
	}
	p.invoke(k, data, nil)
	p.endTurn()
}

// takes reports whether what the peer sends is of interest.
func (p *Peer) takes() bool { return !p.dead && !p.closing && !p.leaving }

func (p *Peer) begin(reading bool) {
	p.running, p.reading, p.corked = true, reading, true
}

// post has a callback run after those that run or wait.
func (p *Peer) post(e event) bool {
	if p.finished || !p.opened {
		return false
	}
	more := p.seldom()
	more.tasks = append(more.tasks, e)
	if !p.running {
		p.begin(false)
		go p.endTurn()
	}
	return true
}

// endTurn runs what was posted and sends what the callbacks have written.
func (p *Peer) endTurn() {
	t := p.sealed()
	if t == nil {
		p.mu.Lock()
		p.runPosted()
		p.uncork()
		p.unlock()
		return
	}
	for !t.endTurn() {
	}
}

// runPosted unlocks the peer for each call.
func (p *Peer) runPosted() {
	for p.hasTasks() {
		more := p.more
		e := more.tasks[0]
		more.tasks[0] = event{}
		if more.tasks = more.tasks[1:]; len(more.tasks) == 0 {
			more.tasks = nil
		}
		if !p.stillDue(e.kind) {
			continue
		}
		p.mu.Unlock()
		p.invoke(e.kind, nil, e.f)
		p.mu.Lock()
	}
}

// stillDue drops what has become untrue while it waited for its turn.
func (p *Peer) stillDue(k eventKind) bool {
	switch k {
	case onWritable:
		p.due = false
		return !p.dead && !p.over && !p.fin
	case onShutdown, onIdle:
		return !p.dead
	}
	return true
}

// uncork ends the turn.
func (p *Peer) uncork() {
	p.running, p.reading, p.corked = false, false, false
	p.disarmCork()
	p.flush()
	p.settle()
	p.rest()
	p.changed()
}

// invoke calls the callback itself. What panics ends this peer only.
func (p *Peer) invoke(k eventKind, data []byte, f func()) {
	defer p.caught(k)
	s := p.srv
	switch k {
	case onOpen:
		call(s.OnOpen, p)
	case onData:
		if s.OnData != nil {
			s.OnData(p, data)
		}
	case onEnd:
		call(s.OnEnd, p)
	case onWritable:
		call(s.OnWritable, p)
	case onShutdown:
		call(s.OnShutdown, p)
	case onIdle:
		call(s.OnIdle, p)
	case onPost:
		f()
	case onClose:
		if s.OnClose != nil {
			s.OnClose(p, p.cause())
		}
	}
}

func call(f func(*Peer), p *Peer) {
	if f != nil {
		f(p)
	}
}

// caught is deferred.
func (p *Peer) caught(k eventKind) {
	v := recover()
	if v == nil {
		return
	}
	p.srv.count.panics.Add(1)
	err := &PanicError{Callback: callbackNames[k], Value: v, Stack: debug.Stack()}
	p.Abort(err)
	if p.srv.OnPanic == nil {
		log.Printf("tcp: %s: %v\n%s", p.RemoteAddr(), err, err.Stack)
		return
	}
	defer func() {
		if recover() != nil {
			p.srv.count.panics.Add(1)
		}
	}()
	p.srv.OnPanic(p, err)
}

// armCork bounds how long what is written can wait for a callback that blocks.
func (p *Peer) armCork() {
	limit := p.srv.conf.corkFor
	if limit == 0 || p.polled.watched || p.more != nil && p.more.cork != nil {
		return
	}
	c := p.srv.bufs.corks.Get().(*corkTimer)
	c.peer, p.seldom().cork = p, c
	c.Reset(limit)
}

// disarmCork stops the timer: one that stays would have the process wake in time
// for it.
func (p *Peer) disarmCork() {
	if p.more == nil || p.more.cork == nil {
		return
	}
	c := p.more.cork
	p.more.cork = nil
	if c.Stop() { // or it is on its way to the peer
		c.peer = nil
		p.srv.bufs.corks.Put(c)
	}
}

// corkTimer is pooled: a peer needs one only while a callback of its runs.
type corkTimer struct {
	*time.Timer
	peer *Peer
}

func newCorkTimer() any {
	c := &corkTimer{}
	c.Timer = time.AfterFunc(time.Hour, func() { c.peer.corkExpired() })
	c.Stop()
	return c
}

// corkExpired sends what is corked.
func (p *Peer) corkExpired() {
	if t := p.sealed(); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.flush()
	}
	p.mu.Lock()
	defer p.unlock()
	if p.more != nil {
		p.more.cork = nil
	}
	p.flush()
	p.settle()
}
