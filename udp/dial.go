package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Dialer opens datagram connections. The zero value is ready. It must not be
// changed while in use.
type Dialer struct {
	// LocalAddr is the address to send from: HOST, HOST:PORT or :PORT, by
	// number; for unixgram a path, or a name of its own where empty.
	LocalAddr string
	// Interface is the name or index of the interface to use. A multicast
	// group is sent to by it; a socket for a single host is bound to it, which
	// only Linux and macOS can do. Empty is the system's choice.
	Interface string
	// TTL is the time to live (IPv6: the hop limit) of what is sent. 0 is the
	// system's default for a single host and 1 for a multicast group.
	TTL int
	// ReadBuffer and WriteBuffer are the sizes of the socket's buffers in
	// bytes, which the system may bound; 0 is the system's default.
	ReadBuffer, WriteBuffer int
	// NoLookup refuses names: only addresses are dialled.
	NoLookup bool
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// Tracer takes the records; nil records nothing.
	Tracer *trace.Tracer
}

// DialContext opens a socket that sends to one address. The network is udp,
// udp4, udp6 or unixgram, the address HOST:PORT or a path (@name for Linux's
// abstract names). An empty host is localhost.
//
// Nothing is sent, and so nothing is known of the peer yet. A multicast group
// is dialled with a socket that hears whoever replies; every other socket hears
// its peer only. Every failure is an [*Error]; with several addresses its cause
// joins theirs.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (*Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, &Error{Op: "dial", Address: display(network, address), Err: err}
	}
	return conn, nil
}

func (d *Dialer) dial(ctx context.Context, network, address string) (*Conn, error) {
	if err := checkNetwork(network); err != nil {
		return nil, err
	}
	if network == unixgram {
		return d.attempt(ctx, network, address, d.openUnix)
	}
	lu := lookup{resolver: d.Resolver, refuse: d.NoLookup, tracer: d.Tracer}
	targets, err := lu.find(ctx, network, address)
	if err != nil {
		return nil, err
	}
	var failed attemptErrors
	for _, to := range targets {
		conn, err := d.attempt(ctx, udp, to.String(), func(ctx context.Context, _ string) (*Conn, error) {
			return d.openUDP(ctx, to)
		})
		if err == nil {
			return conn, nil
		}
		failed = append(failed, attemptError{to.String(), err})
	}
	if len(failed) == 1 {
		return nil, failed[0].err
	}
	return nil, failed
}

// attempt opens one address and reports how it went.
func (d *Dialer) attempt(ctx context.Context, network, address string,
	open func(ctx context.Context, address string) (*Conn, error)) (*Conn, error) {
	started := time.Now()
	d.Tracer.Emit(0, trace.Attempt{Network: network, Address: address})
	conn, err := open(ctx, address)
	took := time.Since(started)
	if err != nil {
		d.Tracer.Emit(0, trace.AttemptFailed{Network: network, Address: address, Duration: took, Error: reason(err)})
		return nil, err
	}
	conn.opening(d.Tracer, trace.Client, took)
	return conn, nil
}

func (d *Dialer) openUnix(ctx context.Context, path string) (*Conn, error) {
	conn, file, err := dialUnix(ctx, d.LocalAddr, path)
	if err != nil {
		return nil, err
	}
	c := &Conn{link: &link{file: file}, remote: &net.UnixAddr{Name: path, Net: unixgram}}
	return c, d.ready(c, conn, unixgram)
}

// ready finishes a connection around a socket, or closes it.
func (d *Dialer) ready(c *Conn, conn packetConn, network string) error {
	err := c.init(conn, network)
	if err == nil {
		err = setBuffers(conn, d.ReadBuffer, d.WriteBuffer)
	}
	if err != nil {
		return and(err, c.link.close())
	}
	return nil
}

// setBuffers sets the sizes of a socket's buffers; 0 leaves them.
func setBuffers(conn packetConn, read, write int) error {
	if write == 0 && runtime.GOOS == "darwin" {
		write = receiveSize // there the default bounds a datagram to 9 KiB
	}
	if read > 0 {
		if err := conn.SetReadBuffer(read); err != nil {
			return err
		}
	}
	if write > 0 {
		return conn.SetWriteBuffer(write)
	}
	return nil
}

func (d *Dialer) openUDP(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	local, err := d.local(to.Addr())
	if err != nil {
		return nil, err
	}
	open := d.connect
	if to.Addr().IsMulticast() {
		open = d.openGroup
	}
	conn, err := open(ctx, local, to)
	if err != nil {
		return nil, err
	}
	c := &Conn{link: &link{}, remote: net.UDPAddrFromAddrPort(to)}
	if to.Addr().IsMulticast() {
		c.group = to
	}
	return c, d.ready(c, conn, udp)
}

// connect opens a socket that talks to one host.
func (d *Dialer) connect(ctx context.Context, local, to netip.AddrPort) (*net.UDPConn, error) {
	dialer := net.Dialer{Control: d.control}
	if local.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(local)
	}
	conn, err := dialer.DialContext(ctx, ipNetwork(to.Addr()), to.String())
	if err != nil {
		return nil, err
	}
	if d.TTL > 0 {
		if err := setTTL(conn, to.Addr().Is4(), d.TTL); err != nil {
			return nil, and(fmt.Errorf("set TTL %d: %w", d.TTL, err), conn.Close())
		}
	}
	return conn.(*net.UDPConn), nil
}

// control prepares a socket before it is bound.
func (d *Dialer) control(network, _ string, raw syscall.RawConn) error {
	return controlFD(raw, func(fd uintptr) error {
		prepare(fd, network)
		if d.Interface == "" {
			return nil
		}
		return bindToInterface(fd, network, d.Interface)
	})
}

// openGroup opens a socket that sends to a multicast group. It is bound to the
// address that it sends from, but not connected: members answer from their own.
func (d *Dialer) openGroup(ctx context.Context, local, to netip.AddrPort) (*net.UDPConn, error) {
	ifi, err := groupInterface(d.Interface, to.Addr())
	if err != nil {
		return nil, err
	}
	if !local.IsValid() || local.Addr().IsUnspecified() {
		from, err := sourceFor(ctx, to, ifi)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(from, local.Port())
	}
	config := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		return controlFD(raw, func(fd uintptr) error { prepare(fd, network); return nil })
	}}
	pc, err := config.ListenPacket(ctx, ipNetwork(to.Addr()), local.String())
	if err != nil {
		return nil, err
	}
	conn := pc.(*net.UDPConn)
	if err := sendGroups(conn, to.Addr().Is4(), ifi, d.TTL); err != nil {
		return nil, and(err, conn.Close())
	}
	return conn, nil
}

// local reads LocalAddr for a target of to's family. It is not valid where
// the system is to choose.
func (d *Dialer) local(to netip.Addr) (netip.AddrPort, error) {
	if d.LocalAddr == "" {
		return netip.AddrPort{}, nil
	}
	local, err := parseLocal(d.LocalAddr, to)
	if err != nil {
		return local, &net.AddrError{Err: "source address is none of ADDRESS, ADDRESS:PORT and :PORT", Addr: d.LocalAddr}
	}
	if local = unmapped(local); local.Addr().Is4() != to.Is4() {
		return local, &net.AddrError{Err: "source address is of another family than " + to.String(), Addr: d.LocalAddr}
	}
	return local, nil
}

// parseLocal reads ADDRESS, ADDRESS:PORT and :PORT; the last is every address
// of to's family.
func parseLocal(text string, to netip.Addr) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(ip, 0), nil
	}
	if port, ok := strings.CutPrefix(text, ":"); ok {
		any := netip.IPv6Unspecified()
		if to.Is4() {
			any = netip.IPv4Unspecified()
		}
		text = net.JoinHostPort(any.String(), port)
	}
	return netip.ParseAddrPort(text)
}
