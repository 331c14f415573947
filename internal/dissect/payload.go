package dissect

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// payload is the payload of a frame, as far as it has come. Its value is what
// it holds once it is unmasked.
func (f frameHeader) payload(b []byte, compressed bool) Field {
	plain := f.unmask(b)
	value, meaning := show(plain), "What is sent."
	switch {
	case f.op == ws.OpClose:
		value = closeValue(plain)
		meaning = "Why the connection is closed: a code, and a reason in words."
	case compressed && !f.op.Control():
		value, meaning = hexOf(plain), "What is sent, compressed by DEFLATE: the message record shows it inflated."
	case f.op == ws.OpBinary:
		value = hexOf(plain)
	case f.op.Control():
		meaning = "Anything, up to 125 bytes: the pong brings it back."
	case f.op == ws.OpContinuation || !f.fin:
		meaning = "A part of the message; a character may be cut in two."
	}
	if f.masked && len(b) > 0 {
		meaning += " The bytes are masked; the value is what they are once they are combined with the key."
	}
	p := at(f.size, len(b), "payload", value, meaning, rfc(6455, "5.2"))
	switch {
	case f.op == ws.OpClose:
		p.Fields = shift(closeFields(plain), f.size)
	case f.op == ws.OpText && f.fin && !compressed:
		p.Fields = shift(packetWithin(plain), f.size)
	}
	return p
}

// packetWithin is the packet of Engine.IO that a text is, where it cannot well
// be anything else: an open packet, or a message with a packet of Socket.IO.
func packetWithin(b []byte) []Field {
	switch {
	case bytes.HasPrefix(b, []byte(`0{"sid":`)):
	case len(b) < 2 || b[0] != '4':
		return nil
	default:
		if inner, ok := packetFields(b[1:]); !ok || inner[len(inner)-1].Name != "data" {
			return nil
		}
	}
	return engineFields(b)
}

// closeValue is the body of a close frame in words.
func closeValue(b []byte) string {
	if len(b) < 2 {
		return hexOf(b)
	}
	code := ws.StatusCode(binary.BigEndian.Uint16(b)).String()
	if len(b) == 2 {
		return code
	}
	return code + ", " + show(b[2:])
}

func (f frameHeader) unmask(b []byte) []byte {
	plain := append([]byte(nil), b...)
	for i := range plain {
		plain[i] ^= f.key[i%4]
	}
	return plain
}

// closeFields are those of the body of a close frame.
func closeFields(b []byte) []Field {
	switch {
	case len(b) == 0:
		return nil
	case len(b) == 1:
		return []Field{at(0, 1, "code", hexOf(b), "Half a code: the body of a close frame is empty, or begins with 2 bytes.", rfc(6455, "5.5.1"))}
	}
	code := ws.StatusCode(binary.BigEndian.Uint16(b))
	fields := []Field{at(0, 2, "code", code.String(), codeMeaning(code), rfc(6455, "7.4"))}
	if len(b) > 2 {
		fields = append(fields, at(2, len(b)-2, "reason", show(b[2:]), "For the log, in UTF-8; not meant for people.", rfc(6455, "7.1.6")))
	}
	return fields
}

func codeMeaning(c ws.StatusCode) string {
	switch {
	case c == ws.StatusNormal:
		return "All is done, and the connection is of no more use."
	case c == ws.StatusGoingAway:
		return "The server stops, or the page is left."
	case c == ws.StatusProtocolError:
		return "The other end broke a rule of the protocol."
	case c == ws.StatusMessageTooBig:
		return "A message was longer than what is taken."
	case c == ws.StatusPolicyViolation:
		return "A rule of the application was broken."
	case !c.Sendable():
		return "This code must not be sent."
	case c >= 4000:
		return "The application says what this code means."
	}
	return "Why the connection is closed, as a number from a registry."
}

// messageOf is a message without its frames.
func messageOf(e trace.WSMessage) Dissection {
	note := fmt.Sprintf("the message itself, without the header of %s", frames(e.Frames))
	if e.Compressed {
		note = fmt.Sprintf("the message itself, inflated: %s passed, in %s", count(int(e.Wire), "byte"), count(e.Frames, "frame"))
	}
	return dissect(e.Payload, max(e.Size, len(e.Payload)), note, func(b []byte) []Field {
		value, meaning := show(b), "A whole message of text, as the application gets it."
		if e.Type == ws.Binary.String() {
			value, meaning = hexOf(b), "A whole message of bytes, as the application gets it."
		}
		f := at(0, len(b), "message", value, meaning, rfc(6455, "5.6"))
		if e.Type == ws.Text.String() {
			f.Fields = packetWithin(b)
		}
		return []Field{f}
	})
}

func frames(n int) string {
	if n == 1 {
		return "its frame"
	}
	return fmt.Sprintf("its %d frames", n)
}

func pingOf(e trace.WSPing) Dissection {
	op := ws.OpPing
	if e.Pong {
		op = ws.OpPong
	}
	return dissect(e.Payload, len(e.Payload), "the payload of the "+op.String()+", without its frame", func(b []byte) []Field {
		return []Field{at(0, len(b), "payload", show(b), opcodeMeaning(op), opcodeClause(op))}
	})
}

func closeOf(e trace.WSClose) Dissection {
	if e.Code == int(ws.StatusNoStatus) || e.Code < 0 || e.Code > 0xffff {
		return Dissection{Note: "a close frame without a body"}
	}
	body := append(binary.BigEndian.AppendUint16(nil, uint16(e.Code)), e.Reason...)
	return dissect(body, len(body), "the body of the close frame, written again from the record", closeFields)
}
