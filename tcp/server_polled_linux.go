package tcp

import (
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// polled is a socket that an event loop looks after: the transport of its peer,
// and the connection that stands for it inside the server. Nobody waits for it,
// so its descriptor is used under the peer's lock only, and never after it was
// closed.
type polled struct {
	peer   *Peer
	loop   *loop
	fd     int
	local  net.Addr
	remote netip.AddrPort // none of a Unix socket

	// The lock of the peer guards these.
	ready    bool // something came that nobody has read
	atEnd    bool // and an end or an error behind it
	turning  bool // somebody runs turns
	watched  bool // by a loop's runner, whom the loop looks after
	finished bool // its last turn has begun
	closed   bool

	room chan struct{} // the flusher's
	more *polledMore   // nil for most
}

// polledMore is what few sockets have.
type polledMore struct {
	name   string   // of a Unix socket that is connected
	handed net.Conn // since Detach
}

// handed is the connection that Detach has handed over; nil before.
func (e *polled) handed() net.Conn {
	if e.more == nil {
		return nil
	}
	return e.more.handed
}

func newPolled(s *Server, set *loopSet, e *polled) *Peer {
	p := &Peer{srv: s, conn: e, transport: e, polled: e, born: time.Since(s.began)}
	e.peer, e.loop = p, set.pick()
	p.setUp()
	return p
}

// mostTurns is how many reads a peer gets before it is the others' turn.
const mostTurns = 4

// turn takes what the loop tells of p's socket, in the runner's goroutine.
func (p *Peer) turn(flags uint32, r *runner) {
	p.mu.Lock()
	p.polled.told(flags)
	p.turns(r, r.buf)
}

// turnApart is turn in a goroutine of its own.
func (p *Peer) turnApart(flags uint32) {
	begun := time.Now()
	p.mu.Lock()
	p.polled.told(flags)
	p.turnsApart()
	p.polled.loop.took(time.Since(begun))
}

// turnsApart is turns in a goroutine that is no runner's.
func (p *Peer) turnsApart() {
	buf := p.srv.bufs.get()
	defer p.srv.bufs.put(buf)
	p.turns(nil, *buf)
}

// told notes what the loop says.
func (e *polled) told(flags uint32) {
	if flags&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e.ready, e.atEnd = true, true
	}
	if flags&unix.EPOLLIN != 0 {
		e.ready = true
	}
	if flags&unix.EPOLLOUT != 0 && e.peer.flushing {
		e.hasRoom()
	}
}

// hasRoom wakes the flusher.
func (e *polled) hasRoom() {
	if e.room != nil {
		select {
		case e.room <- struct{}{}:
		default:
		}
	}
}

// turns does what is to be done for p, as long as there is something. It is
// called under the lock, and unlocks.
func (p *Peer) turns(r *runner, buf []byte) {
	e := p.polled
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
			if err := e.pendingError(); err != nil {
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
	p.unlock()
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
	e := p.polled
	buf = buf[:p.share(len(buf))]
	n, err := e.receive(buf)
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
func (e *polled) receive(b []byte) (int, error) {
	e.loop.calls.reads.Add(1)
	n, err := readNow(e.fd, b)
	switch {
	case err == syscall.EAGAIN:
		e.ready = false
		return 0, nil
	case err != nil:
		e.ready = false
		return 0, opError("read", e, err)
	case n == 0:
		e.ready = false
		return 0, io.EOF
	}
	e.ready = n == len(b) || e.atEnd
	return n, nil
}

// pendingError looks for what came after the peer's end.
func (e *polled) pendingError() error {
	var junk [512]byte
	for {
		n, err := uninterrupted(syscall.Read, e.fd, junk[:])
		switch {
		case n > 0:
			continue
		case n == 0 && err == nil: // the end hides what came behind it
			err = pendingError(e.fd)
		}
		if err == syscall.EAGAIN {
			err = nil
		}
		return opError("read", e, err)
	}
}

// goOn has p's turns run where there is something to do and nobody at it. It is
// called under the lock.
func (e *polled) goOn() {
	if p := e.peer; !e.turning && p.opened && p.hasTurn() {
		go func() {
			p.mu.Lock()
			p.turnsApart()
		}()
	}
}

// ends reports, once, that the peer's last turn is due: nothing else of it runs
// any more. It is called under the lock.
func (e *polled) ends() bool {
	p := e.peer
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

// The transport.

func (e *polled) read(int) (*[]byte, int, error) { return nil, 0, errHeld }
func (e *polled) watch() error                   { return nil }
func (e *polled) wrote()                         {}
func (e *polled) made() *calls                   { return nil } // the loop counts

func (e *polled) try(pieces [][]byte) (int, error) {
	if e.closed {
		return 0, net.ErrClosed
	}
	e.loop.calls.writes.Add(1)
	n, err := e.put(pieces)
	switch {
	case err == syscall.EAGAIN:
		return 0, nil
	case err != nil:
		return 0, opError("write", e, err)
	}
	return n, nil
}

func (e *polled) put(pieces [][]byte) (int, error) {
	if len(pieces) == 1 {
		return writeNow(e.fd, pieces[0])
	}
	if len(pieces) <= fewPieces {
		return writevNow(e.fd, pieces)
	}
	for {
		n, err := unix.Writev(e.fd, pieces[:min(len(pieces), mostPieces)])
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// write is the flusher's, which is the only one that waits.
func (e *polled) write(pieces [][]byte, limit time.Duration) (int, error) {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	for {
		n, err := e.tryAlone(pieces)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-e.room:
		case <-over:
			return 0, os.ErrDeadlineExceeded
		}
	}
}

// tryAlone is try for who does not hold the lock.
func (e *polled) tryAlone(pieces [][]byte) (int, error) {
	e.peer.mu.Lock()
	defer e.peer.mu.Unlock()
	if e.room == nil {
		e.room = make(chan struct{}, 1)
	}
	return e.try(pieces)
}

// handOver takes the socket from the loop, for Detach, under the lock.
func (e *polled) handOver() error {
	e.loop.remove(e.fd)
	e.loop.set.peers.put(e.fd, nil)
	file := os.NewFile(uintptr(e.fd), "")
	defer file.Close()
	e.closed = true
	conn, err := net.FileConn(file)
	if e.more == nil {
		e.more = &polledMore{}
	}
	e.more.handed = conn
	return err
}
