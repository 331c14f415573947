package audit

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// safetyProbes are what an attacker would try with the request.
func safetyProbes() []Probe {
	const hijack = "A browser lets any page open a WebSocket to any server and sends the user's cookies with it; only the server can tell by the Origin (cross-site WebSocket hijacking)."
	const mend = "Let in the origins of your own pages only; most libraries have an option for it."
	origin := func(id, sends string, head func(*handshake.Head)) Probe {
		return Probe{ID: id, Group: Safety, Clause: "RFC 6455 10.2", Binding: Practice, Sends: sends, Due: "403, or another refusal", Why: hijack, Mend: mend, head: head, judge: mustNotUpgrade}
	}
	host := func(format string) func(*handshake.Head) {
		return func(h *handshake.Head) { h.Set(handshake.F("Origin", fmt.Sprintf(format, h.Get("Host")))) }
	}
	const injected = "A header that a client can put into the response sets cookies, or ends the head where the attacker likes."
	inject := func(id, sends string, head func(*handshake.Head)) Probe {
		return Probe{ID: id, Group: Safety, Clause: "RFC 9110 5.5", Binding: handshake.Must, Sends: sends, Due: "no header of ours in the response", Why: injected,
			Mend: "Never write what a request holds into a header without checking it for CR and LF.", head: head, judge: notInjected}
	}
	return []Probe{
		origin("origin-foreign", "Origin: "+foreignOrigin, foreign),
		origin("origin-null", "Origin: null, as from a sandboxed frame or a file", set("Origin", "null")).unlessForeign(),
		origin("origin-prefix", "an Origin whose host begins with the server's: http://HOST.foreign.example", host("http://%s.foreign.example")).unlessForeign(),
		origin("origin-suffix", "an Origin whose host ends with the server's: http://foreign-HOST", host("http://foreign-%s")).unlessForeign(),
		origin("origin-user", "an Origin with the server's host as a user name: http://HOST@foreign.example", host("http://%s@foreign.example")).unlessForeign(),
		origin("host-rebound", "Host and Origin of another site, as after DNS rebinding", both(set("Host", "foreign.example"), set("Origin", "http://foreign.example"))).
			with(shouldNotUpgrade("on a server for one machine or one network any name that points to it gets in; check the Host there")).unlessForeign(),
		inject("crlf-query", "%0d%0a and a header in the query", query("%0d%0aX-Sockkit-Injected:%201")),
		inject("crlf-protocol", "a CR and a header in Sec-WebSocket-Protocol", raw("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: sockkit\rX-Sockkit-Injected: 1")),
		inject("crlf-origin", "a CR and a header in Origin", raw("Origin", "Origin: http://localhost\rX-Sockkit-Injected: 1")),
		inject("crlf-extension", "a quoted CR and a header in Sec-WebSocket-Extensions", raw("Sec-WebSocket-Extensions", "Sec-WebSocket-Extensions: x-sockkit; a=\"\rX-Sockkit-Injected: 1\"")),
		{ID: "frame-huge", Group: Safety, Clause: "RFC 6455 10.4", Binding: Practice, Sends: "the header of a message of 1 TiB", Due: "the end of the connection, best with close 1009",
			Why: "A server without a limit sets memory aside for it, or takes messages until it has none.", Mend: "Set the limit of a message that the library has.",
			frames: [][]byte{hugeFrame()}, judge: hugeEnd},
	}
}

// unlessForeign leaves out what is of no use where every origin is let in.
func (p Probe) unlessForeign() Probe {
	p.only = func(f *Facts) string {
		if f.Foreign {
			return "every origin is let in, see origin-foreign"
		}
		return ""
	}
	return p
}

// query appends to the query of the target.
func query(s string) func(*handshake.Head) {
	return func(h *handshake.Head) {
		target, mark := string(h.Target), "?"
		if strings.Contains(target, "?") {
			mark = "&"
		}
		line("", target+mark+"audit="+s, "")(h)
	}
}

// notInjected wants a response in which no line is ours.
func notInjected(a *Answer, _ *Facts) Verdict {
	if a.Outcome != Refused && a.Outcome != Upgraded {
		return pass
	}
	raw := bytes.ReplaceAll(a.Exchange.Response.Raw, []byte("\r"), []byte("\n"))
	for _, line := range bytes.Split(raw, []byte("\n")) {
		if bytes.HasPrefix(bytes.ToLower(line), []byte("x-sockkit-injected:")) {
			return finding("the response has the header that was put in")
		}
	}
	return pass
}

// hugeEnd wants the end. A server that waits for the rest may have a limit all
// the same.
func hugeEnd(a *Answer, f *Facts) Verdict {
	switch {
	case a.Outcome != Upgraded:
		return Verdict{Undecided, "it was not upgraded: " + a.String()}
	case a.Ended():
		return pass
	}
	return note("it waits for all of it; whether it has a limit does not show")
}

// framingProbes are about where a request ends, and about lines that are none.
// Parsers that disagree about that let requests be smuggled past a proxy.
func framingProbes() []Probe {
	const smuggle = "A proxy and a server that disagree on where a request ends let an attacker smuggle requests to others."
	const lines = "A proxy that reads such a line otherwise lets headers pass that it should have seen."
	hidden := frame(fin|opPing, "smuggled")
	body := func(id, clause, sends string, head func(*handshake.Head), tail []byte) Probe {
		return Probe{ID: id, Group: Safety, Clause: clause, Binding: handshake.Must, Sends: sends, Due: "a refusal, or an upgrade behind the body, which is no frame",
			Why: smuggle, Mend: "Refuse an upgrade that has a body.", head: head, tail: tail, judge: notSmuggled}
	}
	form := func(id, clause, sends string, head func(*handshake.Head)) Probe {
		return Probe{ID: id, Group: Safety, Clause: clause, Binding: handshake.Must, Sends: sends, Due: "a refusal, 400 Bad Request", Why: lines, Mend: mendParser, head: head, judge: mustNotUpgrade}
	}
	length := func(id, sends string, head func(*handshake.Head)) Probe {
		p := form("length-"+id, "RFC 9112 6.3 item 5", sends, head)
		p.Why = smuggle
		return p
	}
	chunk := append(append([]byte(fmt.Sprintf("%x\r\n", len(hidden))), hidden...), "\r\n0\r\n\r\n"...)
	return []Probe{
		body("body-length", "RFC 9112 6.3", "Content-Length, and a body that looks like a ping", set("Content-Length", fmt.Sprint(len(hidden))), hidden),
		body("body-chunked", "RFC 9112 7.1", "Transfer-Encoding: chunked, and a chunk that looks like a ping", set("Transfer-Encoding", "chunked"), chunk),
		form("length-and-chunked", "RFC 9112 6.1", "both Content-Length and Transfer-Encoding", both(set("Content-Length", "5"), set("Transfer-Encoding", "chunked"))).tailed("0\r\n\r\n").due("a refusal, or a response behind which the connection ends"),
		length("differ", "two Content-Length headers that differ", both(set("Content-Length", "0"), add("Content-Length", "5"))).tailed("hello"),
		length("list", "Content-Length: 0, 5", set("Content-Length", "0, 5")).tailed("hello"),
		length("sign", "Content-Length: +0", set("Content-Length", "+0")),
		length("word", "Content-Length: x", set("Content-Length", "x")),
		form("encoding-unknown", "RFC 9112 6.3 item 4", "Transfer-Encoding: sockkit", set("Transfer-Encoding", "sockkit")).tailed("0\r\n\r\n"),
		form("space-before-colon", "RFC 9112 5.1", "a space before the colon of Upgrade", func(h *handshake.Head) { raw("Upgrade", "Upgrade : websocket")(h) }),
		form("fold-as-header", "RFC 9112 5.2", "the version in a folded line, the continuation of another header", both(omit("Sec-WebSocket-Version"), func(h *handshake.Head) {
			raw("X-Sockkit-Audit", "X-Sockkit-Audit: a\r\n Sec-WebSocket-Version: 13")(h)
		})),
		form("space-first", "RFC 9112 2.2", "the version in a line that begins with a space, right behind the first line", both(omit("Sec-WebSocket-Version"))).edited(func(w []byte) []byte {
			return bytes.Replace(w, []byte("\r\n"), []byte("\r\n Sec-WebSocket-Version: 13\r\n"), 1)
		}),
		form("nul", "RFC 9110 5.5", "a NUL and more behind the version: 13 NUL x", raw("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13\x00x")),
		form("bare-cr", "RFC 9112 2.2", "a bare CR before the version, in another header", both(omit("Sec-WebSocket-Version"), raw("X-Sockkit-Audit", "X-Sockkit-Audit: a\rSec-WebSocket-Version: 13"))),
		form("no-colon", "RFC 9112 5", "a line without a colon among the headers", raw("X-Sockkit-Audit", "X-Sockkit-Audit")).should(),
		form("name-space", "RFC 9110 5.1", "a header's name with a space in it", raw("X-Sockkit-Audit", "X Sockkit: 1")).should(),
		form("bare-lf", "RFC 9112 2.2", "LF in place of CR LF behind one header", both(omit("Sec-WebSocket-Version"), raw("X-Sockkit-Audit", "X-Sockkit-Audit: a\nSec-WebSocket-Version: 13"))).
			lenient("it takes LF alone for a line end, as it may; a proxy before it has to, too"),
		form("fold", "RFC 9112 5.2", "a header that goes on over the next line", raw("X-Sockkit-Audit", "X-Sockkit-Audit: a\r\n b")).
			lenient("it joins folded lines, as it may; a proxy before it has to, too"),
		form("line-spaces", "RFC 9112 3", "two spaces in the first line", nil).edited(func(w []byte) []byte { return bytes.Replace(w, []byte(" "), []byte("  "), 1) }).
			lenient("it takes two spaces for one, as it may"),
		{ID: "early-frame", Group: Safety, Clause: "RFC 6455 4.1", Binding: Practice, Sends: "a close frame right behind the request, before the response", Due: "a refusal, or an answer to the close frame",
			Why: "Bytes that a server drops there leave both sides in different places.", Mend: "Keep what was read behind the request, or refuse it.", tail: frame(fin|opClose, closing(1000, "")), judge: notLost},
	}
}

// tailed is the probe with bytes behind the request.
func (p Probe) tailed(s string) Probe { p.tail = []byte(s); return p }

// edited is the probe with its bytes changed.
func (p Probe) edited(edit func([]byte) []byte) Probe { p.edit = edit; return p }

// due is the probe with other words for what is due.
func (p Probe) due(s string) Probe { p.Due = s; return p }

// lenient makes a note of what may be let through.
func (p Probe) lenient(text string) Probe {
	p.Binding, p.Due, p.judge = Practice, "a refusal; it may be let through", shouldNotUpgrade(text)
	return p
}

// notSmuggled wants the body not to be read as frames.
func notSmuggled(a *Answer, f *Facts) Verdict {
	switch {
	case a.Outcome != Upgraded:
		return mustNotUpgrade(a, f)
	case a.pong("smuggled"):
		return finding("it answered the ping that is the body")
	case a.Ended():
		return pass
	}
	return note("it was upgraded, and the body was not taken for a frame")
}

// notLost wants an answer to a close frame that came early, unless it was
// refused.
func notLost(a *Answer, f *Facts) Verdict {
	switch {
	case a.Outcome != Upgraded:
		return mustNotUpgrade(a, f)
	case a.Ended():
		return pass
	case a.Alive():
		return finding("the close frame was dropped, and the connection goes on")
	}
	return Verdict{Undecided, "upgraded, and no sign of life"}
}

// limitProbes are about sizes and times.
func limitProbes() []Probe {
	const memory = "Without a limit every connection may fill the server's memory."
	const time = "Connections that never finish their request use up what the server has (slowloris)."
	slow := func(id, sends string, how slowness) Probe {
		return Probe{ID: id, Group: Safety, Clause: "RFC 9110 15.5.9", Binding: Practice, Sends: sends, Due: "408, or the end of the connection",
			Why: time, Mend: "Set a limit on the time for a request's head (Go: ReadHeaderTimeout).", slow: how, judge: slowEnd}
	}
	big := func(id, sends string, head func(*handshake.Head)) Probe {
		return Probe{ID: id, Group: Safety, Clause: "RFC 6585 5", Binding: Practice, Sends: sends, Due: "431, or another refusal", Why: memory,
			Mend: "Set a limit on the size of a request's head.", head: head, judge: bigEnd}
	}
	return []Probe{
		big("head-4m", "a header of 4 MiB", func(h *handshake.Head) { h.Add("X-Sockkit-Audit", strings.Repeat("x", 4<<20)) }),
		big("headers-40k", "40,000 headers, about 1.5 MiB", func(h *handshake.Head) {
			f := handshake.F("X-Sockkit-Audit", "")
			f.Raw = []byte(strings.Repeat("X-Sockkit-Audit: a header as any other\r\n", 40000))
			h.AddField(f)
		}),
		{ID: "target-64k", Group: Safety, Clause: "RFC 9110 15.5.15", Binding: Practice, Sends: "a query of 64 KiB", Due: "an answer, whichever it is", Why: "A parser that gives up has to say so.",
			Mend: "Answer 414 to a target that is too long.", head: query(strings.Repeat("x", 64<<10)), judge: answered},
		{ID: "protocol-spaces", Group: Safety, Clause: "CVE-2021-32640", Binding: Practice, Sends: "a Sec-WebSocket-Protocol with 30,000 spaces", Due: "an answer in time",
			Why: "A regular expression that goes back takes minutes for it, and nobody else is served.", Mend: "Renew the library; cut lists by hand and not by regular expressions.",
			head: raw("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a"+strings.Repeat(" ", 30000)+"b"), judge: answered},
		{ID: "extensions-long", Group: Safety, Clause: "RFC 6455 9.1", Binding: Practice, Sends: "1,000 offers of extensions", Due: "an answer in time",
			Why: "Reading a list may take no more than its length allows.", Mend: "Renew the library.", head: offering(strings.TrimSuffix(strings.Repeat("x; a=1; b, ", 1000), ", ")), judge: answered},
		{ID: "headers-2100", Group: Safety, Clause: "CVE-2024-37890", Binding: Practice, Sends: "2,100 headers", Due: "an answer, whichever it is", Why: "A server dropped headers beyond 2,000, and then failed on one that it had counted on.",
			Mend: "Renew the library.", head: func(h *handshake.Head) {
				fields := cloned(h)
				for _, f := range fields {
					h.Omit(string(f.Name))
				}
				for range 2100 {
					h.Add("X", "1")
				}
				for _, f := range fields {
					h.AddField(f)
				}
			}, judge: answered},
		slow("head-stalled", "a request without its end, and then nothing", stalled),
		slow("head-dripped", "a request whose headers never end, a byte at a time", dripped),
	}
}

// bigEnd wants a refusal, or the end.
func bigEnd(a *Answer, _ *Facts) Verdict {
	switch a.Outcome {
	case Upgraded:
		return finding("it was read, and upgraded")
	case Silence:
		return note("it did not answer, and did not end the connection")
	}
	return pass
}

// slowEnd wants an end in time. How long that may be nobody says: what is
// longer than is waited for is worth knowing, and no finding.
func slowEnd(a *Answer, _ *Facts) Verdict {
	switch {
	case a.Outcome != Silence:
		return pass
	case a.Wait >= longestSlow:
		return finding("the connection is still open")
	}
	return note("the connection is still open; --slow waits longer")
}

// longestSlow is more than any usual limit on the time for a request.
const longestSlow = 90 * 1e9

// answered wants any answer, or the end.
func answered(a *Answer, _ *Facts) Verdict {
	if a.Outcome == Silence {
		return finding("")
	}
	return pass
}
