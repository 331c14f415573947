package handshake

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown bounds what a finding quotes of a peer's bytes.
const maxShown = 160

// show makes bytes of a peer safe to print: what does not print is escaped as
// in Go, and what is long is cut.
func show(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); {
		if s.Len() >= maxShown {
			fmt.Fprintf(&s, "… (%d bytes)", len(b))
			break
		}
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&s, `\x%02x`, b[i])
		case r == '\\' || unicode.IsPrint(r):
			s.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			s.WriteString(q[1 : len(q)-1])
		}
		i += size
	}
	return s.String()
}

// quote is show between quotation marks, for values whose ends matter.
func quote(b []byte) string { return `"` + show(b) + `"` }

// hexOf shows the first bytes of something that is not text.
func hexOf(b []byte) string {
	if len(b) > 16 {
		return fmt.Sprintf("% x …", b[:16])
	}
	return fmt.Sprintf("% x", b)
}

// count says how many there are of something.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
