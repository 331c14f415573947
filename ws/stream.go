package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Stream returns a [net.Conn] over the messages of c, for code that knows no
// messages. Reads give the bytes of messages in order, whatever their type and
// without their borders; an orderly close by the peer is [io.EOF]. Each Write
// sends one message of type t; as Text its bytes have to be whole characters. An
// empty Write sends nothing.
//
// Close does the closing handshake with 1000, which [Config.CloseTimeout]
// bounds. Deadlines work as everywhere. A message that has been begun by the
// deadline for writing is sent to its end behind the Write's back: that Write
// succeeds, and the next one waits. CloseWrite fails, for a WebSocket has no
// halves. NetConn gives the connection below c.
//
// Nobody else may Read from c meanwhile.
func (c *Conn) Stream(t MessageType) net.Conn {
	s := &stream{c: c, kind: t, read: make(lock, 1)}
	s.readLimit.init()
	s.writeLimit.init()
	return s
}

type stream struct {
	c    *Conn
	kind MessageType

	readLimit, writeLimit deadline

	read lock   // one reads at a time
	rest []byte // of the last message
}

// Read implements [net.Conn].
func (s *stream) Read(p []byte) (int, error) {
	ctx := s.readLimit.context()
	if err := s.read.wait(ctx); err != nil {
		return 0, s.failed("read", err)
	}
	defer s.read.free()
	if ctx.Err() != nil {
		return 0, s.failed("read", ctx.Err())
	}
	for len(s.rest) == 0 && len(p) > 0 {
		_, message, err := s.c.Read(ctx)
		if err != nil {
			return 0, s.readError(err)
		}
		s.rest = message
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stream) readError(err error) error {
	var closed *CloseError
	if errors.As(err, &closed) && closed.Orderly() && !closed.Local && closed.Err == nil {
		return io.EOF
	}
	return s.failed("read", err)
}

// Write implements [net.Conn].
func (s *stream) Write(p []byte) (int, error) {
	ctx := s.writeLimit.context()
	if ctx.Err() != nil {
		return 0, s.failed("write", ctx.Err())
	}
	if err := s.c.writing.wait(ctx); err != nil {
		return 0, s.failed("write", err)
	}
	if err := s.c.refusal(); err != nil || len(p) == 0 || !isMessage(s.kind) {
		s.c.writing.free()
		if err == nil && len(p) > 0 {
			err = errNoMessage
		}
		return 0, s.failed("write", err)
	}
	sent := make(chan error, 1)
	go s.c.sendAll(s.c.encode(s.kind, p), sent)
	select {
	case err := <-sent:
		if err != nil {
			return 0, s.failed("write", err)
		}
	case <-ctx.Done():
	}
	return len(p), nil
}

// encode is a message as it goes over the wire, in a pooled buffer, under the
// lock.
func (c *Conn) encode(t MessageType, p []byte) []byte {
	out := c.enc.AppendMessage(getBuffer(len(p)+maxHeaderSize), t, p)
	var h Header
	parseHeader(out, &h)
	if c.report.on(trace.Message) {
		c.report.message(trace.Out, &Event{Type: t, Payload: p, Frames: 1, Wire: h.Length, Compressed: h.RSV != 0})
	}
	c.report.frame(trace.Out, &h, h.RSV != 0)
	return out
}

// sendAll sends a message whatever time it takes, and frees the lock.
func (c *Conn) sendAll(out []byte, sent chan<- error) {
	err := c.writeStop.begin(context.Background())
	if err == nil {
		err = c.send(context.Background(), out, false)
	}
	if err == nil {
		c.countOut.Add(1)
	}
	putBuffer(out)
	c.endWrite()
	sent <- err
}

// failed is an error as package net makes them.
func (s *stream) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: op, Net: "websocket", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}

// Close implements [net.Conn].
func (s *stream) Close() error { return s.c.Close(StatusNormal, "") }

// CloseWrite fails: a WebSocket has no halves.
func (s *stream) CloseWrite() error { return s.failed("close", errors.ErrUnsupported) }

// NetConn returns the connection underneath.
func (s *stream) NetConn() net.Conn { return s.c.conn }

// LocalAddr implements [net.Conn].
func (s *stream) LocalAddr() net.Addr { return s.c.conn.LocalAddr() }

// RemoteAddr implements [net.Conn].
func (s *stream) RemoteAddr() net.Addr { return s.c.conn.RemoteAddr() }

// SetDeadline implements [net.Conn].
func (s *stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline implements [net.Conn].
func (s *stream) SetReadDeadline(t time.Time) error { return s.readLimit.set(s.c, t) }

// SetWriteDeadline implements [net.Conn].
func (s *stream) SetWriteDeadline(t time.Time) error { return s.writeLimit.set(s.c, t) }

// deadline is a time limit that can be set anew while somebody waits for it.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	turn  int           // of the timer
	ctx   *limitContext // done once the limit has passed
}

func (d *deadline) init() { d.ctx = &limitContext{done: make(chan struct{})} }

func (d *deadline) context() *limitContext {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

func (d *deadline) set(c *Conn, t time.Time) error {
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.ctx.Err() != nil {
		d.init()
	}
	d.turn++
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.ctx.done)
	default:
		turn := d.turn
		d.timer = time.AfterFunc(left, func() { d.expire(turn) })
	}
	return nil
}

// expire ends a limit, unless another one was set meanwhile.
func (d *deadline) expire(turn int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turn == turn {
		close(d.ctx.done)
	}
}

// limitContext is a context that ends with a deadline.
type limitContext struct{ done chan struct{} }

// Deadline implements [context.Context].
func (*limitContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements [context.Context].
func (c *limitContext) Done() <-chan struct{} { return c.done }

// Err implements [context.Context].
func (c *limitContext) Err() error {
	select {
	case <-c.done:
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

// Value implements [context.Context].
func (*limitContext) Value(any) any { return nil }
