package handshake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// ErrNoHead says that a text holds no head of HTTP, and no command of curl.
var ErrNoHead = errors.New("handshake: no HTTP request or response in it (a first line such as \"GET /chat HTTP/1.1\" or \"HTTP/1.1 101 Switching Protocols\" is due)")

// maxBody bounds how much of a captured body is kept.
const maxBody = 4096

// ReadCapture reads opening handshakes out of captured text: raw heads, the
// output of `curl -v`, and command lines of curl as browsers' developer tools
// copy them. A request and its response may stand in one text or in two, in
// either order; lines before them are passed over. It returns the exchanges in
// their order. The error is ErrNoHead.
//
// Where a text has no CR at all its line ends are not those of the wire: the
// exchange is marked Text, and its lines count as if they ended with CRLF.
func ReadCapture(texts ...[]byte) ([]Exchange, error) {
	var exchanges []Exchange
	for _, text := range texts {
		fresh := true // pieces of different texts may belong together whatever their order
		for _, p := range readPieces(decodeText(text)) {
			exchanges = p.joinTo(exchanges, fresh)
			fresh = false
		}
	}
	if len(exchanges) == 0 {
		return nil, ErrNoHead
	}
	return exchanges, nil
}

// piece is one head that was found in a text.
type piece struct {
	head    *Head
	body    []byte
	notes   []string
	text    bool
	rebuilt bool
}

// joinTo adds a piece to the last exchange, or begins another.
func (p *piece) joinTo(list []Exchange, fresh bool) []Exchange {
	fits := false
	if n := len(list); n > 0 {
		last := &list[n-1]
		if p.head.response {
			fits = last.Response == nil || last.Response.Interim()
		} else {
			fits = last.Request == nil && fresh
		}
	}
	if !fits {
		list = append(list, Exchange{})
	}
	x := &list[len(list)-1]
	if p.head.response {
		x.Response, x.Body = p.head, p.body[:min(len(p.body), maxBody)]
	} else {
		x.Request = p.head
	}
	x.Text, x.Rebuilt = x.Text || p.text, x.Rebuilt || p.rebuilt
	x.Notes = append(x.Notes, p.notes...)
	return list
}

func readPieces(text []byte) []piece {
	switch {
	case isCurlOutput(text):
		return readCurlOutput(text)
	case findCommand(text) >= 0:
		return readCommands(text[findCommand(text):])
	}
	return readRaw(text)
}

// decodeText takes a byte order mark away, and turns UTF-16, which Windows
// shells write into files, into UTF-8.
func decodeText(text []byte) []byte {
	if rest, ok := bytes.CutPrefix(text, []byte("\xef\xbb\xbf")); ok {
		return rest
	}
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return text
	}
	units := make([]uint16, 0, len(text)/2)
	for i := 2; i+1 < len(text); i += 2 {
		units = append(units, order.Uint16(text[i:]))
	}
	return []byte(string(utf16.Decode(units)))
}

// readRaw reads heads as they went over the wire, or as they were pasted.
func readRaw(text []byte) (pieces []piece) {
	asText := bytes.IndexByte(text, '\r') < 0
	for {
		at, indent, response := findHead(text)
		if at < 0 {
			break
		}
		if text = text[at:]; asText {
			text = dedent(text, indent)
		}
		p := piece{head: &Head{}, text: asText}
		var n int
		if asText {
			n = p.captureText(text, response)
		} else {
			n = p.head.capture(text, response)
		}
		rest := text[max(n, 1):]
		if response {
			p.body = rest[:bodyEnd(rest)]
		}
		pieces, text = append(pieces, p), rest
	}
	if len(pieces) == 0 {
		return readForeign(text)
	}
	return pieces
}

// captureText reads a head whose lines end in LF, and perhaps without the empty
// line, as if they were right. It returns its size in the text.
func (p *piece) captureText(text []byte, response bool) int {
	size := len(text)
	if i := bytes.Index(text, []byte("\n\n")); i >= 0 {
		size = i + 2
	}
	lines := bytes.TrimRight(text[:size], "\n")
	wire := append(bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n")), "\r\n\r\n"...)
	p.head.capture(wire, response)
	return size
}

// findHead finds the first line that begins a head, and how far it is
// indented.
func findHead(text []byte) (at, indent int, response bool) {
	for pos := 0; pos < len(text); {
		end := pos + 1 + bytes.IndexByte(text[pos:], '\n')
		if end == pos {
			end = len(text)
		}
		line := trimEOL(text[pos:end])
		bare := bytes.TrimLeft(line, " \t")
		if response = isStatusLine(bare); response || isRequestLine(bare) {
			indent = len(line) - len(bare)
			return pos + indent, indent, response
		}
		pos = end
	}
	return -1, 0, false
}

// bodyEnd is where the next head begins, or the end.
func bodyEnd(rest []byte) int {
	if at, indent, _ := findHead(rest); at >= 0 {
		return at - indent
	}
	return len(rest)
}

func isStatusLine(line []byte) bool { return len(line) > 5 && foldEqual(line[:5], "http/") }

// isRequestLine knows a first line also where it is wrong: a method, a space,
// and a path, an address or a version.
func isRequestLine(line []byte) bool {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || !isMethod(method) {
		return false
	}
	rest = trim(rest)
	return bytes.Contains(rest, []byte("HTTP/")) || bytes.HasPrefix(rest, []byte("/")) || bytes.Contains(rest, []byte("://"))
}

func isMethod(b []byte) bool {
	for _, m := range []string{"get", "post", "head", "options", "put", "patch", "delete", "connect", "trace", "pri"} {
		if foldEqual(b, m) {
			return true
		}
	}
	return false
}

// dedent takes as much whitespace off each line as stood before the first.
func dedent(text []byte, indent int) []byte {
	if indent == 0 {
		return text
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	for i, line := range lines[1:] {
		for n := 0; n < indent && len(line) > 0 && isBlank(line[0]); n++ {
			line = line[1:]
		}
		lines[i+1] = line
	}
	return bytes.Join(lines, nil)
}

// readForeign reads bytes that are no HTTP, where it can be told what they are:
// what a client begins with as a request, all else as a response.
func readForeign(text []byte) []piece {
	if Sniff(text) == "" {
		return nil
	}
	hello := isTLS(text) && len(text) > 5 && text[5] == 1 // RFC 8446 4: client_hello
	p := piece{head: &Head{}}
	p.head.capture(text, !hello && !bytes.HasPrefix(text, []byte("PRI ")))
	return []piece{p}
}
