package inspect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// The identifiers of verdicts, beside those of findings. They may be added to,
// never changed.
const (
	Intermittent      = "intermittent"        // it works at times
	NoName            = "name"                // the name has no address
	NothingListens    = "nothing_listens"     // every address refuses
	NoRoute           = "no_route"            //
	NotAnswered       = "filtered"            // not even a refusal comes
	AddressFamily     = "address_family"      // another address of the host works
	OtherPort         = "other_port"          // another port works
	TLSPort           = "tls_port"            // TLS was due
	PlainPort         = "plain_port"          // no TLS was due
	TLSRefused        = "tls"                 // TLS itself fails
	OtherProtocol     = "other_protocol"      // SSH, Redis, an echo...
	BeforeResponse    = "before_response"     // something stands before the response
	HTTP2Only         = "http2_only"          //
	Silence           = "silent"              // connections are taken, and nothing comes
	ClosesUnanswered  = "closes_unanswered"   // and closed
	Redirected        = "redirect"            //
	WrongPath         = "path"                //
	IsSocketIO        = "socket_io"           // and a WebSocket was asked for
	IsPlainWebSocket  = "plain_websocket"     // and Socket.IO was asked for
	NotSocketIO       = "not_socket_io"       //
	ExtensionRefused  = "extension"           // it works without compression
	SubprotocolWrong  = "subprotocol_refused" // it works without the subprotocol
	SubprotocolDue    = "subprotocol_due"     // it works with one
	SubprotocolNone   = "subprotocol_none"    // it opens, and not in a browser
	OriginRefused     = "origin_refused"      //
	OriginDue         = "origin_due"          //
	WrongHost         = "host"                // it works with another Host
	CredentialsDue    = "credentials_due"     // 401, and none were sent
	CredentialsWrong  = "credentials_refused" // 401, and some were
	Forbidden         = "forbidden"           // 403
	ProxyCredentials  = "proxy_credentials"   // 407
	TooMany           = "too_many"            // 429
	BadGateway        = "bad_gateway"         // 502, 504
	Unavailable       = "unavailable"         // 503
	UpgradeDropped    = "upgrade_dropped"     // Upgrade did not reach the server
	UpgradeIgnored    = "upgrade_ignored"     // it makes no difference
	ExtensionForced   = "extension_forced"    // it opens only where compression is offered
	OpenPacket        = "open_packet"         // of Engine.IO, is wrong
	ConnectUnanswered = "connect_unanswered"  // a CONNECT brings nothing
	BrokenHandshake   = "handshake"           // the 101 breaks a rule
	RefusedOtherwise  = "refused"             // by a status
	WrongNamespace    = "namespace"           //
	NamespaceIsPath   = "namespace_is_path"   // the engine's path was written as the namespace
	OneTransport      = "transport"           // one of two works
	MiddlewareRefuses = "middleware"          //
)

// The ranks of verdicts, the likeliest first.
const (
	proven   = iota // something else works
	told            // somebody says so
	found           // a finding
	lastWord        // said where nothing else is
)

// say gives a verdict. Empty observations are left out.
func (d *doctor) say(rank int, v Verdict, because ...string) {
	v.rank = rank
	v.Because = slices.DeleteFunc(because, func(s string) bool { return s == "" })
	if !slices.ContainsFunc(d.said, func(o Verdict) bool { return o.ID == v.ID }) {
		d.said = append(d.said, v)
	}
}

func (d *doctor) gave(ids ...string) bool {
	return slices.ContainsFunc(d.said, func(v Verdict) bool { return slices.Contains(ids, v.ID) })
}

// verdicts are those given, in their order.
func (d *doctor) verdicts() []Verdict {
	slices.SortStableFunc(d.said, func(a, b Verdict) int { return cmp.Compare(a.rank, b.rank) })
	last := slices.IndexFunc(d.said, func(v Verdict) bool { return v.rank == lastWord })
	switch {
	case last == 0:
		return d.said[:1] // the others say less
	case last > 0:
		return d.said[:last]
	}
	return d.said
}

// judge says what is wrong, from what was observed.
func (d *doctor) judge() {
	again := d.find(TryAgain)
	if d.failed && again != nil && again.opens && d.in.Report.Reached != ReachedEngine {
		d.say(proven, Verdict{ID: Intermittent, Where: WhereServer, What: "it works at times: the same request failed first, and then it opened",
			Change: "look for several servers behind the address, one of which is wrong, or for one that was starting"}, d.plainly(), again.seen())
	} else if d.failed {
		for _, look := range []func(){d.judgeName, d.judgeReach, d.judgeScheme, d.judgeTLS, d.judgeProtocol, d.judgeRedirect, d.judgeOffers, d.judgeOrigin,
			d.judgePath, d.judgeAccess, d.judgeGateway, d.judgeDropped} {
			look()
		}
	}
	d.judgeFindings()
	if d.in.noneChosen() && !d.gave(BrokenHandshake) {
		offered := strings.Join(d.base.subprotocols, ", ")
		d.say(told, Verdict{ID: SubprotocolNone, Where: WhereClient, What: "the server chose none of the subprotocols that were offered: browsers give up then (WHATWG WebSockets)",
			Change: "offer one that the server knows, or none; or add " + offered + " to the server's list"}, "offered was "+offered+", and the 101 has no Sec-WebSocket-Protocol")
	}
	if d.failed {
		d.judgeSocketIO()
		d.judgeRefusal()
	} else if t := d.find(TryNoExtension); t != nil && t.status == 101 && t.x.Response.Has("Sec-WebSocket-Extensions") {
		d.say(proven, Verdict{ID: ExtensionForced, Where: WhereServer, What: "the server compresses for clients that do not offer it, too, which fail then (RFC 6455 9.1)",
			Change: "answer permessage-deflate only where it was offered"}, t.seen())
	}
}

// plainly is what the plain way came to, in one line.
func (d *doctor) plainly() string {
	return d.in.Report.Address + ": " + cmpOr(d.in.Report.Error, "opens, and the peer closes at once")
}

// seen lists tries of some identifiers, and what came of each.
func (d *doctor) seen(ids ...string) (list []string) {
	for _, t := range d.tries {
		if slices.Contains(ids, t.id) {
			list = append(list, t.seen())
		}
	}
	return list
}

func (d *doctor) judgeName() {
	n := d.in.Report.Name
	if n == nil || n.Error == "" {
		return
	}
	d.say(told, Verdict{ID: NoName, Where: WhereNetwork, What: "the name " + n.Host + " has no address",
		Change: "correct the name, or the name server's records; --resolve HOST:PORT:ADDRESS goes without it"}, "the resolver says: "+n.Error)
}

// judgeReach is about addresses and ports that do not connect.
func (d *doctor) judgeReach() {
	if again := d.find(TryAgain); again != nil && again.opens {
		return // what fails comes later
	}
	for _, t := range d.opened(TryFamily) {
		d.say(proven, Verdict{ID: AddressFamily, Where: WhereServer, What: "the server is at " + t.dialled + ", and not at every address that the host has",
			Change: "write " + d.withHost(t.dialled) + ", or have the server listen at 127.0.0.1 and ::1 alike"}, d.plainly(), t.seen())
		return
	}
	for _, t := range d.opened(TryPort) {
		d.say(proven, Verdict{ID: OtherPort, Where: WhereClient, What: "the server is at port " + t.address.Port + ", and not at " + d.base.address.Port,
			Change: "write " + d.typed(t)}, d.plainly(), t.seen())
	}
	r := d.in.Report
	if r.Connection != nil || len(r.Attempts) == 0 || r.Attempts[0].Network != "tcp" {
		return
	}
	var because []string
	results := map[string]int{}
	for _, a := range r.Attempts {
		because = append(because, a.Address+": "+a.Error)
		results[a.Result]++
	}
	d.judgeUnreached(results, append(because, d.seen(TryFamily, TryPort)...))
}

func (d *doctor) judgeUnreached(results map[string]int, because []string) {
	port := d.o.Address.Port
	switch {
	case d.gave(AddressFamily, OtherPort):
	case results[Refused] > 0:
		d.say(told, Verdict{ID: NothingListens, Where: WhereServer, What: "nothing listens at port " + port + ": the machine answers, and refuses the connection",
			Change: "start the server, or correct the port; in a container publish the port, and have the server listen at 0.0.0.0 and not at 127.0.0.1"}, because...)
	case results[Unreachable] > 0:
		d.say(told, Verdict{ID: NoRoute, Where: WhereNetwork, What: "no way leads to the address",
			Change: "look at this machine's network, its VPN, and the address"}, because...)
	case results[TimedOut] > 0:
		d.say(told, Verdict{ID: NotAnswered, Where: WhereNetwork, What: "not even a refusal comes from port " + port + ": something on the way drops what is sent, or the machine is off",
			Change: "open the port in the firewall or the security group, and look whether the address is the machine's"}, because...)
	}
}

// withHost is the address with another host.
func (d *doctor) withHost(hostPort string) string {
	a := d.o.Address
	a.Host, a.Port, _ = net.SplitHostPort(hostPort)
	return a.String()
}

// typed is what was tried, as an address to be typed: for Socket.IO with the
// namespace, and with --path where that is due.
func (d *doctor) typed(t *trial) string {
	a := t.address
	if !d.o.Address.SocketIO() {
		return a.URL()
	}
	path, _, _ := strings.Cut(a.Target, "?")
	a.Scheme = map[endpoint.Scheme]endpoint.Scheme{endpoint.WS: endpoint.SIO, endpoint.WSS: endpoint.SIOS}[a.Scheme]
	a.Target = d.o.Address.Target
	if path != usualEnginePath {
		return a.String() + " --path " + path
	}
	return a.String()
}

// judgeScheme is about TLS where none is spoken, and the other way round.
func (d *doctor) judgeScheme() {
	flip, again := d.flip(), d.find(TryAgain)
	if flip == nil || again == nil {
		return
	}
	secured := flip.reached != ReachedConnection && flip.reached != ReachedNothing || again.protocol() == "TLS"
	switch {
	case flip.id == TryTLS && secured && (flip.opens || !again.http() || refusedFor(again.x, "refused-needs-tls") != nil):
		d.say(proven, Verdict{ID: TLSPort, Where: WhereClient, What: "the port speaks TLS, and was asked without it", Change: "write " + d.typed(flip)},
			again.seen(), flip.seen())
	case flip.id == TryPlain && again.reached == ReachedConnection && (flip.opens || flip.http()):
		d.say(proven, Verdict{ID: PlainPort, Where: WhereClient, What: "the port speaks no TLS, and was asked with it",
			Change: "write " + d.typed(flip) + "; pages on https may use " + string(d.o.Address.Scheme) + ":// only: for them put TLS in front of the server"},
			again.seen(), flip.seen())
	}
}

// judgeTLS is about a handshake of TLS that failed for a reason of its own.
func (d *doctor) judgeTLS() {
	var failed *tcp.TLSError
	if !errors.As(d.in.failure, &failed) || d.gave(PlainPort) || d.find(TryPlain) != nil && d.find(TryPlain).protocol() != "" && !isAlert(failed) {
		return
	}
	v := Verdict{ID: TLSRefused, Where: WhereServer, What: failed.Reason, Change: failed.Hint}
	asked := d.in.Report.TLS != nil && d.in.Report.TLS.ClientCertificate != nil
	switch {
	case asked:
		v.ID, v.Where, v.Change = WantsClient, WhereClient, certificateHint
	case d.in.Report.HTTP2 != nil && d.in.Report.HTTP2.Spoken:
		d.say(told, d.http2Only(), d.plainly(), "http/2: "+d.in.Report.HTTP2.words())
		return
	case v.Change == "" && isAlert(failed):
		v.Change = "look at the server's TLS settings: its certificate for this name, its versions and ciphers"
	case !isAlert(failed):
		return // nobody speaks TLS there
	}
	d.say(told, v, d.plainly())
}

// http2Only is about a port that knows no HTTP/1.1.
func (d *doctor) http2Only() Verdict {
	v := Verdict{ID: HTTP2Only, Where: WhereServer, What: "the port speaks HTTP/2 only, and an upgrade needs HTTP/1.1",
		Change: "allow HTTP/1.1 beside HTTP/2 in the server or the proxy (RFC 8441 is the way over HTTP/2)"}
	if h := d.in.Report.HTTP2; h != nil && h.WebSockets {
		v.Change = "allow HTTP/1.1 beside HTTP/2, or open the WebSocket over HTTP/2 (RFC 8441; sockkit dial --http2)"
	}
	return v
}

// judgeProtocol is about ports where no HTTP is spoken.
func (d *doctor) judgeProtocol() {
	again := d.find(TryAgain)
	if again == nil || d.plain.http() || d.gave(TLSPort, PlainPort, TLSRefused, WantsClient) {
		return
	}
	for _, t := range []*trial{again, d.flip(), d.find(TryHTTP2)} {
		if t.echoes() {
			d.say(told, Verdict{ID: OtherProtocol, Where: WhereClient, What: "what listens there sends back what it is sent: an echo service, and no HTTP", Change: "correct the port or the host"}, t.seen())
			return
		}
	}
	if again.protocol() == handshake.LateResponse {
		before, _, _ := bytes.Cut(again.first, []byte("HTTP/1."))
		d.say(told, Verdict{ID: BeforeResponse, Where: WhereServer, What: "the server writes something before its response: " + excerpt(before),
			Change: "write nothing to the connection before the response: no log line, no byte order mark, no frame"}, again.seen())
		return
	}
	for _, t := range []*trial{d.find(TryHTTP2), again, d.find(TryBanner), d.find(TryPage), d.flip()} {
		switch name := t.protocol(); {
		case t == nil || len(t.first) == 0 || d.find(TryPage).http():
		case name == "HTTP/2":
			d.say(told, d.http2Only(), again.seen(), t.seen())
			return
		case name != "" && name != "TLS":
			d.say(told, Verdict{ID: OtherProtocol, Where: WhereClient, What: "what listens there speaks " + name + ", and no HTTP", Change: "correct the port or the host"}, t.seen())
			return
		default:
			d.say(lastWord, Verdict{ID: OtherProtocol, Where: WhereClient, What: "what listens there speaks no HTTP", Change: "correct the port or the host"}, t.seen())
		}
	}
	because := append([]string{again.seen()}, d.seen(TryPage, TryBanner)...)
	if isTimeout(again.err) {
		d.say(lastWord, Verdict{ID: Silence, Where: WhereServer, What: "connections are taken, and no request is answered",
			Change: "look whether the program hangs, and whether what listens there (a port forwarding, a container) leads to it"}, because...)
		return
	}
	d.say(lastWord, Verdict{ID: ClosesUnanswered, Where: WhereServer, What: "connections are taken, and ended without an answer",
		Change: "look at the log of what listens there: a crash, a list of allowed addresses and a forwarding that leads nowhere look like this"}, because...)
}

func (d *doctor) judgeRedirect() {
	to := d.opened(TryLocation)
	if len(to) == 0 {
		if t := d.find(TryLocation); t != nil {
			to = append(to, t)
		}
	}
	if len(to) == 0 && d.circles(d.plain) {
		d.say(told, Verdict{ID: Redirected, Where: WhereServer, What: "the server sends to the very address that was asked", Change: "mend the redirect: it leads in a circle"}, d.plain.seen())
	}
	if len(to) == 0 || d.gave(TLSPort) {
		return
	}
	change := "write " + d.typed(to[0])
	if d.circles(to[0]) {
		d.say(told, Verdict{ID: Redirected, Where: WhereServer, What: "the server sends elsewhere, and from there in a circle", Change: "mend the redirect"}, append([]string{d.plain.seen()}, d.seen(TryLocation)...)...)
		return
	}
	if !to[0].opens {
		change += ", which does not open either as it stands"
	}
	d.say(proven, Verdict{ID: Redirected, Where: WhereClient, What: "the server sends elsewhere, and clients need not follow (browsers never do)",
		Change: change}, append([]string{d.plain.seen()}, d.seen(TryLocation)...)...)
}

// circles reports whether an answer sends to where it came from.
func (d *doctor) circles(t *trial) bool {
	if t == nil || t.x == nil || t.x.Response == nil || t.status/100 != 3 {
		return false
	}
	to, ok := resolveLocation(t.url(), t.x.Response.Get("Location"))
	return ok && to.URL() == t.url()
}

// judgeOffers is about what was offered, or should have been.
func (d *doctor) judgeOffers() {
	if !d.plain.http() || d.broken() != nil {
		return // the rule that a 101 breaks says more
	}
	first := d.plain.seen()
	for _, t := range d.opened(TryNoExtension) {
		d.say(proven, Verdict{ID: ExtensionRefused, Where: WhereServer, What: "the server fails where compression is offered, which it has to pass over if it does not know it (RFC 6455 9.1)",
			Change: "renew the server's library, or switch its permessage-deflate off; --no-compress offers none"}, first, t.seen())
	}
	for _, t := range d.opened(TryNoSubprotocol) {
		d.say(proven, Verdict{ID: SubprotocolWrong, Where: WhereClient, What: "the server does not take the subprotocol " + strings.Join(d.base.subprotocols, ", "),
			Change: "offer one that it knows, or none; or add this one to the server's list"}, first, t.seen())
	}
	for _, t := range d.opened(TrySubprotocols) {
		if t.chosen != "" {
			d.say(proven, Verdict{ID: SubprotocolDue, Where: WhereClient, What: "the server wants a subprotocol, and none was offered",
				Change: fmt.Sprintf("offer %s: -s %s, in a page new WebSocket(url, %q)", t.chosen, t.chosen, t.chosen)}, first, t.seen())
		}
	}
	for _, t := range d.opened(TryHost) {
		d.say(proven, Verdict{ID: WrongHost, Where: WhereClient, What: "the server serves another host than the one that was asked for",
			Change: "write " + d.typed(t) + " (without another Host), or add the name to the server's"}, first, t.seen())
	}
}

func (d *doctor) judgeOrigin() {
	none, own := d.opened(TryNoOrigin), d.opened(TryOrigin)
	if !d.plain.http() {
		return
	}
	switch {
	case d.base.origin != "" && len(none)+len(own) > 0:
		d.say(proven, Verdict{ID: OriginRefused, Where: WhereServer, What: "the server does not take the origin " + d.base.origin,
			Change: "add " + d.base.origin + " (scheme, host and port, no slash) to the server's list of origins"}, append([]string{d.plain.seen()}, d.seen(TryNoOrigin, TryOrigin)...)...)
	case d.base.origin == "" && len(own) > 0:
		d.say(proven, Verdict{ID: OriginDue, Where: WhereClient, What: "the server wants an Origin, and none was sent",
			Change: "send the origin of a page that is allowed, as browsers do: --origin " + own[0].origin}, d.plain.seen(), own[0].seen())
	}
}

// judgePath is about paths, and about Socket.IO where a WebSocket was asked for.
func (d *doctor) judgePath() {
	paths := d.opened(TryPath)
	switch {
	case len(paths) > 0 && d.o.Address.SocketIO():
		d.judgeEnginePath(paths)
	case len(paths) > 0:
		d.say(proven, Verdict{ID: WrongPath, Where: WhereClient, What: "the path is wrong", Change: "write " + d.typed(paths[0])},
			append([]string{d.plain.seen()}, seenOf(paths)...)...)
	case len(d.opened(TryEngine)) > 0 && !d.o.Address.SocketIO():
		t := d.opened(TryEngine)[0]
		a := t.address
		a.Scheme, a.Target = map[endpoint.Scheme]endpoint.Scheme{endpoint.WS: endpoint.SIO, endpoint.WSS: endpoint.SIOS}[a.Scheme], "/"
		d.say(proven, Verdict{ID: IsSocketIO, Where: WhereClient, What: "the server speaks Socket.IO, which is a protocol of its own on top of WebSocket",
			Change: "use a client of Socket.IO: sockkit dial " + a.String() + ", in a page io(…)"}, d.plain.seen(), t.seen())
	}
}

func seenOf(list []*trial) (seen []string) {
	for _, t := range list {
		seen = append(seen, t.seen())
	}
	return seen
}

// refusedFor is the finding of a refusal with an identifier; nil where there is none.
func refusedFor(x *handshake.Exchange, id string) *handshake.Finding {
	if x == nil || x.Response == nil {
		return nil
	}
	for _, f := range handshake.Check(x) {
		if f.ID == id {
			return &f
		}
	}
	return nil
}

// sameAnswer reports whether two answers are one: status and body.
func sameAnswer(a, b *trial) bool {
	return a.http() && b.http() && a.status == b.status && bytes.Equal(a.body, b.body)
}
