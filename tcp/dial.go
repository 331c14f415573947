package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Dialer opens stream connections: TCP, Unix, TLS over either, and through
// proxies. The zero value is ready. It must not be changed while in use.
type Dialer struct {
	// Timeout bounds name look-up, connecting, the proxy and TLS together.
	// 0 means 10 seconds, less than 0 no bound but the context's.
	Timeout time.Duration
	// LocalAddr is the address to dial from: HOST, HOST:PORT or :PORT.
	LocalAddr string
	// AttemptDelay is the time an attempt is given before the next address is
	// tried beside it; 0 means 250 ms (RFC 8305 section 5).
	AttemptDelay time.Duration
	// NoLookup refuses names: only addresses are dialled.
	NoLookup bool
	// Hosts overrides the look-up of "host:port" with an address, as curl's
	// --resolve does.
	Hosts map[string]string
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// KeepAlive configures TCP keep-alive; the zero value is Go's default
	// (on, first probe after 15 seconds).
	KeepAlive net.KeepAliveConfig
	// Proxy is dialled in place of the target: socks5, http or https.
	Proxy *url.URL
	// TLS, when not nil, is spoken on top. Its ServerName defaults to the
	// host that was dialled.
	TLS *tls.Config
	// Tracer takes the records; nil records nothing.
	Tracer *trace.Tracer
}

const defaultTimeout = 10 * time.Second

// Error is a failure of one operation on one address.
type Error struct {
	Op      string // dial, listen, accept
	Address string // as the user writes it: tcp://127.0.0.1:1
	Err     error
}

// Error implements error.
func (e *Error) Error() string { return e.Op + " " + e.Address + ": " + explain(e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout implements [net.Error].
func (e *Error) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// Temporary implements [net.Error].
func (e *Error) Temporary() bool { return e.Timeout() }

// DialContext opens a connection. The network is tcp, tcp4, tcp6 or unix, the
// address HOST:PORT or a path (@name for Linux's abstract names). Every failure
// is an [*Error]; with several addresses its cause joins theirs.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Timeout >= 0 {
		limit := d.Timeout
		if limit == 0 {
			limit = defaultTimeout
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, &TimeoutError{After: limit})
		defer cancel()
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, &Error{Op: "dial", Address: d.name(network, address), Err: timeoutCause(ctx, err)}
	}
	return conn, nil
}

// TimeoutError says that something took longer than it was given.
type TimeoutError struct {
	After time.Duration
	By    string // the flag or setting that bounds it; empty: a default
}

// Error implements error.
func (e *TimeoutError) Error() string {
	if e.By == "" {
		return fmt.Sprintf("timed out after %v", e.After)
	}
	return fmt.Sprintf("timed out after %v (%s)", e.After, e.By)
}

// Timeout implements [net.Error].
func (e *TimeoutError) Timeout() bool { return true }

// Temporary implements [net.Error].
func (e *TimeoutError) Temporary() bool { return true }

// timeoutCause puts our own limit in the place of the error that it caused.
func timeoutCause(ctx context.Context, err error) error {
	var ours *TimeoutError
	if errors.As(err, new(*TLSError)) || errors.As(err, new(*ProxyError)) {
		return err // it says more, and wraps the cause
	}
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &ours) {
		return ours
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return err
}

func (d *Dialer) name(network, address string) string {
	scheme := strings.TrimRight(network, "46")
	switch {
	case scheme == "unix":
		return "unix:" + address
	case d.TLS != nil:
		scheme = "tls"
	}
	return scheme + "://" + address
}

func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	started := time.Now()
	conn, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	took := time.Since(started)
	if d.TLS == nil {
		return Trace(conn, d.Tracer, trace.Client, took), nil
	}
	return d.secure(ctx, conn, address, took)
}

// connect makes the connection below TLS and the trace.
func (d *Dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "unix":
		return d.connectUnix(ctx, address)
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("network %q is none of tcp, tcp4, tcp6 and unix", network)
	}
	if d.Proxy != nil {
		return DialProxy(ctx, d.Proxy, d.direct, address, d.Tracer)
	}
	return d.direct(ctx, network, address)
}

// connectUnix says more of a path that is no socket than "connection refused".
func (d *Dialer) connectUnix(ctx context.Context, path string) (net.Conn, error) {
	if err := checkLength(path); err != nil {
		return nil, err
	}
	conn, err := d.attempt(ctx, "unix", path)
	if err == nil {
		return conn, nil
	}
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil || info.Mode()&os.ModeSocket != 0:
		return nil, err
	case info.IsDir():
		return nil, &wordedError{"the path is a directory, and no socket", err}
	}
	return nil, &wordedError{"the path is a file that is no socket", err}
}

func (d *Dialer) direct(ctx context.Context, network, address string) (net.Conn, error) {
	addrs, err := d.resolve(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return d.race(ctx, addrs)
}

// resolve turns host:port into the addresses to try, in their order.
func (d *Dialer) resolve(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := d.port(ctx, service)
	if err != nil {
		return nil, err
	}
	if to, ok := d.Hosts[net.JoinHostPort(host, service)]; ok {
		host = to
	}
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	addrs = inFamily(addrs, network)
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address for " + network, Name: host, IsNotFound: true}
	}
	targets := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range interleave(addrs) {
		targets = append(targets, netip.AddrPortFrom(a, port))
	}
	return targets, nil
}

func (d *Dialer) port(ctx context.Context, service string) (uint16, error) {
	if n, err := strconv.Atoi(service); err == nil {
		if n < 1 || n > 65535 {
			return 0, fmt.Errorf("port %d is not within 1 to 65535", n)
		}
		return uint16(n), nil
	}
	n, err := d.resolver().LookupPort(ctx, "tcp", service)
	return uint16(n), err
}

func (d *Dialer) resolver() *net.Resolver {
	if d.Resolver != nil {
		return d.Resolver
	}
	return net.DefaultResolver
}

func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "" {
		host = "localhost"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if d.NoLookup {
		return nil, &net.DNSError{Err: "names are not looked up with -n", Name: host, IsNotFound: true}
	}
	started := time.Now()
	addrs, err := d.resolver().LookupNetIP(ctx, "ip", host)
	if d.Tracer.On(trace.Connection) {
		found := trace.Resolve{Host: host, Duration: time.Since(started)}
		for _, a := range addrs {
			found.Addresses = append(found.Addresses, a.Unmap().String())
		}
		if err != nil {
			found.Error = Reason(err)
		}
		d.Tracer.Emit(0, found)
	}
	return addrs, err
}

// inFamily keeps the addresses that network allows.
func inFamily(addrs []netip.Addr, network string) []netip.Addr {
	var kept []netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		if network == "tcp" || a.Is4() == (network == "tcp4") {
			kept = append(kept, a)
		}
	}
	return kept
}

// interleave alternates between the families, the first address's family
// first (RFC 8305 section 4).
func interleave(addrs []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	mixed := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(second) {
			mixed = append(mixed, second[i])
		}
	}
	return mixed
}

// explain words the cause of a failure; joined causes that read the same are
// said once, with the addresses they came from.
func explain(err error) string {
	var failed attemptErrors
	if !errors.As(err, &failed) {
		return Reason(err)
	}
	if reason, same := failed.common(); same {
		return reason + " (" + strings.Join(failed.addresses(), ", ") + ")"
	}
	words := make([]string, len(failed))
	for i, f := range failed {
		words[i] = f.address + ": " + Reason(f.err)
	}
	return strings.Join(words, "; ")
}
