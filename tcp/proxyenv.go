package tcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// ProxyFromEnvironment returns the proxy that the environment wants for a
// connection to host, HOST or HOST:PORT, or nil for none. The schemes https,
// wss and sios look at HTTPS_PROXY, all others at HTTP_PROXY, and both at
// ALL_PROXY where that is empty; each also in lower case. A value without a
// scheme is an HTTP proxy.
//
// There is never a proxy for localhost or a loopback address, nor for what
// NO_PROXY lists, parted by commas: a name stands for itself and all below it,
// .NAME and *.NAME for all below it, an address or a network (10.0.0.0/8) for
// addresses, each with :PORT for that port only, and * for everything.
func ProxyFromEnvironment(scheme, host string) (*url.URL, error) {
	name, value := proxyVariable(scheme == "https" || scheme == "wss" || scheme == "sios")
	if value == "" || isLoopbackHost(host) || noProxy(firstSet("NO_PROXY", "no_proxy"), scheme, host) {
		return nil, nil
	}
	proxy, err := parseProxyURL(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return proxy, nil
}

// proxyVariable returns the variable that counts, and its value.
func proxyVariable(secure bool) (name, value string) {
	name = "HTTP_PROXY"
	if secure {
		name = "HTTPS_PROXY"
	}
	for _, name := range []string{name, "ALL_PROXY"} {
		for _, spelling := range []string{name, strings.ToLower(name)} {
			// A CGI program's HTTP_PROXY is a header that a stranger sent.
			if spelling == "HTTP_PROXY" && os.Getenv("REQUEST_METHOD") != "" {
				continue
			}
			if value := os.Getenv(spelling); value != "" {
				return spelling, value
			}
		}
	}
	return "", ""
}

func firstSet(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}

// parseProxyURL reads a proxy's URL. Its errors do not repeat the value, which
// may hold a password.
func parseProxyURL(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	proxy, err := url.Parse(value)
	if err != nil || proxy.Hostname() == "" {
		return nil, errors.New("its value is no URL of a proxy, such as http://HOST:PORT or socks5://HOST:PORT")
	}
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
		return proxy, nil
	}
	return nil, fmt.Errorf("%q proxies are not known; known are socks5, http and https", proxy.Scheme)
}

// splitHost parts HOST:PORT; the port may be missing. The host is in lower
// case, without brackets and final dot.
func splitHost(s string) (host, port string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ""
	}
	return strings.TrimSuffix(strings.ToLower(host), "."), port
}

func isLoopbackHost(s string) bool {
	host, _ := splitHost(s)
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// noProxy reports whether one of the entries of list stands for host.
func noProxy(list, scheme, host string) bool {
	host, port := splitHost(host)
	if port == "" {
		port = standardPort(scheme)
	}
	for _, entry := range strings.Split(list, ",") {
		if entry = strings.ToLower(strings.TrimSpace(entry)); entry != "" && noProxyEntry(entry, host, port) {
			return true
		}
	}
	return false
}

func standardPort(scheme string) string {
	switch scheme {
	case "https", "wss", "sios":
		return "443"
	case "http", "ws", "sio":
		return "80"
	}
	return ""
}

func noProxyEntry(entry, host, port string) bool {
	if entry == "*" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if network, bad := netip.ParsePrefix(entry); bad == nil {
		return err == nil && network.Contains(ip.Unmap().WithZone(""))
	}
	name, only := splitHost(entry)
	if only != "" && only != port {
		return false
	}
	if excluded, bad := netip.ParseAddr(name); bad == nil {
		return err == nil && excluded.Unmap() == ip.Unmap()
	}
	name = strings.TrimPrefix(name, "*")
	if below, ok := strings.CutPrefix(name, "."); ok {
		return strings.HasSuffix(host, "."+below)
	}
	return host == name || strings.HasSuffix(host, "."+name)
}
