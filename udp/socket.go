package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Socket is a bound socket that hears everybody. It is a [net.PacketConn].
// Reads take turns, and so do writes.
type Socket struct {
	*link
	many   receiver // reads batches
	ready  bool     // many is
	writer batchWriter
}

// Close closes the socket and removes a Unix socket's file.
func (s *Socket) Close() error { return s.link.close() }

func (s *Socket) display() string { return display(s.network, s.localText()) }

// ReadDatagram reads one datagram into buf and tells what is known of it, also
// whether it was truncated. The end of ctx frees it, with ctx's error, and
// leaves the socket usable.
func (s *Socket) ReadDatagram(ctx context.Context, buf []byte) (int, Info, error) {
	n, info, err := s.receive(ctx, buf)
	if err != nil {
		return 0, Info{}, opError("read", s.link, nil, err)
	}
	return n, info, nil
}

// ReadBatch waits for datagrams and reads those that are there, one into each
// message, up to the capacity of its Payload. It returns how many: at least one
// where there is no error. On Linux that is one system call for up to 256;
// elsewhere a batch is one datagram.
func (s *Socket) ReadBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	if err := s.cancel.enter(context.Background()); err != nil {
		return 0, err
	}
	defer s.cancel.leave()
	if !s.ready {
		if err := s.many.init(s.link); err != nil {
			return 0, err
		}
		s.ready = true
	}
	n, err := s.many.receiveBatch(ms)
	if err != nil {
		return 0, opError("read", s.link, nil, err)
	}
	return n, nil
}

// WriteBatch sends every message to where its Info says, on Linux by one system
// call for up to 256. It waits where the send buffer is full. It stops at the
// first that cannot be sent and returns how many were: too large a datagram is
// an [ErrTooLarge], a Unix peer without a name an [ErrNoName].
func (s *Socket) WriteBatch(ms []Message) (int, error) {
	sent := 0
	for sent < len(ms) {
		n, err := s.writer.write(s.link, ms[sent:])
		sent += n
		if err != nil {
			return sent, opError("write", s.link, ms[sent].Info.origin().netAddr(), err)
		}
	}
	return sent, nil
}

// ReadFrom implements [net.PacketConn]. Where p is too small the rest is lost
// and the error is a [*TruncatedError].
func (s *Socket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, info, err := s.ReadDatagram(context.Background(), p)
	if err != nil {
		return 0, nil, err
	}
	from := info.origin().netAddr()
	if info.Truncated {
		err = opError("read", s.link, from, &TruncatedError{Size: info.Size, Kept: n})
	}
	return n, from, err
}

// WriteTo implements [net.PacketConn]. The address is a *[net.UDPAddr] or a
// *[net.UnixAddr].
func (s *Socket) WriteTo(p []byte, addr net.Addr) (int, error) {
	var to Info
	switch a := addr.(type) {
	case *net.UDPAddr:
		to.Remote = a.AddrPort()
	case *net.UnixAddr:
		to.Path = a.Name
	default:
		return 0, opError("write", s.link, addr, errors.New("neither a *net.UDPAddr nor a *net.UnixAddr"))
	}
	return s.writeOne(p, to)
}

// WriteToAddrPort sends p as one datagram.
func (s *Socket) WriteToAddrPort(p []byte, to netip.AddrPort) (int, error) {
	return s.writeOne(p, Info{Remote: to})
}

func (s *Socket) writeOne(p []byte, to Info) (int, error) {
	if _, err := s.WriteBatch([]Message{{Payload: p, Info: to}}); err != nil {
		return 0, err
	}
	return len(p), nil
}
