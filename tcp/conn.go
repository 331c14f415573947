package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Conn is a stream connection that reports to a tracer: its opening, what the
// application sends and receives, each half-close and its close. It stands on
// any [net.Conn]; [Conn.NetConn] gives that one back.
//
// A sending record is made before the bytes are handed on, so that no answer
// is ever recorded before its question.
type Conn struct {
	net.Conn
	tracer *trace.Tracer
	id     trace.ID
	opened time.Time
	raw    bool        // no layer below reports the bytes of the wire
	framed atomic.Bool // a protocol above reports what the bytes mean

	in, out       atomic.Int64
	ended, halved atomic.Bool // the peer's end was seen; ours was sent
	closed        atomic.Bool
	failure       atomic.Pointer[error]
}

// Trace reports conn to t as an open stream, and returns it wrapped so that all
// that follows is reported too. With a nil tracer, or where t hears of conn
// already, it returns conn itself.
// The side is [trace.Client] or [trace.Server]; took is how long connecting took.
func Trace(conn net.Conn, t *trace.Tracer, side string, took time.Duration) net.Conn {
	if known, ok := conn.(*Conn); !t.On(trace.Connection) || ok && known.tracer == t {
		return conn
	}
	c := &Conn{Conn: conn, tracer: t, id: t.NewID(), opened: time.Now(), raw: true}
	t.Emit(c.id, trace.Open{
		Side: side, Network: conn.LocalAddr().Network(),
		Local: conn.LocalAddr().String(), Remote: conn.RemoteAddr().String(), Duration: took,
	})
	return c
}

// TraceID returns the connection's number in the trace.
func (c *Conn) TraceID() trace.ID { return c.id }

// Tracer returns the tracer that the connection reports to.
func (c *Conn) Tracer() *trace.Tracer { return c.tracer }

// NetConn returns the connection underneath.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.in.Add(int64(n))
		c.report(trace.In, p[:n])
	}
	if err != nil {
		c.readEnded(err)
	}
	return n, err
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	c.report(trace.Out, p)
	n, err := c.Conn.Write(p)
	c.out.Add(int64(n))
	if err != nil {
		c.failed(err)
		c.correct(err, n, len(p))
	}
	return n, err
}

// correct says of a write that was recorded that it was not taken. One that ran
// out of time is its caller's to tell.
func (c *Conn) correct(err error, n, of int) {
	if c.tracer.On(trace.Message) && n < of && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.tracer.Emit(c.id, trace.Note{Text: fmt.Sprintf("the write failed, %d of %d bytes were taken: %s", n, of, Reason(err))})
	}
}

// CloseWrite ends the sending half: a FIN on TCP, a close_notify on TLS.
// It fails with [errors.ErrUnsupported] where the connection has no halves.
func (c *Conn) CloseWrite() error {
	first := !c.halved.Swap(true) && !c.closed.Load() // who has closed has no half any more
	if first {
		c.tracer.Emit(c.id, trace.HalfClose{Dir: trace.Out})
	}
	err := CloseWrite(c.Conn)
	if err != nil && first {
		c.tracer.Emit(c.id, trace.Note{Text: "the half could not be ended: " + Reason(err)})
	}
	return err
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.Conn.Close()
	}
	err := c.Conn.Close()
	end := trace.Close{In: c.in.Load(), Out: c.out.Load(), Duration: time.Since(c.opened)}
	if failure := c.failure.Load(); failure != nil {
		end.Error, end.Reset = Reason(*failure), IsReset(*failure)
	}
	c.tracer.Emit(c.id, end)
	return err
}

// Framed says that a protocol with records of its own is spoken from here on.
// The pieces of the stream are recorded at level Byte only then.
func (c *Conn) Framed() { c.framed.Store(true) }

// report makes the records of p, which went dir.
func (c *Conn) report(dir trace.Dir, p []byte) {
	if len(p) == 0 {
		return
	}
	if framed := c.framed.Load(); c.tracer.On(dataLevel(framed, c.raw)) {
		c.tracer.Emit(c.id, trace.Data{Dir: dir, Size: len(p), Framed: framed, Payload: p})
	}
	if c.raw && c.tracer.On(trace.Byte) {
		c.tracer.Emit(c.id, trace.Bytes{Dir: dir, Size: len(p), Payload: p})
	}
}

// dataLevel is the level from which on pieces of a stream are recorded. With a
// protocol above they are of interest where no bytes of the wire say the same.
func dataLevel(framed, raw bool) trace.Level {
	switch {
	case !framed:
		return trace.Message
	case raw:
		return trace.Byte + 1
	}
	return trace.Byte
}

// readEnded reports the peer's end, or keeps what broke the connection.
func (c *Conn) readEnded(err error) {
	if err != io.EOF {
		c.failed(err)
		return
	}
	if !c.ended.Swap(true) {
		c.tracer.Emit(c.id, trace.HalfClose{Dir: trace.In})
	}
}

// failed keeps the first error that says how the connection ended. Our own
// closing and time limits are not the connection's failure.
func (c *Conn) failed(err error) {
	var timeout net.Error
	if errors.Is(err, net.ErrClosed) || errors.As(err, &timeout) && timeout.Timeout() {
		return
	}
	c.failure.CompareAndSwap(nil, &err)
}

// SyscallConn implements [syscall.Conn] where the connection underneath does.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if raw, ok := c.Conn.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, fmt.Errorf("%T has no descriptor: %w", c.Conn, errors.ErrUnsupported)
}

// CloseWrite ends the sending half of conn, whatever wraps it.
func CloseWrite(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return fmt.Errorf("half-close of %T: %w", conn, errors.ErrUnsupported)
}

// Unwrap returns the connection at the bottom of conn: it follows NetConn
// methods down, through TLS too.
func Unwrap(conn net.Conn) net.Conn {
	for {
		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = wrapped.NetConn()
	}
}

// tlsConn returns the TLS layer of conn, or nil.
func tlsConn(conn net.Conn) *tls.Conn {
	for {
		if c, ok := conn.(*tls.Conn); ok {
			return c
		}
		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = wrapped.NetConn()
	}
}

// IsReset reports whether err says that the peer reset the connection, or
// that there is nobody left to write to.
func IsReset(err error) bool {
	return errors.Is(err, errnoReset) || errors.Is(err, errnoAborted) || errors.Is(err, syscall.EPIPE)
}

// IsRefused reports whether err says that nobody takes the connection.
func IsRefused(err error) bool { return errors.Is(err, errnoRefused) }

// Reason words err without the operation and the addresses that net's errors
// carry around it.
func Reason(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case *net.OpError:
		return Reason(e.Err)
	case *os.SyscallError:
		return Reason(e.Err)
	case *net.DNSError:
		return dnsReason(e)
	case *TLSError:
		return e.Reason
	}
	return err.Error()
}

func dnsReason(e *net.DNSError) string {
	switch {
	case e.Err == "unknown port": // NETWORK/SERVICE
		return fmt.Sprintf("the service %q is unknown here; a port may be a number", e.Name[strings.IndexByte(e.Name, '/')+1:])
	case e.IsTimeout:
		return fmt.Sprintf("the look-up of %q timed out", e.Name)
	case e.Server != "":
		return fmt.Sprintf("%q: %s (asked %s)", e.Name, e.Err, e.Server)
	}
	return fmt.Sprintf("%q: %s", e.Name, e.Err)
}
