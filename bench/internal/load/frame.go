//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What a frame's first two bytes say, RFC 6455 section 5.2.
const (
	final      = 0x80
	compressed = 0x40 // RSV1: permessage-deflate, RFC 7692 section 6
	reserved   = 0x30
	opcode     = 0x0f
	control    = 0x08

	continuation = 0x0
	text         = 0x1
	closing      = 0x8

	masked     = 0x80
	lengthBits = 0x7f
)

// errFrame says that a server's bytes are no frames that an echo is made of.
var errFrame = errors.New("not the frames of an echo")

// appendFrame appends a client's frame: first its first byte, then the rest.
func appendFrame(to []byte, first byte, mask [4]byte, payload []byte) []byte {
	switch n := len(payload); {
	case n < 126:
		to = append(to, first, masked|byte(n))
	case n < 1<<16:
		to = binary.BigEndian.AppendUint16(append(to, first, masked|126), uint16(n))
	default:
		to = binary.BigEndian.AppendUint64(append(to, first, masked|127), uint64(n))
	}
	to = append(to, mask[:]...)
	for i, b := range payload {
		to = append(to, b^mask[i&3])
	}
	return to
}

// headSize is how long the head of a client's frame is.
func headSize(payload int) int {
	switch {
	case payload < 126:
		return 6
	case payload < 1<<16:
		return 8
	}
	return 14
}

// frameReader cuts a server's bytes into frames, however they come.
type frameReader struct {
	head [10]byte
	have int  // bytes of the head that have come
	left int  // bytes of the payload that have not
	open bool // the head is whole, the frame is not
}

// next takes one piece of payload off the start of data. It ends with the frame
// where ended is set, and is empty where only a head, or a part of one, has come.
func (r *frameReader) next(data []byte) (piece, rest []byte, ended bool, err error) {
	if !r.open {
		if data, err = r.takeHead(data); err != nil || !r.open {
			return nil, data, false, err
		}
	}
	n := min(r.left, len(data))
	r.left -= n
	if r.left == 0 {
		r.open, r.have = false, 0
	}
	return data[:n], data[n:], r.left == 0, nil
}

func (r *frameReader) takeHead(data []byte) ([]byte, error) {
	for len(data) > 0 {
		want := r.headSize()
		n := copy(r.head[r.have:want], data)
		r.have, data = r.have+n, data[n:]
		if r.have == r.headSize() {
			r.open = true
			return data, r.measure()
		}
	}
	return data, nil
}

// headSize is 2 until the second byte has come.
func (r *frameReader) headSize() int {
	if r.have < 2 {
		return 2
	}
	switch r.head[1] & lengthBits {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

func (r *frameReader) measure() error {
	switch n := r.head[1] & lengthBits; n {
	case 126:
		r.left = int(binary.BigEndian.Uint16(r.head[2:]))
	case 127:
		r.left = int(binary.BigEndian.Uint64(r.head[2:]))
	default:
		r.left = int(n)
	}
	if r.head[1]&masked != 0 || r.head[0]&reserved != 0 || r.left < 0 {
		return fmt.Errorf("%w: a head of % x", errFrame, r.head[:r.have])
	}
	if r.head[0]&opcode == closing {
		return fmt.Errorf("%w: the server closes the connection", errFrame)
	}
	return nil
}

func (r *frameReader) first() byte { return r.head[0] }

// size is how long the payload of a short frame is.
func (r *frameReader) size() int { return int(r.head[1] & lengthBits) }
