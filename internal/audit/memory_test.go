package audit

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// peer is what a scripted server or client speaks over.
type peer interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

// stream is one direction of a connection in memory. It has room for some
// bytes, as a socket has.
type stream struct {
	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte
	ended   error // what is read behind the last byte; nil: more may come
	deaf    bool  // nobody reads any more
}

const room = 1 << 20

func newStream() *stream {
	s := &stream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *stream) end(err error, deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil && err != nil {
		s.ended = err
	}
	s.deaf = s.deaf || deaf
	s.changed.Broadcast()
}

// memory is one end of a connection in memory: under testing/synctest time that
// is waited costs none, and load changes nothing.
type memory struct {
	in, out *stream

	mu     sync.Mutex
	until  time.Time
	timer  *time.Timer
	linger bool // closing resets
}

func memoryPair() (a, b *memory) {
	one, two := newStream(), newStream()
	return &memory{in: one, out: two, linger: false}, &memory{in: two, out: one}
}

func (m *memory) late() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.until.IsZero() && !time.Now().Before(m.until)
}

// Read implements [net.Conn].
func (m *memory) Read(p []byte) (int, error) {
	s := m.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.deaf:
			return 0, net.ErrClosed
		case m.late():
			return 0, os.ErrDeadlineExceeded
		case s.ended == syscall.ECONNRESET:
			return 0, s.ended
		case len(s.buf) > 0:
			n := copy(p, s.buf)
			s.buf = s.buf[n:]
			s.changed.Broadcast()
			return n, nil
		case s.ended != nil:
			return 0, s.ended
		}
		s.changed.Wait()
	}
}

// Write implements [net.Conn].
func (m *memory) Write(p []byte) (n int, err error) {
	s := m.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(p) {
		switch {
		case s.deaf || s.ended != nil:
			return n, syscall.EPIPE
		case m.late():
			return n, os.ErrDeadlineExceeded
		case len(s.buf) < room:
			k := min(room-len(s.buf), len(p)-n)
			s.buf, n = append(s.buf, p[n:n+k]...), n+k
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
	return n, nil
}

// CloseWrite ends what this end sends.
func (m *memory) CloseWrite() error { m.out.end(io.EOF, false); return nil }

// SetLinger makes the end a reset.
func (m *memory) SetLinger(sec int) error { m.linger = sec == 0; return nil }

// Close implements [net.Conn].
func (m *memory) Close() error {
	m.mu.Lock()
	if m.timer != nil {
		m.timer.Stop()
	}
	m.mu.Unlock()
	var err error = io.EOF
	if m.linger {
		err = syscall.ECONNRESET
	}
	m.out.end(err, false)
	m.in.end(nil, true)
	return nil
}

// SetDeadline implements [net.Conn].
func (m *memory) SetDeadline(t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.until = t; m.timer != nil {
		m.timer.Stop()
	}
	if !t.IsZero() {
		m.timer = time.AfterFunc(time.Until(t), func() { m.in.end(nil, false); m.out.end(nil, false) })
	}
	return nil
}

// SetReadDeadline implements [net.Conn]. One deadline is enough here.
func (m *memory) SetReadDeadline(t time.Time) error { return m.SetDeadline(t) }

// SetWriteDeadline implements [net.Conn].
func (m *memory) SetWriteDeadline(t time.Time) error { return m.SetDeadline(t) }

// LocalAddr implements [net.Conn].
func (m *memory) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr implements [net.Conn].
func (m *memory) RemoteAddr() net.Addr { return &net.TCPAddr{} }
