package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Conn is a socket with one peer. It is a [net.Conn] whose Read returns one
// datagram and whose Write sends one. It reports to its tracer.
//
// A peer that refuses (ICMP port unreachable) is told by the next Read or
// Write, once, as [syscall.ECONNREFUSED]; a Write that returns it has sent
// nothing. The connection stays usable. Windows does not tell.
type Conn struct {
	*link
	remote net.Addr
	group  netip.AddrPort // the multicast group that it sends to

	// Of a connection that was accepted.
	first     atomic.Pointer[Message] // what opened it, until that is read
	only      *origin                 // its peer
	at        netip.AddrPort          // the address of ours that the peer wrote to
	connected bool                    // the system keeps others away
	writer    batchWriter             // where it does not
	strays    atomic.Int64            // datagrams of others

	tracer     *trace.Tracer
	id         trace.ID
	opened     time.Time
	here       string // LocalAddr and RemoteAddr as records have them
	there      string
	in, out    atomic.Int64
	failure    atomic.Pointer[error]
	reportOnce atomic.Bool
}

// opening starts the reports of a connection that was opened in took.
func (c *Conn) opening(t *trace.Tracer, side string, took time.Duration) {
	if !t.On(trace.Connection) {
		return
	}
	c.tracer, c.id, c.opened = t, t.NewID(), time.Now()
	c.here, c.there = c.LocalAddr().String(), c.remote.String()
	t.Emit(c.id, trace.Open{Side: side, Network: c.network, Local: c.here, Remote: c.there, Duration: took})
}

// TraceID returns the connection's number in the trace.
func (c *Conn) TraceID() trace.ID { return c.id }

// Tracer returns the tracer that the connection reports to.
func (c *Conn) Tracer() *trace.Tracer { return c.tracer }

// LocalAddr returns the address that the socket is bound to; of a connection
// that was accepted, the one that its peer wrote to.
func (c *Conn) LocalAddr() net.Addr {
	if c.at.IsValid() {
		return net.UDPAddrFromAddrPort(c.at)
	}
	return c.link.LocalAddr()
}

// RemoteAddr returns the address that was dialled, or the first sender's.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Read reads one datagram, which may be empty. Where p is too small the rest is
// lost and the error is a [*TruncatedError]; [MaxPayload] bytes are room enough
// for UDP.
func (c *Conn) Read(p []byte) (int, error) {
	n, info, err := c.ReadDatagram(context.Background(), p)
	if err == nil && info.Truncated {
		err = opError("read", c.link, c.remote, &TruncatedError{Size: info.Size, Kept: n})
	}
	return n, err
}

// ReadDatagram reads one datagram into buf and tells what is known of it, also
// whether it was truncated. The end of ctx frees it, with ctx's error, and
// leaves the connection usable.
func (c *Conn) ReadDatagram(ctx context.Context, buf []byte) (int, Info, error) {
	for {
		n, info, err := c.next(ctx, buf)
		if err != nil {
			c.failed(err)
			return 0, Info{}, opError("read", c.link, c.remote, err)
		}
		if c.only != nil && *c.only != info.origin() {
			c.stray(&info)
			continue
		}
		c.in.Add(int64(n))
		if c.tracer.On(trace.Message) {
			c.report(&info, buf[:n])
		}
		return n, info, nil
	}
}

// next reads one datagram of anybody's.
func (c *Conn) next(ctx context.Context, buf []byte) (int, Info, error) {
	if c.first.Load() == nil {
		return c.receive(ctx, buf)
	}
	m := c.first.Swap(nil)
	if m == nil {
		return c.receive(ctx, buf)
	}
	n := copy(buf, m.Payload)
	m.Info.Truncated = m.Info.Truncated || n < len(m.Payload)
	return n, m.Info, nil
}

func (c *Conn) report(info *Info, payload []byte) {
	e := trace.Datagram{
		Dir: trace.In, Network: c.network, Local: c.here, Remote: c.there,
		Size: info.Size, Truncated: info.Truncated, TTL: info.TTL,
		Interface: c.InterfaceName(info.Interface), Payload: payload,
	}
	if c.group.IsValid() {
		e.Remote = info.From()
	}
	c.tracer.Emit(c.id, e)
}

// stray passes over a datagram of somebody else, and says so the first time.
func (c *Conn) stray(info *Info) {
	if c.strays.Add(1) == 1 {
		c.tracer.Emit(c.id, trace.TurnedAway{
			Remote: info.From(), Rule: "keep-open", Reason: "the first peer keeps the socket",
		})
	}
}

// Write sends p as one datagram. One that is larger than [MaxPayload], or than
// a Unix socket takes, is a [*TooLargeError] and nothing is sent.
func (c *Conn) Write(p []byte) (int, error) {
	if c.network == udp {
		if err := checkSize(len(p)); err != nil {
			return 0, opError("write", c.link, c.remote, err)
		}
	}
	if c.tracer.On(trace.Message) {
		c.tracer.Emit(c.id, trace.Datagram{
			Dir: trace.Out, Network: c.network, Local: c.here, Remote: c.there, Size: len(p), Payload: p,
		})
	}
	n, err := c.send(p)
	if err != nil {
		err = sizeError(err, len(p))
		c.failed(err)
		return 0, opError("write", c.link, c.remote, err)
	}
	c.out.Add(int64(n))
	return n, nil
}

func (c *Conn) send(p []byte) (int, error) {
	if c.group.IsValid() {
		return c.conn.(*net.UDPConn).WriteToUDPAddrPort(p, c.group)
	}
	return c.sendOnly(p)
}

// sizeError gives the system's own refusal of a size our form.
func sizeError(err error, size int) error {
	if errors.Is(err, errMessageSize) {
		return &TooLargeError{Size: size}
	}
	return err
}

// failed keeps the last failure for the end, and reports a refusal. Our own
// closing and time limits are not the connection's failure.
func (c *Conn) failed(err error) {
	var timeout net.Error
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.As(err, &timeout) && timeout.Timeout() {
		return
	}
	c.failure.Store(&err)
	if errors.Is(err, syscall.ECONNREFUSED) {
		c.tracer.Emit(c.id, trace.Note{Text: "refused: nobody is bound to " + c.remote.String()})
	}
}

// Close closes the socket and removes a Unix socket's file.
func (c *Conn) Close() error {
	err := c.link.close()
	if c.reportOnce.Swap(true) {
		return err
	}
	end := trace.Close{In: c.in.Load(), Out: c.out.Load(), Duration: time.Since(c.opened)}
	if failure := c.failure.Load(); failure != nil {
		end.Error = reason(*failure)
	}
	c.tracer.Emit(c.id, end)
	return err
}
