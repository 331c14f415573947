package tcp

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Here is the socket of a loop as a connection, as far as the server and whoever
// asks about it need one.

// Read implements [net.Conn]; reading is the loop's.
func (e *polled) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write implements [net.Conn]; writing is the server's.
func (e *polled) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// SetDeadline implements [net.Conn]: there is nothing that waits.
func (e *polled) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements [net.Conn].
func (e *polled) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements [net.Conn].
func (e *polled) SetWriteDeadline(time.Time) error { return nil }

// RemoteAddr implements [net.Conn].
func (e *polled) RemoteAddr() net.Addr {
	if e.remote.IsValid() {
		return net.TCPAddrFromAddrPort(e.remote)
	}
	remote := &net.UnixAddr{Net: "unix"}
	if e.more != nil {
		remote.Name = e.more.name
	}
	return remote
}

// LocalAddr implements [net.Conn].
func (e *polled) LocalAddr() net.Addr { return e.local }

// Close implements [net.Conn].
func (e *polled) Close() error { return e.close(false) }

// close closes the descriptor, with a reset where that is wanted.
func (e *polled) close(reset bool) error {
	p := e.peer
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed = true
	if reset {
		_ = unix.SetsockoptLinger(e.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	e.loop.set.peers.put(e.fd, nil)
	e.hasRoom()
	return os.NewSyscallError("close", unix.Close(e.fd))
}

// CloseWrite ends the sending half, under the lock.
func (e *polled) CloseWrite() error {
	if e.closed {
		return net.ErrClosed
	}
	return opError("shutdown", e, unix.Shutdown(e.fd, unix.SHUT_WR))
}

// view is the socket as [Peer.NetConn] shows it.
func (e *polled) view() net.Conn {
	e.peer.mu.Lock()
	defer e.peer.mu.Unlock()
	if conn := e.handed(); conn != nil {
		return conn
	}
	return polledView{e}
}

// polledView is a socket of a loop to whoever asks about it.
type polledView struct{ *polled }

// CloseWrite ends the sending half.
func (v polledView) CloseWrite() error {
	v.peer.mu.Lock()
	defer v.peer.mu.Unlock()
	return v.polled.CloseWrite()
}

// SyscallConn implements [syscall.Conn].
func (v polledView) SyscallConn() (syscall.RawConn, error) { return polledRaw{v.polled}, nil }

// polledRaw gives its descriptor to whoever asks about the socket.
type polledRaw struct{ e *polled }

// Control implements [syscall.RawConn].
func (r polledRaw) Control(f func(fd uintptr)) error {
	r.e.peer.mu.Lock()
	defer r.e.peer.mu.Unlock()
	if r.e.closed {
		return net.ErrClosed
	}
	f(uintptr(r.e.fd))
	return nil
}

// Read implements [syscall.RawConn]; reading is the loop's.
func (polledRaw) Read(func(uintptr) bool) error { return errors.ErrUnsupported }

// Write implements [syscall.RawConn]; writing is the server's.
func (polledRaw) Write(func(uintptr) bool) error { return errors.ErrUnsupported }
