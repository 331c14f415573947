package inspect

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/internal/endpoint"
)

// flipped is the same on the same port with TLS, or without. Without TLS
// nothing goes out that was to be kept secret.
func (d *doctor) flipped() ask {
	a := d.base
	switch a.address.Scheme {
	case endpoint.WS:
		a.id, a.what = TryTLS, "TLS on the same port"
	case endpoint.WSS:
		a.id, a.what, a.guarded = TryPlain, "no TLS on the same port", true
	default:
		return ask{} // a Unix socket
	}
	a.address.Scheme = other(a.address.Scheme)
	return a
}

func other(s endpoint.Scheme) endpoint.Scheme {
	if s == endpoint.WS {
		return endpoint.WSS
	}
	return endpoint.WS
}

// page is an ordinary request for the same path: what the upgrade changes is
// seen beside it.
func (d *doctor) page() ask {
	a := d.base
	a.id, a.what, a.kind = TryPage, "without the upgrade", asksPage
	if d.o.Address.SocketIO() {
		return ask{} // polling has no upgrade
	}
	return a
}

// families are the other addresses of the host, and the other loopback address:
// a server often listens on one of the two.
func (d *doctor) families() (list []ask) {
	if d.onUnix() {
		return nil
	}
	used, err := netip.ParseAddr(d.host())
	if err != nil {
		return nil
	}
	var hosts []netip.Addr
	for _, t := range d.in.targets {
		hosts = append(hosts, t.Addr())
	}
	if used.IsLoopback() {
		hosts = append(hosts, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	}
	for _, h := range hosts {
		known := h == used && d.in.Report.Connection != nil || slices.ContainsFunc(list, func(a ask) bool { return a.to == h.String() })
		if known || d.refusedAt(h) || len(list) == mostFamilies {
			continue
		}
		a := d.base
		a.id, a.what, a.to = TryFamily, "at "+h.String(), h.String()
		a.guarded = !slices.ContainsFunc(d.in.targets, func(t netip.AddrPort) bool { return t.Addr() == h })
		list = append(list, a)
	}
	return list
}

const mostFamilies = 4

// refusedAt reports whether the plain way has tried an address in vain already.
func (d *doctor) refusedAt(h netip.Addr) bool {
	return slices.ContainsFunc(d.in.Report.Attempts, func(a Attempt) bool {
		at, err := netip.ParseAddrPort(a.Address)
		return err == nil && at.Addr() == h && a.err != nil
	})
}

// pairs are the ports that plain and secured servers usually have.
var pairs = map[string]string{"80": "443", "443": "80", "8080": "8443", "8443": "8080", "8000": "8443"}

// ports are the other port of a pair, or else the scheme's own: each with what
// is usually spoken there. To another port no credentials are sent.
func (d *doctor) ports() (list []ask) {
	try := func(scheme endpoint.Scheme, port string) {
		if d.onUnix() || port == d.base.address.Port {
			return
		}
		a := d.base
		a.id, a.what, a.guarded = TryPort, "port "+port+" in place of "+a.address.Port, true
		a.address.Scheme, a.address.Port = scheme, port
		list = append(list, a)
	}
	if port, ok := pairs[d.base.address.Port]; ok {
		try(map[string]endpoint.Scheme{"443": endpoint.WSS, "8443": endpoint.WSS, "80": endpoint.WS, "8080": endpoint.WS}[port], port)
		return list
	}
	try(endpoint.WS, "80")
	try(endpoint.WSS, "443")
	return list
}

// others are for a port that answers no HTTP: who speaks first there, and
// whether it wants HTTP/2.
func (d *doctor) others() []ask {
	banner, preface := d.base, d.base
	banner.id, banner.what, banner.kind, banner.address.Scheme = TryBanner, "listening only", asksNothing, endpoint.WS
	preface.id, preface.what, preface.kind = TryHTTP2, "the preface of HTTP/2", asksHTTP2
	if d.onUnix() {
		banner.address.Scheme = endpoint.WSUnix
	}
	return []ask{banner, preface}
}

// examineWebSocket varies the request.
func (d *doctor) examineWebSocket(ctx context.Context) {
	if !d.plain.http() && !d.find(TryPage).http() && d.failed {
		return // nobody there speaks HTTP
	}
	list := []ask{d.redirected(d.plain)}
	list = append(list, d.offers()...)
	list = append(list, d.origins()...)
	list = append(list, d.hosts()...)
	d.run(ctx, list...)
	if t := d.find(TryLocation); t != nil && t.status/100 == 3 {
		d.run(ctx, d.redirected(t)) // one more, as from http to https to a path
	}
	if d.failed && d.wrongPath() {
		d.run(ctx, d.paths()...)
	}
}

// redirected goes where a redirect leads. To another host, or without TLS, no
// credentials are sent.
func (d *doctor) redirected(from *trial) ask {
	if from == nil || from.x == nil || from.x.Response == nil || from.status/100 != 3 {
		return ask{}
	}
	to, ok := resolveLocation(from.url(), from.x.Response.Get("Location"))
	if !ok {
		return ask{}
	}
	a := from.ask
	a.id, a.what = TryLocation, "where the redirect leads"
	if !strings.EqualFold(to.Host, a.address.Host) || to.Port != a.address.Port || !to.Secure() {
		a.guarded = true
	}
	if !strings.EqualFold(to.Host, a.address.Host) {
		a.to = to.Host
	}
	a.address = to
	return a
}

// offers leave out what was offered, and offer the usual subprotocols where
// none was.
func (d *doctor) offers() (list []ask) {
	if !d.base.noDeflate {
		a := d.base
		a.id, a.what, a.noDeflate = TryNoExtension, "no compression offered", true
		list = append(list, a)
	}
	a := d.base
	if len(a.subprotocols) > 0 {
		a.id, a.what, a.subprotocols = TryNoSubprotocol, "no subprotocol offered", nil
	} else {
		a.id, a.what, a.subprotocols = TrySubprotocols, "the usual subprotocols offered", usualSubprotocols
	}
	return append(list, a)
}

// usualSubprotocols are those that servers most often insist on. (IANA's
// registry of subprotocol names has them, but for GraphQL's and Rails'.)
var usualSubprotocols = []string{"graphql-transport-ws", "graphql-ws", "mqtt", "actioncable-v1-json", "v12.stomp", "wamp.2.json", "ocpp2.0.1", "ocpp1.6", "xmpp", "sip"}

// origins are none, and the server's own.
func (d *doctor) origins() (list []ask) {
	own := "http" + strings.TrimPrefix(string(d.base.address.Scheme), "ws") + "://" + hostIn(d.base.address)
	if d.onUnix() {
		own = "http://localhost"
	}
	if d.base.origin != "" {
		a := d.base
		a.id, a.what, a.origin = TryNoOrigin, "no Origin", ""
		list = append(list, a)
	}
	if d.base.origin != own {
		a := d.base
		a.id, a.what, a.origin = TryOrigin, "Origin: "+own, own
		list = append(list, a)
	}
	return list
}

// hostIn is the host of an address as a URL has it.
func hostIn(a endpoint.Address) string {
	a.Target = ""
	_, host, _ := strings.Cut(a.URL(), "://")
	return host
}

// hosts are the host that was dialled, where another Host was sent, and the
// names of the certificate, where an address was dialled.
func (d *doctor) hosts() (list []ask) {
	if d.base.host() != "" {
		a := d.base
		a.id, a.what = TryHost, "Host: "+hostIn(a.address)
		a.header = withoutHost(a.header)
		return []ask{a}
	}
	t := d.in.Report.TLS
	if _, err := netip.ParseAddr(d.base.address.Host); err != nil || t == nil || len(t.Certificates) == 0 {
		return nil
	}
	for _, name := range t.Certificates[0].Names {
		if _, err := netip.ParseAddr(name); err == nil || strings.HasPrefix(name, "*") || len(list) == mostHosts {
			continue
		}
		a := d.base
		a.id, a.what, a.to = TryHost, "the name "+name+" of the certificate", d.host()
		a.address.Host = name
		list = append(list, a)
	}
	return list
}

const mostHosts = 3

// wrongPath reports whether an answer leaves it open that the path is wrong.
func (d *doctor) wrongPath() bool {
	if d.plain == nil || len(d.opened(TryLocation, TryNoExtension, TryNoSubprotocol, TrySubprotocols, TryOrigin, TryNoOrigin, TryHost, TryAgain)) > 0 {
		return false
	}
	switch s := d.plain.status; {
	case d.plain.closed != nil:
		return true
	case s == 401, s == 407, s == 429, s == 431, s == 502, s == 503, s == 504, s/100 == 1, s/100 == 3:
		return false
	}
	return true
}

// usualPaths are those that WebSockets most often have.
var usualPaths = []string{"/", "/ws", "/ws/", "/websocket", "/socket", "/cable", "/graphql", "/chat"}

// paths are other paths: with the slash at its end or without, without its
// first part and without its last, and the usual ones.
func (d *doctor) paths() (list []ask) {
	path, query, _ := strings.Cut(d.base.address.Target, "?")
	for _, p := range variants(path, usualPaths) {
		a := d.base
		a.id, a.what = TryPath, "the path "+p
		if a.address.Target = p; query != "" {
			a.address.Target += "?" + query
		}
		list = append(list, a)
	}
	engine := d.base
	engine.id, engine.what, engine.kind, engine.address.Target = TryEngine, "Socket.IO at /socket.io/", asksEngine, usualEnginePath
	return append(list, engine)
}

// variants are paths near one, and others, without that one and without any
// twice.
func variants(path string, others []string) (list []string) {
	near := []string{path + "/"}
	if bare, ok := strings.CutSuffix(path, "/"); ok {
		near = []string{bare}
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 1 {
		near = append(near, "/"+strings.Join(parts[1:], "/"), "/"+strings.Join(parts[:len(parts)-1], "/"))
	}
	if lower := strings.ToLower(path); lower != path {
		near = append(near, lower)
	}
	for _, p := range append(near, others...) {
		if p != "" && p != path && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// examineSocketIO varies what the first request of Engine.IO says.
func (d *doctor) examineSocketIO(ctx context.Context) {
	if !d.plain.http() && d.failed {
		return
	}
	list := []ask{d.redirected(d.plain)}
	if d.base.origin != "" && d.failed {
		list = append(list, d.origins()[0])
	}
	list = append(list, d.hosts()...)
	for _, e := range []struct {
		id, what string
		kind     askKind
	}{
		{TryEngine, "Engine.IO 4 by polling", asksEngine}, {TryEngineSocket, "Engine.IO 4 by a WebSocket alone", asksEngineSocket},
		{TryEngine3, "Engine.IO 3 by polling", asksEngine}, {TryEngineSocket3, "Engine.IO 3 by a WebSocket alone", asksEngineSocket},
	} {
		a := d.base
		a.id, a.what, a.kind = e.id, e.what, e.kind
		list = append(list, a)
	}
	d.run(ctx, list...)
	switch {
	case d.in.Report.Reached == ReachedEngine:
		d.run(ctx, d.namespaces()...)
	case d.failed && d.wrongPath() && len(d.opened(TryEngine, TryEngineSocket, TryEngine3, TryEngineSocket3)) == 0:
		d.run(ctx, d.enginePaths()...)
	}
}

// namespaces are those that may have been meant.
func (d *doctor) namespaces() (list []ask) {
	name, _ := d.o.Address.Namespace()
	for _, other := range variants(name, []string{"/"}) {
		a := d.base
		a.id, a.what, a.kind, a.namespace = TryNamespace, "the namespace "+other, asksEngineSocket, other
		list = append(list, a)
	}
	return list
}

// enginePaths are other places for the engine: the usual one, those that the
// namespace may have been meant for; and a WebSocket without Socket.IO.
func (d *doctor) enginePaths() (list []ask) {
	name, _ := d.o.Address.Namespace()
	path := d.base.address.Target
	at := []string{usualEnginePath}
	if name != "/" {
		at = append(at, enginePath(name), enginePath(name)+"socket.io/")
	}
	at = append(at, path+"socket.io/", strings.TrimSuffix(path, "/"), "/engine.io/", "/ws/socket.io/", "/api/socket.io/")
	for _, p := range at {
		if p == path || p == "" {
			continue
		}
		a := d.base
		a.id, a.what, a.address.Target = TryPath, "the engine at "+p, p
		list = append(list, a)
	}
	for _, p := range []string{name, "/", "/ws"} {
		a := d.base
		a.id, a.what, a.kind, a.address.Target, a.query = TryWebSocket, "a plain WebSocket at "+p, asksUpgrade, p, ""
		list = append(list, a)
	}
	return list
}
