package inspect

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// resolve looks the name up and returns the addresses to try, in their order.
func (in *Inspection) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	ctx, cancel := in.within(ctx)
	defer cancel()
	port, err := in.port(ctx)
	if err != nil {
		return nil, err
	}
	host, source := in.host(), SourceResolver
	hostPort := net.JoinHostPort(host, port)
	if to, ok := in.o.Hosts[net.JoinHostPort(host, in.o.Address.Port)]; ok {
		hostPort, source = net.JoinHostPort(to, port), SourceFlag
	}
	started := time.Now()
	d := &tcp.Dialer{NoLookup: in.o.NoLookup, Resolver: in.o.Resolver, Tracer: in.o.Tracer}
	found, err := d.Resolve(ctx, "tcp", hostPort)
	err = cause(err)
	if _, notAName := netip.ParseAddr(host); notAName != nil || source == SourceFlag {
		in.Report.Name = named(host, source, found, time.Since(started), err)
	}
	if err != nil {
		return nil, err
	}
	if in.Report.Name != nil {
		in.Report.Reached = ReachedName
	}
	return in.inFamily(host, found)
}

func named(host, source string, found []netip.AddrPort, took time.Duration, err error) *Name {
	n := &Name{Host: host, Source: source, Duration: took, Error: tcp.Reason(err)}
	for _, a := range found {
		n.Addresses = append(n.Addresses, a.Addr().String())
	}
	return n
}

// port turns a service's name into its number.
func (in *Inspection) port(ctx context.Context) (string, error) {
	resolver := in.o.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	network := "tcp"
	if in.o.Address.Scheme == endpoint.UDP {
		network = "udp"
	}
	n, err := resolver.LookupPort(ctx, network, in.o.Address.Port)
	if err != nil {
		return "", err
	}
	return strconv.Itoa(n), nil
}

// inFamily keeps the addresses that -4 or -6 allows.
func (in *Inspection) inFamily(host string, found []netip.AddrPort) ([]netip.AddrPort, error) {
	var kept []netip.AddrPort
	for _, a := range found {
		if in.o.Family == 0 || a.Addr().Is4() == (in.o.Family == 4) {
			kept = append(kept, a)
		}
	}
	if len(kept) > 0 {
		return kept, nil
	}
	words := map[int]string{4: "it has no IPv4 address", 6: "it has no IPv6 address"}
	return nil, &net.DNSError{Err: words[in.o.Family], Name: host, IsNotFound: true}
}

// cause takes an error of package tcp out of the operation that it names.
func cause(err error) error {
	var operation *tcp.Error
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}

// unreached are the attempts of an address that could not be reached at all.
type unreached []Attempt

// Error words attempts that failed alike as one.
func (u unreached) Error() string {
	addresses := make([]string, len(u))
	words := make([]string, len(u))
	same := true
	for i, a := range u {
		addresses[i] = a.Address
		words[i] = a.Address + ": " + a.Error
		same = same && a.Error == u[0].Error
	}
	switch {
	case len(u) == 1:
		return u[0].Error
	case same:
		return u[0].Error + " (" + strings.Join(addresses, ", ") + ")"
	}
	return strings.Join(words, "; ")
}

// Unwrap lists the causes for errors.Is and errors.As.
func (u unreached) Unwrap() []error {
	causes := make([]error, len(u))
	for i, a := range u {
		causes[i] = a.err
	}
	return causes
}

// failed says in a how an attempt failed.
func (a *Attempt) failed(err error) {
	var timeout net.Error
	a.err, a.Error = err, tcp.Reason(err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		a.Result = Refused
	case errors.As(err, &timeout) && timeout.Timeout():
		a.Result = TimedOut
	case tcp.IsReset(err):
		a.Result = Reset
	case noRoute(err), errors.Is(err, syscall.EHOSTUNREACH):
		a.Result = Unreachable
	default:
		a.Result = Failed
	}
}

// noRoute reports whether err says that this machine has no way to an address,
// as one without IPv6 has none to IPv6 addresses.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}
