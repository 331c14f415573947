package dissect

import (
	"bytes"
	"strconv"

	"github.com/sockkit/sockkit/trace"
)

// mostParts is how many parts of one kind are told apart: lines, headers,
// arguments, TLS records. The rest stands in one field.
const mostParts = 128

// plainOf is a piece of a stream.
func plainOf(b []byte, size int) Dissection {
	return dissect(b, size, "", func(b []byte) []Field {
		return lines(b, "A stream has no borders of its own: this piece is what was sent or read in one go, and the other end may get it in other pieces.")
	})
}

func datagramOf(e trace.Datagram) Dissection {
	note := ""
	if e.Truncated {
		note = "it was longer than what was read, and the rest is lost"
	}
	return dissect(e.Payload, len(e.Payload), note, func(b []byte) []Field {
		return []Field{at(0, len(b), "payload", show(b),
			"All that this datagram holds. It arrives whole or not at all, and nothing says which.", rfc768)}
	})
}

var rfc768 = clause{"RFC 768", "https://www.rfc-editor.org/rfc/rfc768"}

// lines are the lines of a text, or one field where it is none.
func lines(b []byte, meaning string) (fields []Field) {
	text, ok := asText(b)
	if !ok || bytes.IndexByte(b, '\n') < 0 || bytes.ContainsRune([]byte(text), 0) {
		return []Field{at(0, len(b), "payload", show(b), meaning, rfc(9293, "3.7"))}
	}
	for from := 0; from < len(b); {
		n := lineLen(b[from:])
		if len(fields) == mostParts {
			n = len(b) - from
		}
		fields = append(fields, at(from, n, "line "+strconv.Itoa(len(fields)+1), show(b[from:from+n]), meaning, rfc(9293, "3.7")))
		from += n
	}
	return fields
}

// lineLen is the length of the first line, with its end.
func lineLen(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// bytesOf is what passed on the wire: TLS, a head of HTTP, or anything.
func bytesOf(b []byte, size int) Dissection {
	switch {
	case looksLikeTLS(b):
		return dissect(b, size, "", tlsRecords)
	case looksLikeHTTP(b):
		return dissect(b, size, "", httpHead)
	}
	return plainOf(b, size)
}
