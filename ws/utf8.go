package ws

import (
	"strings"
	"unicode/utf8"
)

// utf8Check holds a text against UTF-8 (RFC 3629) as its bytes arrive: a byte
// that can begin or continue no character is found at once, not at the end.
type utf8Check struct {
	need   uint8 // bytes that the character still lacks
	lo, hi byte  // what the next of them may be
}

// whole reports whether the text could end here.
func (c *utf8Check) whole() bool { return c.need == 0 }

// add takes the next bytes, and reports whether all is well so far. Where it is
// not, bad is the index of the first byte that is wrong.
func (c *utf8Check) add(b []byte) (bad int, ok bool) {
	i := 0
	for ; i < len(b) && c.need > 0; i++ {
		if !c.step(b[i]) {
			return i, false
		}
	}
	body := b[i:]
	cut := len(body) - unfinished(body)
	if !utf8.Valid(body[:cut]) {
		return i + firstInvalid(body[:cut]), false
	}
	for j, x := range body[cut:] {
		if !c.step(x) {
			return i + cut + j, false
		}
	}
	return 0, true
}

// unfinished is how many bytes at the end of b may belong to a character that
// is not complete.
func unfinished(b []byte) int {
	for n := 1; n <= min(3, len(b)); n++ {
		switch x := b[len(b)-n]; {
		case x < 0x80:
			return 0
		case x >= 0xC0:
			if utf8.FullRune(b[len(b)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

// firstInvalid is the index of the first byte of b that is no UTF-8.
func firstInvalid(b []byte) int {
	var c utf8Check
	for i, x := range b {
		if !c.step(x) {
			return i
		}
	}
	return len(b)
}

// step takes one byte (the table of RFC 3629 section 4).
func (c *utf8Check) step(x byte) bool {
	if c.need > 0 {
		if x < c.lo || x > c.hi {
			return false
		}
		c.need--
		c.lo, c.hi = 0x80, 0xBF
		return true
	}
	c.lo, c.hi = 0x80, 0xBF
	switch {
	case x < 0x80:
	case x >= 0xC2 && x <= 0xDF:
		c.need = 1
	case x >= 0xE0 && x <= 0xEF:
		c.need = 2
		if x == 0xE0 {
			c.lo = 0xA0
		} else if x == 0xED {
			c.hi = 0x9F // surrogates
		}
	case x >= 0xF0 && x <= 0xF4:
		c.need = 3
		if x == 0xF0 {
			c.lo = 0x90
		} else if x == 0xF4 {
			c.hi = 0x8F
		}
	default:
		return false
	}
	return true
}

// validText is s with what is no UTF-8 replaced.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
