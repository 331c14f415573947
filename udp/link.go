package udp

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The networks, as they stand in records and errors.
const (
	udp      = "udp"
	unixgram = "unixgram"
)

// packetConn is what *net.UDPConn and *net.UnixConn share.
type packetConn interface {
	net.Conn
	net.PacketConn
	syscall.Conn
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// link is a bound datagram socket: what [Conn] and [Socket] have in common.
type link struct {
	conn    packetConn
	network string         // udp or unixgram
	local   netip.AddrPort // as bound; not valid for Unix sockets
	wild    bool           // bound to every address, or to a group
	names   interfaceNames
	cancel  canceller
	single  receiver // reads one datagram at a time
	file    socketFile

	closing  sync.Once
	closeErr error
}

// init makes l ready around a socket that is bound.
func (l *link) init(conn packetConn, network string) error {
	l.conn, l.network = conn, network
	if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		l.local = unmapped(addr.AddrPort())
		l.wild = l.local.Addr().IsUnspecified() || l.local.Addr().IsMulticast()
	}
	l.cancel.init(conn.SetReadDeadline)
	return l.single.init(l)
}

// unmapped takes an IPv4 address out of its IPv6 form.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// LocalAddr returns the address that the socket is bound to.
func (l *link) LocalAddr() net.Addr { return l.conn.LocalAddr() }

// NetConn returns the *[net.UDPConn] or *[net.UnixConn] underneath.
func (l *link) NetConn() net.Conn { return l.conn }

// SyscallConn implements [syscall.Conn].
func (l *link) SyscallConn() (syscall.RawConn, error) { return l.conn.SyscallConn() }

// SetDeadline sets both deadlines, as [net.Conn] has it.
func (l *link) SetDeadline(t time.Time) error {
	return and(l.SetReadDeadline(t), l.SetWriteDeadline(t))
}

// SetReadDeadline sets the time from which on reads fail with
// [os.ErrDeadlineExceeded]; the zero time is never.
func (l *link) SetReadDeadline(t time.Time) error { return l.cancel.deadline(t) }

// SetWriteDeadline is the same for writes, which wait only where the socket's
// send buffer is full.
func (l *link) SetWriteDeadline(t time.Time) error { return l.conn.SetWriteDeadline(t) }

// InterfaceName returns the name of an interface, its index in decimal if it
// has none (any more), and nothing for index 0.
func (l *link) InterfaceName(index int) string { return l.names.name(index) }

// receive reads one datagram. Only one reader is let in at a time.
func (l *link) receive(ctx context.Context, buf []byte) (int, Info, error) {
	if err := l.cancel.enter(ctx); err != nil {
		return 0, Info{}, err
	}
	n, info, err := l.single.receive(buf)
	if l.cancel.leave() && err != nil {
		err = ctx.Err()
	}
	return n, info, err
}

// close closes the socket and removes its file, once.
func (l *link) close() error {
	l.closing.Do(func() {
		l.cancel.close()
		l.closeErr = and(l.file.remove(), l.conn.Close())
	})
	return l.closeErr
}

// localText is the bound address as records have it.
func (l *link) localText() string {
	if l.network == unixgram {
		return l.conn.LocalAddr().String()
	}
	return l.local.String()
}

// controlFD calls do with the descriptor of raw.
func controlFD(raw syscall.RawConn, do func(fd uintptr) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(fd) }); err != nil {
		return err
	}
	return failed
}

// interfaceNames remembers the names of interfaces.
type interfaceNames struct {
	mu    sync.Mutex
	known map[int]string
}

func (names *interfaceNames) name(index int) string {
	if index == 0 {
		return ""
	}
	names.mu.Lock()
	defer names.mu.Unlock()
	if name, ok := names.known[index]; ok {
		return name
	}
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return strconv.Itoa(index) // not kept: it may come to have a name
	}
	if names.known == nil {
		names.known = map[int]string{}
	}
	names.known[index] = ifi.Name
	return ifi.Name
}
