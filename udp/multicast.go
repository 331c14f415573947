package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// defaultGroupTTL keeps multicast within the local network, as the sockets API
// has it (RFC 1112 section 6.1, RFC 3493 section 5.2).
const defaultGroupTTL = 1

// join makes conn a member of group on ifi, or on the system's default
// interface for multicast where ifi is nil.
func join(conn *net.UDPConn, group netip.Addr, ifi *net.Interface) error {
	addr := &net.UDPAddr{IP: group.AsSlice()}
	if group.Is4() {
		return ipv4.NewPacketConn(conn).JoinGroup(ifi, addr)
	}
	return ipv6.NewPacketConn(conn).JoinGroup(ifi, addr)
}

// sendGroups sets how conn sends to groups: by which interface, how far (0 is
// defaultGroupTTL), and back to members on this machine too.
func sendGroups(conn *net.UDPConn, v4 bool, ifi *net.Interface, ttl int) error {
	if ttl == 0 {
		ttl = defaultGroupTTL
	}
	if v4 {
		p := ipv4.NewPacketConn(conn)
		if ifi != nil {
			if err := p.SetMulticastInterface(ifi); err != nil {
				return err
			}
		}
		if err := p.SetMulticastTTL(ttl); err != nil {
			return err
		}
		return p.SetMulticastLoopback(true)
	}
	p := ipv6.NewPacketConn(conn)
	if ifi != nil {
		if err := p.SetMulticastInterface(ifi); err != nil {
			return err
		}
	}
	if err := p.SetMulticastHopLimit(ttl); err != nil {
		return err
	}
	return p.SetMulticastLoopback(true)
}

// setTTL sets the TTL or hop limit of what conn sends to single hosts.
func setTTL(conn net.Conn, v4 bool, ttl int) error {
	if v4 {
		return ipv4.NewConn(conn).SetTTL(ttl)
	}
	return ipv6.NewConn(conn).SetHopLimit(ttl)
}

// sourceFor returns the address that datagrams to dst leave from. Connecting a
// UDP socket sends nothing.
func sourceFor(ctx context.Context, dst netip.AddrPort, ifi *net.Interface) (netip.Addr, error) {
	if ifi != nil {
		return interfaceAddr(ifi, dst.Addr())
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, ipNetwork(dst.Addr()), dst.String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// interfaceAddr picks the interface's first address of dst's family, and of
// its scope where there is one.
func interfaceAddr(ifi *net.Interface, dst netip.Addr) (netip.Addr, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("addresses of interface %s: %w", ifi.Name, err)
	}
	var found netip.Addr
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil || prefix.Addr().Is4() != dst.Is4() {
			continue
		}
		ip := prefix.Addr()
		near := ip.IsLinkLocalUnicast()
		if near {
			ip = ip.WithZone(ifi.Name)
		}
		if dst.Is4() || near == dst.IsLinkLocalMulticast() {
			return ip, nil
		}
		if !found.IsValid() {
			found = ip
		}
	}
	if !found.IsValid() {
		return found, fmt.Errorf("interface %s has no address to reach %v from: %w", ifi.Name, dst, syscall.EADDRNOTAVAIL)
	}
	return found, nil
}

// groupInterface is the interface to reach group by: the one named, else the
// one in the address's zone, else nil for the system's choice.
func groupInterface(name string, group netip.Addr) (*net.Interface, error) {
	if name == "" {
		name = group.Zone()
	}
	return findInterface(name)
}
