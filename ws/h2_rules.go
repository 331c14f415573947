package ws

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// rfc8441 is where the rules about WebSockets over HTTP/2 come from.
const rfc8441 handshake.Source = "RFC 8441"

// onConnection is what comes before the request.
const onConnection handshake.Part = "connection"

// http2Rule is a rule of the opening handshake over HTTP/2. The check says what
// came where it is broken, and whether there was anything to ask about.
type http2Rule struct {
	handshake.Rule
	check func(x *handshake.Exchange, i *HTTP2Info) (came string, asked bool)
}

// HTTP2Rules is the table: the rules that an opening handshake over HTTP/2 has
// besides those that it shares with HTTP/1.1.
func HTTP2Rules() (rules []handshake.Rule) {
	for _, r := range http2Table() {
		rules = append(rules, r.Rule)
	}
	return rules
}

// JudgeHTTP2 holds an opening handshake over HTTP/2 against every rule that
// applies, in the order of the table.
func JudgeHTTP2(x *handshake.Exchange, i *HTTP2Info) (verdicts []handshake.Verdict) {
	for _, r := range http2Table() {
		came, asked := r.check(x, i)
		if !asked {
			continue
		}
		v := handshake.Verdict{Rule: r.Rule}
		if came != "" {
			v.Finding = &handshake.Finding{Rule: r.Rule, Came: came, Due: r.Due, Fault: r.Fault, Cause: r.Cause, Mend: r.Mend}
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// http2Broken is the first rule for which a client gives up; nil where there is
// none.
func http2Broken(x *handshake.Exchange, i *HTTP2Info) *handshake.Finding {
	for _, v := range JudgeHTTP2(x, i) {
		if v.Finding != nil && v.Rule.Fails {
			return v.Finding
		}
	}
	return nil
}

const http2Mend = "Enable WebSockets over HTTP/2 in the server, or in the proxy before it (Node: the setting enableConnectProtocol; haproxy has them from 2.4 on; nginx has none); or dial without --http2."

func http2Table() []http2Rule {
	rules := append(http2SettingsRules(), http2RequestRules()...)
	return append(rules, http2ResponseRules()...)
}

// http2SettingsRules are about the connection.
func http2SettingsRules() []http2Rule {
	return []http2Rule{
		{handshake.Rule{
			ID: "http2-alpn", Clause: "RFC 9113 3.2", Source: handshake.HTTP, Level: handshake.Must, Part: onConnection, Fault: handshake.Server, Fails: true,
			Summary: "The server did not choose HTTP/2 while TLS was set up.", Due: "h2 chosen in TLS's ALPN",
			Why:   "Under TLS both ends agree on HTTP/2 by ALPN, and by nothing else.",
			Cause: "The server, or the proxy before it, speaks HTTP/1.1 only on this port.", Mend: "Dial without --http2, or enable HTTP/2 in the server.",
		}, func(_ *handshake.Exchange, i *HTTP2Info) (string, bool) {
			return when(i.ALPN != "h2", "ALPN "+orNothing(i.ALPN)), i.Secure
		}},
		{handshake.Rule{
			ID: "http2-settings", Clause: "RFC 9113 3.4", Source: handshake.HTTP, Level: handshake.Must, Part: onConnection, Fault: handshake.Server, Fails: true,
			Summary: "The server does not speak HTTP/2.", Due: "a SETTINGS frame as the first of the server",
			Why:   "SETTINGS say what the server takes, WebSockets included.",
			Cause: "The server speaks HTTP/1.1 only: ws:// with --http2 is sent with prior knowledge, and nothing was asked before.", Mend: "Dial without --http2, or enable HTTP/2 without TLS (h2c) in the server.",
		}, func(_ *handshake.Exchange, i *HTTP2Info) (string, bool) {
			return i.first, i.Spoken || i.first != ""
		}},
		{handshake.Rule{
			ID: "http2-connect-setting", Clause: "RFC 8441 3", Source: rfc8441, Level: handshake.Must, Part: onConnection, Fault: handshake.Server, Fails: true,
			Summary: "The server has not said that it takes WebSockets over HTTP/2.", Due: "SETTINGS_ENABLE_CONNECT_PROTOCOL=1 in the server's SETTINGS",
			Why:   "A client must not send :protocol before it has seen this setting.",
			Cause: "The server speaks HTTP/2, and not RFC 8441; most need it to be enabled.", Mend: http2Mend,
		}, func(_ *handshake.Exchange, i *HTTP2Info) (string, bool) {
			return when(!i.Connect, "SETTINGS: "+i.settingsText()), i.Spoken
		}},
	}
}

// http2RequestRules are about what the client sends.
func http2RequestRules() []http2Rule {
	return []http2Rule{
		{handshake.Rule{
			ID: "http2-request-connect", Clause: "RFC 8441 4", Source: rfc8441, Level: handshake.Must, Part: handshake.InRequest, Fault: handshake.Client,
			Summary: "The request is no CONNECT with :protocol websocket.", Due: ":method CONNECT, and :protocol websocket in place of Upgrade",
			Why: "CONNECT makes a tunnel of the stream, and :protocol says what is spoken in it.", Mend: "Send :method CONNECT and :protocol websocket.",
		}, func(x *handshake.Exchange, _ *HTTP2Info) (string, bool) {
			if x.Request == nil {
				return "", false
			}
			right := string(x.Request.Method) == "CONNECT" && x.Request.Get(":protocol") == "websocket"
			return when(!right, string(x.Request.AppendLine(nil))), true
		}},
		{handshake.Rule{
			ID: "http2-request-target", Clause: "RFC 8441 4", Source: rfc8441, Level: handshake.Must, Part: handshake.InRequest, Fault: handshake.Client,
			Summary: "The request names no scheme, no path or no host.", Due: ":scheme, :path and :authority, which other CONNECTs do not have",
			Why: "They are the URL of the WebSocket.", Mend: "Send :scheme https for wss and http for ws, :path and :authority.",
		}, func(x *handshake.Exchange, _ *HTTP2Info) (string, bool) {
			if x.Request == nil {
				return "", false
			}
			h := x.Request
			return when(len(h.Target) == 0 || h.Get(":scheme") == "" || h.Get(":authority") == "", string(h.AppendLine(nil))), true
		}},
		{handshake.Rule{
			ID: "http2-request-key", Clause: "RFC 8441 5", Source: rfc8441, Level: handshake.Note, Part: handshake.InRequest, Fault: handshake.Client,
			Summary: "The request has a Sec-WebSocket-Key, which HTTP/2 has no use for.", Due: "no Sec-WebSocket-Key: :protocol proves that the client knows what it asks for",
			Why: "The key shows that a server of HTTP/1.1 has understood the Upgrade.", Mend: "Leave it out.",
		}, func(x *handshake.Exchange, _ *HTTP2Info) (string, bool) {
			return when(x.Request != nil && x.Request.Has("Sec-WebSocket-Key"), "Sec-WebSocket-Key"), x.Request != nil
		}},
	}
}

// http2ResponseRules are about what the server answers.
func http2ResponseRules() []http2Rule {
	return []http2Rule{
		{handshake.Rule{
			ID: "http2-response-malformed", Clause: "RFC 9113 8.1.1", Source: handshake.HTTP, Level: handshake.Must, Part: handshake.InResponse, Fault: handshake.Server, Fails: true,
			Summary: "The response is none that HTTP/2 has.", Due: "one :status of three digits other than 101, names in lower case, and none of Connection and Upgrade",
			Why: "What belongs to the connections of HTTP/1.1 has no meaning on a stream, and tells of a gateway that can be led astray.", Cause: "A gateway passed the head of HTTP/1.1 on as it was.", Mend: "In the server, answer :status 200 without Connection and Upgrade.",
		}, func(x *handshake.Exchange, i *HTTP2Info) (string, bool) {
			return i.malformed, x.Response != nil || i.malformed != ""
		}},
		{handshake.Rule{
			ID: "http2-response-ended", Clause: "RFC 8441 5", Source: rfc8441, Level: handshake.Must, Part: handshake.InResponse, Fault: handshake.Server, Fails: true,
			Summary: "The server said 200 and ended the stream in the same breath.", Due: "a stream that stays open behind 200: the WebSocket is what follows",
			Why: "END_STREAM is what the end of a TCP connection is to a WebSocket.", Cause: "The server took the CONNECT for a request like any other.", Mend: http2Mend,
		}, func(x *handshake.Exchange, i *HTTP2Info) (string, bool) {
			return when(i.ended, "END_STREAM"), x.Response != nil && x.Response.Status/100 == 2
		}},
		{handshake.Rule{
			ID: "http2-response-accept", Clause: "RFC 8441 5", Source: rfc8441, Level: handshake.Note, Part: handshake.InResponse, Fault: handshake.Server,
			Summary: "The response has a Sec-WebSocket-Accept, which HTTP/2 has no use for.", Due: "no Sec-WebSocket-Accept: there was no key",
			Why: "The 200 to a CONNECT with :protocol says the same.", Mend: "Leave it out.",
		}, func(x *handshake.Exchange, _ *HTTP2Info) (string, bool) {
			if x.Response == nil {
				return "", false
			}
			return when(x.Response.Has("Sec-WebSocket-Accept"), "Sec-WebSocket-Accept"), x.Response.Status/100 == 2
		}},
		{handshake.Rule{
			ID: "http2-response-status", Clause: "RFC 8441 5", Source: rfc8441, Level: handshake.Note, Part: handshake.InResponse, Fault: handshake.Server,
			Summary: "The server takes the WebSocket with a status other than 200.", Due: ":status 200 in place of 101",
			Why: "Any 2xx answers a CONNECT; 200 is what everybody sends.", Mend: "Answer 200.",
		}, func(x *handshake.Exchange, _ *HTTP2Info) (string, bool) {
			if x.Response == nil || x.Response.Status/100 != 2 {
				return "", false
			}
			return when(x.Response.Status != 200, fmt.Sprint(x.Response.Status)), true
		}},
	}
}

func when(broken bool, came string) string {
	if !broken {
		return ""
	}
	return strings.TrimSpace(came)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
