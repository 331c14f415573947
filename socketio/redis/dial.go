package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// errUnsent is that a command has certainly not reached Redis.
var errUnsent = errors.New("not sent")

// unsentError is an error by which nothing was sent.
type unsentError struct{ error }

func (e unsentError) Unwrap() []error { return []error{errUnsent, e.error} }

// dialer makes connections to Redis.
type dialer struct {
	tls     *tls.Config
	timeout time.Duration
}

// dial makes one, and its TLS.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain, err := (&net.Dialer{KeepAlive: d.timeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, unsentError{err}
	}
	if d.tls == nil {
		return newGreeted(plain, address, false), nil
	}
	own := d.tls.Clone()
	if own.ServerName == "" {
		own.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(plain, own)
	if err := secure.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, unsentError{fmt.Errorf("%s: TLS: %w", address, err)}
	}
	return newGreeted(secure, address, true), nil
}

// greeted is a connection that knows whether Redis has said anything. What is sent
// before that is a greeting, and no command of ours: where it fails, as at a proxy
// whose Redis is gone, nothing of ours was sent.
type greeted struct {
	net.Conn
	address string
	secure  bool
	came    atomic.Bool
}

// newGreeted keeps what tells a connection that has ended: go-redis looks at that
// before it uses one.
func newGreeted(c net.Conn, address string, secure bool) net.Conn {
	g := &greeted{Conn: c, address: address, secure: secure}
	if s, ok := c.(syscall.Conn); ok {
		return &greetedSocket{g, s}
	}
	return g
}

type greetedSocket struct {
	*greeted
	syscall.Conn
}

// Read implements [net.Conn].
func (g *greeted) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if n > 0 {
		g.came.Store(true)
	}
	return n, g.explain(err)
}

// Write implements [net.Conn].
func (g *greeted) Write(b []byte) (int, error) {
	n, err := g.Conn.Write(b)
	return n, g.explain(err)
}

func (g *greeted) explain(err error) error {
	switch {
	case err == nil || g.came.Load():
		return err
	case errors.Is(err, io.EOF) && !g.secure:
		return unsentError{fmt.Errorf("%s: the connection was closed before Redis said anything (a port for TLS wants rediss://): %w", g.address, err)}
	case errors.Is(err, io.EOF):
		return unsentError{fmt.Errorf("%s: the connection was closed before Redis said anything (one that wants a certificate wants cert_file and key_file): %w", g.address, err)}
	}
	return unsentError{fmt.Errorf("%s: before Redis said anything: %w", g.address, err)}
}
