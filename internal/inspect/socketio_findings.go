package inspect

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/socketio/engine"
)

// versionFindings hold the two versions of Engine.IO against each other.
func (in *Inspection) versionFindings() {
	four, three := in.Report.Engine.answers[4], in.Report.Engine.answers[3]
	if three == nil {
		return
	}
	switch {
	case four.version == 4 && three.code != nil && *three.code == engine.UnsupportedProtocolVersion:
		in.Report.add(Finding{ID: RefusesOld, Severity: Note, What: "clients of Socket.IO 2 (EIO=3) are refused",
			Hint: "with them in use, the server's allowEIO3 lets them in; clients of 3 and 4 (EIO=4) do not care"})
	case four.version != 4 && three.version == 3:
		in.Report.add(Finding{ID: OldEngine, Severity: Error, What: "the server speaks Engine.IO 3 only: it is of Socket.IO 2, and clients of 3 and 4 cannot talk to it",
			Due: "EIO=4, for this client", Hint: "the versions are at fault, not the network: use socket.io-client 2, or a server of 3 or 4 (which takes old clients with allowEIO3)"})
	}
}

// refusedBy is the error of a handshake that opened no session.
func (in *Inspection) refusedBy(a *polled) error {
	e := &engine.TransportError{Message: "Engine.IO", Status: a.status, Body: string(a.body)}
	switch {
	case a.version == 3:
		e = &engine.TransportError{Message: "server error", Err: errors.New("an open packet of Engine.IO 3 came, and of 4 was due")}
		return &endpoint.Hint{Err: e, Text: "the server is of Socket.IO 2: it and clients of 3 and 4 do not understand each other"}
	case a.broken != nil:
		e = &engine.TransportError{Message: "server error", Err: a.broken}
		hint := "without a sid a client cannot name its session: mend the server, or what rewrites its answers"
		if a.broken != errNoSID {
			hint = "see whether Content-Length is the length of the body, and who writes or rewrites the answer"
		}
		return &endpoint.Hint{Err: e, Text: hint}
	case a.status == http.StatusOK:
		return &engine.TransportError{Message: "server error", Err: fmt.Errorf("an open packet of Engine.IO was due, and %s came", printable(fmt.Sprintf("%.60q", a.body)))}
	case a.status >= 300 && a.status < 400:
		return &endpoint.Hint{Err: e, Text: "it sends elsewhere, to " + printable(a.header.Get("Location")) + ": dial that"}
	}
	return e
}

// openingFindings are about what a server says of itself.
func (in *Inspection) openingFindings(a *polled) {
	o := a.opening
	if o.PingInterval >= time.Minute {
		in.Report.add(Finding{ID: SlowPing, Severity: Warning, What: "the server pings every " + span(o.PingInterval) + " only",
			Due: "less than the time for which proxies keep a silent connection, which is 60 seconds in nginx", Hint: "a smaller pingInterval, or a longer proxy_read_timeout; else clients see \"transport close\""})
	}
	if o.PingInterval+o.PingTimeout < time.Second {
		in.Report.add(Finding{ID: FastPing, Severity: Warning, Clause: "Engine.IO 4, Handshake",
			What: "the server means to ping every " + render.Duration(o.PingInterval) + ", and clients give up " + render.Duration(o.PingInterval+o.PingTimeout) + " after the last ping",
			Due:  "pingInterval and pingTimeout in milliseconds, such as 25000 and 20000", Hint: "they look like seconds: a client's connection ends with \"ping timeout\", and begins again"})
	}
	if o.MaxPayload > 0 && o.MaxPayload < 10_000 {
		in.Report.add(Finding{ID: SmallPayload, Severity: Note, What: "the server takes " + plural(int(o.MaxPayload), "byte") + " at once",
			Hint: "what is larger ends the session (413, or 1009 on a WebSocket): maxHttpBufferSize is the server's option"})
	}
	if names := in.Report.Engine.Cookies; len(names) > 0 {
		in.Report.add(Finding{ID: StickyCookie, Severity: Note, What: "the first answer sets " + plural(len(names), "cookie") + ": " + listed(names),
			Hint: "where a balancer keeps sessions together by one, clients in Node and in pages of other origins need withCredentials: true"})
	}
	in.corsFinding(a)
}

// corsFinding says whether a page of the origin may read the answer.
func (in *Inspection) corsFinding(a *polled) {
	origin := in.o.WebSocket.Origin
	if origin == "" {
		return
	}
	allowed := a.header.Get("Access-Control-Allow-Origin")
	f := Finding{ID: NoCORS, Severity: Warning, Clause: "Fetch, CORS check", Due: "Access-Control-Allow-Origin: " + origin,
		Hint: "the server's option cors: { origin: " + fmt.Sprintf("%q", origin) + " }; a proxy that adds the header, too, makes two, which is one too many"}
	switch {
	case allowed == "":
		f.What = "a page of " + origin + " may not read the answer: it has no Access-Control-Allow-Origin"
	case len(a.header.Values("Access-Control-Allow-Origin")) > 1:
		f.What = "a page of " + origin + " may not read the answer: it has several Access-Control-Allow-Origin"
	case allowed != "*" && allowed != origin:
		f.What = "a page of " + origin + " may not read the answer: Access-Control-Allow-Origin is " + allowed
	case allowed == "*" && a.header.Get("Access-Control-Allow-Credentials") == "true":
		f.What = "a page that sends credentials may not read the answer: Access-Control-Allow-Origin is *"
	default:
		return
	}
	in.Report.add(f)
}

// stickyFinding says that requests of one session reach several servers.
func (in *Inspection) stickyFinding() {
	s := in.Report.Engine.Sticky
	o := in.Report.Engine.Opening
	if s == nil || s.Unknown == 0 || s.took >= o.PingInterval+o.PingTimeout {
		return // a session that is over by now is unknown to its own server, too
	}
	in.Report.add(Finding{ID: NotSticky, Severity: Error, What: fmt.Sprintf("%d of %s of one session were answered Session ID unknown (code 1)", s.Unknown, plural(s.Requests, "request")),
		Due:  "each request of a session reaches the server that opened it",
		Hint: "several servers stand behind a balancer without sticky sessions: switch those on (ip_hash in nginx, a cookie, or the module cluster with @socket.io/sticky), or have clients use transports: [\"websocket\"]"})
}

// upgradeFinding says why the WebSocket does not open.
func (in *Inspection) upgradeFinding(err error) {
	in.upgradeFailed = err
	u := in.Report.Engine.Upgrade
	f := Finding{ID: UpgradeFailed, Severity: Warning, What: "no WebSocket: " + u.Error, Due: "101 Switching Protocols, and an answer to the probe",
		Hint: "clients stay with polling, which works and costs a request for each message"}
	var refused *engine.TransportError
	if errors.As(err, &refused) {
		f.What = fmt.Sprintf("no WebSocket: the upgrade was answered %d %s", refused.Status, http.StatusText(refused.Status))
		f.Hint = in.upgradeHint(refused)
	}
	in.Report.add(f)
}

const nginxUpgrade = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"`

func (in *Inspection) upgradeHint(e *engine.TransportError) string {
	code, ok := e.Code()
	switch {
	case ok && code == engine.BadRequest:
		// The server's words as JSON: to it this was a plain request.
		return "the request reached the server without its Upgrade header: a proxy removed it; in nginx: " + nginxUpgrade
	case ok && code == engine.UnknownSID || e.Body == engine.UnknownSID.Message():
		return "it reached another server than the polls did: sticky sessions are due"
	case ok && code == engine.UnknownTransport || e.Body == engine.UnknownTransport.Message():
		return "the server offers the upgrade and refuses the transport: look at its transports option"
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout:
		return "a proxy answers in the place of the server, which it cannot reach by a WebSocket; in nginx: " + nginxUpgrade
	case e.Status == http.StatusForbidden:
		return "a rule of a proxy or the server's origin check refuses the upgrade, and not polling"
	case strings.Contains(strings.ToLower(e.Body), "bad request"):
		return "the server saw the upgrade and refused it: look at allowRequest, and at what is mounted on the same server"
	}
	return "something on the way does not pass WebSockets on; in nginx: " + nginxUpgrade
}

// engine shows what was found out about Engine.IO.
func (p *page) engine(e *Engine) {
	if e == nil {
		return
	}
	p.section("engine.io")
	for _, v := range e.Versions {
		p.lines(v.words())
	}
	if e.Server != "" || e.Via != "" {
		p.lines(sentence("; ", when(e.Server != "", "the server calls itself "+printable(e.Server)), when(e.Via != "", "passed on by "+printable(e.Via))))
	}
	if o := e.Opening; o != nil {
		p.lines("session "+printable(o.SID)+", upgrades to "+or(listed(o.Upgrades), "nothing"),
			fmt.Sprintf("pings every %s, a pong is due within %s; takes %s at once", render.Duration(o.PingInterval), render.Duration(o.PingTimeout), bytesText(o.MaxPayload)))
	}
	if s := e.Sticky; s != nil {
		p.lines(fmt.Sprintf("%s on connections of their own: %d answered by a server that does not know the session", plural(s.Requests, "request"), s.Unknown))
	}
	if u := e.Upgrade; u != nil {
		how := p.paint(green, "works") + ", in " + render.Duration(u.Duration)
		if !u.Works {
			how = p.paint(red, "fails") + ": " + printable(u.Error)
		}
		p.lines("the upgrade to a WebSocket " + how)
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// words say how a version was answered.
func (v *EngineVersion) words() string {
	s := fmt.Sprintf("EIO=%d by polling was answered %d %s", v.EIO, v.Status, http.StatusText(v.Status))
	if v.Code != nil {
		s += fmt.Sprintf(", %s (code %d)", printable(v.Message), *v.Code)
	} else if v.Spoken != 0 {
		s += fmt.Sprintf(" with an open packet of version %d", v.Spoken)
	}
	return s + ", in " + render.Duration(v.Duration)
}

// socketIO shows the namespace.
func (p *page) socketIO(r *Report) {
	s := r.SocketIO
	if s == nil {
		return
	}
	p.section("namespace")
	name := printable(s.Namespace)
	switch {
	case s.Refused != "":
		p.lines(name + " " + p.paint(red, "was refused") + ", in " + render.Duration(s.Duration) + ": " + printable(s.Refused+" "+string(s.Data)))
	case s.SID == "" && r.Reached != ReachedNamespace:
		p.lines(name + " " + p.paint(red, "was not answered"))
	default:
		p.lines(fmt.Sprintf("%s %s by %s as %s, in %s", name, p.paint(green, "joined"), r.Engine.By, printable(s.SID), render.Duration(s.Duration)))
		p.lines(when(s.Recovery, "the server lets clients come back as they were (connection-state recovery)"))
	}
	for _, event := range s.Events {
		p.lines("event " + printable(event))
	}
}
