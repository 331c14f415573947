package tcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopSet are the event loops of a server, there while it listens or has peers.
type loopSet struct {
	srv   *Server
	loops []*loop
	next  atomic.Uint32
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
	remote  unix.RawSockaddrAny
	err     error
	acceptF func(uintptr) bool

	posts map[*loop]*post // the last of each loop
	bound netip.AddrPort  // and what it was bound to, where that is asked for
	local net.Addr
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
	a := &acceptor{srv: s, set: set, socket: socket, file: os.NewFile(uintptr(fd), "listener"), posts: map[*loop]*post{}}
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
	a.srv.takePolled(a.peer())
	return nil
}

// peer makes a peer of what was accepted.
func (a *acceptor) peer() *Peer {
	at := post{loop: a.set.pick(), local: a.socket.Addr()}
	switch local := at.local.(type) {
	case *net.UnixAddr:
		at.remote = unixPeer(a.fd)
	case *net.TCPAddr:
		if local.IP.IsUnspecified() {
			at.local = a.boundTo(a.fd, local)
		}
	}
	from := addressOf(&a.remote)
	if from.Addr().Is6() {
		at.remote = net.TCPAddrFromAddrPort(from)
	}
	p := newPolled(a.srv, a.fd, a.shared(at))
	if from.Addr().Is4() {
		p.polled.ip, p.polled.port = from.Addr().As4(), from.Port()
	}
	return p
}

// boundTo is the address that a client of a listener on all addresses has
// connected to: the last one's where it is the same.
func (a *acceptor) boundTo(fd int, any *net.TCPAddr) net.Addr {
	socket, err := unix.Getsockname(fd)
	if err != nil {
		return any
	}
	if bound := addrPortOf(socket); bound != a.bound || a.local == nil {
		a.bound, a.local = bound, net.TCPAddrFromAddrPort(bound)
	}
	return a.local
}

// shared returns at as the peers of its loop share it.
func (a *acceptor) shared(at post) *post {
	if last := a.posts[at.loop]; last != nil && *last == at {
		return last
	}
	kept := at
	a.posts[at.loop] = &kept
	return &kept
}

// unnamed is the address of most clients of Unix sockets: none.
var unnamed net.Addr = &net.UnixAddr{Net: "unix"}

// unixPeer asks for the other end of a Unix socket.
func unixPeer(fd int) net.Addr {
	remote, _ := unix.Getpeername(fd)
	if u, ok := remote.(*unix.SockaddrUnix); ok && u.Name != "" {
		return &net.UnixAddr{Net: "unix", Name: u.Name}
	}
	return unnamed
}

func (a *acceptor) accept(fd uintptr) bool {
	for {
		a.fd, a.err = acceptNow(int(fd), &a.remote)
		switch a.err {
		case syscall.ECONNABORTED: // it was reset before it was accepted
		case syscall.EAGAIN:
			return false
		default:
			return true
		}
	}
}

// addrPortOf is an address of the system's; none of a Unix socket.
func addrPortOf(from unix.Sockaddr) netip.AddrPort {
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return addrPort(a.Addr, uint16(a.Port), a.ZoneId)
	}
	return netip.AddrPort{}
}

// addrPort makes an address of its parts. One of IPv4 can stand within IPv6 (RFC
// 4291 section 2.5.5.2).
func addrPort(ip [16]byte, port uint16, zone uint32) netip.AddrPort {
	addr := netip.AddrFrom16(ip).Unmap()
	if zone != 0 && addr.Is6() {
		addr = addr.WithZone(zoneName(int(zone)))
	}
	return netip.AddrPortFrom(addr, port)
}

func zoneName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// takePolled is take for a socket that goes to a loop.
func (s *Server) takePolled(p *Peer) {
	s.count.accepted.Add(1)
	if refusal := s.refusesPolled(p); refusal != nil {
		s.turnAway(p.socket(), refusal)
		return
	}
	refusal, stopped := s.enter(p)
	switch {
	case stopped:
		_ = p.closePolled(false)
	case refusal != nil:
		s.turnAway(p.socket(), refusal)
	default:
		p.startPolled()
	}
}

func (s *Server) refusesPolled(p *Peer) *Refusal {
	if s.Admit == nil { // an address is not made for nothing
		return nil
	}
	return s.refuses(p.RemoteAddr())
}

// startPolled has the loop serve p. The socket is told of at once, as it can be
// written to, and OnOpen is called then.
func (p *Peer) startPolled() {
	p.emitOpen()
	p.mu.Lock()
	defer p.unlock()
	if p.polled.closed { // by the server's end
		return
	}
	if err := p.polled.post.loop.add(p); err != nil {
		p.failed(err)
	}
}

// takeForLoop is take for a connection of package net, whose socket a loop can
// look after. It reports false where that cannot be.
func (s *Server) takeForLoop(conn net.Conn) bool {
	p := s.polledOf(conn)
	if p == nil {
		return false
	}
	defer s.leaveLoops()
	conn.Close()
	s.takePolled(p)
	return true
}

// adoptForLoop is Adopt for such a connection.
func (s *Server) adoptForLoop(conn net.Conn, read []byte, value any) (taken bool, err error) {
	p := s.polledOf(conn)
	if p == nil {
		return false, nil
	}
	defer s.leaveLoops()
	s.count.accepted.Add(1)
	if refusal := s.refusesPolled(p); refusal != nil {
		_ = p.closePolled(false)
		return true, refusal
	}
	p.adopted, p.seldom().unread = true, read
	p.SetValue(value)
	refusal, stopped := s.enter(p)
	switch {
	case stopped:
		_ = p.closePolled(false)
		return true, ErrServerClosed
	case refusal != nil:
		_ = p.closePolled(false)
		return true, refusal
	}
	conn.Close()
	p.startPolled()
	return true, nil
}

// polledOf makes a peer of the socket of conn, by a descriptor of its own, which
// the poller of package net knows nothing of, in loops that were entered for it;
// nil where it has none.
func (s *Server) polledOf(conn net.Conn) *Peer {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	set := s.enterLoops()
	if set == nil {
		return nil
	}
	fd, err := duplicate(conn)
	if err != nil {
		s.leaveLoops()
		return nil
	}
	return newPolled(s, fd, &post{loop: set.pick(), local: conn.LocalAddr(), remote: conn.RemoteAddr()})
}
