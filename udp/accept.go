package udp

import (
	"context"
	"errors"
	"net"

	"github.com/sockkit/sockkit/trace"
)

// Accept waits for the first datagram that comes in by any of the sockets, and
// makes its sender the only peer of a connection: the first datagram is what is
// read from it first, those of others are turned away. The connection reports
// to t, which may be nil.
//
// The connection owns its socket, and the other sockets are closed. Where
// Accept fails, or ctx ends, all stay as they were. Every failure is an
// [*Error].
func Accept(ctx context.Context, t *trace.Tracer, sockets ...*Socket) (*Conn, error) {
	if len(sockets) == 0 {
		return nil, errors.New("udp: accept: no socket")
	}
	s, m, err := firstOf(ctx, sockets)
	if err != nil {
		return nil, &Error{Op: "accept", Address: sockets[0].display(), Err: err}
	}
	for _, other := range sockets {
		if other != s {
			_ = other.Close() // nothing depends on it any more
		}
	}
	c, err := s.keep(t, m)
	if err != nil {
		return nil, &Error{Op: "accept", Address: s.display(), Err: and(err, s.Close())}
	}
	return c, nil
}

// arrival is the first datagram of a socket, or why there is none.
type arrival struct {
	socket  *Socket
	message *Message
	err     error
}

// firstOf waits for a datagram on any socket. Should two have one at the same
// time, that of the second is lost, as it would be had it come later.
func firstOf(ctx context.Context, sockets []*Socket) (*Socket, *Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrivals := make(chan arrival)
	for _, s := range sockets {
		go func() {
			m, err := s.readFirst(ctx)
			arrivals <- arrival{s, m, err}
		}()
	}
	winner := <-arrivals
	cancel()
	for range len(sockets) - 1 {
		if late := <-arrivals; late.err == nil && winner.err != nil {
			winner = late
		}
	}
	return winner.socket, winner.message, winner.err
}

func (s *Socket) readFirst(ctx context.Context) (*Message, error) {
	size := receiveSize
	if s.network == unixgram {
		size = unixReceiveSize
	}
	buf := make([]byte, size)
	n, info, err := s.receive(ctx, buf)
	if err != nil {
		return nil, err
	}
	return &Message{Payload: buf[:n:n], Info: info}, nil
}

// keep makes the sender of m the socket's only peer.
func (s *Socket) keep(t *trace.Tracer, m *Message) (*Conn, error) {
	peer := m.Info.origin()
	c := &Conn{link: s.link, only: &peer, remote: peer.netAddr(), at: m.Info.Local}
	err := c.keepOnly(&m.Info)
	if err != nil && !(s.network == unixgram && hasGone(err)) {
		return nil, err // a Unix peer that has left again is still heard
	}
	c.connected = c.connected && err == nil
	c.first.Store(m)
	c.opening(t, trace.Server, 0)
	return c, nil
}

// netAddr is the origin in the form of package net.
func (n origin) netAddr() net.Addr {
	if n.addr.IsValid() {
		return net.UDPAddrFromAddrPort(n.addr)
	}
	return &net.UnixAddr{Name: n.path, Net: unixgram}
}
