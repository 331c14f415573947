package engine

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Protocol 3 counts the characters of each packet, as JavaScript counts them:
// in units of UTF-16.

// appendPayload3 appends packets as protocol 3 has them: LENGTH:PACKET, with
// binary data as base64 behind "b" and the type.
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
		return base64.StdEncoding.AppendEncode(append(dst, 'b', '0'+byte(p.Type)), p.Data)
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
		if !ok || err != nil || n < 0 || len(digits) > 10 || digits[0] < '0' {
			return ErrParse
		}
		if n == 0 { // no packet, and no error either
			b = rest
			continue
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

// parsePayload gives the packets of a body of either protocol.
func parsePayload(b []byte, protocol int, binary bool, each func(Packet) bool) error {
	switch {
	case protocol != 3:
		return ParsePayload(b, each)
	case binary:
		return parseBinaryPayload3(b, each)
	}
	return parsePayload3(b, each)
}

// appendPayload appends packets as a text body of either protocol.
func appendPayload(dst []byte, protocol int, packets []Packet) []byte {
	if protocol == 3 {
		return appendPayload3(dst, packets)
	}
	return AppendPayload(dst, packets)
}

func anyBinary(packets []Packet) bool {
	for i := range packets {
		if packets[i].Binary {
			return true
		}
	}
	return false
}

// appendBinaryPayload3 appends packets as the binary payload of protocol 3, see
// parseBinaryPayload3.
func appendBinaryPayload3(dst []byte, packets []Packet) []byte {
	for i := range packets {
		p := &packets[i]
		kind, first := byte(0), '0'+byte(p.Type)
		if p.Binary {
			kind, first = 1, byte(p.Type)
		}
		dst = append(dst, kind)
		at := len(dst)
		dst = strconv.AppendInt(dst, int64(len(p.Data)+1), 10)
		for ; at < len(dst); at++ {
			dst[at] -= '0'
		}
		dst = append(append(dst, 0xff, first), p.Data...)
	}
	return dst
}
