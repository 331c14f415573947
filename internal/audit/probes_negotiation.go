package audit

import (
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// negotiationProbes are about subprotocols and extensions.
func negotiationProbes() []Probe {
	const mend = "Answer with one of the names that were asked for, as it was spelled, or with none."
	const why = "A client has to give up on a subprotocol that it did not ask for, and browsers do."
	asking := func(id, clause, sends, value string) Probe {
		return Probe{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: sends, Due: "one of the names that are asked for, or none",
			Why: why, Mend: mend, head: set("Sec-WebSocket-Protocol", value), judge: answerOrRefusal("response-protocol")}
	}
	const garbage = "RFC 6455 9.1 wants the handshake to fail: whoever guesses at a broken list may agree to what was not offered."
	list := func(id, sends, value string) Probe {
		p := wrong(id, "request-extensions-bad", sends, offering(value)).clause("RFC 6455 9.1").safety()
		p.Why, p.judge = garbage, mustNotUpgrade
		return p
	}
	return []Probe{
		asking("protocol-unknown", "RFC 6455 4.2.2 item 5.5", "a subprotocol that nobody speaks", "sockkit-audit"),
		asking("protocol-list", "RFC 6455 11.3.4", "three subprotocols that nobody speaks", "sockkit-a, sockkit-b,sockkit-c"),
		{ID: "protocol-lines", Group: Conformance, Clause: "RFC 6455 11.3.4", Binding: handshake.Must, Sends: "two Sec-WebSocket-Protocol headers", Due: "one of the names that are asked for, or none",
			Why: "The header may stand more than once in a request, which is the same as one list.", Mend: mend,
			head: both(set("Sec-WebSocket-Protocol", "sockkit-a"), add("Sec-WebSocket-Protocol", "sockkit-b")), judge: answerOrRefusal("response-protocol")},
		{ID: "protocol-case", Group: Conformance, Clause: "RFC 6455 4.1 (response) item 6", Binding: handshake.Must, Sends: "the subprotocol of -s in upper case, or in lower case where it is that", Due: "the name as it was asked for, or none",
			Why: "Names of subprotocols have case; a client compares them as they are.", Mend: mend, only: withSubprotocol, head: otherCase, judge: answerOrRefusal("response-protocol")},
		wrong("protocol-empty", "request-protocol-empty", "an empty Sec-WebSocket-Protocol", set("Sec-WebSocket-Protocol", "")).clause("RFC 6455 4.2.1").with(mustNotUpgrade),
		wrong("protocol-bad", "request-protocol-bad", "Sec-WebSocket-Protocol: a b", set("Sec-WebSocket-Protocol", "a b")).clause("RFC 6455 4.2.1").with(mustNotUpgrade),
		{ID: "extension-unknown", Group: Conformance, Clause: "RFC 6455 9.1", Binding: handshake.Must, Sends: "an extension that nobody knows", Due: "101, without that extension",
			Why: "What a server does not know it passes over, and never agrees to.", Mend: "Answer only extensions that the server implements.", head: offering(`x-sockkit-audit; a; b=1; c="2"`), judge: acceptWithout("response-extension")},
		{ID: "extension-lines", Group: Conformance, Clause: "RFC 6455 9.1", Binding: handshake.Must, Sends: "two Sec-WebSocket-Extensions headers", Due: "101, and nothing that was not offered",
			Why: "The header may stand more than once in a request, which is the same as one list.", Mend: "Read all headers of the name.", head: both(offering("x-sockkit-a"), add("Sec-WebSocket-Extensions", "x-sockkit-b")), judge: acceptWithout("response-extension")},
		list("extensions-garbage", `Sec-WebSocket-Extensions: ;;=,"`, `;;=,"`),
		list("extensions-quote", "a quotation mark in Sec-WebSocket-Extensions that never closes", `permessage-deflate; a="b`),
		list("extensions-no-name", "a parameter without a name", "permessage-deflate; =1"),
		list("extensions-spaces", "two extensions without a comma between them", "x-a x-b"),
	}
}

func withSubprotocol(f *Facts) string {
	if len(f.Subprotocols) == 0 {
		return "-s names a subprotocol that the server speaks"
	}
	return ""
}

// otherCase spells the first subprotocol in another case.
func otherCase(h *handshake.Head) {
	name, _, _ := strings.Cut(h.Get("Sec-WebSocket-Protocol"), ",")
	other := strings.ToUpper(strings.TrimSpace(name))
	if other == strings.TrimSpace(name) {
		other = strings.ToLower(other)
	}
	h.Set(handshake.F("Sec-WebSocket-Protocol", other))
}

// answerOrRefusal wants a 101 that keeps the rules, or a refusal.
func answerOrRefusal(prefixes ...string) judge {
	return func(a *Answer, f *Facts) Verdict {
		if a.Outcome == Refused {
			return note("it insists on a subprotocol of its own")
		}
		return rules(prefixes...)(a, f)
	}
}

// acceptWithout wants a 101 that keeps the rules.
func acceptWithout(prefixes ...string) judge {
	return func(a *Answer, f *Facts) Verdict {
		if v := mustAccept(a, f); v.Kind != Pass {
			return v
		}
		return rules(prefixes...)(a, f)
	}
}

// declineAtMost wants a 101 that keeps the rules. That a whole handshake is
// refused for an offer is worth knowing.
func declineAtMost(prefixes ...string) judge {
	return func(a *Answer, f *Facts) Verdict {
		if a.Outcome == Refused {
			return note("the handshake is refused, where an offer is to be declined at most")
		}
		return acceptWithout(prefixes...)(a, f)
	}
}

// compresses is the condition of what is about compression.
func compresses(f *Facts) string {
	if !f.Compresses {
		return "the server does not compress"
	}
	return ""
}

// deflateProbes are about permessage-deflate.
func deflateProbes() []Probe {
	const why = "Two sides that understand the parameters differently cannot inflate what the other one sends."
	bad := func(id, clause, params string) Probe {
		return Probe{ID: "deflate-" + id, Group: Safety, Clause: clause, Binding: handshake.Must, Sends: "permessage-deflate; " + params, Due: "101 without permessage-deflate",
			Why: why, Mend: mendDeflate, only: compresses, head: offering("permessage-deflate; " + params), judge: mustDecline}
	}
	good := func(id, clause, offer, due string) Probe {
		return Probe{ID: "deflate-" + id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: offer, Due: due,
			Why: why, Mend: "Put into the answer what the offer demands, or decline.", only: compresses, head: offering(offer), judge: declineAtMost("response-deflate", "response-extension")}
	}
	return []Probe{
		good("plain", "RFC 7692 7.1", "permessage-deflate", "an answer without client_max_window_bits, which was not offered"),
		good("server-bits", "RFC 7692 7.1.2.1", "permessage-deflate; server_max_window_bits=10", "server_max_window_bits of at most 10 in the answer, or no permessage-deflate"),
		good("takeover", "RFC 7692 7.1.1.1", "permessage-deflate; server_no_context_takeover", "server_no_context_takeover in the answer, or no permessage-deflate"),
		good("client-bits", "RFC 7692 7.1.2.2", "permessage-deflate; client_max_window_bits", "a right answer"),
		good("second-offer", "RFC 7692 5.1", "permessage-deflate; server_max_window_bits=7, permessage-deflate", "an answer to the second offer, or no permessage-deflate"),
		bad("unknown", "RFC 7692 7.1", "sockkit_audit"),
		bad("twice", "RFC 7692 7.1", "server_no_context_takeover; server_no_context_takeover"),
		bad("takeover-value", "RFC 7692 7.1.1.1", "server_no_context_takeover=1"),
		bad("client-takeover-value", "RFC 7692 7.1.1.2", "client_no_context_takeover=true"),
		bad("server-bits-none", "RFC 7692 7.1.2.1", "server_max_window_bits"),
		bad("server-bits-7", "RFC 7692 7.1.2.1", "server_max_window_bits=7"),
		bad("server-bits-16", "RFC 7692 7.1.2.1", "server_max_window_bits=16"),
		bad("server-bits-zero", "RFC 7692 7.1.2.1", "server_max_window_bits=010"),
		bad("client-bits-16", "RFC 7692 7.1.2.2", "client_max_window_bits=16"),
		{ID: "deflate-broken", Group: Safety, Clause: "RFC 7692 6.2", Binding: handshake.Must, Sends: "a compressed message that does not inflate", Due: "the end of the connection",
			Why: "What does not inflate is no message; whoever hands it on hands on rubbish.", Mend: "End the connection where inflating fails.", only: compresses,
			head: offering("permessage-deflate"), frames: [][]byte{frame(fin|rsv1|opText, "\xff\xff\xff\xff\xff\xff\xff\xff")}, judge: mustEnd},
	}
}
