package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
)

// The opcodes of RFC 6455 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// marker is the data of the ping that asks for a sign of life.
const marker = "sockkit-audit"

// The bits of a frame's first byte.
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

// frame is a masked frame, as a client sends it. The first byte is as it is
// given.
func frame(first byte, data string) []byte {
	var mask [4]byte
	rand.Read(mask[:]) // never fails
	b := append(lengthOf([]byte{first}, len(data)), mask[:]...)
	b[1] |= 0x80
	for i := range len(data) {
		b = append(b, data[i]^mask[i%4])
	}
	return b
}

// bare is a frame without a mask, as no client may send it.
func bare(first byte, data string) []byte {
	return append(lengthOf([]byte{first}, len(data)), data...)
}

// lengthOf appends a length in as few bytes as there may be.
func lengthOf(b []byte, n int) []byte {
	switch {
	case n < 126:
		return append(b, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
}

// announced is the header of a masked frame that announces a length, and
// nothing of its payload.
func announced(first byte, length uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length)
	return append(b, 0x37, 0xfa, 0x21, 0x3d)
}

// closing is the data of a close frame.
func closing(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// Bounds of what is read behind a 101.
const (
	mostFrames = 1000
	mostRead   = 1 << 20
	mostKept   = 256 // bytes of one frame
)

// errFlood says that more came than is looked at.
var errFlood = errors.New("audit: more came than is looked at")

// frameReader reads frames, whatever they are, without trust in their lengths.
// What came of a frame that is not whole stays until the rest of it does.
type frameReader struct {
	r     io.Reader
	buf   []byte
	count int
	total int
	// asks is that a client sends them, which may refuse what it was answered, and
	// use the connection for another request. No frame begins so.
	asks bool
}

func (fr *frameReader) next() (Frame, error) {
	for {
		if fr.asks && bytes.HasPrefix(fr.buf, []byte("GET ")) {
			return Frame{}, io.EOF
		}
		f, n, err := parseFrame(fr.buf)
		if err != nil {
			return f, err
		}
		if n > 0 {
			fr.buf = fr.buf[n:]
			if fr.count++; fr.count > mostFrames {
				return f, errFlood
			}
			return f, nil
		}
		if err := fr.fill(); err != nil {
			return f, err
		}
	}
}

func (fr *frameReader) fill() error {
	var more [4096]byte
	n, err := fr.r.Read(more[:])
	fr.buf = append(fr.buf, more[:n]...)
	if fr.total += n; fr.total > mostRead {
		return errFlood
	}
	if n > 0 {
		return nil
	}
	return err
}

// parseFrame reads a frame at the beginning of b, and says how many bytes it
// takes: 0 where it is not whole.
func parseFrame(b []byte) (f Frame, n int, err error) {
	if len(b) < 2 {
		return f, 0, nil
	}
	f = Frame{Op: b[0] & 15, Fin: b[0]&fin != 0, RSV: b[0] >> 4 & 7, Masked: b[1]&0x80 != 0}
	size, n, ok := parseLength(b)
	if !ok {
		return f, 0, nil
	}
	if f.Size = size; size > mostRead {
		return f, 0, errFlood
	}
	var mask []byte
	if f.Masked {
		if len(b) < n+4 {
			return f, 0, nil
		}
		mask, n = b[n:n+4], n+4
		copy(f.Mask[:], mask)
	}
	if uint64(len(b)-n) < size {
		return f, 0, nil
	}
	f.Data = append([]byte(nil), b[n:n+int(min(size, mostKept))]...)
	for i := range f.Data {
		if f.Masked {
			f.Data[i] ^= mask[i%4]
		}
	}
	return f, n + int(size), nil
}

// parseLength reads the length of a frame, and where it ends.
func parseLength(b []byte) (size uint64, n int, ok bool) {
	switch short := b[1] & 0x7f; {
	case short == 126 && len(b) >= 4:
		return uint64(binary.BigEndian.Uint16(b[2:])), 4, true
	case short == 127 && len(b) >= 10:
		return binary.BigEndian.Uint64(b[2:]), 10, true
	case short < 126:
		return uint64(short), 2, true
	}
	return 0, 0, false
}
