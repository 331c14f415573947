package tap

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// mover returns what moves one direction.
func (r *relay) mover(d trace.Dir, from, to End) mover {
	if webSocketOf(from) != nil || webSocketOf(to) != nil {
		return r.messageMover(d, from, to)
	}
	datagrams := from.Datagrams || to.Datagrams
	src, dst := io.Reader(from.Conn), io.Writer(to.Conn)
	if datagrams {
		src, dst = r.source(from), r.sink(to)
	}
	switch {
	case r.Faults != nil && r.Affects != nil && r.Affects(d):
		return r.Faults.Link(d, dst, src, datagrams)
	case datagrams:
		return &datagramPump{dst: dst, src: src}
	}
	return &tcp.Pump{Dst: dst, Src: src}
}

// source reads an end as datagrams.
func (r *relay) source(from End) io.Reader {
	if from.Datagrams {
		return &wholeReader{from.Conn, r.warning(from)}
	}
	size := r.MaxDatagram
	if size <= 0 || size > udp.MaxPayload {
		size = udp.MaxPayload
	}
	return &chunkReader{from.Conn, size}
}

func (r *relay) sink(to End) io.Writer {
	if to.Datagrams {
		return &wholeWriter{conn: to.Conn, warn: r.warning(to)}
	}
	return to.Conn
}

// warning tells of a datagram that an end could not take, or gave in part.
func (r *relay) warning(e End) func(error) {
	return func(err error) {
		if r.Warn != nil {
			r.Warn(r.fault(e, err))
		}
	}
}

// chunkReader makes each read of a stream no larger than a datagram.
type chunkReader struct {
	conn net.Conn
	size int
}

// Read implements [io.Reader].
func (c *chunkReader) Read(p []byte) (int, error) { return c.conn.Read(p[:min(len(p), c.size)]) }

// wholeReader reads datagrams. What is left of a truncated one is passed on,
// and said.
type wholeReader struct {
	conn net.Conn
	warn func(error)
}

// Read implements [io.Reader].
func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.conn.Read(p)
	if errors.Is(err, udp.ErrTruncated) {
		w.warn(err)
		err = nil
	}
	return n, err
}

// wholeWriter sends datagrams. One that cannot be sent whole, or to nobody, is
// dropped, as datagrams are; that is said once.
type wholeWriter struct {
	conn net.Conn
	warn func(error)
	told atomic.Bool
}

// Write implements [io.Writer].
func (w *wholeWriter) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	if errors.Is(err, udp.ErrTooLarge) || errors.Is(err, udp.ErrNoName) {
		if !w.told.Swap(true) {
			w.warn(err)
		}
		return len(p), nil
	}
	return n, err
}

// datagramBuffer is room for every datagram that is expected.
const datagramBuffer = 1 << 18

// datagramPump moves datagrams, empty ones too, or a stream's reads as
// datagrams.
type datagramPump struct {
	dst     io.Writer
	src     io.Reader
	moved   atomic.Int64
	waiting atomic.Int64 // when waiting for src began, in Unix nanoseconds; 0 while it does not
}

// Moved returns a number that grows with each datagram.
func (d *datagramPump) Moved() int64 { return d.moved.Load() }

// Waiting returns for how long nothing has come.
func (d *datagramPump) Waiting() time.Duration {
	if since := d.waiting.Load(); since != 0 {
		return time.Duration(time.Now().UnixNano() - since)
	}
	return 0
}

// Run moves until src ends (nil), or either side fails.
func (d *datagramPump) Run() error {
	buf := make([]byte, datagramBuffer)
	for {
		d.waiting.Store(time.Now().UnixNano())
		n, err := d.src.Read(buf)
		d.waiting.Store(0)
		if err == nil || n > 0 {
			if _, err := d.dst.Write(buf[:n]); err != nil {
				return err
			}
			d.moved.Add(1)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &tcp.ReadError{Err: err}
		}
	}
}
