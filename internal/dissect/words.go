package dissect

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	mostText = 400 // characters of a value
	mostHex  = 32  // bytes of one in hex
)

// show is bytes as a value: text where they are UTF-8, else hex.
func show(b []byte) string {
	if text, ok := asText(b); ok {
		return escape(text)
	}
	return hexOf(b)
}

// asText is b as text, without a character at its end that is cut.
func asText(b []byte) (string, bool) {
	for cut := 0; cut < utf8.UTFMax && cut <= len(b); cut++ {
		whole, rest := b[:len(b)-cut], b[len(b)-cut:]
		if utf8.Valid(whole) {
			return string(whole), len(rest) == 0 || len(whole) > 0 && !utf8.FullRune(rest)
		}
	}
	return "", false
}

// escape writes what does not print as an escape, and shortens.
func escape(s string) string {
	var out strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > mostText {
			out.WriteString("…")
			break
		}
		out.WriteString(printable(r))
	}
	return out.String()
}

func printable(r rune) string {
	switch {
	case r == '\r':
		return `\r`
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == ' ' || unicode.IsPrint(r):
		return string(r)
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func hexOf(b []byte) string {
	if len(b) > mostHex {
		return fmt.Sprintf("% x …", b[:mostHex])
	}
	return fmt.Sprintf("% x", b)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func bit(set bool) string {
	if set {
		return "1"
	}
	return "0"
}
