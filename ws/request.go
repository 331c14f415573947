package ws

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// Request is an opening request, as a server sees it.
type Request struct {
	*handshake.Head
	Remote net.Addr
	TLS    *tls.ConnectionState // nil without
	HTTP   *http.Request        // where the server is mounted on net/http; else nil
	// HTTP2 is that it came over HTTP/2 (RFC 8441). The head is then what it would
	// be over HTTP/1.1.
	HTTP2 bool

	// Answer are headers that Permit adds to the 101.
	Answer []handshake.Field

	seat netip.Addr // that it counts for, see [Server.MaxConnsPerIP]
}

// Path is what is asked for, without the query.
func (r *Request) Path() string {
	path, _, _ := strings.Cut(string(r.Target), "?")
	return path
}

// SameOrigin permits a request that no browser sent, or that comes from a page
// of the host that is asked (RFC 6455 section 10.2): the Origin's host and port
// are those of the Host header. Anything else is refused with 403.
func SameOrigin(r *Request) error {
	if !r.Has("Origin") {
		return nil
	}
	origin := r.Get("Origin")
	if u, err := url.Parse(origin); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Get("Host")) {
		return nil
	}
	return originRefusal(origin, fmt.Sprintf("a page of %s is asked for", r.Get("Host")))
}

// Origins permits requests by the page that sent them: those without an Origin,
// those of loopback hosts, and those that are named. Where a browser speaks, the
// Host has to be a loopback name or one of Hosts, or else another site's name
// may have been pointed here (DNS rebinding).
type Origins struct {
	// Allow are origins such as https://example.com; "*" allows all, and a host
	// may begin with "*." for all names below it.
	Allow []string
	// Hosts are names beside the loopback ones that this server goes by.
	Hosts []string
}

// Permit is for [Server.Permit].
func (o *Origins) Permit(r *Request) error {
	if !r.Has("Origin") {
		return nil
	}
	return o.Check(r.Get("Origin"), r.Get("Host"))
}

// Check decides about a page's origin and the Host that it asked for. The error
// is a [*handshake.Refusal].
func (o *Origins) Check(origin, host string) error {
	host = hostName(host)
	if !isLoopback(host) && !listed(o.Hosts, host) {
		return &handshake.Refusal{Status: 403, Body: fmt.Sprintf(
			"A browser asks for the host %q, which is not one of this server's names (DNS rebinding?). --allow-host %s lets it in.\n", host, host)}
	}
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" && isLoopback(u.Hostname()) || o.allows(origin, u) {
		return nil
	}
	return originRefusal(origin, "--allow-origin "+origin+" lets it in")
}

func (o *Origins) allows(origin string, u *url.URL) bool {
	for _, allowed := range o.Allow {
		if allowed == "*" || strings.EqualFold(strings.TrimSuffix(allowed, "/"), origin) {
			return true
		}
		if u == nil || u.Host == "" {
			continue
		}
		scheme, name, ok := strings.Cut(allowed, "://*.")
		if ok && strings.EqualFold(scheme, u.Scheme) && strings.HasSuffix(strings.ToLower(u.Host), "."+strings.ToLower(name)) {
			return true
		}
		if !strings.Contains(allowed, "://") && strings.EqualFold(allowed, u.Hostname()) {
			return true
		}
	}
	return false
}

func listed(names []string, name string) bool {
	for _, n := range names {
		if n == "*" || strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func originRefusal(origin, what string) error {
	return &handshake.Refusal{Status: 403, Body: fmt.Sprintf("The Origin %q is not allowed (RFC 6455 section 10.2): %s.\n", origin, what)}
}

// hostName is a Host header without its port and brackets.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

// isLoopback reports whether a name means this machine only (RFC 6761 section
// 6.3).
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
