package tcp

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// polled is the socket of a peer that an event loop looks after. Nobody waits for
// it, so its descriptor is used under the peer's lock only, and never after it
// was closed.
type polled struct {
	post *post
	fd   int32
	ip   [4]byte // the remote address, where the post has none
	port uint16

	// The lock of the peer guards these.
	ready    bool // something came that nobody has read
	atEnd    bool // and an end or an error behind it
	turning  bool // somebody runs turns
	watched  bool // by a loop's runner, whom the loop looks after
	finished bool // its last turn has begun
	closed   bool
}

// post is where sockets stand. Those of IPv4 share one with many others.
type post struct {
	loop   *loop
	local  net.Addr
	remote net.Addr // nil where the socket has it by itself
}

// polledMore is what few sockets have.
type polledMore struct {
	room   chan struct{} // the flusher's
	handed net.Conn      // since Detach
}

func (p *Peer) polledMore() *polledMore {
	more := p.seldom()
	if more.polled == nil {
		more.polled = &polledMore{}
	}
	return more.polled
}

// handed is the connection that Detach has handed over; nil before.
func (p *Peer) handed() net.Conn {
	if p.more == nil || p.more.polled == nil {
		return nil
	}
	return p.more.polled.handed
}

func newPolled(s *Server, fd int, at *post) *Peer {
	p := &Peer{srv: s, polled: polled{fd: int32(fd), post: at}, born: time.Since(s.began)}
	p.setUp()
	return p
}

// mostTurns is how many reads a peer gets before it is the others' turn.
const mostTurns = 4

// turn takes what the loop tells of p's socket, in the runner's goroutine.
func (p *Peer) turn(flags uint32, r *runner) {
	p.mu.Lock()
	p.told(flags)
	p.turns(r, r.buf)
}

// turnApart is turn in a goroutine of its own.
func (p *Peer) turnApart(flags uint32) {
	begun := time.Now()
	p.mu.Lock()
	p.told(flags)
	p.turnsApart()
	p.polled.post.loop.took(time.Since(begun))
}

// turnsApart is turns in a goroutine that is no runner's.
func (p *Peer) turnsApart() {
	buf := p.srv.bufs.get()
	defer p.srv.bufs.put(buf)
	p.turns(nil, *buf)
}

// told notes what the loop says.
func (p *Peer) told(flags uint32) {
	e := &p.polled
	if flags&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e.ready, e.atEnd = true, true
	}
	if flags&unix.EPOLLIN != 0 {
		e.ready = true
	}
	if flags&unix.EPOLLOUT != 0 && p.flushing {
		p.hasRoom()
	}
}

// hasRoom wakes the flusher.
func (p *Peer) hasRoom() {
	if p.more != nil && p.more.polled != nil && p.more.polled.room != nil {
		select {
		case p.more.polled.room <- struct{}{}:
		default:
		}
	}
}

// turns does what is to be done for p, as long as there is something. It is
// called under the lock, and unlocks.
func (p *Peer) turns(r *runner, buf []byte) {
	e := &p.polled
	if e.turning { // whoever is at it sees what was told
		p.unlock()
		return
	}
	e.turning, e.watched = true, r != nil
	for reads := 1; p.hasTurn(); reads++ {
		switch {
		case !p.opened:
			p.openPolled()
		case p.ended:
			e.ready = false
			if err := p.pendingError(); err != nil {
				p.failed(err)
			}
		case len(p.early()) > 0:
			p.earlyTurn()
		case reads > mostTurns && r != nil && r.later():
			e.turning = false
			p.unlock()
			return
		default:
			p.readTurn(buf)
		}
	}
	e.turning = false
	if p.leaving {
		p.tell()
	}
	if p.unlocked() {
		p.endPolled()
	}
}

// hasTurn reports whether there is something to do that nobody else does.
func (p *Peer) hasTurn() bool {
	switch {
	case p.dead || p.leaving || p.running:
		return false
	case !p.opened:
		return true
	case !p.polled.ready && len(p.early()) == 0:
		return false
	case p.ended || p.closing:
		return true
	}
	return !p.paused && !p.over && !p.throttled
}

// openPolled is open under the lock.
func (p *Peer) openPolled() {
	p.beginOpen()
	p.mu.Unlock()
	p.invoke(onOpen, nil, nil)
	p.mu.Lock()
	p.runPosted()
	p.uncork()
}

// readTurn reads once, and calls back, under the lock.
func (p *Peer) readTurn(buf []byte) {
	buf = buf[:p.share(len(buf))]
	n, err := p.receive(buf)
	if wanted := p.takes(); n > 0 {
		p.begin(true)
		p.mu.Unlock()
		p.took(n)
		if wanted {
			p.came(buf[:n])
			p.invoke(onData, buf[:n], nil)
		}
		p.mu.Lock()
		p.runPosted()
		p.uncork()
	}
	if err != nil {
		p.mu.Unlock()
		p.readEnd(err)
		p.mu.Lock()
	}
}

// earlyTurn hands over what was read before the peer was ours, under the lock.
func (p *Peer) earlyTurn() {
	early := p.early()
	p.more.unread = nil
	if !p.takes() {
		return
	}
	p.begin(true)
	p.mu.Unlock()
	p.came(early)
	p.invoke(onData, early, nil)
	p.mu.Lock()
	p.runPosted()
	p.uncork()
}

// receive reads what there is. A read that leaves room in b has got all of it
// (epoll(7), question 9), but for an end that is told of by itself.
func (p *Peer) receive(b []byte) (int, error) {
	e := &p.polled
	e.post.loop.calls.reads.Add(1)
	n, err := readNow(int(e.fd), b)
	switch {
	case err == syscall.EAGAIN:
		e.ready = false
		return 0, nil
	case err != nil:
		e.ready = false
		return 0, opError("read", p.socket(), err)
	case n == 0:
		e.ready = false
		return 0, io.EOF
	}
	e.ready = n == len(b) || e.atEnd
	return n, nil
}

// pendingError looks for what came after the peer's end.
func (p *Peer) pendingError() error {
	var junk [512]byte
	for {
		n, err := uninterrupted(syscall.Read, int(p.polled.fd), junk[:])
		switch {
		case n > 0:
			continue
		case n == 0 && err == nil: // the end hides what came behind it
			err = pendingError(int(p.polled.fd))
		}
		if err == syscall.EAGAIN {
			err = nil
		}
		return opError("read", p.socket(), err)
	}
}

// goOn has p's turns run where there is something to do and nobody at it. It is
// called under the lock.
func (p *Peer) goOn() {
	if !p.polled.turning && p.opened && p.hasTurn() {
		go func() {
			p.mu.Lock()
			p.turnsApart()
		}()
	}
}

// ends reports, once, that the peer's last turn is due: nothing else of it runs
// any more. It is called under the lock.
func (p *Peer) ends() bool {
	e := &p.polled
	if e.finished || e.turning || p.running || p.flushing || !(p.shut || p.detached) {
		return false
	}
	e.finished = true
	return true
}

// endPolled makes the last callback.
func (p *Peer) endPolled() {
	p.finish()
	p.srv.leave()
	p.srv.leaveLoops()
}

// stuck lets out what a callback that blocks has written.
func (p *Peer) stuck() {
	p.mu.Lock()
	p.polled.watched = false
	p.mu.Unlock()
	p.corkExpired()
}

// looped is a peer's socket in a loop as a transport and as a connection, as far
// as the server needs them. It is no more than a pointer.
type looped struct{ p *Peer }

func (p *Peer) polledTransport() transport { return looped{p} }

func (l looped) read(int) (*[]byte, int, error) { return nil, 0, errHeld }
func (l looped) watch() error                   { return nil }
func (l looped) wrote()                         {}
func (l looped) made() *calls                   { return nil } // the loop counts

func (l looped) try(pieces [][]byte) (int, error) {
	e := &l.p.polled
	if e.closed {
		return 0, net.ErrClosed
	}
	e.post.loop.calls.writes.Add(1)
	n, err := e.put(pieces)
	switch {
	case err == syscall.EAGAIN:
		return 0, nil
	case err != nil:
		return 0, opError("write", l, err)
	}
	return n, nil
}

func (e *polled) put(pieces [][]byte) (int, error) {
	if len(pieces) == 1 {
		return writeNow(int(e.fd), pieces[0])
	}
	if len(pieces) <= fewPieces && !raced {
		return writevNow(int(e.fd), pieces)
	}
	for {
		n, err := unix.Writev(int(e.fd), pieces[:min(len(pieces), mostPieces)])
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// write is the flusher's, which is the only one that waits.
func (l looped) write(pieces [][]byte, limit time.Duration) (int, error) {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	for {
		n, room, err := l.tryAlone(pieces)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-room:
		case <-over:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// tryAlone is try for who does not hold the lock. Room is told of in the channel.
func (l looped) tryAlone(pieces [][]byte) (n int, room <-chan struct{}, err error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	more := l.p.polledMore()
	if more.room == nil {
		more.room = make(chan struct{}, 1)
	}
	n, err = l.try(pieces)
	return n, more.room, err
}

// handOver takes the socket from the loop, for Detach, under the lock.
func (p *Peer) handOver() error {
	p.polled.post.loop.remove(p)
	file := os.NewFile(uintptr(p.polled.fd), "")
	defer file.Close()
	p.polled.closed = true
	conn, err := net.FileConn(file)
	p.polledMore().handed = conn
	return err
}
