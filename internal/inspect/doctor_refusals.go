package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio/engine"
)

// judgeAccess tells apart who is not known and who is not let in.
func (d *doctor) judgeAccess() {
	if d.plain == nil || d.gave(OriginRefused, OriginDue, WrongPath, WrongHost) || len(d.opened(TryEngine, TryEngineSocket)) > 0 {
		return
	}
	seen := d.plain.seen()
	switch d.plain.status {
	case http.StatusUnauthorized:
		d.judgeCredentials(seen)
	case http.StatusForbidden:
		d.say(told, Verdict{ID: Forbidden, Where: WhereServer, What: "the server knows what is wanted, and does not let this client in (403: other credentials may help; 401 would ask for some)",
			Change: "look at the server's rules: rights, allowed origins and addresses, CSRF, a web firewall"}, append([]string{seen}, d.seen(TryNoOrigin, TryOrigin)...)...)
	case http.StatusProxyAuthRequired:
		d.say(told, Verdict{ID: ProxyCredentials, Where: WhereProxy, What: "a proxy on the way wants to know who you are", Change: "give the proxy's credentials"}, seen)
	case http.StatusTooManyRequests:
		d.say(told, Verdict{ID: TooMany, Where: WhereClient, What: "the server bounds how often a client may come, and this one came too often",
			Change: "reconnect with growing pauses, and wait as long as Retry-After says"}, seen, headerLine(d.plain, "Retry-After"))
	}
}

func (d *doctor) judgeCredentials(seen string) {
	sent := false
	for _, f := range d.base.header {
		sent = sent || secretField(string(f.Name))
	}
	wants := headerLine(d.plain, "WWW-Authenticate")
	if sent {
		d.say(told, Verdict{ID: CredentialsWrong, Where: WhereClient, What: "the server does not take the credentials that were sent",
			Change: "look whether they have expired, and whether they are of the kind that it asks for"}, seen, wants)
		return
	}
	d.say(told, Verdict{ID: CredentialsDue, Where: WhereClient, What: "the server wants to know who you are",
		Change: "--basic-auth USER:PASSWORD, -H 'Authorization: Bearer …' or -H 'Cookie: …'; a page can send a cookie, or a token in the query, and no header"}, seen, wants)
}

// headerLine is a header of an answer; empty where it has none.
func headerLine(t *trial, name string) string {
	if v := t.x.Response.Get(name); v != "" {
		return "the answer has " + name + ": " + v
	}
	return ""
}

// judgeGateway is about proxies that answer in a server's place.
func (d *doctor) judgeGateway() {
	if d.plain == nil {
		return
	}
	page := d.find(TryPage)
	because := append([]string{d.plain.seen(), d.proxyNamed(d.plain)}, d.seen(TryPage)...)
	switch s := d.plain.status; {
	case s == http.StatusServiceUnavailable:
		d.say(told, Verdict{ID: Unavailable, Where: WhereServer, What: "the service is not there at the moment: nothing stands behind the proxy, or the server is full",
			Change: "look whether the server runs, passes its health check, and how many connections it takes"}, because...)
	case s != http.StatusBadGateway && s != http.StatusGatewayTimeout && s < 520:
	case page.http() && page.status < 500:
		d.say(told, Verdict{ID: BadGateway, Where: WhereServer, What: "the proxy gets no valid answer from the server to an upgrade, and gets one to a page",
			Change: "look at the server's log, and at the proxy's error log: the handler of WebSockets fails, or its 101 is wrong"}, because...)
	default:
		d.say(told, Verdict{ID: BadGateway, Where: WhereServer, What: "a proxy answers in the place of the server, which it cannot reach",
			Change: "start the server, or correct the host, the port and the scheme in the proxy's target (proxy_pass in nginx, server in haproxy)"}, because...)
	}
}

// proxyNamed says how a proxy names itself in an answer; empty where it does not.
func (d *doctor) proxyNamed(t *trial) string {
	if !t.http() {
		return ""
	}
	if via := headerLine(t, "Via"); via != "" {
		return via
	}
	server := strings.ToLower(t.x.Response.Get("Server"))
	for _, name := range []string{"nginx", "haproxy", "cloudflare", "envoy", "awselb", "apache", "caddy", "traefik", "openresty", "varnish", "squid"} {
		if strings.Contains(server, name) {
			return headerLine(t, "Server")
		}
	}
	return ""
}

// judgeDropped is about an upgrade that did not reach the server.
func (d *doctor) judgeDropped() {
	if d.plain == nil || d.plain.x == nil || d.plain.x.Response == nil {
		return
	}
	x, page := d.plain.x, d.find(TryPage)
	asked := d.plain.kind == asksUpgrade || d.plain.kind == asksEngineSocket
	wants := d.plain.status == http.StatusUpgradeRequired && strings.EqualFold(x.Response.Get("Upgrade"), "websocket")
	code, ok := engineCode(d.plain.status, d.plain.body)
	switch {
	case !asked || d.gave(WrongPath, IsSocketIO):
	case refusedFor(x, "refused-upgrade-removed") != nil, wants, contradicted(x), sameAnswer(d.plain, page) && ofWebSocket(d.plain), ok && code == engine.BadRequest && d.plain.kind == asksEngineSocket:
		because := append([]string{d.plain.seen(), d.proxyNamed(d.plain)}, d.seen(TryPage)...)
		d.say(told, Verdict{ID: UpgradeDropped, Where: WhereProxy, What: "the upgrade that was asked for did not reach the server: something on the way removed Upgrade or Connection, or made HTTP/1.0 of it",
			Change: passUpgradeOn}, because...)
	case ownPage(d.plain):
		d.say(lastWord, Verdict{ID: WrongPath, Where: WhereProxy, What: "nginx itself answers: nothing in its configuration passes the path on",
			Change: "add a location for the path with proxy_pass, or correct the path"}, d.plain.seen(), "the page is nginx's own")
	case sameAnswer(d.plain, page) && d.plain.status >= 200:
		d.ignored()
	}
}

// contradicted reports whether an answer names a rule of the request that what
// was sent keeps: our own server says which one was broken, in the rule's words.
func contradicted(x *handshake.Exchange) bool {
	broken := map[string]bool{}
	for _, f := range handshake.Check(x) {
		broken[f.ID] = true
	}
	return slices.ContainsFunc(handshake.Rules(), func(r handshake.Rule) bool {
		return r.Part == handshake.InRequest && !broken[r.ID] && len(x.Body) > 0 && bytes.HasPrefix(x.Body, []byte(r.Summary))
	})
}

// ofWebSocket reports whether a WebSocket's server made a refusal: it names the
// version that it speaks (RFC 6455 4.4), though that was asked for, or says so.
func ofWebSocket(t *trial) bool {
	return (t.status == http.StatusBadRequest || t.status == http.StatusUpgradeRequired) && (t.x.Response.Has("Sec-WebSocket-Version") || bytes.Contains(bytes.ToLower(t.body), []byte("websocket")))
}

const passUpgradeOn = "pass the upgrade on: in nginx " + nginxUpgrade + "; in Apache mod_proxy_wstunnel; elsewhere switch WebSockets on"

// ownPage reports whether nginx made the page of an answer.
func ownPage(t *trial) bool {
	return t.status == http.StatusNotFound && bytes.Contains(t.body, []byte("<center>nginx"))
}

func (d *doctor) ignored() {
	v := Verdict{ID: UpgradeIgnored, Where: d.answering(), What: "the upgrade makes no difference: with and without it the answer is the same, so that whoever answers takes it for an ordinary request",
		Change: "look up the path in the server's code, and whether a WebSocket is served there at all; behind a proxy see that Upgrade is passed on (in nginx: " + nginxUpgrade + ")"}
	d.say(lastWord, v, append([]string{d.plain.seen(), d.proxyNamed(d.plain)}, d.seen(TryPage)...)...)
}

// answering is who answered, as far as an answer tells.
func (d *doctor) answering() string {
	if d.proxyNamed(d.plain) != "" {
		return WhereProxy
	}
	return WhereServer
}

// engineCode reads the error of Engine.IO in an answer.
func engineCode(status int, body []byte) (engine.Code, bool) {
	p := &polled{status: status, body: body}
	if p.readCode(); p.code != nil {
		return *p.code, true
	}
	return 0, false
}

// judgeRefusal is what a status says by itself.
func (d *doctor) judgeRefusal() {
	if d.plain == nil || !d.plain.http() || d.plain.opens {
		return
	}
	for _, f := range handshake.Check(d.plain.x) {
		if f.Part == handshake.InRefusal && f.Fails {
			what := strings.TrimSuffix(f.Summary, ".")
			d.say(lastWord, Verdict{ID: RefusedOtherwise, Where: string(f.Fault), What: strings.ToLower(what[:1]) + what[1:], Change: f.Mend},
				append([]string{d.plain.seen()}, d.seen(TryPage)...)...)
			return
		}
	}
}

// judgeFindings turns what was found already into verdicts.
func (d *doctor) judgeFindings() {
	if f := d.broken(); f != nil && !d.gave(Intermittent) {
		d.say(told, Verdict{ID: BrokenHandshake, Where: string(f.Fault), What: "the answer breaks a rule of the opening handshake: " + strings.TrimSuffix(f.Summary, "."), Change: f.Mend},
			append([]string{f.Clause + ": " + f.Came}, seenOf(d.opened(TryNoExtension, TryNoSubprotocol))...)...)
	}
	for _, f := range d.in.Report.Findings {
		if f.Severity == Note || f.opening {
			continue
		}
		d.judgeFinding(f)
	}
}

// broken is the rule that a 101 breaks; nil where none came, or it is right.
func (d *doctor) broken() *handshake.Finding {
	h := d.in.Report.Handshake
	if h == nil || h.Status != http.StatusSwitchingProtocols {
		return nil
	}
	for _, f := range h.Findings {
		if (f.Level == handshake.Must || f.Fails) && f.Part == handshake.InResponse {
			return &f
		}
	}
	return nil
}

// judgeFinding says where what was found is to be mended.
func (d *doctor) judgeFinding(f Finding) {
	switch {
	case f.ID == WantsClient && d.gave(WantsClient):
		return
	case f.ID == PeerClosed && d.gave(OriginDue, OriginRefused, SubprotocolDue, SubprotocolWrong, ExtensionRefused, WrongPath, WrongHost, Intermittent):
		return // that is why
	}
	v := Verdict{ID: f.ID, Where: WhereServer, What: f.What, Change: cmpOr(f.Hint, f.Due)}
	because := f.Clause
	switch f.ID {
	case NotSticky:
		v.Change = "switch them on: ip_hash in nginx, a cookie in haproxy, @socket.io/sticky where Node's cluster is used; or have clients use transports: [\"websocket\"]"
		v.Where, v.What, because = WhereProxy, "requests of one session reach several servers, which do not know each other's sessions: sticky sessions are off", f.What
	case UpgradeFailed:
		d.judgeUpgrade(f)
		return
	case OldEngine:
		v.Where, because = WhereClient, d.versions()
	case PollingOff:
		v.Where, because = WhereClient, d.versions()
	case NoCORS:
		because = d.corsSeen()
	case AddressFailed:
		v.Where = WhereNetwork
	}
	if because == "" {
		because = f.What
	}
	d.say(found, v, because)
}

func cmpOr(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// versions are how the two versions of Engine.IO were answered.
func (d *doctor) versions() string {
	var words []string
	for _, v := range d.in.Report.Engine.Versions {
		s := fmt.Sprintf("EIO=%d is answered %d", v.EIO, v.Status)
		if v.Code != nil {
			s += fmt.Sprintf(" with code %d, %s", *v.Code, v.Message)
		} else if v.Spoken != 0 {
			s += fmt.Sprintf(" with an open packet of version %d", v.Spoken)
		}
		words = append(words, s)
	}
	return strings.Join(words, "; ")
}

func (d *doctor) corsSeen() string {
	a := d.in.Report.Engine.answers[4]
	if a == nil {
		return ""
	}
	allowed := a.header.Values("Access-Control-Allow-Origin")
	if len(allowed) == 0 {
		return "to Origin: " + d.o.WebSocket.Origin + " the answer has no Access-Control-Allow-Origin"
	}
	return "to Origin: " + d.o.WebSocket.Origin + " the answer has Access-Control-Allow-Origin: " + strings.Join(allowed, ", and ")
}

// judgeUpgrade says why Socket.IO stays with polling.
func (d *doctor) judgeUpgrade(f Finding) {
	v := Verdict{ID: UpgradeFailed, Where: WhereProxy, What: "polling works, and the WebSocket does not open", Change: f.Hint}
	because := []string{"the upgrade of a session: " + d.in.Report.Engine.Upgrade.Error}
	var refused *engine.TransportError
	if d.in.Report.Engine.Upgrade.Status == http.StatusSwitchingProtocols {
		v.Where, v.What, v.Change = WhereServer, "polling works, the WebSocket opens, and the session does not move to it", "look at the server's upgrade: the packet 2probe is to be answered 3probe (Engine.IO 4, Upgrade)"
	}
	if errors.As(d.in.upgradeFailed, &refused) {
		code, ok := refused.Code()
		switch {
		case ok && code == engine.BadRequest:
			v.ID, v.Change, v.What = UpgradeDropped, passUpgradeOn, "the upgrade reached the server without its Upgrade header, which something on the way removed: clients stay with polling"
			because = append(because, "code 3 is what the server says of a request by polling where a WebSocket was due")
		case ok, refused.Body == engine.UnknownSID.Message(), refused.Body == engine.UnknownTransport.Message(), strings.Contains(strings.ToLower(refused.Body), "bad request"):
			v.Where = WhereServer
		case refused.Status == http.StatusBadGateway, refused.Status == http.StatusGatewayTimeout, refused.Status == http.StatusServiceUnavailable:
			v.ID = BadGateway
		}
	}
	d.say(told, v, append(because, d.seen(TryEngineSocket)...)...)
}

// judgeSocketIO is about the engine's first request, and about namespaces.
func (d *doctor) judgeSocketIO() {
	var refused *NamespaceError
	switch e := d.in.Report.Engine; {
	case e == nil: // no Socket.IO, or nothing was reached
	case errors.As(d.in.failure, &refused):
		d.judgeNamespace(refused)
	case d.gave(OldEngine):
	case d.in.Report.Reached == ReachedEngine && !d.gave(Intermittent):
		d.judgeConnect()
	case d.plain != nil && d.plain.kind == asksEngine && d.plain.cut != nil && d.plain.status == http.StatusOK:
		d.say(told, Verdict{ID: OpenPacket, Where: WhereServer, What: "the answer that opens a session does not come to its end",
			Change: "see whether Content-Length is the length of the body, and who writes or rewrites the answer"}, d.plain.seen())
	case e.answers[4] != nil && e.answers[4].broken != nil:
		d.say(told, Verdict{ID: OpenPacket, Where: WhereServer, What: "the packet that opens a session is wrong: " + e.answers[4].broken.Error(),
			Change: "mend the server, or what rewrites its answers: 0{\"sid\":…,\"upgrades\":…,\"pingInterval\":…,\"pingTimeout\":…,\"maxPayload\":…} is due"}, d.plain.seen(), "the body begins "+excerpt(d.plain.body))
	case len(d.opened(TryWebSocket)) > 0 && len(d.opened(TryPath)) == 0:
		t := d.opened(TryWebSocket)[0]
		d.say(proven, Verdict{ID: IsPlainWebSocket, Where: WhereClient, What: "the server speaks WebSocket without Socket.IO, whose clients it does not understand",
			Change: "use a WebSocket: sockkit dial " + t.address.URL() + ", in a page new WebSocket(…)"}, d.plain.seen(), t.seen())
	case len(d.opened(TryEngine, TryEngineSocket)) > 0 && !d.gave(Intermittent, UpgradeDropped, BadGateway, Unavailable):
		t := d.opened(TryEngine, TryEngineSocket)[0]
		transport := map[askKind]string{asksEngine: "polling", asksEngineSocket: "websocket"}[t.kind]
		d.say(proven, Verdict{ID: OneTransport, Where: d.answering(), What: "only the transport " + transport + " works", Change: "see what stands in the way of the other; meanwhile --transports " + transport + ", in a page transports: [\"" + transport + "\"]"},
			d.plain.seen(), t.seen())
	case d.plain.http() && d.plain.status < 300 && d.plain.opening == nil:
		d.say(lastWord, Verdict{ID: NotSocketIO, Where: WhereClient, What: "what answers is no Socket.IO server", Change: "correct the address, or --path, which is /socket.io/ where none is given"},
			d.plain.seen(), when(len(d.plain.body) > 0, "the body begins "+excerpt(d.plain.body)))
	}
}

// judgeConnect is about a session that opens, and a namespace that is not joined.
func (d *doctor) judgeConnect() {
	v := Verdict{ID: ConnectUnanswered, Where: WhereServer, What: "a session opens, and the CONNECT of the namespace is not answered as is due",
		Change: "look at the server's middleware (io.use has to call next), and at what handles packets of type 0"}
	var refused *engine.TransportError
	switch failed := errors.As(d.in.failure, &refused); {
	case failed && refused.Body == engine.UnknownSID.Message(), failed && strings.Contains(refused.Error(), engine.UnknownSID.Message()):
		v.Where, v.What = WhereProxy, "a session opens, and the next request reaches a server that does not know it"
		v.Change = "sticky sessions have to be on where there are several servers: ip_hash in nginx, a cookie in haproxy; or have clients use transports: [\"websocket\"]"
	case errors.Is(d.in.failure, engine.ErrParse):
		v.What, v.Change = "a session opens, and what comes next is no packet", "look at who writes or rewrites the server's answers, and whether both ends use the same parser"
	case failed && refused.Status >= 400:
		v.What, v.Change = fmt.Sprintf("a session opens, and its next request is answered %d", refused.Status), "look at the server's log: it fails where it takes packets"
	}
	d.say(found, v, d.plainly())
}

func (d *doctor) judgeNamespace(refused *NamespaceError) {
	name, _ := d.o.Address.Namespace()
	others := d.opened(TryNamespace)
	because := append([]string{d.plainly()}, seenOf(others)...)
	isPath := enginePath(name) == d.base.address.Target
	switch {
	case isPath:
		d.say(proven, Verdict{ID: NamespaceIsPath, Where: WhereClient, What: "the path of the address is the namespace, and the engine's path was written there",
			Change: "write " + d.withTarget("/") + ", or the namespace's name there; --path says where the engine is"}, append(because, "the engine is at "+d.base.address.Target)...)
	case refused.Err.Message == "Invalid namespace":
		v := Verdict{ID: WrongNamespace, Where: WhereClient, What: "the server knows no namespace " + name, Change: "correct the namespace, or add io.of(" + quoteJS(name) + ") to the server"}
		if len(others) > 0 {
			v.Change = "write " + d.withTarget(others[0].namespace) + ", or add io.of(" + quoteJS(name) + ") to the server"
		}
		d.say(proven, v, because...)
	default:
		v := Verdict{ID: MiddlewareRefuses, Where: WhereClient, What: "a middleware of the server refuses this client: " + refused.Error(), Change: "send what it asks for: --auth '{\"token\":\"…\"}', in a page io(url, { auth: { token } })"}
		if d.o.SocketIO.Auth != nil {
			v.What, v.Change = "a middleware of the server refuses this client with its auth: "+refused.Error(), "look at what was sent by --auth, and at what io.use in the server wants"
		}
		d.say(told, v, d.plainly())
	}
}

func (d *doctor) withTarget(target string) string {
	a := d.o.Address
	a.Target = target
	return a.String()
}

func quoteJS(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// judgeEnginePath says where the engine is.
func (d *doctor) judgeEnginePath(paths []*trial) {
	name, _ := d.o.Address.Namespace()
	t := paths[0]
	seen := append([]string{d.plain.seen()}, seenOf(paths)...)
	if at := t.address.Target; name != "/" && (at == enginePath(name) || at == enginePath(name)+"socket.io/") {
		d.say(proven, Verdict{ID: NamespaceIsPath, Where: WhereClient, What: "the path of the address is the namespace, and the engine's path was written there",
			Change: "write " + d.withTarget("/") + " --path " + at + ", in a page io(url, { path: " + quoteJS(at) + " })"}, seen...)
		return
	}
	d.say(proven, Verdict{ID: WrongPath, Where: WhereClient, What: "the engine is at another path", Change: "write " + d.typed(t) + ", in a page io(url, { path: " + quoteJS(t.address.Target) + " })"}, seen...)
}
