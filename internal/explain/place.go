package explain

import (
	"bytes"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// place says where in a head a rule is broken, so that it can be pointed at.
type place struct {
	first  bool     // in the first line
	fields []string // in the headers of these names; where none is there it is missing
	form   func(head []string, i int) bool
	end    bool // behind the last line
	behind bool // in what follows the head
}

// placeOf finds the place of a rule by its identifier, which names the part and
// then what is wrong.
func placeOf(id string) place {
	part, what, _ := strings.Cut(id, "-")
	if part == "refused" {
		return place{first: true}
	}
	if p, ok := formOf(what); ok {
		return p
	}
	for _, p := range places {
		if strings.HasPrefix(what, p.begins) {
			return p.place
		}
	}
	return place{}
}

// formOf is the place of a rule about the form of a head, by what is wrong.
func formOf(what string) (p place, ok bool) {
	switch what {
	case "unfinished":
		return place{end: true}, true
	case "early-data", "no-frame":
		return place{behind: true}, true
	case "bare-lf":
		p.form = func(head []string, i int) bool { return strings.HasSuffix(head[i], "\n") && !isCRLF(head[i]) }
	case "empty-lines":
		p.form = func(head []string, i int) bool { return i < firstLine(head) }
	case "nul":
		p.form = holds(func(c byte) bool { return c == 0 })
	case "bare-cr":
		p.form = func(head []string, i int) bool { return strings.Contains(trimEnd(head[i]), "\r") }
	case "control-character":
		p.form = holds(isControl)
	case "non-ascii":
		p.form = holds(func(c byte) bool { return c >= 0x80 })
	case "leading-space", "obs-fold":
		p.form = func(head []string, i int) bool { return i > firstLine(head) && isIndented(head[i]) }
	case "no-colon":
		p.form = func(head []string, i int) bool { return isField(head, i) && !strings.Contains(head[i], ":") }
	case "space-before-colon":
		p.form = func(head []string, i int) bool {
			return isField(head, i) && strings.TrimRight(nameOf(head[i]), " \t") != nameOf(head[i])
		}
	case "bad-name":
		p.form = func(head []string, i int) bool {
			return isField(head, i) && strings.Contains(head[i], ":") && !isToken(nameOf(head[i]))
		}
	}
	return p, p.form != nil
}

func isControl(c byte) bool {
	return c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != 0 || c == 0x7f
}

// places are the others, by how the rest of the identifier begins. The first
// that fits counts.
var places = []struct {
	begins string
	place
}{
	{"version-malformed", place{first: true}},
	{"version-old", place{first: true}},
	{"version-new", place{first: true}},
	{"line-", place{first: true}},
	{"method", place{first: true}},
	{"target-host", place{first: true, fields: []string{"Host"}}},
	{"target", place{first: true}},
	{"socketio-", place{first: true}},
	{"reason-", place{first: true}},
	{"accepted-", place{first: true}},
	{"host", place{fields: []string{"Host"}}},
	{"upgrade", place{fields: []string{"Upgrade"}}},
	{"connection", place{fields: []string{"Connection"}}},
	{"version", place{fields: []string{"Sec-WebSocket-Version"}}},
	{"key", place{fields: []string{"Sec-WebSocket-Key"}}},
	{"length-and-", place{fields: []string{"Content-Length", "Transfer-Encoding"}}},
	{"length", place{fields: []string{"Content-Length"}}},
	{"body-length", place{fields: []string{"Content-Length"}}},
	{"body-chunked", place{fields: []string{"Transfer-Encoding"}}},
	{"expect", place{fields: []string{"Expect"}}},
	{"origin", place{fields: []string{"Origin"}}},
	{"protocol", place{fields: []string{"Sec-WebSocket-Protocol"}}},
	{"extension", place{fields: []string{"Sec-WebSocket-Extensions"}}},
	{"deflate", place{fields: []string{"Sec-WebSocket-Extensions"}}},
	{"hixie", place{fields: []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2", "Sec-WebSocket-Location"}}},
	{"draft-origin", place{fields: []string{"Sec-WebSocket-Origin"}}},
	{"accept", place{fields: []string{"Sec-WebSocket-Accept"}}},
	{"426-", place{fields: []string{"Upgrade"}}},
	{"401-", place{fields: []string{"WWW-Authenticate"}}},
	{"407-", place{fields: []string{"Proxy-Authenticate"}}},
	{"405-", place{fields: []string{"Allow"}}},
	{"redirect-", place{fields: []string{"Location"}}},
}

// at reports whether the place is in line i of a head.
func (p place) at(head []string, i int) bool {
	switch {
	case p.form != nil:
		return p.form(head, i)
	case i == firstLine(head):
		return p.first
	}
	for _, name := range p.fields {
		if strings.EqualFold(strings.TrimRight(nameOf(head[i]), " \t"), name) {
			return true
		}
	}
	return false
}

// missing is the header that is not there, where that is what is wrong.
func (p place) missing(head []string) string {
	if len(p.fields) != 1 || p.first {
		return ""
	}
	for i := range head {
		if p.at(head, i) {
			return ""
		}
	}
	return p.fields[0]
}

// lines takes the bytes of a head apart, each line with its end.
func lines(b []byte) (list []string) {
	for len(b) > 0 {
		end := len(b)
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			end = i + 1
		}
		list = append(list, string(b[:end]))
		b = b[end:]
	}
	return list
}

// firstLine is the index of the first line that is not empty.
func firstLine(head []string) int {
	for i, line := range head {
		if trimEnd(line) != "" {
			return i
		}
	}
	return -1
}

// isField reports whether line i should be a header.
func isField(head []string, i int) bool {
	return i > firstLine(head) && trimEnd(head[i]) != "" && !isIndented(head[i])
}

func nameOf(line string) string   { name, _, _ := strings.Cut(trimEnd(line), ":"); return name }
func isIndented(line string) bool { return trimEnd(line) != "" && (line[0] == ' ' || line[0] == '\t') }
func isCRLF(line string) bool     { return strings.HasSuffix(line, "\r\n") }
func trimEnd(line string) string  { return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r") }

// wire is a head as it went over the wire.
func wire(h *handshake.Head) []byte {
	if len(h.Raw) > 0 || h.Status == 0 && len(h.Proto) == 0 && len(h.Fields()) == 0 {
		return h.Raw
	}
	return h.AppendTo(nil)
}

func holds(is func(c byte) bool) func([]string, int) bool {
	return func(head []string, i int) bool {
		for _, c := range []byte(head[i]) {
			if is(c) {
				return true
			}
		}
		return false
	}
}

// isToken reports whether s is a token (RFC 9110 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
