package tcp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Here is the socket of a loop as a connection, as far as the server and whoever
// asks about it need one.

// Read implements [net.Conn]; reading is the loop's.
func (looped) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write implements [net.Conn]; writing is the server's.
func (looped) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// SetDeadline implements [net.Conn]: there is nothing that waits.
func (looped) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.Conn].
func (looped) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.Conn].
func (looped) SetWriteDeadline(time.Time) error { return nil }

// RemoteAddr implements [net.Conn].
func (l looped) RemoteAddr() net.Addr {
	e := &l.p.polled
	if e.post.remote != nil {
		return e.post.remote
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(e.ip), e.port))
}

// LocalAddr implements [net.Conn].
func (l looped) LocalAddr() net.Addr { return l.p.polled.post.local }

// Close implements [net.Conn].
func (l looped) Close() error { return l.p.closePolled(false) }

// CloseWrite ends the sending half, under the lock.
func (l looped) CloseWrite() error {
	if l.p.polled.closed {
		return net.ErrClosed
	}
	return opError("shutdown", l, shutdownNow(int(l.p.polled.fd), unix.SHUT_WR))
}

func (p *Peer) polledSocket() net.Conn { return looped{p} }

// closePolled closes the descriptor, with a reset where that is wanted.
func (p *Peer) closePolled(reset bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &p.polled
	if e.closed {
		return net.ErrClosed
	}
	e.closed = true
	if reset {
		_ = unix.SetsockoptLinger(int(e.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	p.hasRoom()
	return os.NewSyscallError("close", closeNow(int(e.fd)))
}

// view is the socket as [Peer.NetConn] shows it.
func (p *Peer) view() net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn := p.handed(); conn != nil {
		return conn
	}
	return polledView{looped{p}}
}

// polledView is a socket of a loop to whoever asks about it.
type polledView struct{ looped }

// CloseWrite ends the sending half.
func (v polledView) CloseWrite() error {
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	return v.looped.CloseWrite()
}

// SyscallConn implements [syscall.Conn].
func (v polledView) SyscallConn() (syscall.RawConn, error) { return polledRaw(v), nil }

// polledRaw gives its descriptor to whoever asks about the socket.
type polledRaw struct{ looped }

// Control implements [syscall.RawConn].
func (r polledRaw) Control(f func(fd uintptr)) error {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if r.p.polled.closed {
		return net.ErrClosed
	}
	f(uintptr(r.p.polled.fd))
	return nil
}

// Read implements [syscall.RawConn]; reading is the loop's.
func (polledRaw) Read(func(uintptr) bool) error { return errors.ErrUnsupported }

// Write implements [syscall.RawConn]; writing is the server's.
func (polledRaw) Write(func(uintptr) bool) error { return errors.ErrUnsupported }
