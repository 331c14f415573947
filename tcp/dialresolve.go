package tcp

import (
	"context"
	"net/netip"
)

// Resolve returns the addresses that DialContext would try for address,
// HOST:PORT, in its order, without connecting. The network is tcp, tcp4 or
// tcp6. It is bounded by ctx only. Every failure is an [*Error]; that of a
// look-up wraps a [*net.DNSError].
func (d *Dialer) Resolve(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	addrs, err := d.resolve(ctx, network, address)
	if err != nil {
		return nil, &Error{Op: "resolve", Address: d.name(network, address), Err: timeoutCause(ctx, err)}
	}
	return addrs, nil
}
