package load

import (
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// datagramLoops move the datagrams of sockets that have one peer each. A datagram
// is one call out and one in, or less where a socket has several under way; the
// waiting is shared by all sockets of a loop.
type datagramLoops struct {
	loops   []*datagramLoop
	sockets []atomic.Pointer[datagramSocket] // by the index of their flows
	next    atomic.Uint32
	once    sync.Once
}

// datagramLoop is one goroutine and the sockets that it waits for (epoll, told
// of as long as there is something).
type datagramLoop struct {
	all     *datagramLoops
	file    *os.File
	raw     syscall.RawConn
	ended   chan struct{}
	events  [128]unix.EpollEvent
	got     int
	harvest func(uintptr) bool // bound once, as a method value would be made for each call
	bufs    [][]byte           // into which is received
	came    [][]byte           // what they hold of it
}

// datagramSocket is the link of a flow.
type datagramSocket struct {
	flow    *flow
	loop    *datagramLoop
	fd      int
	pending []byte // whole datagrams for which there was no room; the flow's lock guards it

	sends, receives int64 // calls, under the flow's lock and the loop's alone
}

// takeDatagrams has a loop serve a connection. It reports false where it is none
// for a loop, and then it is still the caller's.
func (e *engine) takeDatagrams(f *flow, l *Link) (taken bool) {
	conn := connected(l.Conn)
	if conn == nil || e.run.Mode != Echo && e.run.Mode != Broadcast {
		return false
	}
	d := &e.datagrams
	d.once.Do(func() { d.begin(e.run) })
	if len(d.loops) == 0 {
		return false
	}
	fd, err := duplicate(conn)
	if err != nil {
		return false
	}
	s := &datagramSocket{flow: f, fd: fd, loop: d.loops[int(d.next.Add(1))%len(d.loops)]}
	f.link, f.close, f.joined = s, func(error) { s.forget() }, true
	d.sockets[f.index].Store(s)
	if s.tell(unix.EPOLL_CTL_ADD, unix.EPOLLIN) != nil {
		d.sockets[f.index].Store(nil)
		unix.Close(fd)
		f.joined = false
		return false
	}
	l.Conn.Close()
	return true
}

// connected returns the UDP socket below a connection that has one peer; nil
// where there is none.
func connected(conn net.Conn) *net.UDPConn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	c, ok := conn.(*net.UDPConn)
	if !ok || c.RemoteAddr() == nil {
		return nil
	}
	return c
}

// duplicate returns a descriptor of our own, which Go's poller does not know.
func duplicate(conn *net.UDPConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(old uintptr) { fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = failed
	}
	return fd, err
}

func (d *datagramLoops) begin(r *run) {
	d.sockets = make([]atomic.Pointer[datagramSocket], r.Conns+1)
	for range min(runtime.GOMAXPROCS(0), r.Conns) {
		l, err := newDatagramLoop(d, r)
		if err != nil { // without descriptors for it; goroutines need none
			return
		}
		d.loops = append(d.loops, l)
		go l.serve()
	}
}

func newDatagramLoop(d *datagramLoops, r *run) (*datagramLoop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or package os would not poll it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &datagramLoop{all: d, file: os.NewFile(uintptr(fd), "epoll"), ended: make(chan struct{})}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, err
	}
	l.harvest = l.take
	l.bufs = make([][]byte, min(r.InFlight, several))
	l.came = make([][]byte, len(l.bufs))
	for i := range l.bufs {
		l.bufs[i] = make([]byte, r.datagramRoom())
	}
	return l, nil
}

// serve moves datagrams until the loop is closed.
func (l *datagramLoop) serve() {
	defer close(l.ended)
	for l.raw.Read(l.harvest) == nil {
		for i := range l.events[:l.got] {
			ev := &l.events[i]
			if s := l.all.sockets[ev.Fd].Load(); s != nil {
				l.serveOne(s, ev.Events)
			}
		}
	}
}

// take takes the events that there are; false waits for some.
func (l *datagramLoop) take(fd uintptr) bool {
	var errno syscall.Errno
	for l.got, errno = eventsNow(fd, l.events[:]); errno == syscall.EINTR; {
		l.got, errno = eventsNow(fd, l.events[:])
	}
	return l.got != 0
}

func (l *datagramLoop) serveOne(s *datagramSocket, events uint32) {
	if events&unix.EPOLLOUT != 0 {
		s.goOn()
	}
	if events&^unix.EPOLLOUT == 0 {
		return
	}
	s.receives++
	switch n, errno := l.receive(s.fd); errno {
	case 0:
		s.flow.cameEach(l.came[:n])
	case syscall.EAGAIN, syscall.EINTR:
	default:
		s.flow.ended(os.NewSyscallError("recv", errno))
	}
}

// receive brings what there is, as far as it is room for.
func (l *datagramLoop) receive(fd int) (int, syscall.Errno) {
	if len(l.bufs) == 1 {
		n, errno := receiveNow(fd, l.bufs[0])
		l.came[0] = l.bufs[0][:n]
		return 1, errno
	}
	copy(l.came, l.bufs)
	return receiveSeveral(fd, l.came)
}

// Write sends datagrams of the size of a message. What there is no room for is
// kept until there is. The flow's lock is held.
func (s *datagramSocket) Write(b []byte) (int, error) {
	left := b
	if len(s.pending) == 0 {
		var errno syscall.Errno
		if left, errno = s.send(b); errno != 0 && errno != syscall.EAGAIN {
			return len(b) - len(left), os.NewSyscallError("send", errno)
		}
	}
	if len(left) == 0 {
		return len(b), nil
	}
	if len(s.pending) == 0 {
		_ = s.tell(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLOUT)
	}
	s.pending = append(s.pending, left...)
	return len(b), nil
}

// send returns what could not be sent.
func (s *datagramSocket) send(b []byte) (left []byte, errno syscall.Errno) {
	size := s.flow.run.Size
	for len(b) > 0 {
		n := 1
		s.sends++
		if len(b) > size {
			n, errno = sendSeveral(s.fd, b, size)
		} else {
			errno = sendNow(s.fd, b)
		}
		switch errno {
		case 0:
			b = b[n*size:]
		case syscall.EINTR:
		default:
			return b, errno
		}
	}
	return nil, 0
}

// goOn sends what is pending.
func (s *datagramSocket) goOn() {
	f := s.flow
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return
	}
	left, errno := s.send(s.pending)
	s.pending = append(s.pending[:0], left...)
	if errno != 0 && errno != syscall.EAGAIN {
		f.fail(os.NewSyscallError("send", errno))
		return
	}
	if len(left) == 0 {
		_ = s.tell(unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	}
}

// tell changes what the loop is told of.
func (s *datagramSocket) tell(what int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(s.flow.index)}
	return s.loop.control(func(epoll int) error { return unix.EpollCtl(epoll, what, s.fd, &ev) })
}

// forget has the loop tell of it no more. It is closed at the end: until then
// its number is nobody else's.
func (s *datagramSocket) forget() { _ = s.tell(unix.EPOLL_CTL_DEL, 0) }

func (l *datagramLoop) control(f func(epoll int) error) (err error) {
	if failed := l.raw.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	return err
}

// close ends the loops, and then their sockets.
func (d *datagramLoops) close() {
	for _, l := range d.loops {
		_ = l.file.Close()
		<-l.ended
	}
	for i := range d.sockets {
		if s := d.sockets[i].Load(); s != nil {
			unix.Close(s.fd)
		}
	}
}
