package quiz

import (
	"context"

	"github.com/sockkit/sockkit/ws"
)

const say = "sockkit dial -vvv {} -x hello --linger 200ms -w 2s"

// foundIn is what -vvv shows of a broken rule.
func foundIn(rule string) []Look { return []Look{{say, `finding ` + rule + `\b`}} }

func frameQuestions() []Question {
	return []Question{{
		Group: Frames, Symptom: "It opens. I send hello, and the connection is gone with 1002.",
		Hint:   "1002 is a protocol error, and it is the client that closes: whatever came back broke a rule. -vvv shows its frame. Who masks?",
		Rule:   "frame-masked",
		Words:  []string{"mask", "masked", "masks", "masking"},
		Broken: "The server masks its frames, as only clients do.",
		Why:    "Masking keeps the bytes of a page from looking like a request to a proxy. A server's frames have no need of it, and a client has to close when they are masked.",
		Shown:  foundIn("frame-masked"),
		start: framed(func(f ws.Frame) []ws.Frame {
			f.Masked, f.Key = true, [4]byte{0x37, 0xfa, 0x21, 0x3d}
			return []ws.Frame{f}
		}),
	}, {
		Group: Frames, Symptom: "ASCII works for weeks. Then somebody sends an umlaut, or I do, and it is 1007.",
		Hint:   "Send é. What comes back as text, and is it the bytes that text may have?",
		Rule:   "text-utf8",
		Words:  []string{"utf8", "utf 8", "latin", "encoding", "charset"},
		Broken: "The server sends text in Latin-1, where UTF-8 was due.",
		Shown:  []Look{{"sockkit dial -vvv {} -x é --linger 200ms -w 2s", `finding text-utf8\b`}},
		start:  echoing(latin),
	}, {
		Group: Frames, Symptom: "Every conversation is fine to its last word. The good-bye is an error.",
		Hint:   "Look at the code of the close frame that comes behind the answer, and at RFC 6455 7.4: some codes never stand in a frame.",
		Rule:   "close-code",
		Words:  []string{"close code", "reserved code", "1005", "1006", "reserved"},
		Broken: "The server closes with 1005, a code that means \"there was none\" and never stands in a frame.",
		Shown:  foundIn("close-code"),
		start: framed(func(f ws.Frame) []ws.Frame {
			return []ws.Frame{f, {Fin: true, Opcode: ws.OpClose, Payload: []byte{0x03, 0xed}}}
		}),
	}, {
		Group: Frames, Symptom: "Our heartbeat kills the clients that it should keep alive.",
		Hint:   "The heartbeat is a ping. Look at the first bit of its frame with -vvv.",
		Rule:   "control-fragmented",
		Words:  []string{"fragmented", "fragment", "fin", "ping"},
		Broken: "The server sends a ping in two fragments. Control frames are never fragmented.",
		Why:    "A control frame may stand between the fragments of a message. Were it fragmented itself nobody could tell whose a continuation is.",
		Shown:  foundIn("control-fragmented"),
		start: framed(func(f ws.Frame) []ws.Frame {
			return []ws.Frame{{Opcode: ws.OpPing, Payload: []byte("are you")}, {Fin: true, Opcode: ws.OpContinuation, Payload: []byte(" there?")}, f}
		}),
	}, {
		Group: Frames, Symptom: "Chrome says Invalid frame header as soon as we answer. We switched something on in the sender last week.",
		Hint:   "Three bits of a frame belong to extensions. Which were agreed on?",
		Rule:   "frame-rsv",
		Words:  []string{"rsv", "rsv1", "reserved bit", "compress", "compressed", "compression", "deflate"},
		Broken: "The server sets RSV1, the mark of a compressed message, where no compression was agreed on.",
		Shown:  foundIn("frame-rsv"),
		start: framed(func(f ws.Frame) []ws.Frame {
			f.RSV = 4
			return []ws.Frame{f}
		}),
	}, {
		Group: Frames, Symptom: "Long answers come in pieces, and the second piece kills the connection.",
		Hint:   "A message in pieces is one frame with its type and then continuations. What is the type of the second?",
		Rule:   "message-interleaved",
		Words:  []string{"continuation", "opcode", "interleaved", "fragment", "fragments"},
		Broken: "The server sends each fragment of a message as text, where continuation was due from the second on.",
		Why:    "The type stands on the first fragment alone. A frame that has one begins a message, and the one before was not over.",
		Shown:  foundIn("message-interleaved"),
		start: framed(func(f ws.Frame) []ws.Frame {
			half := len(f.Payload) / 2
			return []ws.Frame{{Opcode: f.Opcode, Payload: f.Payload[:half]}, {Fin: true, Opcode: f.Opcode, Payload: f.Payload[half:]}}
		}),
	}}
}

// latin sends text back in Latin-1.
func latin(ctx context.Context, c *ws.Conn, kind ws.MessageType, message []byte) error {
	if kind == ws.Text {
		var b []byte
		for _, r := range string(message) {
			b = append(b, byte(r))
		}
		message = b
	}
	return c.Write(ctx, kind, message)
}
