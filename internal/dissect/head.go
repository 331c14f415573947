package dissect

import (
	"bytes"
	"strings"

	"github.com/sockkit/sockkit/trace"
)

// headOf is the head of a request or a response.
func headOf(e trace.HTTPHead, wire []byte) Dissection {
	b, size, note := wire, len(wire), ""
	if len(b) == 0 {
		b, size = e.Payload, e.Size
	}
	if len(b) == 0 && e.Line != "" {
		b, note = []byte(e.Line), "only the first line was recorded"
	}
	return dissect(b, max(size, len(b)), note, httpHead)
}

func looksLikeHTTP(b []byte) bool {
	line := b[:min(lineLen(b), 2048)]
	if bytes.HasPrefix(line, []byte("HTTP/")) {
		return true
	}
	parts := bytes.Split(bytes.TrimRight(line, "\r\n"), []byte(" "))
	return len(parts) == 3 && bytes.HasPrefix(parts[2], []byte("HTTP/"))
}

// httpHead are the fields of a head, and what stands behind it.
func httpHead(b []byte) []Field {
	response := bytes.HasPrefix(b, []byte("HTTP/"))
	from := lineLen(b)
	fields := []Field{firstLine(b[:from], response)}
	for from < len(b) {
		n := headerLen(b[from:])
		line := b[from : from+n]
		switch {
		case len(trimEnd(line)) == 0:
			fields = append(fields, at(from, n, "end of the head", show(line), "An empty line: the headers are over.", rfc(9112, "2.1")))
			return append(fields, bodyOf(b, from+n)...)
		case len(fields) == mostParts:
			return append(fields, at(from, len(b)-from, "more headers", "", "There are more headers than are told apart here.", rfc(9112, "5")))
		}
		fields = append(fields, shift([]Field{header(line, response)}, from)...)
		from += n
	}
	return fields
}

func firstLine(line []byte, response bool) Field {
	if response {
		return statusLine(line)
	}
	return requestLine(line)
}

// headerLen is the length of the first header, with the lines that are folded
// onto it.
func headerLen(b []byte) int {
	n := lineLen(b)
	if len(trimEnd(b[:n])) == 0 {
		return n
	}
	for n < len(b) && (b[n] == ' ' || b[n] == '\t') {
		n += lineLen(b[n:])
	}
	return n
}

func bodyOf(b []byte, from int) []Field {
	if from >= len(b) {
		return nil
	}
	return []Field{at(from, len(b)-from, "behind the head", show(b[from:]), "The body, or what is spoken once the protocol has changed.", rfc(9112, "6"))}
}

// trimEnd is a line without its end.
func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// requestLine is the first line of a request: method, target, version.
func requestLine(line []byte) Field {
	text := trimEnd(line)
	f := at(0, len(line), "request line", show(text), "What is asked for.", rfc(9112, "3"))
	method, rest, ok := bytes.Cut(text, []byte(" "))
	i := bytes.LastIndexByte(rest, ' ')
	if !ok || i < 0 {
		f.Meaning = "A request begins with a method, a target and a version, with one space between them; this does not."
		return f
	}
	from := len(method) + 1
	target := at(from, i, "target", show(rest[:i]), "The path and the query of the address.", rfc(9112, "3.2"))
	target.Fields = shift(query(rest[:i]), from)
	f.Fields = []Field{
		at(0, len(method), "method", show(method), "What to do with the target: a WebSocket is opened by GET.", rfc(6455, "4.1")),
		target,
		at(from+i+1, len(rest)-i-1, "version", show(rest[i+1:]), "The version of HTTP: a WebSocket needs 1.1 at least.", rfc(6455, "4.1")),
	}
	return f
}

// statusLine is the first line of a response: version, status, reason.
func statusLine(line []byte) Field {
	text := trimEnd(line)
	f := at(0, len(line), "status line", show(text), "How it went.", rfc(9112, "4"))
	version, rest, ok := bytes.Cut(text, []byte(" "))
	if !ok {
		f.Meaning = "A response begins with a version and a status; this does not."
		return f
	}
	status, reason, spoken := bytes.Cut(rest, []byte(" "))
	from := len(version) + 1
	f.Fields = []Field{
		at(0, len(version), "version", show(version), "The version of HTTP that the server speaks.", rfc(9112, "2.3")),
		at(from, len(status), "status", show(status), statusMeaning(string(status)), statusClause(string(status))),
	}
	if spoken {
		f.Fields = append(f.Fields, at(from+len(status)+1, len(reason), "reason", show(reason), "The status in words; no program looks at it.", rfc(9112, "4")))
	}
	return f
}

func statusMeaning(status string) string {
	switch {
	case status == "101":
		return "Switching Protocols: behind this head both sides speak WebSocket."
	case status == "426":
		return "Upgrade Required: the server wants another protocol, or another version of it."
	case len(status) != 3:
		return "A status has three digits."
	}
	switch status[0] {
	case '1':
		return "Not the answer yet: it is still to come."
	case '2':
		return "It went well; for a WebSocket this is a refusal, since only 101 opens one."
	case '3':
		return "What was asked for is elsewhere."
	case '4':
		return "The request is refused: something is wrong with it."
	case '5':
		return "The server could not do it."
	}
	return "A status begins with 1 to 5."
}

func statusClause(status string) clause {
	switch status {
	case "101":
		return rfc(6455, "4.2.2")
	case "426":
		return rfc(9110, "15.5.22")
	}
	return rfc(9110, "15")
}

var engineQuery = map[string]string{
	"EIO":       "The version of Engine.IO that is spoken.",
	"transport": "How packets travel: by polling, or by websocket.",
	"sid":       "The session that this request belongs to; the first request has none.",
	"t":         "Anything new, so that no cache answers.",
}

// query are the parameters of an Engine.IO target.
func query(target []byte) (fields []Field) {
	from := bytes.IndexByte(target, '?') + 1
	if from == 0 || !bytes.Contains(target[from-1:], []byte("EIO=")) {
		return nil
	}
	for part := range bytes.SplitSeq(target[from:], []byte("&")) {
		name, value, _ := strings.Cut(string(part), "=")
		if len(part) > 0 && len(fields) < mostParts {
			meaning, c := engineQuery[name], engineIO("query parameters", "query-parameters")
			if meaning == "" {
				c = clause{}
			}
			fields = append(fields, at(from, len(part), escape(name), show([]byte(value)), meaning, c))
		}
		from += len(part) + 1
	}
	return fields
}
