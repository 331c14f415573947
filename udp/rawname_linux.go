//go:build !sockkit_plain

package udp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// rawName is a socket address as the kernel reads and writes it, of any family
// that is used here; size is how much of it counts.
type rawName struct {
	bytes [unix.SizeofSockaddrUnix + 2]byte
	size  uint32
}

// family is the address's own; 0 where there is none.
func (n *rawName) family() int {
	if n.size < 2 {
		return unix.AF_UNSPEC
	}
	return int(binary.NativeEndian.Uint16(n.bytes[:]))
}

// addrPort reads an IP address; zones go by the interfaces' names.
func (n *rawName) addrPort(names *interfaceNames) netip.AddrPort {
	port := binary.BigEndian.Uint16(n.bytes[2:])
	switch {
	case n.family() == unix.AF_INET && n.size >= unix.SizeofSockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n.bytes[4:8])), port)
	case n.family() == unix.AF_INET6 && n.size >= unix.SizeofSockaddrInet6:
		addr := netip.AddrFrom16([16]byte(n.bytes[8:24])).Unmap()
		if scope := binary.NativeEndian.Uint32(n.bytes[24:]); scope != 0 {
			addr = addr.WithZone(names.name(int(scope)))
		}
		return netip.AddrPortFrom(addr, port)
	}
	return netip.AddrPort{}
}

// path returns the bytes of a Unix name, an abstract one with the zero byte
// that it begins with. They are valid until n changes.
func (n *rawName) path() []byte {
	if n.family() != unix.AF_UNIX || n.size <= 2 {
		return nil
	}
	name := n.bytes[2:min(int(n.size), len(n.bytes))]
	if name[0] == 0 {
		return name
	}
	for i, b := range name {
		if b == 0 {
			return name[:i]
		}
	}
	return name
}

// pathText is path as package net writes it: @ for the zero byte in front.
func pathText(path []byte) string {
	if len(path) > 0 && path[0] == 0 {
		return "@" + string(path[1:])
	}
	return string(path)
}

// setAddrPort writes an IP address for a socket of the family.
func (n *rawName) setAddrPort(to netip.AddrPort, family int) error {
	addr := to.Addr()
	binary.NativeEndian.PutUint16(n.bytes[:], uint16(family))
	binary.BigEndian.PutUint16(n.bytes[2:], to.Port())
	if family == unix.AF_INET {
		addr = addr.Unmap()
		if !addr.Is4() {
			return &net.AddrError{Err: "not an IPv4 address, as the socket's", Addr: to.String()}
		}
		ip := addr.As4()
		copy(n.bytes[4:], ip[:])
		clear(n.bytes[8:unix.SizeofSockaddrInet4])
		n.size = unix.SizeofSockaddrInet4
		return nil
	}
	if !addr.IsValid() {
		return &net.AddrError{Err: "no address to send to", Addr: to.String()}
	}
	scope, err := zoneIndex(addr.Zone())
	if err != nil {
		return err
	}
	ip := addr.As16()
	clear(n.bytes[4:8])
	copy(n.bytes[8:], ip[:])
	binary.NativeEndian.PutUint32(n.bytes[24:], uint32(scope))
	n.size = unix.SizeofSockaddrInet6
	return nil
}

// setPath writes a Unix name; @ in front stands for an abstract one.
func (n *rawName) setPath(path string) error {
	if path == "" {
		return ErrNoName
	}
	if err := checkPath(path); err != nil {
		return err
	}
	binary.NativeEndian.PutUint16(n.bytes[:], unix.AF_UNIX)
	used := 2 + copy(n.bytes[2:], path)
	n.bytes[used] = 0
	n.size = uint32(used + 1)
	if path[0] == '@' {
		n.bytes[2] = 0
		n.size = uint32(used)
	}
	return nil
}

// zoneIndex finds an interface by its name or its index in decimal.
func zoneIndex(zone string) (int, error) {
	if zone == "" {
		return 0, nil
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return ifi.Index, nil
	}
	index, err := strconv.Atoi(zone)
	if err != nil {
		return 0, fmt.Errorf("interface %q: %w", zone, errNoInterface)
	}
	return index, nil
}
