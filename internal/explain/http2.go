package explain

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/ws"
)

// HTTP2 puts an opening handshake over HTTP/2 into words, step by step: what
// takes the place of what HTTP/1.1 has, and what is wrong. Failed is why it
// failed; nil where a WebSocket came of it.
func HTTP2(x *handshake.Exchange, i *ws.HTTP2Info, failed *ws.HandshakeError, o Options) []string {
	p := newPage(o)
	findings := findingsOf(ws.JudgeHTTP2(x, i))
	for _, f := range handshake.Check(i.Equivalent) {
		if f.Part != handshake.InRequest {
			findings = append(findings, f)
		}
	}
	p.http2Verdict(i, failed, findings)
	p.gap()
	p.http2Steps(x, i, findings)
	p.body(x)
	p.refusal(i.Equivalent, findings)
	p.findings(told(findings))
	return p.lines
}

// HTTP2Verdicts lists every rule that was asked.
func HTTP2Verdicts(x *handshake.Exchange, i *ws.HTTP2Info, o Options) []string {
	return Verdicts(ws.JudgeHTTP2(x, i), o)
}

func findingsOf(verdicts []handshake.Verdict) (list []handshake.Finding) {
	for _, v := range verdicts {
		if v.Finding != nil {
			list = append(list, *v.Finding)
		}
	}
	return list
}

func (p *page) http2Verdict(i *ws.HTTP2Info, failed *ws.HandshakeError, findings []handshake.Finding) {
	switch {
	case failed == nil:
		agreed, _ := handshake.CheckResponse(i.Equivalent)
		p.text("", green, "The handshake is right: a WebSocket opens over HTTP/2"+agreement(agreed)+".", 0)
	case failed.Refused():
		p.text("", red, "No WebSocket: "+lowerFirst(nameOfRefusal(findings).Summary), 0)
	case failed.Finding != nil:
		p.text("", red, "No WebSocket: "+lowerFirst(failed.Finding.Summary), 0)
	default:
		p.text("", red, "No WebSocket: "+render.Printable(failed.Err.Error())+".", 0)
	}
}

// http2Steps are the steps of RFC 8441, as far as they went.
func (p *page) http2Steps(x *handshake.Exchange, i *ws.HTTP2Info, findings []handshake.Finding) {
	list := told(findings)
	p.step(1, http2Agreed(i), list, "http2-alpn", "http2-settings")
	if i.Spoken {
		p.step(2, http2Settings(i), list, "http2-connect-setting")
	}
	if x.Request != nil {
		p.step(3, fmt.Sprintf("The request goes out on stream %d: CONNECT with :protocol takes the place of GET with Upgrade. There is no key (RFC 8441 4 and 5).", i.Stream), list)
		p.head(x.Request, "> ", handshake.InRequest, list)
	}
	if x.Response != nil {
		p.step(4, http2Answer(x), list)
		p.head(x.Response, "< ", handshake.InResponse, list)
	}
}

// step writes a step, marked by the findings of these rules.
func (p *page) step(n int, text string, findings []handshake.Finding, ids ...string) {
	var marks []string
	for i, f := range findings {
		for _, id := range ids {
			if f.ID == id {
				marks = append(marks, fmt.Sprint(i+1))
			}
		}
	}
	first := fmt.Sprintf("%d. ", n)
	if len(marks) > 0 {
		first += p.paint(red, "["+strings.Join(marks, ",")+"] ")
	}
	p.text(first, "", text, 3)
}

func http2Agreed(i *ws.HTTP2Info) string {
	switch {
	case i.Secure && i.ALPN == "h2":
		return "TLS's ALPN chose h2 (RFC 9113 3.2)."
	case i.Secure:
		return "TLS's ALPN did not choose h2 (RFC 9113 3.2)."
	case i.Spoken:
		return "Without TLS HTTP/2 is spoken with prior knowledge (RFC 9113 3.3), and the server speaks it, too."
	}
	return "Without TLS HTTP/2 is spoken with prior knowledge (RFC 9113 3.3), and the server has none."
}

func http2Settings(i *ws.HTTP2Info) string {
	var parts []string
	for _, s := range i.Settings {
		parts = append(parts, fmt.Sprintf("%s=%d", s.Name, s.Value))
	}
	s := "The server's SETTINGS came first: " + strings.Join(parts, ", ") + "."
	if len(parts) == 0 {
		s = "The server's SETTINGS came first, and are empty."
	}
	if i.Connect {
		return s + " ENABLE_CONNECT_PROTOCOL=1 says that :protocol may be sent (RFC 8441 3)."
	}
	return s + " Without ENABLE_CONNECT_PROTOCOL=1 no :protocol may be sent (RFC 8441 3), so nothing was asked."
}

func http2Answer(x *handshake.Exchange) string {
	switch {
	case x.Response.Status/100 == 2 && x.Response.Has("Sec-WebSocket-Accept"):
		return "The answer: 200 takes the place of 101 (RFC 8441 5)."
	case x.Response.Status/100 == 2:
		return "The answer: 200 takes the place of 101. There is no Sec-WebSocket-Accept, for there was no key (RFC 8441 5)."
	}
	return "The answer is a refusal: only 2xx opens a WebSocket over HTTP/2 (RFC 8441 5)."
}
