package audit

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// badFrame is a frame for which the connection has to end.
func badFrame(id, clause, sends, why string, frames ...[]byte) Probe {
	return Probe{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: sends, Due: dueEnd, Why: why, Mend: mendFrames,
		frames: frames, judge: mustEnd}
}

// frameProbes send frames that break a rule.
func frameProbes() []Probe {
	const sync = "After a frame that means nothing both sides no longer agree on what comes."
	const control = "Control frames may stand between the parts of a message: they have to be short and whole."
	const order = "Messages that are mixed up reach the application as one."
	const text = "Text that is no UTF-8 breaks whoever shows or stores it, and smuggles what filters do not read."
	const mask = "The mask keeps a page from making a client write bytes that a proxy in between takes for a request."
	return []Probe{
		badFrame("frame-unmasked", "RFC 6455 5.1", "a ping without a mask", mask, bare(fin|opPing, "x")).safety(),
		badFrame("frame-unmasked-text", "RFC 6455 5.1", "a text message without a mask", mask, bare(fin|opText, "x")).safety(),
		badFrame("frame-opcode-3", "RFC 6455 5.2", "a frame with the opcode 3", sync, frame(fin|3, "x")),
		badFrame("frame-opcode-11", "RFC 6455 5.2", "a control frame with the opcode 11", sync, frame(fin|11, "x")),
		badFrame("frame-rsv1", "RFC 6455 5.2", "a frame with RSV1, and no extension agreed on", sync, frame(fin|rsv1|opText, "x")),
		badFrame("frame-rsv2", "RFC 6455 5.2", "a ping with RSV2", sync, frame(fin|rsv2|opPing, "x")),
		badFrame("frame-rsv3", "RFC 6455 5.2", "a ping with RSV3", sync, frame(fin|rsv3|opPing, "x")),
		badFrame("frame-length-top", "RFC 6455 5.2", "a frame that announces 2^63 bytes", "A length with its top bit set becomes a negative number in many languages.", announced(fin|opText, 1<<63)).safety(),
		badFrame("control-fragmented", "RFC 6455 5.5", "a ping without FIN", control, frame(opPing, "x")),
		badFrame("control-long", "RFC 6455 5.5", "a ping of 126 bytes", control, frame(fin|opPing, strings.Repeat("x", 126))),
		badFrame("continuation-first", "RFC 6455 5.4", "a continuation frame with nothing to continue", order, frame(fin|opContinuation, "x")),
		badFrame("message-interleaved", "RFC 6455 5.4", "a text message begun, and another one begun before its end", order, frame(opText, "a"), frame(fin|opText, "b")),
		badFrame("text-utf8", "RFC 6455 8.1", "a text message with the bytes C3 28", text, frame(fin|opText, "\xc3\x28")),
		badFrame("text-overlong", "RFC 6455 8.1", "a text message with an overlong slash, C0 AF", text, frame(fin|opText, "\xc0\xaf")).safety(),
		badFrame("text-surrogate", "RFC 6455 8.1", "a text message with half a surrogate pair, ED A0 80", text, frame(fin|opText, "\xed\xa0\x80")),
		badFrame("text-cut", "RFC 6455 8.1", "a text message that ends in the middle of a character", text, frame(fin|opText, "\xe2\x82")),
		badFrame("text-utf8-parts", "RFC 6455 8.1", "a text message of two frames, with the bytes C3 and 28", text, frame(opText, "\xc3"), frame(fin|opContinuation, "\x28")),
	}
}

// closeProbes are about the closing handshake.
func closeProbes() []Probe {
	bad := func(id, clause, sends, why, data string, code int) Probe {
		p := badFrame(id, clause, sends, why, frame(fin|opClose, data))
		p.Due, p.wait, p.Mend = "the end of the connection, and not that code in answer", forEnd, "Answer such a close frame with 1002."
		p.judge = mustNotEcho(code)
		return p
	}
	good := func(id, clause, sends string, data string) Probe {
		return Probe{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: sends, Due: "a close frame in answer, without a complaint",
			Why: "Without it a client cannot tell an orderly end from an accident, and waits.", Mend: "Answer a close frame with a close frame of the same code.",
			frames: [][]byte{frame(fin|opClose, data)}, wait: forEnd, judge: mustClose}
	}
	const reserved = "These codes stand for what no frame said, and say something else on the wire."
	probes := []Probe{
		good("close-1000", "RFC 6455 5.5.1", "a close frame with 1000", closing(1000, "")),
		good("close-empty", "RFC 6455 5.5.1", "a close frame without a code", ""),
		good("close-reason", "RFC 6455 5.5.1", "a close frame with 1000 and a reason of 123 bytes", closing(1000, strings.Repeat("x", 123))),
		good("close-1012", "RFC 6455 7.4.2, and the IANA registry", "a close frame with 1012, which is registered", closing(1012, "")),
		good("close-3000", "RFC 6455 7.4.2", "a close frame with 3000", closing(3000, "")),
		good("close-4000", "RFC 6455 7.4.2", "a close frame with 4000", closing(4000, "")),
		{ID: "close-tcp", Group: Conformance, Clause: "RFC 6455 5.5.1", Binding: handshake.Must, Sends: "a close frame with 1000", Due: "the end of the TCP connection, by the server, behind both close frames",
			Why: "Whoever closes first keeps the port for minutes; it is to be the server.", Mend: "Close the TCP connection once both close frames have passed.",
			frames: [][]byte{frame(fin|opClose, closing(1000, ""))}, wait: forEnd, judge: mustHangUp},
		bad("close-one-byte", "RFC 6455 5.5.1", "a close frame with a body of one byte", "A code has two bytes; half of one means nothing.", "\x03", -1),
		bad("close-utf8", "RFC 6455 8.1", "a close frame with 4321 whose reason is no UTF-8", "The reason is shown and logged as text.", closing(4321, "\xc3\x28"), 4321), // a code that nobody sends by himself
	}
	for _, code := range []int{999, 1004, 1005, 1006, 1015} {
		clause := "RFC 6455 7.4.1"
		if code < 1000 {
			clause = "RFC 6455 7.4.2"
		}
		probes = append(probes, bad(fmt.Sprint("close-", code), clause, fmt.Sprintf("a close frame with %d", code), reserved, closing(code, ""), code))
	}
	return probes
}

// livelyProbes send what is right, and want the server to go on.
func livelyProbes() []Probe {
	const alive = "Clients and proxies tell by it whether the connection is still there."
	good := func(id, clause, sends, why string, j judge, frames ...[]byte) Probe {
		return Probe{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: sends, Due: "the connection goes on", Why: why,
			Mend: "Read frames by RFC 6455 5, or leave it to a library.", frames: frames, wait: forLife, judge: j}
	}
	pong := func(id, sends, data string) Probe {
		p := good(id, "RFC 6455 5.5.3", sends, alive, mustPong(data), frame(fin|opPing, data))
		p.wait, p.pong = forPong, data
		p.Due, p.Mend = "a pong with the same data", "Read from the connection also while nothing is expected, and answer pings with their data."
		return p
	}
	between := good("ping-between", "RFC 6455 5.4", "a ping between the two frames of a message", alive, mustPong("between"), frame(opText, "a"), frame(fin|opPing, "between"), frame(fin|opContinuation, "b"))
	between.Due, between.wait, between.pong = "a pong with its data", forPong, "between"
	masked := good("server-masks", "RFC 6455 5.1", "a ping", "Clients have to end a connection whose server masks.", notMasked, frame(fin|opPing, "x"))
	masked.Due, masked.Mend = "frames without a mask", "Send from the server without the MASK bit and without a key."
	return []Probe{
		pong("ping", "a ping with 7 bytes", "sockkit"),
		pong("ping-empty", "a ping without data", ""),
		pong("ping-125", "a ping with 125 bytes, the most that there may be", strings.Repeat("x", 125)),
		between, masked,
		good("pong-unasked", "RFC 6455 5.5.3", "a pong that nobody asked for", "Some clients send them as a sign of life, and no answer is expected.", mustLive, frame(fin|opPong, "x")),
		good("text-parts", "RFC 6455 5.4", "a text message in three frames, the last one empty", "A sender may cut a message as it likes.", mustLive, frame(opText, "a"), frame(opContinuation, "b"), frame(fin|opContinuation, "")),
		good("text-split-character", "RFC 6455 8.1", "a text message whose frames end in the middle of a character", "UTF-8 is due of the whole message, not of each frame.", mustLive, frame(opText, "\xe2\x82"), frame(fin|opContinuation, "\xac")),
		good("length-16", "RFC 6455 5.2", "a binary message of 126 bytes", "From 126 bytes on the length has another form.", mustLive, frame(fin|opBinary, strings.Repeat("x", 126))),
		good("message-empty", "RFC 6455 5.6", "a binary message without data", "An empty message is a message.", mustLive, frame(fin|opBinary, "")),
	}
}

// notMasked wants frames without a mask.
func notMasked(a *Answer, _ *Facts) Verdict {
	for i := range a.Frames {
		if a.Frames[i].Masked {
			return finding("a frame with a mask")
		}
	}
	if len(a.Frames) == 0 {
		return Verdict{Undecided, "it sent no frame: " + a.String()}
	}
	return pass
}

// hugeFrame announces far more than anybody sends.
func hugeFrame() []byte { return announced(fin|opBinary, 1<<40) }

// shortestLength is a frame of 5 bytes whose length takes two more than it
// needs.
func shortestLength() []byte {
	b := binary.BigEndian.AppendUint16([]byte{fin | opPing, 0x80 | 126}, 5)
	return append(b, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o')
}
