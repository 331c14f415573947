package socketio

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as JSON.stringify writes it: what HTML would mind stays
// as it is, and so do the line ends of Unicode. What is not UTF-8 becomes U+FFFD.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := skipPlainASCII(s, 0); i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var ok bool
			if size, ok = runeSize(s[i:min(i+utf8.UTFMax, len(s))]); ok {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + size
		i = skipPlainASCII(s, start)
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// runeSize is the size of the first character, and whether it is UTF-8.
func runeSize[T string | []byte](s T) (int, bool) {
	r, size := utf8.DecodeRuneInString(string(s))
	return size, r != utf8.RuneError || size > 1
}

// appendEscape appends what stands for a byte that cannot stand for itself.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c < ' ' {
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, "\ufffd"...)
}

func hasEscape(quoted []byte) bool { return bytes.IndexByte(quoted, '\\') >= 0 }

// unquote is what a JSON string, quotes and all, stands for. Half a surrogate
// pair, which a Go string cannot hold, becomes U+FFFD.
func unquote(quoted []byte) string {
	inner := quoted
	if len(inner) >= 2 {
		inner = inner[1 : len(inner)-1]
	}
	if !hasEscape(inner) {
		return strings.ToValidUTF8(string(inner), "\ufffd")
	}
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); {
		if inner[i] != '\\' || i+1 == len(inner) {
			out = append(out, inner[i])
			i++
			continue
		}
		out, i = appendUnescaped(out, inner, i+1)
	}
	return strings.ToValidUTF8(string(out), "\ufffd")
}

// appendUnescaped appends what the escape behind the backslash stands for, and
// returns the index behind it.
func appendUnescaped(dst, s []byte, i int) ([]byte, int) {
	switch c := s[i]; c {
	case 'b':
		return append(dst, '\b'), i + 1
	case 'f':
		return append(dst, '\f'), i + 1
	case 'n':
		return append(dst, '\n'), i + 1
	case 'r':
		return append(dst, '\r'), i + 1
	case 't':
		return append(dst, '\t'), i + 1
	case 'u':
		r, n := unescapeRune(s[i:])
		return utf8.AppendRune(dst, r), i + n
	default:
		return append(dst, c), i + 1
	}
}

// unescapeRune reads uXXXX, and the second half of a pair where one follows.
func unescapeRune(s []byte) (r rune, size int) {
	r, ok := hex4(s, 1)
	if !ok {
		return utf8.RuneError, 1
	}
	if !utf16.IsSurrogate(r) {
		return r, 5
	}
	if len(s) >= 11 && s[5] == '\\' && s[6] == 'u' {
		low, _ := hex4(s, 7)
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 11
		}
	}
	return utf8.RuneError, 5
}
