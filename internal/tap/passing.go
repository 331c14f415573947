package tap

import (
	"bytes"
	"math"
	"slices"
)

// passing goes over a body that nobody wants to read, and keeps nothing of it.
// The zero value is behind every body.
type passing struct {
	left    int64 // bytes of the body, or of its chunk
	chunked bool
	part    chunkPart
	size    int64 // as far as its digits have come
}

// chunkPart is where in a chunked body the next byte stands (RFC 9112 section 7.1).
type chunkPart uint8

const (
	inSize      chunkPart = iota // the digits of a size
	inExtension                  // what else stands in its line
	inData
	inTrailer // the beginning of a trailer's line, or of the last
	inTrailerLine
)

// begin prepares for a body of a length, less than 0 where its end is that of
// the connection. It reports whether it can be gone over.
func (p *passing) begin(length int64, codings []string) bool {
	switch {
	case slices.Equal(codings, []string{"chunked"}):
		*p = passing{chunked: true}
	case len(codings) > 0:
		return false
	case length < 0:
		*p = passing{left: math.MaxInt64}
	default:
		*p = passing{left: length}
	}
	return true
}

// over returns what stands behind the body.
func (p *passing) over(b []byte) []byte {
	for len(b) > 0 && (p.left > 0 || p.chunked) {
		if p.left > 0 {
			n := min(p.left, int64(len(b)))
			p.left, b = p.left-n, b[n:]
			continue
		}
		b = p.chunk(b)
	}
	return b
}

// chunk goes over a piece of what stands between the data of chunks.
func (p *passing) chunk(b []byte) []byte {
	switch p.part {
	case inSize:
		if digit := hexDigit(b[0]); digit >= 0 && p.size < math.MaxInt64>>5 {
			p.size = p.size<<4 | int64(digit)
			return b[1:]
		}
		p.part = inExtension
	case inExtension:
		rest, whole := line(b)
		if whole && p.size > 0 {
			p.left, p.size, p.part = p.size, 0, inData
		} else if whole {
			p.part = inTrailer
		}
		return rest
	case inData:
		rest, whole := line(b)
		if whole {
			p.part = inSize
		}
		return rest
	case inTrailer:
		switch b[0] {
		case '\n':
			p.chunked = false
		case '\r':
		default:
			p.part = inTrailerLine
		}
		return b[1:]
	case inTrailerLine:
		rest, whole := line(b)
		if whole {
			p.part = inTrailer
		}
		return rest
	}
	return b
}

// line goes to the end of a line, if that is there.
func line(b []byte) (rest []byte, whole bool) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[i+1:], true
	}
	return nil, false
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
