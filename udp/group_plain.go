//go:build !linux || sockkit_plain

package udp

import (
	"context"
	"net"
	"net/netip"
)

// openGroup binds a socket to the port of a multicast group, which others may
// do too. Package net binds every address for it.
func openGroup(ctx context.Context, group netip.AddrPort, _ *net.Interface) (*net.UDPConn, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, ipNetwork(group.Addr()), group.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// prepare has nothing to do here.
func prepare(uintptr, string) {}
