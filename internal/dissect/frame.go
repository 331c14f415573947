package dissect

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

var base = rfc(6455, "5.2")

// frameOf is a frame: from its bytes, or else its header as the record has it.
func frameOf(e trace.WSFrame, wire []byte) Dissection {
	if len(wire) == 0 {
		return dissect(headerOf(e), 0, "the header, written again from the record; the payload is not in it",
			func(b []byte) []Field { return frameFields(b, e.Compressed, true) })
	}
	size := e.Head + int(min(max(e.Size, 0), 1<<40))
	note := ""
	if len(wire) < size && len(wire) < MaxBytes {
		note = "the connection ended within this frame"
	}
	return dissect(wire, max(size, len(wire)), note, func(b []byte) []Field { return frameFields(b, e.Compressed, false) })
}

// headerOf is the header that a record describes; nil where there is no such.
func headerOf(e trace.WSFrame) []byte {
	key, err := hex.DecodeString(e.Mask)
	masked := len(key) == 4
	if err != nil || e.Size < 0 || len(key) > 0 && !masked {
		return nil
	}
	first := byte(e.RSV&7)<<4 | byte(e.Opcode)&15
	if e.Fin {
		first |= 0x80
	}
	return append(appendLength([]byte{first}, e.Size, e.Head-len(key), masked), key...)
}

// appendLength appends the length in the form that leaves a header of size
// bytes before its key; the shortest where none does.
func appendLength(b []byte, n int64, size int, masked bool) []byte {
	var mask byte
	if masked {
		mask = 0x80
	}
	switch {
	case n > 0xffff || size == 10:
		return binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	case n > 125 || size == 4:
		return binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	}
	return append(b, mask|byte(n))
}

// frameFields are the fields of one frame at the beginning of b.
func frameFields(b []byte, compressed, headOnly bool) []Field {
	fields := append(firstByte(b[0]), lengthFields(b)...)
	f, ok := frameHead(b)
	if !ok {
		return append(fields, restOf(b, end(fields))...)
	}
	if f.masked {
		fields = append(fields, at(f.size-4, 4, "masking key", hexOf(f.key[:]),
			"Each byte of the payload is combined with one byte of this key by XOR, the four in turn. It is new and random for each frame.", rfc(6455, "5.3")))
	}
	rest := b[f.size:]
	n := int(min(f.length, uint64(len(rest))))
	if !headOnly || f.length == 0 {
		fields = append(fields, f.payload(rest[:n], compressed || b[0]&0x40 != 0))
	}
	return append(fields, restOf(b, f.size+n)...)
}

// restOf is what stands behind, if anything does.
func restOf(b []byte, from int) []Field {
	if from >= len(b) {
		return nil
	}
	return []Field{at(from, len(b)-from, "rest", hexOf(b[from:]), "Bytes that are not part of what was expected here.", clause{})}
}

// end is the byte behind the last field.
func end(fields []Field) int {
	last := fields[len(fields)-1]
	return (last.Bit + last.Bits + 7) / 8
}

func firstByte(b byte) []Field {
	op := ws.Opcode(b & 15)
	fin := "This is the last frame of its message."
	if b&0x80 == 0 {
		fin = "More frames of this message follow."
	}
	return []Field{
		bits(0, 1, "FIN", bit(b&0x80 != 0), fin, base),
		bits(1, 1, "RSV1", bit(b&0x40 != 0), "1 says that the message is compressed, where permessage-deflate was agreed on; else it has to be 0.", rfc(7692, "6")),
		bits(2, 1, "RSV2", bit(b&0x20 != 0), "Reserved for extensions: 0, as none that uses it was agreed on.", base),
		bits(3, 1, "RSV3", bit(b&0x10 != 0), "Reserved for extensions: 0, as none that uses it was agreed on.", base),
		bits(4, 4, "opcode", fmt.Sprintf("0x%x %s", byte(op), op), opcodeMeaning(op), opcodeClause(op)),
	}
}

func opcodeMeaning(op ws.Opcode) string {
	switch op {
	case ws.OpContinuation:
		return "A further part of the message that an earlier frame began."
	case ws.OpText:
		return "The message is text, in UTF-8."
	case ws.OpBinary:
		return "The message is bytes, which mean what the application says."
	case ws.OpClose:
		return "The sender says goodbye, and sends nothing after this. The other end answers with a close frame."
	case ws.OpPing:
		return "Are you there? The other end answers with a pong that holds the same payload."
	case ws.OpPong:
		return "The answer to a ping, with its payload; without a ping it is a sign of life."
	}
	return "No meaning is given to this opcode yet: whoever gets it fails the connection."
}

func opcodeClause(op ws.Opcode) clause {
	switch op {
	case ws.OpContinuation:
		return rfc(6455, "5.4")
	case ws.OpText, ws.OpBinary:
		return rfc(6455, "5.6")
	case ws.OpClose:
		return rfc(6455, "5.5.1")
	case ws.OpPing:
		return rfc(6455, "5.5.2")
	case ws.OpPong:
		return rfc(6455, "5.5.3")
	}
	return base
}

// lengthFields are the MASK bit and the length, as far as they have come.
func lengthFields(b []byte) []Field {
	if len(b) < 2 {
		return nil
	}
	mask := "The payload is not masked, as in all that a server sends."
	if b[1]&0x80 != 0 {
		mask = "The payload is masked, as in all that a client sends, so that nothing on the way takes it for something else."
	}
	short := int(b[1] & 0x7f)
	fields := []Field{
		bits(8, 1, "MASK", bit(b[1]&0x80 != 0), mask, rfc(6455, "5.1")),
		bits(9, 7, "payload length", fmt.Sprint(short), shortMeaning(short), base),
	}
	if n := extended(short); n > 0 && len(b) >= 2+n {
		return append(fields, at(2, n, "extended payload length", fmt.Sprint(wide(b[2:2+n])),
			"The length of the payload in bytes, in network byte order.", base))
	}
	return fields
}

func shortMeaning(n int) string {
	switch n {
	case 126:
		return "126 is no length: the length stands in the next 2 bytes."
	case 127:
		return "127 is no length: the length stands in the next 8 bytes."
	}
	return "The length of the payload in bytes; up to 125 it fits in these 7 bits."
}

// extended is how many bytes of length follow.
func extended(short int) int {
	switch short {
	case 126:
		return 2
	case 127:
		return 8
	}
	return 0
}

// wide is a number in network byte order.
func wide(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// frameHeader is what a payload needs to be read.
type frameHeader struct {
	op     ws.Opcode
	fin    bool
	masked bool
	key    [4]byte
	length uint64
	size   int // of the header
}

// frameHead reads a header; ok is false where it is not whole.
func frameHead(b []byte) (f frameHeader, ok bool) {
	if len(b) < 2 {
		return f, false
	}
	f.op, f.fin, f.masked, f.length = ws.Opcode(b[0]&15), b[0]&0x80 != 0, b[1]&0x80 != 0, uint64(b[1]&0x7f)
	n := extended(int(f.length))
	f.size = 2 + n
	if f.masked {
		f.size += 4
	}
	if len(b) < f.size {
		return f, false
	}
	if n > 0 {
		f.length = wide(b[2 : 2+n])
	}
	if f.masked {
		f.key = [4]byte(b[f.size-4 : f.size])
	}
	return f, true
}
