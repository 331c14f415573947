//go:build darwin || linux || openbsd

package tcp

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// raw is the transport for sockets of the system: it takes a buffer only once
// there is something to read, and writes without waiting.
type raw struct {
	limited
	fd    syscall.RawConn
	bufs  *buffers
	calls calls
	hold  *atomic.Bool

	// Bound once, as a method value would be made anew for each call.
	readableFn, endedFn, writableFn func(uintptr) bool

	buf     *[]byte // what read has got
	most, n int
	readErr error

	pieces   [][]byte // what write has to write
	once     bool     // and does not wait for
	took     int
	writeErr error
}

// newTransport returns how p moves bytes over conn.
func newTransport(p *Peer, conn net.Conn) transport {
	switch c := conn.(type) {
	case *net.TCPConn:
		return newRaw(p, conn, c)
	case *net.UnixConn:
		return newRaw(p, conn, c)
	}
	return newBlocking(p, conn)
}

func newRaw(p *Peer, conn net.Conn, c syscall.Conn) transport {
	fd, err := c.SyscallConn()
	if err != nil {
		return newBlocking(p, conn)
	}
	t := &raw{limited: limited{conn: conn}, fd: fd, bufs: &p.srv.bufs, hold: &p.own.hold}
	t.readableFn, t.endedFn, t.writableFn = t.readable, t.ended, t.writable
	return t
}

func (t *raw) read(most int) (*[]byte, int, error) {
	t.most = most
	if err := t.fd.Read(t.readableFn); err != nil {
		return nil, 0, err
	}
	buf, n, err := t.buf, t.n, t.readErr
	t.buf, t.readErr = nil, nil
	if err == errHeld {
		return nil, 0, err
	}
	if n == 0 {
		t.bufs.put(buf)
		return nil, 0, opError("read", t.conn, err)
	}
	return buf, n, nil
}

func (t *raw) readable(fd uintptr) bool {
	if t.hold.Load() {
		t.readErr = errHeld
		return true
	}
	buf := t.bufs.get()
	t.calls.reads.Add(1)
	n, err := uninterrupted(syscall.Read, int(fd), (*buf)[:t.most])
	switch {
	case err == syscall.EAGAIN:
		t.bufs.put(buf)
		return false
	case err == nil && n == 0:
		err = io.EOF
	}
	t.buf, t.n, t.readErr = buf, max(n, 0), err
	return true
}

// uninterrupted calls op until no signal interrupts it.
func uninterrupted(op func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := op(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func (t *raw) made() *calls { return &t.calls }

func (t *raw) watch() error {
	t.readErr = nil
	if err := t.fd.Read(t.endedFn); err != nil {
		return err
	}
	return opError("read", t.conn, t.readErr)
}

// ended waits on after the peer's end: a reset can still come. The poller tells
// of changes only, so that a socket at its end does not keep it busy.
func (t *raw) ended(fd uintptr) bool {
	var junk [512]byte
	for !t.hold.Load() {
		n, err := uninterrupted(syscall.Read, int(fd), junk[:])
		if n == 0 && err == nil { // the end hides what came behind it
			err = pendingError(int(fd))
		}
		switch {
		case n > 0:
		case err == nil, err == syscall.EAGAIN:
			return false
		default:
			t.readErr = err
			return true
		}
	}
	return true
}

// pendingError takes the error that waits on a socket, if any.
func pendingError(fd int) error {
	number, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || number == 0 {
		return err
	}
	return syscall.Errno(number)
}

func (t *raw) try(pieces [][]byte) (int, error) {
	t.once = true
	return t.run(pieces)
}

func (t *raw) write(pieces [][]byte, limit time.Duration) (int, error) {
	if n, err := t.try(pieces); n > 0 || err != nil {
		return n, err
	}
	if err := t.limit(limit); err != nil {
		return 0, err
	}
	t.once = false
	return t.run(pieces)
}

// mostPieces is less than IOV_MAX anywhere.
const mostPieces = 512

func (t *raw) run(pieces [][]byte) (int, error) {
	t.pieces = pieces[:min(len(pieces), mostPieces)]
	err := t.fd.Write(t.writableFn)
	n, writeErr := t.took, t.writeErr
	t.pieces, t.took, t.writeErr = nil, 0, nil
	if err != nil {
		return n, err
	}
	return n, opError("write", t.conn, writeErr)
}

func (t *raw) writable(fd uintptr) bool {
	t.calls.writes.Add(1)
	n, err := t.put(int(fd))
	if err == syscall.EAGAIN {
		return t.once
	}
	t.took, t.writeErr = max(n, 0), err
	return true
}

// put is one system call.
func (t *raw) put(fd int) (int, error) {
	if len(t.pieces) == 1 {
		return uninterrupted(syscall.Write, fd, t.pieces[0])
	}
	return t.putAll(fd)
}

func (t *raw) putAll(fd int) (int, error) {
	for {
		n, err := unix.Writev(fd, t.pieces)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
