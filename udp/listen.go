package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// ListenConfig opens datagram sockets that hear everybody. The zero value is
// ready.
type ListenConfig struct {
	// Interface is the name or index of the interface by which a multicast
	// group is joined and sent to; empty is the one in the address's zone, else
	// the system's default for multicast. It counts for groups only.
	Interface string
	// TTL is the time to live (IPv6: the hop limit) of what is sent. 0 is the
	// system's default for single hosts, and 1 for multicast groups.
	TTL int
	// Mode is the permission of a Unix socket's file; 0 leaves it to the umask.
	Mode os.FileMode
	// ReadBuffer and WriteBuffer are the sizes of the socket's buffers in
	// bytes, which the system may bound; 0 is the system's default, but 1 MiB
	// for the WriteBuffer of a Unix socket: what its peers have not read yet is
	// in there.
	ReadBuffer, WriteBuffer int
	// NoLookup refuses names: only addresses are bound.
	NoLookup bool
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
}

// Listen binds a socket with the zero [ListenConfig].
func Listen(ctx context.Context, network, address string) (*Socket, error) {
	return (&ListenConfig{}).Listen(ctx, network, address)
}

// Listen binds one socket. The network is udp, udp4, udp6 or unixgram. The
// address is HOST:PORT, where port 0 is any free one, an empty host is
// 127.0.0.1 (::1 for udp6) and the host * is every address of the machine; or a
// path (@name for Linux's abstract names).
//
// A multicast group is joined, and other processes may be bound to it too; any
// other address is the socket's alone. A socket file that nobody is bound to
// any more is replaced; a live one is [syscall.EADDRINUSE] and left alone.
// Every failure is an [*Error].
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (*Socket, error) {
	s, err := lc.listen(ctx, network, address)
	if err != nil {
		return nil, &Error{Op: "listen", Address: display(network, address), Err: err}
	}
	return s, nil
}

// ListenAll binds address as a command line means it: an empty host or
// localhost is 127.0.0.1 and ::1, on one and the same port; everything else is
// one socket, as by Listen. Where a machine lacks IPv4 or IPv6 the other stands
// alone. The sockets can be served together by one [Server].
func (lc *ListenConfig) ListenAll(ctx context.Context, network, address string) ([]*Socket, error) {
	host, port, err := net.SplitHostPort(address)
	if network != udp || err != nil || host != "" && host != "localhost" {
		s, err := lc.Listen(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return []*Socket{s}, nil
	}
	for range portTries {
		var both []*Socket
		if both, err = lc.listenBoth(ctx, port); err == nil {
			return both, nil
		}
		if port != "0" {
			break
		}
	}
	return nil, &Error{Op: "listen", Address: display(network, address), Err: err}
}

// portTries bounds the search for a port that is free on both loopbacks.
const portTries = 20

func (lc *ListenConfig) listenBoth(ctx context.Context, port string) ([]*Socket, error) {
	var bound []*Socket
	var missing error
	for _, host := range []string{"127.0.0.1", "::1"} {
		s, err := lc.listen(ctx, udp, net.JoinHostPort(host, port))
		switch {
		case err == nil:
			bound = append(bound, s)
			_, port, _ = net.SplitHostPort(s.LocalAddr().String())
		case errors.Is(err, errNoAddress), errors.Is(err, errNoFamily):
			missing = err
		default:
			for _, s := range bound {
				err = and(err, s.Close())
			}
			return nil, err
		}
	}
	if len(bound) == 0 {
		return nil, missing
	}
	return bound, nil
}

func (lc *ListenConfig) listen(ctx context.Context, network, address string) (*Socket, error) {
	if err := checkNetwork(network); err != nil {
		return nil, err
	}
	if network == unixgram {
		conn, file, err := bindUnix(ctx, address, lc.Mode)
		if err != nil {
			return nil, err
		}
		return lc.ready(conn, unixgram, file)
	}
	conn, err := lc.bind(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return lc.ready(conn, udp, socketFile{})
}

const unixWriteBuffer = 1 << 20

// ready finishes a socket, or closes it.
func (lc *ListenConfig) ready(conn packetConn, network string, file socketFile) (*Socket, error) {
	s := &Socket{link: &link{file: file}}
	write := lc.WriteBuffer
	if network == unixgram && write == 0 {
		write = unixWriteBuffer
	}
	err := s.init(conn, network)
	if err == nil {
		err = setBuffers(conn, lc.ReadBuffer, write)
	}
	if err != nil {
		return nil, and(err, s.link.close())
	}
	return s, nil
}

func (lc *ListenConfig) bind(ctx context.Context, network, address string) (*net.UDPConn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	lu := lookup{resolver: lc.Resolver, refuse: lc.NoLookup, listen: true}
	if host == "*" {
		if _, err := lu.port(ctx, port); err != nil {
			return nil, err
		}
		return lc.bindHost(ctx, network, ":"+port)
	}
	if host == "" {
		host = "127.0.0.1"
		if network == "udp6" {
			host = "::1"
		}
	}
	found, err := lu.find(ctx, network, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	at := found[0]
	switch {
	case at.Addr().IsMulticast():
		return lc.bindGroup(ctx, at)
	case at.Addr().Is6() && !at.Addr().IsUnspecified():
		network = "udp6"
	case at.Addr().Is4():
		network = "udp4" // or package net would bind 0.0.0.0 as [::]
	}
	return lc.bindHost(ctx, network, at.String())
}

// bindHost binds an address that is the socket's alone.
func (lc *ListenConfig) bindHost(ctx context.Context, network, address string) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		return controlFD(raw, func(fd uintptr) error { prepare(fd, network); return nil })
	}}
	pc, err := config.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	if lc.TTL > 0 {
		v4 := unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort()).Addr().Is4()
		if err := setTTL(conn, v4, lc.TTL); err != nil {
			return nil, and(err, conn.Close())
		}
	}
	return conn, nil
}

// bindGroup joins a multicast group.
func (lc *ListenConfig) bindGroup(ctx context.Context, group netip.AddrPort) (*net.UDPConn, error) {
	ifi, err := groupInterface(lc.Interface, group.Addr())
	if err != nil {
		return nil, err
	}
	conn, err := openGroup(ctx, group, ifi)
	if err != nil {
		return nil, err
	}
	err = join(conn, group.Addr(), ifi)
	if err == nil {
		err = sendGroups(conn, group.Addr().Is4(), ifi, lc.TTL)
	}
	if err == nil && lc.TTL > 0 {
		err = setTTL(conn, group.Addr().Is4(), lc.TTL)
	}
	if err != nil {
		return nil, and(err, conn.Close())
	}
	return conn, nil
}
