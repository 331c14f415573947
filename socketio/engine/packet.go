package engine

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// PacketType is the type of a packet (Engine.IO protocol, "Packet encoding").
type PacketType byte

// The types of packets.
const (
	Open PacketType = iota
	Close
	Ping
	Pong
	Message
	Upgrade
	Noop
)

var typeNames = [...]string{"open", "close", "ping", "pong", "message", "upgrade", "noop"}

// String is the type's name.
func (t PacketType) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown " + strconv.Itoa(int(t))
}

// Packet is one packet. Binary ones are always messages.
type Packet struct {
	Type   PacketType
	Data   []byte
	Binary bool
	// NoCompress keeps the packet from being compressed.
	NoCompress bool
}

// ErrParse says that bytes are no packet.
var ErrParse = errors.New("parser error")

// separator stands between the packets of a payload.
const separator = 0x1e

// AppendText appends a packet as it goes in a text frame of a WebSocket, and in
// a payload: binary data as base64 behind a "b".
func (p *Packet) AppendText(dst []byte) []byte {
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(dst, 'b'), p.Data)
	}
	return append(append(dst, '0'+byte(p.Type)), p.Data...)
}

// ParseText reads a packet out of a text frame, or a part of a payload. Data is
// a view of b, unless it was base64.
func ParseText(b []byte) (Packet, error) {
	switch {
	case len(b) == 0:
		return Packet{}, ErrParse
	case b[0] == 'b':
		return Packet{Type: Message, Data: decodeBase64(b[1:]), Binary: true}, nil
	case b[0] < '0' || b[0] > '0'+byte(Noop):
		return Packet{}, ErrParse
	}
	return Packet{Type: PacketType(b[0] - '0'), Data: b[1:]}, nil
}

// decodeBase64 reads base64 as Node does: what is none is passed over, and the
// padding may be missing.
func decodeBase64(b []byte) []byte {
	clean := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case c == '-':
			clean = append(clean, '+')
		case c == '_':
			clean = append(clean, '/')
		case c == '=':
			return rawBase64(clean)
		case c == '+' || c == '/' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			clean = append(clean, c)
		}
	}
	return rawBase64(clean)
}

func rawBase64(b []byte) []byte {
	if len(b)%4 == 1 { // six bits are no byte
		b = b[:len(b)-1]
	}
	n, _ := base64.RawStdEncoding.Decode(b, b)
	return b[:n]
}

// AppendPayload appends packets as they go in one HTTP body.
func AppendPayload(dst []byte, packets []Packet) []byte {
	for i := range packets {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = packets[i].AppendText(dst)
	}
	return dst
}

// ParsePayload gives the packets of a body one by one. Those before one that is
// none are given, and then the error.
func ParsePayload(b []byte, each func(Packet) bool) error {
	for {
		part, rest, more := bytes.Cut(b, []byte{separator})
		p, err := ParseText(part)
		if err != nil {
			return err
		}
		if !each(p) || !more {
			return nil
		}
		b = rest
	}
}

// Protocol 3 counts the characters of each packet, as JavaScript counts them:
// in units of UTF-16.

// appendPayload3 appends packets as protocol 3 has them: LENGTH:PACKET, with
// binary data as base64 behind "b4".
func appendPayload3(dst []byte, packets []Packet) []byte {
	for i := range packets {
		text := packets[i].appendText3(nil)
		dst = append(strconv.AppendInt(dst, int64(utf16Length(text)), 10), ':')
		dst = append(dst, text...)
	}
	return dst
}

func (p *Packet) appendText3(dst []byte) []byte {
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(dst, 'b', '4'), p.Data)
	}
	return p.AppendText(dst)
}

// parseText3 reads a packet of protocol 3.
func parseText3(b []byte) (Packet, error) {
	if len(b) >= 2 && b[0] == 'b' {
		if b[1] < '0' || b[1] > '0'+byte(Noop) {
			return Packet{}, ErrParse
		}
		return Packet{Type: PacketType(b[1] - '0'), Data: decodeBase64(b[2:]), Binary: true}, nil
	}
	if len(b) == 0 || b[0] == 'b' {
		return Packet{}, ErrParse
	}
	return ParseText(b)
}

// parseBinary3 reads a packet of protocol 3 out of a binary frame: a byte of
// type, and the data.
func parseBinary3(b []byte) (Packet, error) {
	if len(b) == 0 || b[0] > byte(Noop) {
		return Packet{}, ErrParse
	}
	return Packet{Type: PacketType(b[0]), Data: b[1:], Binary: true}, nil
}

// parsePayload3 gives the packets of a text body of protocol 3.
func parsePayload3(b []byte, each func(Packet) bool) error {
	if len(b) == 0 {
		return ErrParse
	}
	for len(b) > 0 {
		digits, rest, ok := bytes.Cut(b, []byte{':'})
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n <= 0 || len(digits) > 10 {
			return ErrParse
		}
		size, ok := utf16Bytes(rest, n)
		if !ok {
			return ErrParse
		}
		p, err := parseText3(rest[:size])
		if err != nil {
			return err
		}
		if !each(p) {
			return nil
		}
		b = rest[size:]
	}
	return nil
}

// parseBinaryPayload3 gives the packets of a binary body of protocol 3: for each
// a byte 0 (text) or 1 (binary), the digits of its length as bytes, 0xFF, and
// the packet.
func parseBinaryPayload3(b []byte, each func(Packet) bool) error {
	if len(b) == 0 {
		return ErrParse
	}
	for len(b) > 0 {
		kind, n, at := b[0], 0, 1
		for ; at < len(b) && b[at] != 0xff; at++ {
			if b[at] > 9 || at > 10 {
				return ErrParse
			}
			n = n*10 + int(b[at])
		}
		if at >= len(b) || kind > 1 || n > len(b)-at-1 {
			return ErrParse
		}
		body := b[at+1 : at+1+n]
		read := parseText3
		if kind == 1 {
			read = parseBinary3
		}
		p, err := read(body)
		if err != nil {
			return err
		}
		if !each(p) {
			return nil
		}
		b = b[at+1+n:]
	}
	return nil
}

// utf16Length is how long JavaScript takes a text for.
func utf16Length(b []byte) (n int) {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		n += max(utf16.RuneLen(r), 1)
		b = b[size:]
	}
	return n
}

// utf16Bytes is how many bytes the first n units of a text take.
func utf16Bytes(b []byte, n int) (size int, ok bool) {
	for n > 0 {
		if size >= len(b) {
			return 0, false
		}
		r, width := utf8.DecodeRune(b[size:])
		n -= max(utf16.RuneLen(r), 1)
		size += width
	}
	return size, n == 0
}
