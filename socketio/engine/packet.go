package engine

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
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

	apart apart // what follows stays away
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
