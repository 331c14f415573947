package tcp

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loop is an event loop: one goroutine, its runner, waits for the sockets of
// many peers at once (epoll, each change told once) and runs their callbacks in
// place.
//
// A callback that blocks must not hold up the others, so a timer looks after
// the runner while there is work. When it finds it in the same callback twice, a
// new runner takes over with what the old one has not begun, and callbacks run
// in goroutines of their own for a while: a handler that blocked once does so
// again. The runner waits for the epoll descriptor by Go's own poller, as any
// goroutine waits for a socket, and so holds no thread.
type loop struct {
	set   *loopSet
	calls calls
	epoll int
	file  *os.File
	raw   syscall.RawConn

	mu     sync.Mutex
	owner  *runner
	events [loopBatch]unix.EpollEvent
	next   int // the first event that is not begun
	n      int
	again  []*Peer // those that have more to read
	round  []*Peer // of them, those whose turn it is before events are asked for

	busy    bool   // the owner runs a callback
	begun   uint64 // callbacks, counted to see that it moves
	seen    uint64 // begun, when the timer looked last
	watched bool   // the timer runs
	timer   *time.Timer
	slow    int // so many turns are still to run in goroutines
	penalty int // what slow becomes with the next callback that blocks
}

const (
	loopBatch = 128
	// stuckAfter is after how long a callback counts as one that blocks; it may
	// take twice as long to be seen.
	stuckAfter = 2 * time.Millisecond
	// After a callback that blocked so many turns run in goroutines: four times as
	// many after each that is found out anew, and half once as many have passed and
	// none of them blocked. One that only waited for a processor so costs little.
	leastSlow = 16
	mostSlow  = 4096
	// quick is what a turn may take so as not to count as one that blocks.
	quick = 500 * time.Microsecond
)

// runner is a goroutine that serves a loop, and the buffer it reads into.
type runner struct {
	loop *loop
	buf  []byte
	peer *Peer // whose turn it is; the loop's lock guards it

	events  [loopBatch]unix.EpollEvent
	got     int
	harvest func(uintptr) bool // bound once, as a method value would be made for each call
}

func newRunner(l *loop) *runner {
	r := &runner{loop: l}
	r.harvest = r.take
	return r
}

func newLoop(set *loopSet) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or package os would not poll it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &loop{set: set, epoll: fd, file: os.NewFile(uintptr(fd), "epoll")}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, err
	}
	l.timer = time.AfterFunc(time.Hour, l.watch)
	l.timer.Stop()
	l.owner = newRunner(l)
	go l.owner.run()
	return l, nil
}

// close ends the loop, which has no peers any more.
func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	l.owner = nil
	_ = l.file.Close()
}

// add has the loop tell of p's socket from now on, by p's place in the roster.
// That can be another's by the time that somebody is told: a turn of which
// nothing comes.
func (l *loop) add(p *Peer) error {
	return os.NewSyscallError("epoll_ctl", watchNow(l.epoll, unix.EPOLL_CTL_ADD, int(p.polled.fd), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(p.place),
	}))
}

func (l *loop) remove(p *Peer) { _ = watchNow(l.epoll, unix.EPOLL_CTL_DEL, int(p.polled.fd), nil) }

// run serves the loop as long as the runner owns it.
func (r *runner) run() {
	r.buf = make([]byte, r.loop.set.srv.conf.loopBuffer)
	for {
		switch p, flags, apart := r.claim(); {
		case p != nil && apart:
			go p.turnApart(flags)
		case p != nil:
			p.turn(flags, r)
		case !r.await():
			return
		}
	}
}

// claim takes the next peer that has something to do, if the loop is the
// runner's. Apart is that it is to be served by a goroutine of its own.
func (r *runner) claim() (p *Peer, flags uint32, apart bool) {
	l := r.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	r.peer = nil
	if l.owner != r {
		return nil, 0, false
	}
	for p == nil && l.next < l.n {
		ev := &l.events[l.next]
		l.next++
		p, flags = l.set.srv.peers.at(uint32(ev.Fd)), ev.Events
	}
	if p == nil && len(l.round) > 0 {
		p, l.round = l.round[0], l.round[1:]
	}
	if p == nil {
		l.busy = false
		return nil, 0, false
	}
	r.begin(p)
	return p, flags, l.slow > 0
}

func (r *runner) begin(p *Peer) {
	l := r.loop
	l.busy, r.peer = true, p
	l.begun++
	if !l.watched {
		l.watched = true
		l.timer.Reset(stuckAfter)
	}
}

// await waits for events. It reports false when the loop is not the runner's
// any more.
func (r *runner) await() bool {
	l := r.loop
	l.mu.Lock()
	mine, waiting := l.owner == r, len(l.again) > 0
	l.mu.Unlock()
	if !mine {
		return false
	}
	if waiting { // what is left of others must not wait for events
		r.harvest(uintptr(l.epoll))
	} else if err := l.raw.Read(r.harvest); err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner != r {
		return false
	}
	l.next, l.n = 0, copy(l.events[:], r.events[:r.got])
	l.round, l.again = l.again, nil
	return true
}

// take takes the events that there are.
func (r *runner) take(fd uintptr) bool {
	for {
		r.loop.calls.waits.Add(1)
		n, err := eventsNow(int(fd), r.events[:])
		if err != syscall.EINTR {
			r.got = max(n, 0)
			return n != 0
		}
	}
}

// later has the runner's peer go on after the others. It reports false where
// the runner has lost the loop, and serves nobody else.
func (r *runner) later() bool {
	l := r.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner != r {
		return false
	}
	l.again = append(l.again, r.peer)
	return true
}

// watch looks after the runner. It is the timer's.
func (l *loop) watch() {
	l.mu.Lock()
	if l.owner == nil {
		l.mu.Unlock()
		return
	}
	moved := l.begun != l.seen
	l.seen = l.begun
	var stuck *Peer
	switch {
	case l.busy && !moved:
		stuck = l.owner.peer
		l.slow = max(l.penalty, leastSlow)
		l.penalty = min(4*l.slow, mostSlow)
		l.owner = newRunner(l)
		l.busy = false
		go l.owner.run()
	case !l.busy && !moved:
		l.watched = false
		l.mu.Unlock()
		return
	}
	l.timer.Reset(stuckAfter)
	l.mu.Unlock()
	if stuck != nil {
		stuck.stuck()
	}
}

// took notes how long a turn in a goroutine of its own has taken.
func (l *loop) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case d > quick:
		l.slow = max(l.slow, l.penalty/4)
	case l.slow > 0:
		if l.slow--; l.slow == 0 {
			l.penalty /= 2
		}
	}
}
