package audit

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// Replies returns the table of what clients are answered, in its order: the
// first is right.
func Replies() []*Reply {
	var all []*Reply
	for _, part := range [][]Reply{rightReplies(), statusReplies(), proofReplies(), agreedReplies(), formReplies(), frameReplies(), closeReplies()} {
		for i := range part {
			all = append(all, &part[i])
		}
	}
	return all
}

const (
	dueOpen   = "an open connection"
	dueGiveUp = "the end of the connection, without a frame"
	mendProof = "Check the response by RFC 6455 4.1 before the connection counts as open, or leave it to a library."
)

// goodReply keeps every rule, however odd it looks.
func goodReply(id, clause, sends, why string, head func(h, req *handshake.Head)) Reply {
	return Reply{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: sends, Due: dueOpen, Why: why,
		Mend: "Read the response as HTTP is read: names and tokens have no case, and lists are lists.", head: head, judge: mustOpen}
}

// badReply breaks a rule of the opening handshake, for which a client has to
// give up.
func badReply(id, rule, sends string, head func(h, req *handshake.Head)) Reply {
	r := ruleByID()[rule]
	return Reply{ID: id, Group: Conformance, Clause: r.Clause, Rule: rule, Binding: handshake.Must, Sends: sends, Due: dueGiveUp, Why: r.Why, Mend: mendProof, head: head, judge: mustGiveUp}
}

func (r Reply) safety() Reply { r.Group = Safety; return r }

// always bends a response without a look at the request.
func always(bend func(*handshake.Head)) func(h, req *handshake.Head) {
	return func(h, _ *handshake.Head) { bend(h) }
}

func rightReplies() []Reply {
	const caseless = "Names and these tokens have no case; servers and proxies spell them as they like."
	ping := goodReply("ping", "RFC 6455 5.5.3", "101, and a ping with 7 bytes", "Servers and proxies tell by it whether the connection is still there.", nil)
	ping.bare, ping.pong = true, "sockkit" // a later ping might be answered in its place (RFC 6455 5.5.3)
	ping.Due, ping.behind, ping.judge, ping.Mend = "a pong with the same data", [][]byte{bare(fin|opPing, "sockkit")}, mustAnswer("sockkit"), "Read from the connection also while nothing is expected, and answer pings."
	between := goodReply("ping-between", "RFC 6455 5.4", "101, and a ping between the two frames of a message", "Control frames may stand between the parts of a message.", nil)
	between.bare, between.pong = true, "between"
	between.Due, between.behind, between.judge = "a pong with its data", [][]byte{bare(opText, "a"), bare(fin|opPing, "between"), bare(fin|opContinuation, "b")}, mustAnswer("between")
	interim := goodReply("interim-103", "RFC 9110 15.2", "103 Early Hints before the 101", "Other responses may come before the one that counts.", nil)
	interim.before = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
	pieces := goodReply("in-pieces", "RFC 9112 2.1", "101 in seven pieces, a moment apart", "TCP keeps no borders: a response may come in any pieces.", nil)
	pieces.parts = 7
	cookies := goodReply("headers-100", "RFC 6585 5", "101 with 40 cookies and 8 KiB of headers", "Proxies and sites add headers of their own.", always(func(h *handshake.Head) {
		for i := range 40 {
			h.Add("Set-Cookie", fmt.Sprintf("a%d=%s", i, strings.Repeat("x", 190)))
		}
	}))
	cookies.Binding, cookies.judge = Practice, mightOpen
	folded := goodReply("names-upper", "RFC 9110 5.1", "101 with all names of headers in upper case", caseless, always(respelled(strings.ToUpper)))
	return []Reply{
		goodReply("plain", "RFC 6455 4.1", "101, and nothing odd", "It is what every server sends.", nil),
		ping, between, interim, pieces, cookies, folded,
		goodReply("names-lower", "RFC 9110 5.1", "101 with all names of headers in lower case", caseless, always(respelled(strings.ToLower))),
		goodReply("upgrade-case", "RFC 6455 4.1 (response) item 2", "Upgrade: WebSocket", caseless, always(set("Upgrade", "WebSocket"))),
		goodReply("connection-case", "RFC 6455 4.1 (response) item 3", "Connection: upgrade", caseless, always(set("Connection", "upgrade"))),
		goodReply("connection-list", "RFC 6455 4.1 (response) item 3", "Connection: keep-alive, Upgrade", "Connection is a list.", always(set("Connection", "keep-alive, Upgrade"))),
		goodReply("accept-spaces", "RFC 6455 4.1 (response) item 4", "spaces and a tab around the proof", "What stands around a value is no part of it.", always(func(h *handshake.Head) {
			raw("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: \t "+h.Get("Sec-WebSocket-Accept")+" ")(h)
		})),
		goodReply("reason-other", "RFC 9112 4", "HTTP/1.1 101 Web Socket Protocol Handshake", "The words behind the status mean nothing.", always(func(h *handshake.Head) { h.SetStatusLine("HTTP/1.1", 101, "Web Socket Protocol Handshake") })),
		goodReply("reason-empty", "RFC 9112 4", "a status without words behind it", "The words behind the status may be left out.", always(func(h *handshake.Head) { h.SetStatusLine("HTTP/1.1", 101, "") })),
	}
}

// statusReplies are no upgrade, whatever else they say.
func statusReplies() []Reply {
	status := func(code int, reason string) Reply {
		r := badReply(fmt.Sprint("status-", code), "response-status", fmt.Sprintf("%d %s, and all the rest as in a 101", code, reason), always(func(h *handshake.Head) { h.SetStatusLine("HTTP/1.1", code, reason) }))
		r.Clause, r.Why, r.Rule = "RFC 6455 4.1 (response) item 1", "Only 101 says that the protocol changes; any other status leaves it HTTP.", ""
		r.cut = true // a client may read a refusal to its end
		return r
	}
	old := badReply("http-1.0", "response-version-old", "HTTP/1.0 101", always(func(h *handshake.Head) { h.SetStatusLine("HTTP/1.0", 101, "Switching Protocols") }))
	old.Binding, old.judge, old.Due = Practice, mightGiveUp("it does not look at the version; no rule tells a client to"), "the end of the connection; it may be let through"
	garbage := badReply("garbage", "response-upgrade-missing", "bytes that are no HTTP", nil).safety()
	garbage.Clause, garbage.Why, garbage.Rule = "RFC 9112 4", "What answers is no web server.", ""
	garbage.edit = func([]byte) []byte { return []byte("SSH-2.0-sockkit\r\n\r\n") }
	cut := badReply("cut", "response-upgrade-missing", "a 101 that ends before its empty line, with the connection", nil).safety()
	cut.Clause, cut.Why, cut.Rule = "RFC 9112 8", "Half a response may be the half without the header that matters.", ""
	cut.edit, cut.cut, cut.bare = func(w []byte) []byte { return w[:len(w)-2] }, true, true
	return []Reply{status(200, "OK"), status(204, "No Content"), status(400, "Bad Request"), status(403, "Forbidden"), status(426, "Upgrade Required"), status(503, "Service Unavailable"), old, garbage, cut}
}

// proofReplies lack or bend what proves that the server has understood.
func proofReplies() []Reply {
	accept := func(id, rule, sends string, value func(key string) string) Reply {
		return badReply("accept-"+id, rule, sends, func(h, req *handshake.Head) {
			h.Set(handshake.F("Sec-WebSocket-Accept", value(req.Get("Sec-WebSocket-Key"))))
		}).safety()
	}
	const wrongProof = "response-accept-wrong"
	return []Reply{
		badReply("upgrade-missing", "response-upgrade-missing", "101 without Upgrade", always(omit("Upgrade"))),
		badReply("upgrade-other", "response-upgrade-other", "Upgrade: h2c", always(set("Upgrade", "h2c"))),
		badReply("connection-missing", "response-connection-missing", "101 without Connection", always(omit("Connection"))),
		badReply("connection-other", "response-connection-other", "Connection: close", always(set("Connection", "close"))),
		badReply("accept-missing", "response-accept-missing", "101 without Sec-WebSocket-Accept", always(omit("Sec-WebSocket-Accept"))).safety(),
		accept("empty", wrongProof, "an empty Sec-WebSocket-Accept", func(string) string { return "" }),
		accept("other", wrongProof, "the proof for another key", func(string) string { return handshake.AcceptKey("dGhlIHNhbXBsZSBub25jZQ==") }),
		accept("key", wrongProof, "the key itself in place of its proof", func(key string) string { return key }),
		accept("case", wrongProof, "the right proof in lower case", func(key string) string { return strings.ToLower(handshake.AcceptKey(key)) }),
		accept("cut", wrongProof, "the right proof without its last character", func(key string) string { a := handshake.AcceptKey(key); return a[:len(a)-1] }),
		badReply("accept-twice", "response-accept-twice", "two proofs, a right one and a wrong one", always(add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))).safety(),
	}
}

// agreedReplies agree to what was not asked for, or not so.
func agreedReplies() []Reply {
	deflate := func(id, rule, params string) Reply {
		r := badReply("deflate-"+id, rule, "permessage-deflate; "+params, always(offering("permessage-deflate; "+params)))
		r.only = offersDeflate
		return r
	}
	asked := goodReply("protocol-asked", "RFC 6455 4.1 (response) item 6", "the subprotocol that was asked for first", "It is what the client asked for.", nil)
	asked.wants, asked.only = []string{"sockkit-a", "sockkit-b"}, asksForProtocol
	unasked := badReply("protocol-case", "response-protocol-unrequested", "the subprotocol that was asked for, in another case", func(h, req *handshake.Head) { otherCase(h) })
	unasked.wants, unasked.only = asked.wants, asksForProtocol
	several := badReply("protocol-several", "response-protocol-several", "both subprotocols that were asked for", func(h, req *handshake.Head) {
		h.Set(handshake.F("Sec-WebSocket-Protocol", strings.Join(req.Values("Sec-WebSocket-Protocol"), ", ")))
	})
	several.wants, several.only = asked.wants, func(req *handshake.Head) string {
		if !strings.Contains(strings.Join(req.Values("Sec-WebSocket-Protocol"), ","), ",") {
			return "the client asks for less than two subprotocols"
		}
		return ""
	}
	none := badReply("protocol-none", "response-protocol-unrequested", "no subprotocol, though some were asked for", always(omit("Sec-WebSocket-Protocol")))
	none.Rule, none.Clause, none.Why, none.Binding = "", "WHATWG WebSockets, establish a connection", "A client may go on; browsers have to give up.", Practice
	none.wants, none.only, none.judge = asked.wants, asksForProtocol, mightGiveUp("it goes on without a subprotocol, as a client may that is no browser")
	compressed := goodReply("deflate-agreed", "RFC 7692 7.1", "permessage-deflate as it was offered, and a message that is not compressed", "A sender may leave any message as it is.", agreeing)
	compressed.only, compressed.behind = offersDeflate, [][]byte{bare(fin|opText, "as it is")}
	deflated := badReply("deflate-unasked", "response-extension-not-offered", "permessage-deflate, which was not offered", always(offering("permessage-deflate")))
	deflated.only = func(req *handshake.Head) string {
		if offersDeflate(req) == "" {
			return "the client offers it"
		}
		return ""
	}
	return []Reply{
		asked, unasked, several, none, compressed,
		badReply("protocol-unasked", "response-protocol-unrequested", "a subprotocol that was not asked for", always(set("Sec-WebSocket-Protocol", "sockkit-unasked"))),
		badReply("extension-unasked", "response-extension-unknown", "an extension that nobody offers", always(offering("x-sockkit-audit"))),
		deflated,
		badReply("extensions-garbage", "response-extensions-bad", `Sec-WebSocket-Extensions: ;;=,"`, always(offering(`;;=,"`))).safety(),
		deflate("unknown", "response-deflate-unknown", "sockkit_audit"),
		deflate("twice", "response-deflate-twice", "server_no_context_takeover; server_no_context_takeover"),
		deflate("takeover-value", "response-deflate-value", "server_no_context_takeover=1"),
		deflate("bits-16", "response-deflate-bits", "server_max_window_bits=16"),
	}
}

// agreeing answers the first right offer of permessage-deflate.
func agreeing(h, req *handshake.Head) {
	for _, v := range req.Values("Sec-WebSocket-Extensions") {
		list, _ := handshake.ParseExtensions(v) // what is wrong with it is a finding of the requests
		for _, e := range list {
			if offer, ok := handshake.ParseDeflate(e, true); ok && e.Name == "permessage-deflate" {
				h.Set(handshake.F("Sec-WebSocket-Extensions", handshake.Deflate{}.Accept(offer).String()))
				return
			}
		}
	}
}

func offersDeflate(req *handshake.Head) string {
	for _, v := range req.Values("Sec-WebSocket-Extensions") {
		if strings.Contains(v, "permessage-deflate") {
			return ""
		}
	}
	return "the client offers no compression"
}

func asksForProtocol(req *handshake.Head) string {
	if !req.Has("Sec-WebSocket-Protocol") {
		return "the client asks for no subprotocol"
	}
	return ""
}

// formReplies are about the bytes of the head.
func formReplies() []Reply {
	lenient := func(id, clause, sends, text string, edit func([]byte) []byte) Reply {
		r := badReply(id, "response-upgrade-missing", sends, nil).safety()
		r.Rule, r.Clause, r.Binding, r.Why, r.edit, r.judge = "", clause, Practice, "A client and a proxy that read a head otherwise can be played against each other.", edit, mightGiveUp(text)
		r.Due = "the end of the connection; it may be let through"
		return r
	}
	huge := lenient("head-2m", "RFC 6585 5", "a header of 2 MiB", "it reads heads of 2 MiB: a server can fill its memory", func(w []byte) []byte {
		return append(w[:len(w)-2:len(w)-2], "X-Sockkit-Audit: "+strings.Repeat("x", 2<<20)+"\r\n\r\n"...)
	})
	return []Reply{
		lenient("bare-lf", "RFC 9112 2.2", "LF in place of CR LF", "it takes LF alone for a line end, as it may", func(w []byte) []byte { return []byte(strings.ReplaceAll(string(w), "\r\n", "\n")) }),
		lenient("space-before-colon", "RFC 9112 5.1", "a space before the colon of Upgrade", "it overlooks the space", func(w []byte) []byte { return []byte(strings.Replace(string(w), "Upgrade:", "Upgrade :", 1)) }),
		lenient("fold", "RFC 9112 5.2", "a header that goes on over the next line", "it joins folded lines, as it has to where it does not refuse", func(w []byte) []byte {
			return append(w[:len(w)-2:len(w)-2], "X-Sockkit-Audit: a\r\n b\r\n\r\n"...)
		}),
		huge,
	}
}

// badFrames are frames for which a client has to end the connection.
func badFrames(id, clause, sends, why string, frames ...[]byte) Reply {
	return Reply{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: "101, and " + sends, Due: dueEnd, Why: why, Mend: mendFrames, behind: frames, judge: mustFail}
}

func frameReplies() []Reply {
	const sync = "After a frame that means nothing both sides no longer agree on what comes."
	const control = "Control frames may stand between the parts of a message: they have to be short and whole."
	const text = "Text that is no UTF-8 breaks whoever shows or stores it."
	return []Reply{
		badFrames("frame-masked", "RFC 6455 5.1", "a text message with a mask", "Frames with a mask come from clients: somebody passes one client's bytes to another.", frame(fin|opText, "x")),
		badFrames("frame-opcode-3", "RFC 6455 5.2", "a frame with the opcode 3", sync, bare(fin|3, "x")),
		badFrames("frame-opcode-11", "RFC 6455 5.2", "a control frame with the opcode 11", sync, bare(fin|11, "x")),
		badFrames("frame-rsv1", "RFC 6455 5.2", "a ping with RSV1", sync, bare(fin|rsv1|opPing, "x")),
		badFrames("frame-rsv2", "RFC 6455 5.2", "a ping with RSV2", sync, bare(fin|rsv2|opPing, "x")),
		badFrames("frame-length-top", "RFC 6455 5.2", "a frame that announces 2^63 bytes", "A length with its top bit set becomes a negative number in many languages.", []byte{fin | opText, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}).safety(),
		badFrames("control-fragmented", "RFC 6455 5.5", "a ping without FIN", control, bare(opPing, "x")),
		badFrames("control-long", "RFC 6455 5.5", "a ping of 126 bytes", control, bare(fin|opPing, strings.Repeat("x", 126))),
		badFrames("continuation-first", "RFC 6455 5.4", "a continuation frame with nothing to continue", "Messages that are mixed up reach the application as one.", bare(fin|opContinuation, "x")),
		badFrames("message-interleaved", "RFC 6455 5.4", "a text message begun, and another one begun before its end", "Messages that are mixed up reach the application as one.", bare(opText, "a"), bare(fin|opText, "b")),
		badFrames("text-utf8", "RFC 6455 8.1", "a text message with the bytes C3 28", text, bare(fin|opText, "\xc3\x28")),
		badFrames("text-cut", "RFC 6455 8.1", "a text message that ends in the middle of a character", text, bare(fin|opText, "\xe2\x82")),
	}
}

func closeReplies() []Reply {
	bad := func(id, clause, sends, why, data string, code int) Reply {
		r := badFrames(id, clause, sends, why, bare(fin|opClose, data))
		r.Due, r.bare, r.judge, r.Mend = "the end of the connection, and not that code in answer", true, mustNotReflect(code), "Answer such a close frame with 1002."
		return r
	}
	good := func(id, sends, data string) Reply {
		r := goodReply(id, "RFC 6455 5.5.1", "101, and "+sends, "Without it a server cannot tell an orderly end from an accident.", nil)
		r.Due, r.behind, r.bare, r.judge, r.Mend = "a close frame in answer", [][]byte{bare(fin|opClose, data)}, true, mustCloseToo, "Answer a close frame with a close frame of the same code."
		return r
	}
	const reserved = "These codes stand for what no frame said, and say something else on the wire."
	return []Reply{
		good("close-1000", "a close frame with 1000", closing(1000, "bye")),
		good("close-empty", "a close frame without a code", ""),
		good("close-1012", "a close frame with 1012, which is registered", closing(1012, "")),
		bad("close-one-byte", "RFC 6455 5.5.1", "a close frame with a body of one byte", "A code has two bytes; half of one means nothing.", "\x03", -1),
		bad("close-utf8", "RFC 6455 5.5.1", "a close frame with 4321 whose reason is no UTF-8", "The reason is shown and logged as text.", closing(4321, "\xc3\x28"), 4321), // a code that nobody sends by himself
		bad("close-999", "RFC 6455 7.4.2", "a close frame with 999", reserved, closing(999, ""), 999),
		bad("close-1005", "RFC 6455 7.4.1", "a close frame with 1005", reserved, closing(1005, ""), 1005),
		bad("close-1006", "RFC 6455 7.4.1", "a close frame with 1006", reserved, closing(1006, ""), 1006),
	}
}

// PickReplies is [Pick] for the replies.
func PickReplies(words []string) ([]*Reply, error) {
	all := Replies()
	if len(words) == 0 {
		return all, nil
	}
	var picked []*Reply
	used := map[string]bool{}
	for _, r := range all {
		p := &Probe{ID: r.ID, Group: r.Group, Clause: r.Clause}
		hit := false
		for _, word := range words {
			if p.matches(word) {
				hit, used[word] = true, true
			}
		}
		if hit {
			picked = append(picked, r)
		}
	}
	for _, word := range words {
		if !used[word] {
			return nil, fmt.Errorf("%q is neither an answer nor a group nor a clause of one", word)
		}
	}
	return picked, nil
}

// ListReplies is what --dry-run prints of an audit of a client.
func ListReplies(replies []*Reply) (lines []string) {
	for _, r := range replies {
		lines = append(lines, fmt.Sprintf("%-24s %-11s %-8s %s: %s", r.ID, r.Group, r.Binding, r.Clause, r.Sends))
	}
	return lines
}
