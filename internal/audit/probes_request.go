package audit

import (
	"bytes"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// answerProbes hold the 101 that a right request gets against the rules of the
// response, a few at a time.
func answerProbes() []Probe {
	const mend = "Build the response by RFC 6455 4.2.2, or leave it to a library."
	probe := func(id, clause, due, why string, prefixes ...string) Probe {
		return Probe{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: "a right request", Due: due, Why: why, Mend: mend, judge: rules(prefixes...)}
	}
	return []Probe{
		probe("answer-status", "RFC 6455 4.2.2 item 5.1", "HTTP/1.1 101 and headers that are right as HTTP",
			"Clients and proxies that cannot read the head give up.", "response-version", "response-status", "response-line", "response-bare", "response-obs", "response-space", "response-bad", "response-no-colon", "response-control", "response-nul", "response-is", "response-not"),
		probe("answer-upgrade", "RFC 6455 4.2.2 item 5.2", "Upgrade: websocket", "Without it every client gives up.", "response-upgrade"),
		probe("answer-connection", "RFC 6455 4.2.2 item 5.3", "Connection: Upgrade", "Without it every client gives up, and proxies do not pass the upgrade on.", "response-connection"),
		probe("answer-accept", "RFC 6455 4.2.2 item 5.4", "the Sec-WebSocket-Accept that follows from the key", "It proves that the server has understood the request.", "response-accept-"),
		probe("answer-body", "RFC 9110 8.6", "no Content-Length and no Transfer-Encoding in a 101", "Whoever believes them reads frames as a body.", "response-body"),
		probe("answer-bytes", "RFC 6455 5.2", "nothing but frames behind the 101", "Bytes that are no frames end the connection at once.", "response-no-frame"),
		probe("answer-no-protocol", "RFC 6455 4.2.2 item 5.5", "no subprotocol that was not asked for", "Clients have to give up on a subprotocol that they do not speak.", "response-protocol"),
		probe("answer-no-extension", "RFC 6455 4.2.2 item 5.6", "no extension that was not offered", "Clients have to give up on an extension that they do not know.", "response-extension", "response-deflate"),
	}
}

// lineProbes bend the first line.
func lineProbes() []Probe {
	return []Probe{
		wrong("method-post", "request-method", "POST in place of GET, without a body", both(line("POST", "", ""), add("Content-Length", "0"))).clause("RFC 6455 4.2.1 item 1"),
		wrong("method-lower", "request-method-case", "get in place of GET", line("get", "", "")),
		wrong("http-1.0", "request-version-old", "HTTP/1.0", line("", "", "HTTP/1.0")).clause("RFC 6455 4.2.1 item 1"),
		wrong("http-lower", "request-version-malformed", "http/1.1 in lower case", line("", "", "http/1.1")).with(mustNotUpgrade),
		wrong("http-garbage", "request-version-malformed", "HTTP/1.x", line("", "", "HTTP/1.x")).with(mustNotUpgrade),
		{ID: "method-post-allow", Group: Conformance, Clause: "RFC 9110 15.5.6", Binding: handshake.Must, Sends: "POST in place of GET, without a body",
			Due: "an Allow header, where the answer is 405", Why: "It tells the client which method to use.", Mend: "Add Allow: GET to the 405.",
			head: both(line("POST", "", ""), add("Content-Length", "0")), judge: withHeader(405, "Allow")},
		wrong("target-asterisk", "request-target-bad", "* as the path", line("", "*", "")).should().clause("RFC 9112 3.2.4"),
		wrong("target-authority", "request-target-bad", "host:port as the path, as for CONNECT", func(h *handshake.Head) {
			line("", "foreign.example:80", "")(h)
		}).should().clause("RFC 9112 3.2.3"),
		right("target-absolute", "RFC 9112 3.2.2", "the whole address in the first line, as to a proxy", "Clients that speak to a proxy send it, and HTTP demands that every server takes it.", func(h *handshake.Head) {
			line("", "http://"+h.Get("Host")+string(h.Target), "")(h)
		}),
		{ID: "empty-line-first", Group: Conformance, Clause: "RFC 9112 2.2", Binding: handshake.Should, Sends: "an empty line before the first line", Due: dueUpgrade,
			Why: "Some clients send a line end too many behind a body, and the next request begins with it.", Mend: "Skip an empty line before a request.",
			edit: func(w []byte) []byte { return append([]byte("\r\n"), w...) }, judge: mayAccept},
		{ID: "in-pieces", Group: Conformance, Clause: "RFC 9112 2.1", Binding: handshake.Must, Sends: "the request in seven pieces, a moment apart", Due: dueUpgrade,
			Why: "TCP keeps no borders: a request may come in any pieces.", Mend: "Read on until the empty line has come.", parts: 7, judge: mustAccept},
	}
}

// with is the probe with another verdict.
func (p Probe) with(j judge) Probe { p.judge = j; return p }

// should makes the probe one of what should be.
func (p Probe) should() Probe {
	p.Binding, p.judge = handshake.Should, mustNotUpgrade
	return p
}

// withHeader wants a header in a refusal with this status; others are not
// asked.
func withHeader(status int, name string) judge {
	return func(a *Answer, _ *Facts) Verdict {
		switch {
		case a.Outcome != Refused || a.Status() != status:
			return Verdict{Skipped, "the answer is another one: " + a.String()}
		case !a.Exchange.Response.Has(name):
			return finding("it has no " + name)
		}
		return pass
	}
}

// fieldProbes leave out and bend the headers that make a request an upgrade.
func fieldProbes() []Probe {
	return []Probe{
		wrong("host-missing", "request-host-missing", "no Host", omit("Host")).with(mustNotUpgrade),
		wrong("host-twice", "request-host-twice", "two Host headers", add("Host", "foreign.example")).with(mustNotUpgrade).safety(),
		wrong("host-bad", "request-host-bad", "Host: a b", set("Host", "a b")).with(mustNotUpgrade),
		wrong("upgrade-missing", "request-upgrade-missing", "no Upgrade", omit("Upgrade")),
		wrong("upgrade-other", "request-upgrade-other", "Upgrade: h2c", set("Upgrade", "h2c")),
		wrong("upgrade-longer", "request-upgrade-other", "Upgrade: websocketx", set("Upgrade", "websocketx")),
		wrong("connection-missing", "request-connection-missing", "no Connection", omit("Connection")),
		wrong("connection-other", "request-connection-other", "Connection: keep-alive", set("Connection", "keep-alive")),
		wrong("connection-longer", "request-connection-other", "Connection: no-upgrade", set("Connection", "no-upgrade")),
	}
}

// safety moves the probe to the other group.
func (p Probe) safety() Probe { p.Group = Safety; return p }

// keyProbes are about the key.
func keyProbes() []Probe {
	return []Probe{
		wrong("key-missing", "request-key-missing", "no Sec-WebSocket-Key", omit("Sec-WebSocket-Key")),
		wrong("key-empty", "request-key-empty", "an empty Sec-WebSocket-Key", set("Sec-WebSocket-Key", "")),
		wrong("key-short", "request-key-length", "a key of 15 bytes", set("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0O")),
		wrong("key-long", "request-key-length", "a key of 32 bytes", set("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8=")),
		wrong("key-not-base64", "request-key-base64", "24 characters that are no base64", set("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!==")),
		wrong("key-inner-space", "request-key-base64", "a key with a space in it", set("Sec-WebSocket-Key", "dGhlIHNhbX BsZSBub25jZQ==")),
		wrong("key-unpadded", "request-key-base64", "a key without its padding", set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")),
		wrong("key-twice", "request-key-twice", "two keys", add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")).safety(),
		right("key-spaces", "RFC 9110 5.5", "spaces and a tab around the key", "What stands around a value is no part of it; a server that hashes it too answers with a wrong proof.", func(h *handshake.Head) {
			raw("Sec-WebSocket-Key", "Sec-WebSocket-Key: \t "+h.Get("Sec-WebSocket-Key")+"  ")(h)
		}),
	}
}

// versionProbes are about the version, and about what a refusal says of it.
func versionProbes() []Probe {
	version := func(id, value string) Probe {
		return wrong("version-"+id, "request-version-unsupported", "Sec-WebSocket-Version: "+value, set("Sec-WebSocket-Version", value)).clause("RFC 6455 4.2.2 item 4")
	}
	return []Probe{
		wrong("version-missing", "request-version-missing", "no Sec-WebSocket-Version", omit("Sec-WebSocket-Version")),
		version("0", "0"), version("14", "14"), version("99", "99"),
		version("8", "8").draft(), version("7", "7").draft(),
		wrong("version-word", "request-version-number", "Sec-WebSocket-Version: 13abc", set("Sec-WebSocket-Version", "13abc")).clause("RFC 6455 4.2.1 item 6"),
		wrong("version-list", "request-version-twice", "Sec-WebSocket-Version: 13, 8", set("Sec-WebSocket-Version", "13, 8")).clause("RFC 6455 4.2.1 item 6"),
		wrong("version-twice", "request-version-twice", "two versions, 13 and 8", add("Sec-WebSocket-Version", "8")),
		{ID: "version-says-13", Group: Conformance, Clause: "RFC 6455 4.4", Binding: handshake.Must, Sends: "Sec-WebSocket-Version: 99",
			Due: "a refusal with Sec-WebSocket-Version: 13", Why: "It is how a client learns which version to try again with.", Mend: "Add Sec-WebSocket-Version: 13 to the refusal.",
			head: set("Sec-WebSocket-Version", "99"), judge: says13},
		{ID: "refusal-426", Group: Conformance, Clause: "RFC 9110 15.5.22", Binding: handshake.Must, Sends: "Sec-WebSocket-Version: 99",
			Due: "an Upgrade header, where the answer is 426", Why: "426 says that another protocol is due, and Upgrade says which.", Mend: "Add Upgrade: websocket to the 426.",
			head: set("Sec-WebSocket-Version", "99"), judge: withHeader(426, "Upgrade")},
	}
}

// draft is a version that was a draft's. A server may speak it beside 13
// (RFC 6455 4.4).
func (p Probe) draft() Probe {
	p.Clause, p.Binding, p.Due = "RFC 6455 4.4", Practice, "a refusal; a server may speak drafts of 2011 too"
	p.judge = shouldNotUpgrade("it speaks a draft of 2011 too, or does not look at the version")
	return p
}

// says13 wants a refusal that says which version is spoken.
func says13(a *Answer, _ *Facts) Verdict {
	if a.Outcome != Refused {
		return Verdict{Skipped, "it was not refused: " + a.String()}
	}
	for _, v := range a.Exchange.Response.Values("Sec-WebSocket-Version") {
		for _, one := range strings.Split(v, ",") {
			if strings.TrimSpace(one) == "13" {
				return pass
			}
		}
	}
	return finding("it does not say that 13 is spoken")
}

// acceptProbes are odd and right.
func acceptProbes() []Probe {
	const caseless = "Names and these tokens have no case; clients and proxies spell them as they like."
	const lists = "Connection and Upgrade are lists, and Firefox sends keep-alive with the upgrade."
	return []Probe{
		right("upgrade-case", "RFC 6455 4.2.1 item 3", "Upgrade: WebSocket", caseless, set("Upgrade", "WebSocket")),
		right("connection-case", "RFC 6455 4.2.1 item 4", "Connection: UPGRADE", caseless, set("Connection", "UPGRADE")),
		right("names-lower", "RFC 9110 5.1", "all names of headers in lower case", caseless, respelled(strings.ToLower)),
		right("names-upper", "RFC 9110 5.1", "all names of headers in upper case", caseless, respelled(strings.ToUpper)),
		right("connection-list", "RFC 6455 4.2.1 item 4", "Connection: keep-alive, Upgrade", lists, set("Connection", "keep-alive, Upgrade")),
		right("connection-lines", "RFC 9110 5.3", "two Connection headers", lists, both(set("Connection", "keep-alive"), add("Connection", "Upgrade"))),
		right("connection-empty-items", "RFC 9110 5.6.1.2", "Connection: , ,Upgrade,", "A recipient has to pass over empty elements of a list.", set("Connection", ", ,Upgrade,")),
		right("upgrade-list", "RFC 9110 7.8", "Upgrade: h2c, websocket", lists, set("Upgrade", "h2c, websocket")).may(),
		right("no-space", "RFC 9112 5", "no space behind the colons", "The space behind the colon is optional.", respaced("")),
		right("tabs", "RFC 9112 5", "tabs around the values", "Whitespace around a value is optional, and a tab is whitespace.", respaced("\t")),
		right("order", "RFC 9110 5.3", "the headers in reverse order", "Headers of different names have no order.", reversed),
		right("unknown-header", "RFC 9110 5.1", "a header that nobody knows", "What is not known is passed over.", add("X-Sockkit-Audit", "1")).may(),
		right("cookie-4k", "RFC 6265 6.1", "a cookie of 4,000 bytes", "Browsers send every cookie of the site.", func(h *handshake.Head) { h.Add("Cookie", "audit="+strings.Repeat("x", 4000)) }).may(),
		right("non-ascii", "RFC 9110 5.5", "a header with bytes beyond ASCII", "Such bytes are opaque data, and old cookies hold them.", add("X-Sockkit-Audit", "gr\xc3\xbc\xc3\x9fe")).may(),
	}
}

// respelled changes the names of all headers.
func respelled(spell func(string) string) func(*handshake.Head) {
	return func(h *handshake.Head) {
		for _, f := range cloned(h) {
			h.Set(handshake.F(spell(string(f.Name)), string(f.Value)))
		}
	}
}

// respaced changes what stands around all values.
func respaced(space string) func(*handshake.Head) {
	return func(h *handshake.Head) {
		for _, f := range cloned(h) {
			raw(string(f.Name), string(f.Name)+":"+space+string(f.Value)+space)(h)
		}
	}
}

func reversed(h *handshake.Head) {
	fields := cloned(h)
	for _, f := range fields {
		h.Omit(string(f.Name))
	}
	for i := range fields {
		h.AddField(fields[len(fields)-1-i])
	}
}

// cloned are the headers, which the changes do not reach.
func cloned(h *handshake.Head) (list []handshake.Field) {
	for _, f := range h.Fields() {
		list = append(list, handshake.F(string(bytes.Clone(f.Name)), string(bytes.Clone(f.Value))))
	}
	return list
}
