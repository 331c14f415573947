// Package endpoint reads the addresses that users type, and opens them as
// whatever socket they name.
package endpoint

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Scheme is the kind of socket that an address names.
type Scheme string

// The schemes.
const (
	TCP      Scheme = "tcp"
	TLS      Scheme = "tls"
	UDP      Scheme = "udp"
	Unix     Scheme = "unix"
	Unixgram Scheme = "unixgram"
	Exec     Scheme = "exec"
	Stdio    Scheme = "-"
	WS       Scheme = "ws"
	WSS      Scheme = "wss"
	WSUnix   Scheme = "ws+unix"
	SIO      Scheme = "sio"
	SIOS     Scheme = "sios"
)

// Address is a parsed address.
type Address struct {
	Scheme    Scheme
	Host      string // a name or an address, without brackets; empty: none was given
	Port      string // a number or a service name
	Path      string // of a Unix socket; of exec, the command line
	Interface string // of a UDP multicast group
	Target    string // of a WebSocket: the path and query that are asked for, "/" at least
	User      string // of a WebSocket: NAME:PASSWORD as it was written, percent-encoded
}

// Hint is an error with advice.
type Hint struct {
	Err  error
	Text string
}

// Error implements error.
func (h *Hint) Error() string { return h.Err.Error() }

// Unwrap returns the error advised on.
func (h *Hint) Unwrap() error { return h.Err }

// Options say how a bare address is to be read.
type Options struct {
	UDP  bool // -u
	Unix bool // -U
}

// Parse reads one address: words has one word, or a host and a port.
func Parse(words []string, o Options) (Address, error) {
	switch len(words) {
	case 1:
	case 2:
		return parsePair(words[0], words[1], o)
	default:
		return Address{}, fmt.Errorf("an address is one word, or a host and a port; %d words came", len(words))
	}
	s := words[0]
	if strings.TrimSpace(s) == "" {
		return Address{}, fmt.Errorf("the address is empty")
	}
	if s == "-" {
		return Address{Scheme: Stdio}, nil
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return parseURL(strings.ToLower(scheme), rest, WithoutUser(s))
	}
	if a, ok, err := parsePrefixed(s, o); ok {
		return a, err
	}
	if o.Unix {
		return unixAddress(bareUnix(o), s)
	}
	return parseHostPort(bareNet(o), s)
}

func bareNet(o Options) Scheme {
	if o.UDP {
		return UDP
	}
	return TCP
}

func bareUnix(o Options) Scheme {
	if o.UDP {
		return Unixgram
	}
	return Unix
}

func parsePair(host, port string, o Options) (Address, error) {
	if o.Unix {
		return Address{}, fmt.Errorf("-U takes one path; %q and %q came", host, port)
	}
	if _, second, err := net.SplitHostPort(host); strings.Contains(host, "://") || err == nil && second != "" {
		return Address{}, fmt.Errorf("%q is an address already; %q is one word too many", host, port)
	}
	return hostPort(bareNet(o), strings.Trim(host, "[]"), port)
}

// parsePrefixed reads unix:, unixgram: and exec:, and the same with slashes
// left out of tcp: and others.
func parsePrefixed(s string, o Options) (Address, bool, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Address{}, false, nil
	}
	switch Scheme(strings.ToLower(scheme)) {
	case Unix:
		a, err := unixAddress(bareUnix(o), rest)
		return a, true, err
	case Unixgram:
		a, err := unixAddress(Unixgram, rest)
		return a, true, err
	case Exec:
		if strings.TrimSpace(rest) == "" {
			return Address{}, true, fmt.Errorf("exec: wants a command, as in exec:'grep -i error'")
		}
		return Address{Scheme: Exec, Path: rest}, true, nil
	case WSUnix:
		a, err := wsUnixAddress(rest)
		return a, true, err
	case TCP, TLS, UDP, WS, WSS, SIO, SIOS:
		if strings.Contains(rest, ":") {
			return Address{}, true, &Hint{fmt.Errorf("%q has no slashes behind its scheme", s),
				fmt.Sprintf("write %s://%s", scheme, strings.TrimLeft(rest, "/"))}
		}
	}
	return Address{}, false, nil
}

func parseURL(scheme, rest, whole string) (Address, error) {
	switch Scheme(scheme) {
	case TCP, TLS, UDP:
		return parseNetURL(Scheme(scheme), rest, whole)
	case Unix, Unixgram:
		return unixAddress(Scheme(scheme), rest)
	case Exec:
		return Address{Scheme: Exec, Path: rest}, nil
	case WS, WSS, SIO, SIOS:
		return parseWebSocket(Scheme(scheme), rest, whole)
	case WSUnix:
		return wsUnixAddress(rest)
	}
	err := fmt.Errorf("the scheme %q of %q is unknown", scheme, whole)
	_, rest, _ = strings.Cut(whole, "://")
	switch scheme {
	case "redis", "rediss":
		return Address{}, &Hint{err, "tap and inspect look at a Redis, listen sio:// has --redis; tcp:// are the bytes themselves"}
	case "http":
		return Address{}, &Hint{err, "ws://" + rest + " is a WebSocket there, sio:// Socket.IO, tcp:// the bytes themselves"}
	case "https":
		return Address{}, &Hint{err, "wss://" + rest + " is a WebSocket there, sios:// Socket.IO, tls:// the bytes themselves"}
	}
	if near := nearest(scheme); near != "" {
		return Address{}, &Hint{err, fmt.Sprintf("did you mean %s://%s?", near, rest)}
	}
	return Address{}, &Hint{err, "known: " + strings.Join(known, ", ")}
}

// WithoutUser is a word as messages show it: in a URL "…" stands for what is before
// the @, which may be a password.
func WithoutUser(word string) string {
	scheme, rest, ok := strings.Cut(word, "://")
	if !ok {
		return word
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return word
	}
	return scheme + "://…" + rest[at:]
}

func parseNetURL(scheme Scheme, rest, whole string) (Address, error) {
	rest, query, _ := strings.Cut(rest, "?")
	rest = strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(rest, "/#") {
		return Address{}, fmt.Errorf("%q has a path, and a %s address ends with its port", whole, scheme)
	}
	if strings.Contains(rest, "@") {
		return Address{}, fmt.Errorf("%q names a user, and a %s address has none", whole, scheme)
	}
	a, err := parseHostPort(scheme, rest)
	if err != nil || query == "" {
		return a, err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Address{}, fmt.Errorf("%q: %w", whole, err)
	}
	for key := range values {
		if key != "iface" || scheme != UDP {
			return Address{}, fmt.Errorf("%q: the parameter %q is unknown; udp:// takes iface", whole, key)
		}
	}
	a.Interface = values.Get("iface")
	return a, nil
}

func unixAddress(scheme Scheme, path string) (Address, error) {
	switch {
	case strings.TrimPrefix(path, "@") == "":
		return Address{}, fmt.Errorf("%s: wants a path, as in %s:/run/app.sock, or @name", scheme, scheme)
	case strings.ContainsRune(path, 0):
		return Address{}, fmt.Errorf("the path %q holds a NUL byte; abstract names begin with @", path)
	}
	return Address{Scheme: scheme, Path: path}, nil
}

// parseHostPort reads host:port, :port and port.
func parseHostPort(scheme Scheme, s string) (Address, error) {
	if strings.Trim(s, "0123456789-") == "" {
		return hostPort(scheme, "", s)
	}
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		return hostPort(scheme, host, port)
	}
	if ip, ipErr := netip.ParseAddr(strings.Trim(s, "[]")); ipErr == nil {
		example := ip.String() + ":80"
		if ip.Is6() {
			example = "[" + ip.String() + "]:80"
		}
		if host, port, ok := lastColon(s); ok {
			example = "[" + host + "]:" + port + ", if " + port + " is the port"
		}
		return Address{}, &Hint{fmt.Errorf("the address %q has no port", s), "write " + example}
	}
	if !strings.Contains(s, ":") {
		return Address{}, &Hint{fmt.Errorf("the address %q has no port", s), fmt.Sprintf("write %s:80, or %s 80", s, s)}
	}
	return Address{}, &Hint{fmt.Errorf("%q is no address", s), "an IPv6 address stands in brackets: [::1]:80"}
}

// lastColon divides an IPv6 address without brackets that may have its port
// behind the last colon, as in ::1:9000.
func lastColon(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || strings.Contains(s, "[") || strings.Trim(s[i+1:], "0123456789") != "" || len(s)-i-1 < 2 {
		return "", "", false
	}
	ip, err := netip.ParseAddr(s[:i])
	return s[:i], s[i+1:], err == nil && ip.Is6()
}

func hostPort(scheme Scheme, host, port string) (Address, error) {
	if host != "" && host != "*" && !validHost(host) {
		return Address{}, fmt.Errorf("%q is neither a host name nor an address", host)
	}
	if err := checkPort(port); err != nil {
		return Address{}, err
	}
	return Address{Scheme: scheme, Host: host, Port: port}, nil
}

// checkPort accepts a number, a service name and a range of numbers.
func checkPort(port string) error {
	if port == "" {
		return fmt.Errorf("the port is missing; 0 is any free one")
	}
	for part := range strings.SplitSeq(port, "-") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err == nil && n > 65535 || strings.HasPrefix(part, "+") {
			return fmt.Errorf("port %s is out of range; ports are 0 to 65535", part)
		}
		if err != nil && !isService(port) {
			return fmt.Errorf("%q is no port; ports are 0 to 65535, or a service's name", port)
		}
	}
	return nil
}

// isService reports whether s may be a service name (RFC 6335 section 5.1).
func isService(s string) bool {
	letters := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			letters = true
		case r >= '0' && r <= '9', r == '-':
		default:
			return false
		}
	}
	return letters && len(s) <= 15 && !strings.HasPrefix(s, "-")
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > 253 || strings.ContainsAny(host, ":/@?#[]%\\\"'<> \t\r\n\x00") {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// Ports returns the first and the last port of a range such as 20-25; ok is
// false where the port is not a range.
func (a Address) Ports() (first, last int, ok bool) {
	from, to, ok := strings.Cut(a.Port, "-")
	if !ok {
		return 0, 0, false
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	return first, last, err1 == nil && err2 == nil
}

// HostPort returns the host and the port as net wants them.
func (a Address) HostPort() string { return net.JoinHostPort(a.Host, a.Port) }

// String returns the address in its full form, as it can be typed again.
func (a Address) String() string {
	switch a.Scheme {
	case Stdio:
		return "-"
	case Unix, Unixgram, Exec:
		return string(a.Scheme) + ":" + a.Path
	case WSUnix:
		return string(a.Scheme) + ":" + a.Path + ":" + a.Target
	case WS, WSS, SIO, SIOS:
		return a.webSocket()
	}
	s := string(a.Scheme) + "://" + a.HostPort()
	if a.Interface != "" {
		s += "?iface=" + url.QueryEscape(a.Interface)
	}
	return s
}

// Stream reports whether the socket is a stream of bytes, without borders
// between messages.
func (a Address) Stream() bool { return !a.Datagrams() && !a.WebSocket() && !a.SocketIO() }

// Datagrams reports whether the socket sends datagrams.
func (a Address) Datagrams() bool { return a.Scheme == UDP || a.Scheme == Unixgram }

// WebSocket reports whether messages of a WebSocket are spoken.
func (a Address) WebSocket() bool { return a.Scheme == WS || a.Scheme == WSS || a.Scheme == WSUnix }

// SocketIO reports whether Socket.IO is spoken: Target is the namespace then,
// with the query of the engine.
func (a Address) SocketIO() bool { return a.Scheme == SIO || a.Scheme == SIOS }

// Secure reports whether TLS is spoken.
func (a Address) Secure() bool { return a.Scheme == TLS || a.Scheme == WSS || a.Scheme == SIOS }

var known = []string{"tcp", "tls", "udp", "unix", "unixgram", "ws", "wss", "ws+unix", "sio", "sios", "exec", "-"}

// synonyms are schemes that people type for one of ours.
var synonyms = map[string]string{
	"ssl": "tls", "tcps": "tls", "tcp4": "tcp", "tcp6": "tcp", "udp4": "udp", "udp6": "udp",
	"https": "tls", "http": "tcp",
}

// nearest returns the known scheme that s was probably meant to be, or "".
func nearest(s string) string {
	if to, ok := synonyms[s]; ok {
		return to
	}
	best, least := "", 3
	for _, k := range []string{"tcp", "tls", "udp", "unix", "unixgram", "exec", "ws", "wss", "sio", "sios"} {
		if d := Distance(s, k); d < least {
			best, least = k, d
		}
	}
	if least >= len(best) {
		return ""
	}
	return best
}

// Distance is the number of single-character edits from a to b.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
