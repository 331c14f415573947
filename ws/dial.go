package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws/internal/h2"
)

// Dialer opens WebSocket connections. The zero value is ready: no subprotocol,
// no compression, certificates checked, no proxy, no redirects. It must not be
// changed while in use.
type Dialer struct {
	// Subprotocols are offered in this order of preference.
	Subprotocols []string
	// Origin is the Origin header; "" sends none.
	Origin string
	// Header is added to the request, or put in place of what has its name.
	Header []handshake.Field
	// Edit changes the request before it is sent, also against the rules.
	Edit func(*handshake.Head)

	// Deflate offers permessage-deflate with these parameters; nil offers none.
	Deflate *handshake.Deflate
	// CompressFrom is [Encoder.CompressFrom].
	CompressFrom int

	// TCP dials, with its proxy, addresses and TLS; nil is the zero value. TLS is
	// spoken for wss:// only, with TCP.TLS or else the defaults.
	TCP *tcp.Dialer
	// NetDial opens the connection below TLS in place of TCP.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLSFor returns the TLS configuration for a host, in place of TCP.TLS.
	TLSFor func(host string) (*tls.Config, error)

	// Timeout bounds connecting and the opening handshake together; 0 is 10
	// seconds, less than 0 no bound but the context's.
	Timeout time.Duration
	// MaxRedirects is how many redirects are followed; 0 follows none.
	MaxRedirects int
	// HeadLimits bound the response; nil has the defaults.
	HeadLimits *handshake.Limits
	// HTTP2 opens the WebSocket over HTTP/2 (RFC 8441): wss:// with h2 in TLS's
	// ALPN, ws:// with prior knowledge. Nil is HTTP/1.1.
	HTTP2 *HTTP2

	// Limits bound what the server may send.
	Limits Limits
	// CloseTimeout is [Config.CloseTimeout].
	CloseTimeout time.Duration
	// PingInterval is [Config.PingInterval].
	PingInterval time.Duration
	// Tracer takes the records; nil records nothing. [tcp.Dialer.Tracer] counts
	// where it is set.
	Tracer *trace.Tracer
}

const (
	defaultHandshakeTimeout = 10 * time.Second
	maxInterim              = 8
	refusalBody             = 4 << 10
	refusalBodyTime         = time.Second
)

// HandshakeError is an opening handshake that failed.
type HandshakeError struct {
	URL      string
	Exchange *handshake.Exchange // what passed
	HTTP2    *HTTP2Info          // where it was made over HTTP/2; else nil
	Finding  *handshake.Finding  // the rule that was broken; nil where none was
	Err      error               // the cause where it is no finding: the connection's failure, a time limit
}

// Error implements error.
func (e *HandshakeError) Error() string {
	s := "dial " + e.URL + ": "
	switch {
	case e.Refused() && e.HTTP2 != nil:
		return s + "the server answered " + strings.TrimSpace(e.Exchange.Response.Text()) + " and not 200, which opens a WebSocket over HTTP/2 (RFC 8441 section 5)"
	case e.Refused():
		return s + "the server answered " + e.Exchange.Response.Text() + " and not 101 Switching Protocols"
	case e.Finding != nil:
		return s + e.Finding.Sentence()
	case e.Status() == 0 && isTimeout(e.Err):
		return s + "the server took the connection and did not answer the opening request: " + tcp.Reason(e.Err)
	}
	return s + tcp.Reason(e.Err)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Unwrap returns the finding or the cause.
func (e *HandshakeError) Unwrap() error {
	if e.Finding != nil {
		return e.Finding
	}
	return e.Err
}

// Status is the status of the response; 0 where none came.
func (e *HandshakeError) Status() int {
	if e.Exchange == nil || e.Exchange.Response == nil {
		return 0
	}
	return e.Exchange.Response.Status
}

// Refused reports whether the server answered with a status that opens no
// WebSocket.
func (e *HandshakeError) Refused() bool {
	if e.HTTP2 != nil {
		return e.Status() != 0 && e.Status()/100 != 2 && e.Status() != 101
	}
	return e.Status() != 0 && e.Status() != 101
}

// Dial opens a connection to a ws:// or wss:// URL. The exchange is what passed
// in the opening handshake; it is nil where none came to be. Failures of the
// connection below are those of the dialer that opened it, a failure of the
// opening handshake is a [*HandshakeError].
func (d *Dialer) Dial(ctx context.Context, address string) (*Conn, *handshake.Exchange, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	header := d.Header
	for redirects := 0; ; redirects++ {
		conn, x, err := d.dialOnce(ctx, address, header)
		var failed *HandshakeError
		if redirects >= d.MaxRedirects || !errors.As(err, &failed) {
			return conn, x, err
		}
		next, ok := redirect(failed, address)
		if !ok {
			return conn, x, err
		}
		if !sameHost(address, next) {
			header = withoutSecrets(header)
		}
		address = next
	}
}

func (d *Dialer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := d.Timeout
	if limit == 0 {
		limit = defaultHandshakeTimeout
	}
	if limit < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, &tcp.TimeoutError{After: limit})
}

func (d *Dialer) dialOnce(ctx context.Context, address string, header []handshake.Field) (*Conn, *handshake.Exchange, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", handshake.ErrURL, err)
	}
	head, err := d.request(address, header)
	if err != nil {
		return nil, nil, err
	}
	if d.HTTP2 != nil && d.HTTP2.Share {
		if c, x, err := d.onShared(ctx, u, address, head); !errors.Is(err, h2.ErrNoStream) {
			return c, x, err
		}
	}
	conn, err := d.open(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	return d.opening(ctx, conn, address, head)
}

func (d *Dialer) opening(ctx context.Context, conn net.Conn, address string, head *handshake.Head) (*Conn, *handshake.Exchange, error) {
	if d.HTTP2 != nil {
		return d.overHTTP2(ctx, conn, address, head)
	}
	return d.upgrade(ctx, conn, address, head)
}

// Upgrade makes the opening handshake on a connection that is open already, for
// the given URL. The connection is closed where it fails.
func (d *Dialer) Upgrade(ctx context.Context, conn net.Conn, address string) (*Conn, *handshake.Exchange, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	head, err := d.request(address, d.Header)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return d.opening(ctx, conn, address, head)
}

// request builds the opening request.
func (d *Dialer) request(address string, header []handshake.Field) (*handshake.Head, error) {
	r := handshake.Request{URL: address, Subprotocols: d.Subprotocols, Origin: d.Origin, Header: header}
	if d.Deflate != nil {
		r.Offers = []handshake.Deflate{*d.Deflate}
	}
	head, err := r.Head()
	if err == nil && d.Edit != nil {
		d.Edit(head)
	}
	return head, err
}

// open connects to a URL's host, and speaks TLS with it where that is asked for.
func (d *Dialer) open(ctx context.Context, u *url.URL) (net.Conn, error) {
	dialer := tcp.Dialer{}
	if d.TCP != nil {
		dialer = *d.TCP
	}
	if dialer.Tracer == nil {
		dialer.Tracer = d.Tracer
	}
	secure := u.Scheme == "wss" || u.Scheme == "https"
	address := net.JoinHostPort(u.Hostname(), port(u, secure))
	config := dialer.TLS
	if secure && d.TLSFor != nil {
		var err error
		if config, err = d.TLSFor(u.Hostname()); err != nil {
			return nil, err
		}
	}
	if dialer.TLS = nil; secure {
		dialer.TLS = d.forHTTP(config, u.Hostname())
	}
	if d.NetDial == nil {
		return dialer.DialContext(ctx, "tcp", address)
	}
	conn, err := d.NetDial(ctx, "tcp", address)
	if err != nil || !secure {
		return conn, err
	}
	secured, err := tcp.ClientTLS(ctx, conn, dialer.TLS, dialer.Tracer)
	if err != nil {
		return nil, &tcp.Error{Op: "dial", Address: u.Scheme + "://" + u.Host, Err: err}
	}
	return secured, nil
}

func port(u *url.URL, secure bool) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case secure:
		return "443"
	}
	return "80"
}

// forHTTP is a TLS configuration that asks for HTTP/1.1, or for HTTP/2, where it
// asks for nothing: a server answers in what it prefers.
func (d *Dialer) forHTTP(config *tls.Config, host string) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	} else {
		config = config.Clone()
	}
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"}
		if d.HTTP2 != nil {
			config.NextProtos = []string{"h2"}
		}
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config
}

// redirect returns where a response points to.
func redirect(e *HandshakeError, from string) (string, bool) {
	switch e.Status() {
	case 301, 302, 303, 307, 308:
	default:
		return "", false
	}
	base, err := url.Parse(from)
	if err != nil {
		return "", false
	}
	to, err := base.Parse(e.Exchange.Response.Get("Location"))
	if err != nil || to.Host == "" {
		return "", false
	}
	switch to.Scheme {
	case "http":
		to.Scheme = "ws"
	case "https":
		to.Scheme = "wss"
	}
	if base.Scheme == "wss" && to.Scheme == "ws" { // what was secret stays secret
		return "", false
	}
	to.Fragment, to.RawFragment = "", ""
	return to.String(), true
}

func sameHost(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && strings.EqualFold(x.Host, y.Host)
}

// withoutSecrets leaves out what another host is not to see.
func withoutSecrets(header []handshake.Field) (kept []handshake.Field) {
	for _, f := range header {
		switch strings.ToLower(string(f.Name)) {
		case "authorization", "cookie", "proxy-authorization":
		default:
			kept = append(kept, f)
		}
	}
	return kept
}
