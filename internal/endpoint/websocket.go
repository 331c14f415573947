package endpoint

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// The ports of RFC 6455 section 3.
var webSocketPorts = map[Scheme]string{WS: "80", WSS: "443", SIO: "80", SIOS: "443"}

// parseWebSocket reads ws://[user:password@]host[:port][/path][?query]
// (RFC 6455 section 3). A fragment is an error there.
func parseWebSocket(scheme Scheme, rest, whole string) (Address, error) {
	if strings.Contains(rest, "#") {
		return Address{}, &Hint{fmt.Errorf("%q has a fragment (#…), which RFC 6455 section 3 forbids", whole), "a # that is meant as text is %23"}
	}
	authority, target := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, target = rest[:i], rest[i:]
	}
	target, err := requestTarget(target, whole)
	if err != nil {
		return Address{}, err
	}
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i], authority[i+1:]
	}
	a, err := parseHostPort(scheme, withPort(authority, webSocketPorts[scheme]))
	a.Target, a.User = target, user
	return a, err
}

// withPort adds the default port to a host that has none. What is all digits
// is a port already.
func withPort(authority, port string) string {
	switch {
	case strings.Trim(authority, "0123456789-") == "":
		return authority
	case strings.HasPrefix(authority, "[") && strings.HasSuffix(authority, "]"):
		return authority + ":" + port
	case !strings.Contains(authority, ":"):
		return net.JoinHostPort(authority, port)
	}
	return authority
}

// requestTarget completes and checks what is asked for.
func requestTarget(target, whole string) (string, error) {
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			return "", &Hint{fmt.Errorf("the path in %q holds %q, which no request line may hold", whole, target[i:i+1]),
				"percent-encode it: a space is %20"}
		}
	}
	return target, nil
}

// wsUnixAddress reads /path or /path:/request-path.
func wsUnixAddress(rest string) (Address, error) {
	rest = strings.TrimPrefix(rest, "//")
	path, target := rest, "/"
	if i := strings.LastIndex(rest, ":/"); i > 0 {
		path, target = rest[:i], rest[i+1:]
	}
	a, err := unixAddress(WSUnix, path)
	if err != nil {
		return a, err
	}
	a.Target, err = requestTarget(target, "ws+unix:"+rest)
	return a, err
}

// webSocket is the address in its full form. The default port is written out.
func (a Address) webSocket() string {
	user := ""
	if a.User != "" {
		user = a.User + "@"
	}
	return string(a.Scheme) + "://" + user + a.HostPort() + a.Target
}

// URL is the address as a browser is given it: without a password, and without
// the port where it is the scheme's own. One on a Unix socket is on localhost.
func (a Address) URL() string {
	switch {
	case a.Scheme == WSUnix:
		return "ws://localhost" + a.Target
	case a.Port == webSocketPorts[a.Scheme]:
		host := a.dialHost()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return string(a.Scheme) + "://" + host + a.Target
	}
	return string(a.Scheme) + "://" + net.JoinHostPort(a.dialHost(), a.Port) + a.Target
}

// Credentials are the name and the password that were written into the
// address, and whether there were any.
func (a Address) Credentials() (name, password string, ok bool) {
	if a.User == "" {
		return "", "", false
	}
	name, password, _ = strings.Cut(a.User, ":")
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	if plain, err := url.PathUnescape(password); err == nil {
		password = plain
	}
	return name, password, true
}

// Namespace is the namespace of a Socket.IO address, and what is sent to the
// engine as a query.
func (a Address) Namespace() (name, query string) {
	name, query, _ = strings.Cut(a.Target, "?")
	return name, query
}

// HTTP is the URL of a Socket.IO server, with the namespace as its path.
func (a Address) HTTP() string {
	scheme := "http"
	if a.Scheme == SIOS {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(a.dialHost(), a.Port) + a.Target
}
