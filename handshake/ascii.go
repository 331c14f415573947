package handshake

// The classes of bytes that HTTP's grammar tells apart (RFC 9110 5.5, 5.6.2).
const (
	isTokenByte   uint8 = 1 << iota // may stand in a token
	isControlByte                   // a control character other than a tab
	isHighByte                      // beyond US-ASCII
)

// classes holds the class of every byte. Nothing changes it.
var classes = classify()

func classify() (t [256]uint8) {
	for c := range t {
		switch b := byte(c); {
		case b >= 0x80:
			t[c] = isHighByte
		case b == '\t' || b == ' ':
		case b < 0x20 || b == 0x7f:
			t[c] = isControlByte
		case '0' <= b && b <= '9', 'A' <= b && b <= 'Z', 'a' <= b && b <= 'z':
			t[c] = isTokenByte
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		t[b] = isTokenByte
	}
	return t
}

// classOf is the union of the classes of the bytes of b.
func classOf(b []byte) (c uint8) {
	for _, x := range b {
		c |= classes[x]
	}
	return c
}

// isToken reports whether b is a token (RFC 9110 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if classes[c]&isTokenByte == 0 {
			return false
		}
	}
	return len(b) > 0
}

// lower folds an ASCII letter.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// foldEqual reports whether b is s but for the case of ASCII letters. s is in
// lower case. Unlike bytes.EqualFold it knows no letters beyond ASCII.
func foldEqual(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

// isBlank reports whether c is optional whitespace (RFC 9110 5.6.3).
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trim cuts optional whitespace off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// isDigits reports whether b is one or more decimal digits.
func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// list walks over the elements of a comma-separated list (RFC 9110 5.6.1)
// that holds no quoted strings. Empty elements are handed out as such.
type list struct {
	rest []byte
	done bool
}

func (l *list) next() (item []byte, ok bool) {
	if l.done {
		return nil, false
	}
	for i, c := range l.rest {
		if c == ',' {
			item, l.rest = l.rest[:i], l.rest[i+1:]
			return trim(item), true
		}
	}
	l.done = true
	return trim(l.rest), true
}
