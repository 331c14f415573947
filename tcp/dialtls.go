package tcp

import (
	"context"
	"net"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// secure speaks TLS on a connection that took so long to make.
func (d *Dialer) secure(ctx context.Context, conn net.Conn, address string, took time.Duration) (net.Conn, error) {
	cfg := d.TLS
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = serverName(address)
	}
	return ClientTLS(ctx, Trace(conn, d.Tracer, trace.Client, took), cfg, d.Tracer)
}

// serverName is the name that the certificate is checked against.
func serverName(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return Loopback
	}
	return host
}
