package tcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopSet are the event loops of a server, there while it listens or has peers.
type loopSet struct {
	srv   *Server
	loops []*loop
	next  atomic.Uint32
	peers peerTable
}

// enterLoops returns the loops of a server, which are kept until leaveLoops; nil
// where it serves with goroutines.
func (s *Server) enterLoops() *loopSet {
	if s.TLS != nil || s.Loops < 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops == nil {
		s.loops = newLoopSet(s)
	}
	if s.loops != nil {
		s.looping++
	}
	return s.loops
}

// leaveLoops ends the loops once nobody needs them.
func (s *Server) leaveLoops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looping--; s.looping == 0 {
		for _, l := range s.loops.loops {
			l.close()
			s.past.addCalls(&l.calls)
		}
		s.loops = nil
	}
}

func newLoopSet(s *Server) *loopSet {
	set := &loopSet{srv: s}
	n := s.Loops
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for range n {
		l, err := newLoop(set)
		if err != nil { // without descriptors for it; goroutines need none
			break
		}
		set.loops = append(set.loops, l)
	}
	if len(set.loops) == 0 {
		return nil
	}
	return set
}

// addTo adds the calls of the loops. There may be none.
func (set *loopSet) addTo(t *tally) {
	if set == nil {
		return
	}
	for _, l := range set.loops {
		t.addCalls(&l.calls)
	}
}

func (set *loopSet) pick() *loop {
	return set.loops[int(set.next.Add(1))%len(set.loops)]
}

// peerTable finds peers by their descriptors.
type peerTable struct {
	mu     sync.Mutex
	chunks atomic.Pointer[[]*peerChunk]
}

type peerChunk [512]atomic.Pointer[Peer]

func (t *peerTable) at(fd int) *Peer {
	chunks := t.chunks.Load()
	if chunks == nil || fd/len(peerChunk{}) >= len(*chunks) {
		return nil
	}
	return (*chunks)[fd/len(peerChunk{})][fd%len(peerChunk{})].Load()
}

func (t *peerTable) put(fd int, p *Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var chunks []*peerChunk
	if old := t.chunks.Load(); old != nil {
		chunks = *old
	}
	if i := fd / len(peerChunk{}); i >= len(chunks) {
		more := append([]*peerChunk{}, chunks...)
		for i >= len(more) {
			more = append(more, new(peerChunk))
		}
		chunks = more
		t.chunks.Store(&more)
	}
	chunks[fd/len(peerChunk{})][fd%len(peerChunk{})].Store(p)
}

// serveLoops is Serve on event loops. It reports false where l cannot be served
// by them: its descriptor is not to be had.
func (s *Server) serveLoops(l net.Listener) (served bool, err error) {
	own, ok := l.(*Listener)
	if !ok {
		return false, nil
	}
	set := s.enterLoops()
	if set == nil {
		return false, nil
	}
	defer s.leaveLoops()
	acceptors, err := newAcceptors(s, set, own)
	if err != nil {
		return false, nil
	}
	ended := make(chan error, len(acceptors))
	for _, a := range acceptors {
		go func() { ended <- a.run() }()
	}
	go func() {
		<-own.done
		for _, a := range acceptors {
			_ = a.file.Close()
		}
	}()
	defer own.Close()
	err = <-ended
	return true, err
}

// acceptor accepts on one socket by a descriptor of its own, so that what it
// accepts is nobody's but the loop's.
type acceptor struct {
	srv    *Server
	set    *loopSet
	socket net.Listener
	file   *os.File
	raw    syscall.RawConn

	fd      int
	remote  unix.Sockaddr
	err     error
	acceptF func(uintptr) bool
}

func newAcceptors(s *Server, set *loopSet, l *Listener) ([]*acceptor, error) {
	var all []*acceptor
	for _, socket := range l.sockets {
		a, err := newAcceptor(s, set, socket)
		if err != nil {
			for _, a := range all {
				a.file.Close()
			}
			return nil, err
		}
		all = append(all, a)
	}
	for _, a := range all {
		a.inherit(l.keepAlive)
	}
	return all, nil
}

func newAcceptor(s *Server, set *loopSet, socket net.Listener) (*acceptor, error) {
	fd, err := duplicate(socket)
	if err != nil {
		return nil, err
	}
	a := &acceptor{srv: s, set: set, socket: socket, file: os.NewFile(uintptr(fd), "listener")}
	if a.raw, err = a.file.SyscallConn(); err != nil {
		a.file.Close()
		return nil, err
	}
	a.acceptF = a.accept
	return a, nil
}

// duplicate returns a descriptor of its own for the socket of conn.
func duplicate(conn any) (fd int, err error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	err = raw.Control(func(old uintptr) { fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, dupErr)
}

// inherit sets what accepted connections take over from the listening socket
// (tcp(7)), which saves a few calls for each.
func (a *acceptor) inherit(k net.KeepAliveConfig) {
	if _, ok := a.socket.Addr().(*net.TCPAddr); !ok {
		return
	}
	set := func(level, option, value int) {
		_ = a.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), level, option, value) })
	}
	set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	for option, value := range keepAliveOptions(k) {
		set(unix.IPPROTO_TCP, option, value)
	}
}

// keepAliveOptions are the settings of k with the defaults of package net.
func keepAliveOptions(k net.KeepAliveConfig) map[int]int {
	options := map[int]int{unix.TCP_KEEPIDLE: 15, unix.TCP_KEEPINTVL: 15, unix.TCP_KEEPCNT: 9}
	if !k.Enable {
		return options
	}
	for option, value := range map[int]int{
		unix.TCP_KEEPIDLE: int(k.Idle.Seconds()), unix.TCP_KEEPINTVL: int(k.Interval.Seconds()), unix.TCP_KEEPCNT: k.Count,
	} {
		switch {
		case value > 0:
			options[option] = value
		case value < 0:
			delete(options, option)
		}
	}
	return options
}

func (a *acceptor) run() error {
	s := a.srv
	wait := backoff{}
	for {
		err := a.next()
		switch {
		case err == nil:
			wait = backoff{}
		case s.stopped():
			return ErrServerClosed
		case !passing(err):
			return fmt.Errorf("accept on %s: %w", a.socket.Addr(), err)
		default:
			s.waitOut(a.socket, err, &wait)
		}
	}
}

// next waits for a connection, and takes it.
func (a *acceptor) next() error {
	if err := a.raw.Read(a.acceptF); err != nil {
		return &net.OpError{Op: "accept", Net: a.socket.Addr().Network(), Addr: a.socket.Addr(), Err: net.ErrClosed}
	}
	if a.err != nil {
		return &net.OpError{Op: "accept", Net: a.socket.Addr().Network(), Addr: a.socket.Addr(), Err: os.NewSyscallError("accept4", a.err)}
	}
	a.srv.takePolled(a.set, a.polled())
	return nil
}

func (a *acceptor) polled() *polled {
	e := &polled{fd: a.fd, local: a.socket.Addr(), remote: peerAddress(a.remote)}
	switch local := e.local.(type) {
	case *net.UnixAddr:
		if u, ok := a.remote.(*unix.SockaddrUnix); ok && u.Name != "" {
			e.more = &polledMore{name: u.Name}
		}
	case *net.TCPAddr:
		if !local.IP.IsUnspecified() {
			break
		}
		if bound, err := unix.Getsockname(a.fd); err == nil {
			e.local = net.TCPAddrFromAddrPort(peerAddress(bound))
		}
	}
	return e
}

func (a *acceptor) accept(fd uintptr) bool {
	for {
		a.fd, a.remote, a.err = unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch a.err {
		case syscall.EINTR, syscall.ECONNABORTED: // it was reset before it was accepted
		case syscall.EAGAIN:
			return false
		default:
			return true
		}
	}
}

// peerAddress is an address of the system's; none of a Unix socket.
func peerAddress(from unix.Sockaddr) netip.AddrPort {
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if ip.Is4In6() {
			ip = ip.Unmap()
		} else if a.ZoneId != 0 {
			ip = ip.WithZone(zoneName(int(a.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}

func zoneName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// takePolled is take for a socket that goes to a loop.
func (s *Server) takePolled(set *loopSet, e *polled) {
	s.count.accepted.Add(1)
	p := newPolled(s, set, e)
	if refusal := s.refusesPolled(p); refusal != nil {
		s.turnAway(e, refusal)
		return
	}
	refusal, stopped := s.enter(p)
	switch {
	case stopped:
		e.Close()
	case refusal != nil:
		s.turnAway(e, refusal)
	default:
		p.startPolled()
	}
}

func (s *Server) refusesPolled(p *Peer) *Refusal {
	if s.Admit == nil { // an address is not made for nothing
		return nil
	}
	return s.refuses(p.conn.RemoteAddr())
}

// startPolled has the loop serve p. The socket is told of at once, as it can be
// written to, and OnOpen is called then.
func (p *Peer) startPolled() {
	e := p.polled
	p.emitOpen()
	e.loop.set.peers.put(e.fd, p)
	if err := e.loop.add(e.fd); err != nil {
		p.fail(err)
	}
}

// takeForLoop is take for a connection of package net, whose socket a loop can
// look after. It reports false where that cannot be.
func (s *Server) takeForLoop(conn net.Conn) bool {
	e, set := s.polledOf(conn)
	if e == nil {
		return false
	}
	defer s.leaveLoops()
	conn.Close()
	s.takePolled(set, e)
	return true
}

// adoptForLoop is Adopt for such a connection.
func (s *Server) adoptForLoop(conn net.Conn, read []byte, value any) (taken bool, err error) {
	e, set := s.polledOf(conn)
	if e == nil {
		return false, nil
	}
	defer s.leaveLoops()
	s.count.accepted.Add(1)
	p := newPolled(s, set, e)
	if refusal := s.refusesPolled(p); refusal != nil {
		e.Close()
		return true, refusal
	}
	p.adopted, p.seldom().unread = true, read
	p.SetValue(value)
	refusal, stopped := s.enter(p)
	switch {
	case stopped:
		e.Close()
		return true, ErrServerClosed
	case refusal != nil:
		e.Close()
		return true, refusal
	}
	conn.Close()
	p.startPolled()
	return true, nil
}

// polledOf returns the socket of conn by a descriptor of its own, which the
// poller of package net knows nothing of, and the loops that were entered for
// it; nil where it has none.
func (s *Server) polledOf(conn net.Conn) (*polled, *loopSet) {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil, nil
	}
	set := s.enterLoops()
	if set == nil {
		return nil, nil
	}
	fd, err := duplicate(conn)
	if err != nil {
		s.leaveLoops()
		return nil, nil
	}
	e := &polled{fd: fd, local: conn.LocalAddr()}
	switch remote := conn.RemoteAddr().(type) {
	case *net.TCPAddr:
		e.remote = netip.AddrPortFrom(remote.AddrPort().Addr().Unmap(), uint16(remote.Port))
	case *net.UnixAddr:
		if remote.Name != "" {
			e.more = &polledMore{name: remote.Name}
		}
	}
	return e, set
}
