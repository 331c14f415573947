package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// errNoInterface says that an interface that was named does not exist.
var errNoInterface = errors.New("no such network interface")

// lookup turns host:port into addresses.
type lookup struct {
	resolver *net.Resolver
	refuse   bool // names are not looked up
	tracer   *trace.Tracer
	listen   bool // port 0 has a meaning
}

// find returns the addresses of host:port that network (udp, udp4, udp6)
// allows, in the resolver's order.
func (lu *lookup) find(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := lu.port(ctx, service)
	if err != nil {
		return nil, err
	}
	addrs, err := lu.host(ctx, host)
	if err != nil {
		return nil, err
	}
	var found []netip.AddrPort
	for _, a := range addrs {
		if a = a.Unmap(); inFamily(a, network) {
			found = append(found, netip.AddrPortFrom(a, port))
		}
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no address for " + network, Name: host, IsNotFound: true}
	}
	return found, nil
}

func inFamily(a netip.Addr, network string) bool {
	return network == udp || a.Is4() == (network == "udp4")
}

func (lu *lookup) port(ctx context.Context, service string) (uint16, error) {
	n, err := strconv.Atoi(service)
	if err != nil {
		n, err = lu.net().LookupPort(ctx, udp, service)
		return uint16(n), err
	}
	least := 1
	if lu.listen {
		least = 0
	}
	if n < least || n > 65535 {
		return 0, fmt.Errorf("port %d is not within %d to 65535", n, least)
	}
	return uint16(n), nil
}

func (lu *lookup) net() *net.Resolver {
	if lu.resolver != nil {
		return lu.resolver
	}
	return net.DefaultResolver
}

func (lu *lookup) host(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "" {
		host = "localhost"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if lu.refuse {
		return nil, &net.DNSError{Err: "names are not looked up with -n", Name: host, IsNotFound: true}
	}
	started := time.Now()
	addrs, err := lu.net().LookupNetIP(ctx, "ip", host)
	lu.report(host, addrs, err, time.Since(started))
	return addrs, err
}

func (lu *lookup) report(host string, addrs []netip.Addr, err error, took time.Duration) {
	if !lu.tracer.On(trace.Connection) {
		return
	}
	found := trace.Resolve{Host: host, Duration: took}
	for _, a := range addrs {
		found.Addresses = append(found.Addresses, a.Unmap().String())
	}
	if err != nil {
		found.Error = reason(err)
	}
	lu.tracer.Emit(0, found)
}

// ipNetwork is the network of package net for an address's family.
func ipNetwork(a netip.Addr) string {
	if a.Is4() {
		return "udp4"
	}
	return "udp6"
}

// findInterface finds an interface by its name or its index in decimal; the
// empty name is none.
func findInterface(name string) (*net.Interface, error) {
	if name == "" {
		return nil, nil
	}
	ifi, err := net.InterfaceByName(name)
	if err == nil {
		return ifi, nil
	}
	if index, notANumber := strconv.Atoi(name); notANumber == nil {
		if ifi, err := net.InterfaceByIndex(index); err == nil {
			return ifi, nil
		}
	}
	return nil, fmt.Errorf("interface %q: %w", name, errNoInterface)
}

// checkNetwork tells what network is of ours.
func checkNetwork(network string) error {
	switch network {
	case udp, "udp4", "udp6", unixgram:
		return nil
	}
	return fmt.Errorf("network %q is none of udp, udp4, udp6 and unixgram", network)
}
