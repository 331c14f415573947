package ws

import (
	"encoding/binary"

	gobwas "github.com/gobwas/ws"
)

// Header is the head of a frame (RFC 6455 section 5.2).
type Header struct {
	Fin    bool
	RSV    byte // 4 is RSV1, 2 RSV2, 1 RSV3
	Opcode Opcode
	Masked bool
	Key    [4]byte // the masking key, where Masked
	Length int64   // of the payload, in bytes; negative where its top bit was set
	Size   int     // of the header itself on the wire; AppendTo does not look at it
	// Long says that the length was written in more bytes than it needs.
	Long bool
}

const (
	rsv1          = 4
	maxHeaderSize = 14
	maxControl    = 125 // bytes of payload (RFC 6455 section 5.5)
)

// parseHeader reads a header at the beginning of b. It returns 0 while b does
// not hold all of it.
func parseHeader(b []byte, h *Header) int {
	if len(b) < 2 {
		return 0
	}
	size, short := 2, b[1]&0x7f
	switch short {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	masked := b[1]&0x80 != 0
	if masked {
		size += 4
	}
	if len(b) < size {
		return 0
	}
	h.Fin, h.RSV, h.Opcode = b[0]&0x80 != 0, b[0]>>4&0x7, Opcode(b[0]&0xf)
	h.Masked, h.Size, h.Long = masked, size, false
	switch short {
	case 126:
		h.Length = int64(binary.BigEndian.Uint16(b[2:]))
		h.Long = h.Length < 126
	case 127:
		h.Length = int64(binary.BigEndian.Uint64(b[2:]))
		h.Long = h.Length >= 0 && h.Length <= 0xffff
	default:
		h.Length = int64(short)
	}
	if masked {
		h.Key = [4]byte(b[size-4 : size])
	}
	return size
}

// AppendTo appends the header as it goes over the wire, whatever it says.
func (h *Header) AppendTo(b []byte) []byte {
	first := h.RSV&0x7<<4 | byte(h.Opcode)&0xf
	if h.Fin {
		first |= 0x80
	}
	var masked byte
	if h.Masked {
		masked = 0x80
	}
	switch n := h.Length; {
	case n < 0 || n > 0xffff:
		b = binary.BigEndian.AppendUint64(append(b, first, masked|127), uint64(n))
	case n > 125:
		b = binary.BigEndian.AppendUint16(append(b, first, masked|126), uint16(n))
	default:
		b = append(b, first, masked|byte(n))
	}
	if h.Masked {
		b = append(b, h.Key[:]...)
	}
	return b
}

// cipher masks or unmasks b, which begins at offset in its frame (RFC 6455
// section 5.3).
func cipher(b []byte, key [4]byte, offset int) { gobwas.Cipher(b, key, offset) }

// toGobwas is the header as gobwas/ws has it.
func (h *Header) toGobwas() gobwas.Header {
	return gobwas.Header{
		Fin: h.Fin, Rsv: h.RSV, OpCode: gobwas.OpCode(h.Opcode), Masked: h.Masked, Mask: h.Key, Length: h.Length,
	}
}
