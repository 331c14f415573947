//go:build !sockkit_plain

package udp

import (
	"context"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// openGroup binds a socket to a multicast group, which others may do too. Bound
// to the group itself, and with MULTICAST_ALL off, it gets what is sent to this
// group by its interface and nothing else. Package net would bind every
// address.
func openGroup(_ context.Context, group netip.AddrPort, ifi *net.Interface) (*net.UDPConn, error) {
	family := unix.AF_INET6
	if group.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), group.String())
	defer file.Close() // FilePacketConn has one of its own
	if err := bindShared(fd, family, group, ifi); err != nil {
		return nil, err
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

func bindShared(fd, family int, group netip.AddrPort, ifi *net.Interface) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	askControl(fd, family)
	if family == unix.AF_INET {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MULTICAST_ALL, 0)
		return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{
			Port: int(group.Port()), Addr: group.Addr().As4(),
		}))
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MULTICAST_ALL, 0) // since Linux 4.20
	at := &unix.SockaddrInet6{Port: int(group.Port()), Addr: group.Addr().As16()}
	if ifi != nil {
		at.ZoneId = uint32(ifi.Index) // a group of narrow scope is one on each interface
	}
	return os.NewSyscallError("bind", unix.Bind(fd, at))
}
