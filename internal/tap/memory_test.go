package tap

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/trace"
)

// duplex is one end of a stream in memory, with halves.
type duplex struct {
	r *io.PipeReader
	w *io.PipeWriter
}

func newDuplex() (a, b *duplex) {
	toB, fromA := io.Pipe()
	toA, fromB := io.Pipe()
	return &duplex{toA, fromA}, &duplex{toB, fromB}
}

func (d *duplex) Read(p []byte) (int, error)  { return d.r.Read(p) }
func (d *duplex) Write(p []byte) (int, error) { return d.w.Write(p) }
func (d *duplex) CloseWrite() error           { return d.w.Close() }

// Close is a reset to whoever still writes.
func (d *duplex) Close() error {
	_ = d.r.CloseWithError(syscall.EPIPE)
	return d.w.Close()
}

// fail ends the connection as a reset does.
func (d *duplex) fail() {
	_ = d.w.CloseWithError(syscall.ECONNRESET)
	_ = d.r.CloseWithError(syscall.EPIPE)
}

type named string

func (n named) Network() string { return "memory" }
func (n named) String() string  { return string(n) }

func (d *duplex) LocalAddr() net.Addr              { return named("here") }
func (d *duplex) RemoteAddr() net.Addr             { return named("there") }
func (d *duplex) SetDeadline(time.Time) error      { return nil }
func (d *duplex) SetReadDeadline(time.Time) error  { return nil }
func (d *duplex) SetWriteDeadline(time.Time) error { return nil }

// mail is one end of a socket for datagrams in memory. It has no halves.
type mail struct {
	in, out chan string
	closed  chan struct{}
	once    sync.Once
	fail    func(p string) error
}

func newMail() (a, b *mail) {
	one, two := make(chan string, 100), make(chan string, 100)
	return &mail{in: one, out: two, closed: make(chan struct{})}, &mail{in: two, out: one, closed: make(chan struct{})}
}

func (m *mail) Read(p []byte) (int, error) {
	select {
	case s := <-m.in:
		return copy(p, s), nil
	case <-m.closed:
		return 0, net.ErrClosed
	}
}

func (m *mail) Write(p []byte) (int, error) {
	if m.fail != nil {
		if err := m.fail(string(p)); err != nil {
			return 0, err
		}
	}
	select {
	case m.out <- string(p):
		return len(p), nil
	case <-m.closed:
		return 0, net.ErrClosed
	}
}

func (m *mail) Close() error                     { m.once.Do(func() { close(m.closed) }); return nil }
func (m *mail) LocalAddr() net.Addr              { return named("here") }
func (m *mail) RemoteAddr() net.Addr             { return named("there") }
func (m *mail) SetDeadline(time.Time) error      { return nil }
func (m *mail) SetReadDeadline(time.Time) error  { return nil }
func (m *mail) SetWriteDeadline(time.Time) error { return nil }

// mediated is a relay between two streams, with the far ends of both.
type mediated struct {
	Relay
	client, target *duplex // the far ends
	ended          chan error
}

func newPair() *mediated {
	p := &mediated{ended: make(chan error, 1)}
	client, nearClient := newDuplex()
	target, nearTarget := newDuplex()
	p.client, p.target = client, target
	p.Client, p.Target = End{Conn: nearClient}, End{Conn: nearTarget}
	return p
}

func (p *mediated) suffer(f *faults.Faults) *mediated {
	p.Faults, p.Affects = f.Connection(1, func(trace.Fault) {}), f.Affects
	return p
}

func (p *mediated) start(ctx context.Context) *mediated {
	go func() { p.ended <- p.Run(ctx) }()
	return p
}

func say(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Errorf("write %q: %v", text, err)
	}
}

func hear(t *testing.T, r io.Reader, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(r, buf); err != nil || string(buf) != want {
		t.Errorf("read %q (%v), want %q", buf, err, want)
	}
}

func hearEnd(t *testing.T, r io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("read %q (%v), want the end", rest, err)
	}
}
