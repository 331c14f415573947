package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// ProxyError is a connection that a proxy did not make.
type ProxyError struct {
	Kind    string // socks5, http or https
	Via     string // the proxy's host and port
	Target  string // what it should have connected to
	Refused bool   // the proxy understood and said no
	Status  int    // the HTTP status, or SOCKS5's reply code; 0 where none came
	Reason  string // what was wrong, in words
	Hint    string // what may help; often empty
	Err     error  // the cause, if there is one
}

// Error implements error.
func (e *ProxyError) Error() string {
	return fmt.Sprintf("%s proxy %s: %s", e.Kind, e.Via, e.Reason)
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// proxyTimeout bounds a proxy's handshake where the context has no deadline.
const proxyTimeout = 30 * time.Second

// DialProxy connects to target, HOST:PORT, through proxy; dial connects to the
// proxy. The proxy's URL is socks5://, socks5h:// (the same: names are always
// looked up by the proxy), http:// or https:// (CONNECT, the latter within TLS
// that is checked against the system's authorities), with USER:PASSWORD@ where
// it wants that, and port 1080, 80 or 443 where it names none.
//
// A connection from dial that [Trace] reports goes on with its number; any
// other is reported to t as open. Its counters begin behind the proxy's
// handshake, whose bytes are in the trace as bytes only. The proxy's answer is
// bounded by ctx, or 30 seconds, and 64 KiB; nothing behind it is lost. Every
// failure is a [*ProxyError].
func DialProxy(ctx context.Context, proxy *url.URL, dial func(ctx context.Context, network, address string) (net.Conn, error),
	target string, t *trace.Tracer) (net.Conn, error) {
	p, err := newProxied(proxy, target)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	conn, err := dial(ctx, "tcp", p.via)
	if err != nil {
		return nil, p.fail(&ProxyError{Reason: "not reached: " + Reason(err), Err: err})
	}
	if c := reported(conn, t, trace.Client, time.Since(started)); c != nil {
		conn = c
	}
	return p.connect(ctx, conn)
}

// proxied is one connection through a proxy.
type proxied struct {
	kind, via, target string
	host              string // the target's
	port              uint16
	user              *url.Userinfo
	tls               *tls.Config // to the proxy, where kind is https
}

func newProxied(proxy *url.URL, target string) (*proxied, error) {
	p := &proxied{kind: proxy.Scheme, target: target, user: proxy.User}
	port := proxy.Port()
	standard := ""
	switch proxy.Scheme {
	case "socks5", "socks5h":
		p.kind, standard = "socks5", "1080"
	case "http":
		standard = "80"
	case "https":
		standard, p.tls = "443", &tls.Config{ServerName: proxy.Hostname(), MinVersion: tls.VersionTLS12}
	default:
		return nil, &ProxyError{Kind: proxy.Scheme, Via: proxy.Host, Target: target,
			Reason: "this kind of proxy is not known", Hint: "known are socks5://, http:// and https://"}
	}
	if port == "" {
		port = standard
	}
	p.via = net.JoinHostPort(proxy.Hostname(), port)
	if proxy.Hostname() == "" {
		return nil, p.fail(&ProxyError{Reason: "the URL names no host"})
	}
	if err := p.splitTarget(); err != nil {
		return nil, p.fail(&ProxyError{Reason: err.Error(), Err: err})
	}
	return p, nil
}

// splitTarget reads the target's host and port, and makes the port a number.
func (p *proxied) splitTarget() error {
	host, service, err := net.SplitHostPort(p.target)
	if err != nil {
		return err
	}
	port, err := net.LookupPort("tcp", service)
	switch {
	case err != nil:
		return err
	case port == 0 || host == "":
		return fmt.Errorf("the target %q lacks a host or a port", p.target)
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fmt.Errorf("the host %q has characters that no name has", host)
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() != "" {
		return fmt.Errorf("the address %s has a zone, which means something on this machine only", host)
	}
	p.host, p.port = host, uint16(port)
	p.target = net.JoinHostPort(host, strconv.Itoa(port))
	return nil
}

// fail fills in what every error of p says.
func (p *proxied) fail(e *ProxyError) *ProxyError {
	e.Kind, e.Via, e.Target = p.kind, p.via, p.target
	return e
}

// connect has the proxy at the other end of conn connect to the target. It
// closes conn where that fails.
func (p *proxied) connect(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, proxyTimeout)
		defer cancel()
	}
	if p.tls != nil {
		secured, err := ClientTLS(ctx, conn, p.tls, nil)
		if err != nil {
			return nil, p.tlsError(err)
		}
		conn = secured
	}
	if err := p.ask(ctx, conn); err != nil {
		failure := p.fail(err)
		if c, ok := conn.(*Conn); ok {
			c.failed(failure)
		}
		conn.Close()
		return nil, failure
	}
	if c, ok := conn.(*Conn); ok {
		c.tracer.Emit(c.id, trace.Proxy{Kind: p.kind, Via: p.via, Target: p.target})
	}
	return conn, nil
}

func (p *proxied) tlsError(err error) error {
	failure := p.fail(&ProxyError{Reason: err.Error(), Err: err})
	var secure *TLSError
	if errors.As(err, &secure) {
		failure.Reason, failure.Hint = "TLS: "+secure.Reason, secure.Hint
	}
	return failure
}

// ask holds the proxy's own conversation, within ctx.
func (p *proxied) ask(ctx context.Context, conn net.Conn) *ProxyError {
	w := &wire{Conn: conn}
	if c, ok := conn.(*Conn); ok {
		w = c.below()
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	talk := p.socks5
	if p.kind != "socks5" {
		talk = p.http
	}
	err := talk(&proxyTalk{wire: w})
	if !stop() { // the deadline may still be about to be set: no use of conn is safe
		return &ProxyError{Reason: proxyTimeoutWords(ctx), Err: context.Cause(ctx)}
	}
	return err
}

func proxyTimeoutWords(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return "cancelled while waiting for its answer"
	}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return "no whole answer: " + cause.Error()
	}
	return "no whole answer in time"
}
