package load

import (
	"bytes"
	"math/rand/v2"
)

// markSize is the size of the mark that a message begins with: the number of its
// connection and its own, in hexadecimal digits. A message that is too small has
// the last of them.
const markSize = 16

// body is the payload of messages: a mark, and text that is the same in all.
type body struct {
	text []byte // with the mark left blank
	mark int
}

// newBody makes a payload. A line ends with a newline, for servers that read
// lines.
func newBody(size int, line bool) *body {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."
	b := &body{text: make([]byte, size), mark: min(size, markSize)}
	source := rand.New(rand.NewPCG(1, 2)) // the same in every run
	for i := range b.text {
		b.text[i] = letters[source.IntN(len(letters))]
	}
	if line {
		b.text[size-1] = '\n'
		b.mark = min(size-1, markSize)
	}
	return b
}

// marked is the mark of a message.
func (b *body) marked(to *[markSize]byte, conn uint32, n int64) []byte {
	const digits = "0123456789abcdef"
	for i := 7; i >= 0; i-- {
		to[i], to[i+8] = digits[conn&15], digits[n&15]
		conn, n = conn>>4, n>>4
	}
	return to[markSize-b.mark:]
}

// append appends a message.
func (b *body) append(dst []byte, conn uint32, n int64) []byte {
	var to [markSize]byte
	dst = append(dst, b.marked(&to, conn, n)...)
	return append(dst, b.text[b.mark:]...)
}

// differs returns where p, which stands at an offset of a message, differs from
// it; -1 where it does not.
func (b *body) differs(p []byte, at int, conn uint32, n int64) int {
	if at+len(p) > len(b.text) {
		return len(b.text)
	}
	begin := at
	if at < b.mark {
		var to [markSize]byte
		mark := b.marked(&to, conn, n)[at:]
		k := min(len(mark), len(p))
		if !bytes.Equal(p[:k], mark[:k]) {
			return begin + first(p[:k], mark)
		}
		p, at = p[k:], at+k
	}
	if due := b.text[at:][:len(p)]; !bytes.Equal(p, due) {
		return at + first(p, due)
	}
	return -1
}

// first is the first place at which a and b differ.
func first(a, b []byte) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// number is the number of the message that p begins, as far as its mark tells:
// modulo modulus. It is -1 where p has none.
func (b *body) number(p []byte) (n, modulus int64) {
	digits := min(b.mark, 8)
	modulus = 1 << (4 * digits)
	if len(p) < b.mark {
		return -1, modulus
	}
	for _, c := range p[b.mark-digits : b.mark] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int64(c-'a'+10)
		default:
			return -1, modulus
		}
	}
	return n, modulus
}
