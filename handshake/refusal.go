package handshake

import "strings"

// Likely is one likely cause of a refusal.
type Likely struct {
	Cause string `json:"cause"`
	Mend  string `json:"mend"`
	Fault Party  `json:"fault"`
}

// ExplainRefusal returns the likely causes of a response other than 101, the
// likeliest first: what the response, its body and the request give away, and
// at last what its status says by itself. It returns nil where the response is
// a 101 or is not known.
func ExplainRefusal(x *Exchange) (causes []Likely) {
	if !x.scopes()[refusal] {
		return nil
	}
	for _, c := range x.clues() {
		causes = append(causes, c.Likely)
	}
	for _, r := range table().told {
		if r.check(x) == nil {
			continue
		}
		own := Likely{r.Cause, r.Mend, r.Fault}
		if x.saidPlainly() {
			return append([]Likely{own}, causes...)
		}
		causes = append(causes, own)
	}
	return causes
}

// saidPlainly reports whether the body says more than any clue.
func (x *Exchange) saidPlainly() bool {
	kind := x.known()
	return kind != unknownRefusal && kind != engineIO
}

// refused is the hit of any refusal: its cause is the likeliest.
func (x *Exchange) refused() *hit {
	w := &hit{came: show(x.Response.AppendLine(nil))}
	if location := x.Response.value(locationField); location != nil {
		w.came += ", Location: " + show(location)
	}
	if clues := x.clues(); len(clues) > 0 && !x.saidPlainly() {
		w.cause, w.mend, w.fault = clues[0].Cause, clues[0].Mend, clues[0].Fault
	}
	return w
}

// refusalKind is a refusal whose text says what is wrong.
type refusalKind uint8

const (
	unknownRefusal refusalKind = iota
	needsTLS
	engineIO
	upgradeRemoved
	websocketOnly
)

// knownAs makes the check of a refusal whose text says what is wrong.
func knownAs(kind refusalKind) func(*Exchange) *hit {
	return func(x *Exchange) *hit {
		if x.known() != kind {
			return nil
		}
		w := x.refused()
		if len(x.Body) > 0 {
			w.came += ": " + quote(x.Body)
		}
		return w
	}
}

// known reads what the body of a refusal says.
func (x *Exchange) known() refusalKind {
	body := lowerText(x.Body)
	switch {
	case containsAny(body, "plain http request was sent to https port", "http request to an https server", "speaking plain http to an ssl-enabled server port", "sent an http request to an https"):
		return needsTLS
	case strings.HasPrefix(strings.TrimSpace(body), `{"code":`) && strings.Contains(body, `"message":`) && x.Response.Status == 400:
		return engineIO
	case !containsAny(body, noUpgradeTexts...):
		return unknownRefusal
	case x.Request.whole() && x.Request.lists(upgradeField, "websocket") && x.Request.lists(connectionField, "upgrade"):
		return upgradeRemoved
	case x.Request.whole():
		return websocketOnly
	}
	return unknownRefusal
}

// noUpgradeTexts are what servers say when a request does not ask for an
// upgrade.
var noUpgradeTexts = []string{
	"token not found in 'connection' header",              // gorilla
	"does not contain upgrade",                            // coder
	"bad \"upgrade\" header", "bad \"connection\" header", // gobwas
	"missing connection header", "missing upgrade header", // Python websockets
	"can \"upgrade\" only to \"websocket\"", // Tomcat, Spring, CherryPy
	"invalid upgrade header", "missing or invalid upgrade",
	"upgrade required", "expected upgrade", "websocket upgrade expected", "not a websocket", "no upgrade header",
	"cannot access a websocket server directly with a browser",
	"expected websocket", "websocket connection expected", "requires websocket", "only accepts websocket",
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// otherClientError and otherServerError tell of a status that has no rule of
// its own.
func otherClientError(x *Exchange) *hit {
	switch s := x.Response.Status; s {
	case 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 421, 426, 429, 431, 464:
		return nil
	default:
		return x.between(400, 499)
	}
}

func otherServerError(x *Exchange) *hit {
	switch s := x.Response.Status; s {
	case 500, 501, 502, 503, 504, 505:
		return nil
	default:
		return x.between(500, 999)
	}
}

func (x *Exchange) between(from, to int) *hit {
	if s := x.Response.Status; s < from || s > to || x.known() != unknownRefusal {
		return nil
	}
	return x.refused()
}

// owes makes the check that a status comes with the header it has to have.
func owes(status int, id fieldID) func(*Exchange) *hit {
	return func(x *Exchange) *hit {
		if x.Response.Status == status && x.Response.has(id) == 0 {
			return &hit{came: show(x.Response.AppendLine(nil)) + " with no " + fieldNames[id] + " header"}
		}
		return nil
	}
}

// redirectsNowhere is about the redirects that RFC 9110 15.4 gives a Location.
func redirectsNowhere(x *Exchange) *hit {
	switch x.Response.Status {
	case 301, 302, 303, 307, 308:
		return owes(x.Response.Status, locationField)(x)
	}
	return nil
}

// versionUnnamed: a version that the server does not speak has to be answered
// with those it does.
func versionUnnamed(x *Exchange) *hit {
	if !x.Request.whole() || x.Response.has(versionField) > 0 {
		return nil
	}
	v, _, ok := x.Request.version()
	if !ok || string(v) == "13" || x.Response.Status < 400 || x.Response.Status > 499 {
		return nil
	}
	return &hit{came: "no Sec-WebSocket-Version header, as the answer to version " + show(v)}
}
