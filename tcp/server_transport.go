package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// transport moves bytes between a peer and its socket. read and watch are
// called by the reading goroutine alone; try and write by whoever may write:
// under the peer's lock, or the flusher.
type transport interface {
	// read waits for bytes and returns a buffer of the pool, to be put back, that
	// holds n of them, at most most. It fails with errHeld when reading is held.
	read(most int) (buf *[]byte, n int, err error)
	// watch waits, after the peer's end, until the connection fails (the error)
	// or is of no interest any more (nil). It may return nil at once.
	watch() error
	// try writes what the socket takes at once.
	try(pieces [][]byte) (int, error)
	// write waits until the socket has taken some, at most limit; 0 is no bound.
	// It may change pieces.
	write(pieces [][]byte, limit time.Duration) (int, error)
	// made returns the count of system calls; nil where somebody else has it.
	made() *calls
	// wrote says that no write is under way any more, so that no limit applies.
	wrote()
}

// limited sets the limit of one write, and takes it off when none goes on: a
// deadline that stays would fail a later write.
type limited struct {
	conn net.Conn
	set  bool
}

func (l *limited) limit(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	l.set = true
	return l.conn.SetWriteDeadline(time.Now().Add(d))
}

func (l *limited) wrote() {
	if l.set {
		l.set = false
		_ = l.conn.SetWriteDeadline(time.Time{})
	}
}

// errHeld says that read was left because reading is held.
var errHeld = errors.New("reading is held")

// errAgain says that there is nothing to decrypt yet. To crypto/tls it is like
// a deadline that passed: a later Read goes on where this one stopped.
var errAgain error = again{}

type again struct{}

func (again) Error() string   { return "nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// blocking is the transport for connections whose descriptor cannot be used:
// those of other packages, and all of them on Windows. Every write is the
// flusher's.
type blocking struct {
	limited
	bufs  *buffers
	calls calls
	hold  *atomic.Bool
	small bool // the last read left room: wait with a small buffer
}

func newBlocking(p *Peer, conn net.Conn) *blocking {
	return &blocking{limited: limited{conn: conn}, bufs: &p.srv.bufs, hold: &p.own.hold}
}

func (t *blocking) read(most int) (*[]byte, int, error) {
	if t.hold.Load() {
		return nil, 0, errHeld
	}
	if !t.small {
		return t.fill(t.bufs.get(), most)
	}
	first := t.bufs.piece(false)[:min(most, smallPiece)]
	defer t.bufs.recycle(first)
	n, err := t.into(first)
	if n == 0 {
		return nil, 0, err
	}
	buf := t.bufs.get()
	copy(*buf, first[:n])
	return buf, n, err
}

func (t *blocking) fill(buf *[]byte, most int) (*[]byte, int, error) {
	n, err := t.into((*buf)[:most])
	if n == 0 {
		t.bufs.put(buf)
		return nil, 0, err
	}
	return buf, n, err
}

func (t *blocking) into(b []byte) (int, error) {
	t.calls.reads.Add(1)
	n, err := t.conn.Read(b)
	t.small = n < len(b)
	return n, err
}

func (t *blocking) watch() error { return nil }

func (t *blocking) made() *calls { return &t.calls }

func (t *blocking) try([][]byte) (int, error) { return 0, nil }

func (t *blocking) write(pieces [][]byte, limit time.Duration) (int, error) {
	if err := t.limit(limit); err != nil {
		return 0, err
	}
	t.calls.writes.Add(1)
	bufs := net.Buffers(pieces)
	n, err := bufs.WriteTo(t.conn)
	return int(n), err
}

// opError is err, of the operation op on conn, as package net words it.
func opError(op string, conn net.Conn, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{
		Op: op, Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(),
		Err: os.NewSyscallError(op, err),
	}
}
