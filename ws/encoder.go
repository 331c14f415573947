package ws

import (
	"crypto/rand"
	"fmt"

	"github.com/sockkit/sockkit/handshake"
)

// Encoder makes frames of messages. It does no I/O. The zero value sends what a
// server sends, without compression. It is not safe for concurrent use where it
// compresses and keeps its context.
type Encoder struct {
	// Role is who sends: clients mask, with keys from crypto/rand.
	Role Role
	// CompressFrom is the size in bytes from which on messages are compressed,
	// where that was agreed on; 0 is 128.
	CompressFrom int

	deflate *deflater // nil where compression was not agreed on
}

const defaultCompressFrom = 128

// NewEncoder returns an encoder for what one end sends, as the opening
// handshake agreed.
func NewEncoder(role Role, agreed handshake.Agreement) *Encoder {
	e := &Encoder{}
	e.init(role, agreed)
	return e
}

func (e *Encoder) init(role Role, agreed handshake.Agreement) {
	e.Role = role
	if agreed.Compressed {
		e.deflate = newDeflater(role, agreed.Deflate)
	}
}

// AppendMessage appends a message in one frame. Where compression was agreed on
// it is compressed, unless it is small or would become larger.
func (e *Encoder) AppendMessage(dst []byte, t MessageType, p []byte) []byte {
	h := Header{Fin: true, Opcode: t}
	if packed := e.compress(p); packed != nil {
		defer putBuffer(packed)
		h.RSV, p = rsv1, packed
	}
	return e.appendFrame(dst, &h, p)
}

// compress returns p compressed, or nil where it is not to be.
func (e *Encoder) compress(p []byte) []byte {
	f := e.deflate
	if f == nil || len(p) < e.compressFrom() {
		return nil
	}
	packed := f.deflate(p)
	if !f.takeover && len(packed) >= len(p) { // with takeover it is in the context already
		putBuffer(packed)
		return nil
	}
	return packed
}

func (e *Encoder) compressFrom() int {
	if e.CompressFrom == 0 {
		return defaultCompressFrom
	}
	return e.CompressFrom
}

// release gives back the compressor; the encoder is of no use any more.
func (e *Encoder) release() {
	if f := e.deflate; f != nil && f.own != nil {
		deflaters[f.bits-8].Put(f.own)
		f.own = nil
	}
}

// AppendControl appends a ping, a pong or a close frame. The payload is at most
// 125 bytes.
func (e *Encoder) AppendControl(dst []byte, op Opcode, payload []byte) []byte {
	h := Header{Fin: true, Opcode: op}
	return e.appendFrame(dst, &h, payload[:min(len(payload), maxControl)])
}

// AppendClose appends a close frame. A code that must not be sent leaves the
// body empty; the reason is cut to 123 bytes, at the border of a character.
func (e *Encoder) AppendClose(dst []byte, code StatusCode, reason string) []byte {
	var body [maxControl]byte
	return e.AppendControl(dst, OpClose, appendCloseBody(body[:0], code, reason))
}

func appendCloseBody(b []byte, code StatusCode, reason string) []byte {
	if !code.Sendable() {
		return b
	}
	return append(append(b, byte(code>>8), byte(code)), cutReason(reason)...)
}

// cutReason makes a reason fit (RFC 6455 section 5.5.1).
func cutReason(reason string) string {
	const most = maxControl - 2
	reason = validText(reason)
	if len(reason) <= most {
		return reason
	}
	cut := most
	for cut > 0 && reason[cut]&0xC0 == 0x80 {
		cut--
	}
	return reason[:cut]
}

// appendFrame appends a frame with its payload, masked where the role masks.
func (e *Encoder) appendFrame(dst []byte, h *Header, payload []byte) []byte {
	dst = e.appendHeader(dst, h, int64(len(payload)))
	start := len(dst)
	dst = append(dst, payload...)
	if h.Masked {
		cipher(dst[start:], h.Key, 0)
	}
	return dst
}

func (e *Encoder) appendHeader(dst []byte, h *Header, length int64) []byte {
	h.Length = length
	if e.Role == ClientRole {
		h.Masked = true
		_, _ = rand.Read(h.Key[:]) // never fails
	}
	return h.AppendTo(dst)
}

// Frame is a frame as [Conn.WriteFrame] sends it: also one that breaks the
// rules.
type Frame struct {
	Fin    bool
	RSV    byte // 4 is RSV1, 2 RSV2, 1 RSV3
	Opcode Opcode
	// Masked says whether the payload is masked, with Key; an all-zero key is one
	// too.
	Masked  bool
	Key     [4]byte
	Payload []byte
	// Length is what the header claims; 0 is the truth.
	Length int64
}

// AppendTo appends the frame as it goes over the wire. Nothing is checked.
func (f *Frame) AppendTo(b []byte) []byte {
	h := Header{Fin: f.Fin, RSV: f.RSV, Opcode: f.Opcode, Masked: f.Masked, Key: f.Key, Length: f.Length}
	if h.Length == 0 {
		h.Length = int64(len(f.Payload))
	}
	b = h.AppendTo(b)
	start := len(b)
	b = append(b, f.Payload...)
	if f.Masked {
		cipher(b[start:], f.Key, 0)
	}
	return b
}

// String describes the frame.
func (f *Frame) String() string {
	h := Header{Fin: f.Fin, RSV: f.RSV, Opcode: f.Opcode, Masked: f.Masked, Length: int64(len(f.Payload))}
	return fmt.Sprintf("ws: %s", h.describe())
}
