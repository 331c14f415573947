package endpoint

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Opener opens addresses. The zero value is ready.
type Opener struct {
	Timeout  time.Duration // bounds connecting, TLS included; 0 means 10 s
	Source   string        // the address to dial from
	Family   int           // 4, 6, or 0 for both
	NoLookup bool
	Hosts    map[string]string // host:port to address
	Proxy    *url.URL
	TLS      tcp.TLSOptions
	Mode     os.FileMode // of a Unix socket's file
	TTL      int
	Tracer   *trace.Tracer
	Stdin    *os.File
	Stdout   *os.File
	Stderr   io.Writer
	Children *Children // knows the processes that are started; may be nil
}

// network returns base with the family that the options ask for.
func (o *Opener) network(base string) string {
	switch o.Family {
	case 4:
		return base + "4"
	case 6:
		return base + "6"
	}
	return base
}

// Dial opens a as a connection. Datagram sockets keep the borders between
// datagrams: one Read gives one, one Write sends one. Of a WebSocket it opens
// what is below: TCP, TLS or a Unix socket.
func (o *Opener) Dial(ctx context.Context, a Address) (net.Conn, error) {
	switch a.Scheme {
	case TCP, TLS, Unix, WS, WSS, WSUnix, SIO, SIOS:
		return o.dialStream(ctx, a)
	case UDP, Unixgram:
		return o.dialDatagram(ctx, a)
	case Exec:
		return o.exec(a)
	case Stdio:
		return tcp.Trace(stdio(o.Stdin, o.Stdout), o.Tracer, trace.Client, 0), nil
	}
	return nil, fmt.Errorf("%s cannot be dialled", a)
}

func (o *Opener) dialStream(ctx context.Context, a Address) (net.Conn, error) {
	d := o.dialer()
	if a.Scheme == Unix || a.Scheme == WSUnix {
		return d.DialContext(ctx, "unix", a.Path)
	}
	if a.Secure() {
		config, err := o.TLS.Client(a.dialHost())
		if err != nil {
			return nil, err
		}
		d.TLS = config
	}
	return d.DialContext(ctx, o.network("tcp"), net.JoinHostPort(a.dialHost(), a.Port))
}

func (o *Opener) dialer() *tcp.Dialer {
	return &tcp.Dialer{
		Timeout: o.Timeout, LocalAddr: o.Source, NoLookup: o.NoLookup, Hosts: o.Hosts,
		Proxy: o.Proxy, Tracer: o.Tracer,
	}
}

// dialHost is the host to dial: this machine where none was given.
func (a Address) dialHost() string {
	switch a.Host {
	case "", "*":
		return tcp.Loopback
	}
	return a.Host
}

func (o *Opener) exec(a Address) (net.Conn, error) {
	words, err := Split(a.Path)
	if err != nil {
		return nil, err
	}
	command := Command{Args: words, Stderr: o.Stderr, Name: a.String(), Tracer: o.Tracer, Children: o.Children}
	conn, err := command.Start()
	if err != nil {
		return nil, err
	}
	return tcp.Trace(conn, o.Tracer, trace.Client, 0), nil
}

// Listen binds a stream address, or what a WebSocket stands on. The
// configuration is that of TLS, and nil for the others.
func (o *Opener) Listen(ctx context.Context, a Address) (*tcp.Listener, *tls.Config, error) {
	lc := &tcp.ListenConfig{Mode: o.Mode}
	switch a.Scheme {
	case Unix, WSUnix:
		l, err := lc.Listen(ctx, "unix", a.Path)
		return l, nil, err
	case TCP, WS, SIO:
		l, err := lc.Listen(ctx, o.network("tcp"), a.HostPort())
		return l, nil, err
	case TLS, WSS, SIOS:
		config, err := o.TLS.Server()
		if err != nil {
			return nil, nil, err
		}
		l, err := lc.Listen(ctx, o.network("tcp"), a.HostPort())
		return l, config, err
	}
	return nil, nil, fmt.Errorf("%s cannot be listened on as a stream", a)
}

// Bound returns a as l has bound it: with the address and the port in place of
// what was left open.
func (a Address) Bound(addr net.Addr) Address {
	if host, port, err := net.SplitHostPort(addr.String()); err == nil && a.Scheme != Unix && a.Scheme != Unixgram && a.Scheme != WSUnix {
		a.Host, a.Port = host, port
	}
	return a
}

// Public reports whether an address that was listened on is open to the
// network.
func (a Address) Public() bool {
	ip := net.ParseIP(a.Host)
	switch a.Scheme {
	case Unix, Unixgram, WSUnix, Exec, Stdio:
		return false
	}
	return ip == nil || !ip.IsLoopback()
}

// Below returns what opens the stream that a WebSocket at a stands on, without
// TLS. Over a Unix socket the address that it is asked for does not count.
func (o *Opener) Below(a Address) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := o.dialer()
	if a.Scheme == WSUnix {
		return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", a.Path) }
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		return d.DialContext(ctx, o.network("tcp"), address)
	}
}

// TLSFor is how TLS is spoken with a host.
func (o *Opener) TLSFor(host string) (*tls.Config, error) { return o.TLS.Client(host) }
