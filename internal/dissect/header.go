package dissect

import (
	"bytes"
	"strings"
	"sync"
)

// header is a header line, or one with those that are folded onto it.
func header(line []byte, response bool) Field {
	name, value, ok := bytes.Cut(line, []byte(":"))
	text := strings.Join(strings.Fields(string(value)), " ")
	switch {
	case !ok:
		return at(0, len(line), "malformed line", show(trimEnd(line)), "A header is a name, a colon and a value; this is none.", rfc(9112, "5"))
	case len(name) == 0 || bytes.ContainsAny(name, " \t\r\n"):
		return at(0, len(line), "malformed line", show(trimEnd(line)), "There is no space in the name of a header, nor before its colon.", rfc(9112, "5.1"))
	}
	meaning, c := headerMeaning(strings.ToLower(string(name)), response)
	if bytes.IndexByte(trimEnd(line), '\n') >= 0 {
		meaning = strings.TrimSpace(meaning + " It goes over several lines, which HTTP has given up.")
	}
	f := at(0, len(line), show(name), show([]byte(text)), meaning, c)
	if strings.EqualFold(string(name), "Sec-WebSocket-Extensions") {
		f.Fields = shift(extensions(trimEnd(value)), len(name)+1)
	}
	return f
}

// headerWords say what a header is for: in a request, and in a response where
// that is something else.
type headerWords struct {
	request, response string
	clause            clause
}

func headerMeaning(name string, response bool) (string, clause) {
	w, ok := headers()[name]
	switch {
	case !ok:
		return "A header that is not known here: everybody may add some.", rfc(9110, "6.3")
	case !response:
		return w.request, w.clause
	case w.clause == rfc(6455, "4.1"): // the server's side of it stands elsewhere
		w.clause = rfc(6455, "4.2.2")
	}
	if w.response == "" {
		w.response = w.request
	}
	return w.response, w.clause
}

var headers = sync.OnceValue(func() map[string]headerWords {
	return map[string]headerWords{
		"host":                     {"Which of the hosts behind this address is meant, with its port.", "", rfc(9110, "7.2")},
		"upgrade":                  {"The protocol that the client would like to go over to.", "The protocol that is spoken from here on.", rfc(6455, "4.1")},
		"connection":               {"Names the headers that are for this connection only; Upgrade has to be among them.", "Upgrade here says that the header of that name is meant for this connection.", rfc(6455, "4.1")},
		"sec-websocket-key":        {"16 random bytes in base64: the server has to answer with what follows from them, so that no cache and no other server can.", "", rfc(6455, "4.1")},
		"sec-websocket-version":    {"The version of the WebSocket protocol; 13 is the one of RFC 6455.", "The versions that the server speaks.", rfc(6455, "4.1")},
		"sec-websocket-protocol":   {"The subprotocols that the client speaks, the best first.", "The one of the client's subprotocols that is spoken.", rfc(6455, "4.1")},
		"sec-websocket-extensions": {"The extensions that the client offers, with their parameters.", "The extensions that both sides use from here on.", rfc(6455, "9.1")},
		"sec-websocket-accept":     {"SHA-1 of the client's key and a fixed GUID, in base64: it proves that the server has read the request.", "", rfc(6455, "4.2.2")},
		"origin":                   {"The site of the page that opens the connection: a browser sends it, and the server decides by it.", "", rfc(6455, "10.2")},
		"user-agent":               {"Which program asks.", "", rfc(9110, "10.1.5")},
		"authorization":            {"What the client proves itself with. It is a secret.", "", rfc(9110, "11.6.2")},
		"proxy-authorization":      {"What the client proves itself with to the proxy. It is a secret.", "", rfc(9110, "11.7.2")},
		"www-authenticate":         {"How the client is to prove itself.", "", rfc(9110, "11.6.1")},
		"cookie":                   {"What the server has given the browser to keep. It is often a secret.", "", rfc(6265, "4.2")},
		"set-cookie":               {"Something for the browser to keep, and to send with later requests.", "", rfc(6265, "4.1")},
		"content-length":           {"How many bytes of body follow.", "", rfc(9110, "8.6")},
		"content-type":             {"What the body is.", "", rfc(9110, "8.3")},
		"content-encoding":         {"How the body is compressed.", "", rfc(9110, "8.4")},
		"transfer-encoding":        {"The body comes in pieces that say how long they are.", "", rfc(9112, "6.1")},
		"expect":                   {"The client waits for a word of the server before it sends the body.", "", rfc(9110, "10.1.1")},
		"date":                     {"When the response was made.", "", rfc(9110, "6.6.1")},
		"server":                   {"Which program answers.", "", rfc(9110, "10.2.4")},
		"location":                 {"Where to go instead.", "", rfc(9110, "10.2.2")},
		"allow":                    {"The methods that this target takes.", "", rfc(9110, "10.2.1")},
		"retry-after":              {"When to try again: seconds, or a date.", "", rfc(9110, "10.2.3")},
		"vary":                     {"Which headers of the request the answer depends on.", "", rfc(9110, "12.5.5")},
		"via":                      {"The proxies on the way.", "", rfc(9110, "7.6.3")},
		"accept":                   {"The kinds of content that the client takes.", "", rfc(9110, "12.5.1")},
		"accept-encoding":          {"The compressions that the client can undo.", "", rfc(9110, "12.5.3")},
		"accept-language":          {"The languages that the user reads.", "", rfc(9110, "12.5.4")},
		"referer":                  {"The page that the request comes from.", "", rfc(9110, "10.1.3")},
		"cache-control":            {"What caches on the way may do with this.", "", rfc(9111, "5.2")},
		"pragma":                   {"The old form of Cache-Control: no-cache.", "", rfc(9111, "5.4")},
	}
})

var extensionWords = map[string]string{
	"permessage-deflate":         "Messages are compressed, each by itself.",
	"server_no_context_takeover": "The server begins each message with an empty window: less memory, less compression.",
	"client_no_context_takeover": "The client begins each message with an empty window: less memory, less compression.",
	"server_max_window_bits":     "The server looks back no further than 2 to this power bytes.",
	"client_max_window_bits":     "The client looks back no further than 2 to this power bytes; offered without a value it only says that the client can.",
}

var extensionClauses = map[string]string{
	"permessage-deflate": "7", "server_no_context_takeover": "7.1.1.1", "client_no_context_takeover": "7.1.1.2",
	"server_max_window_bits": "7.1.2.1", "client_max_window_bits": "7.1.2.2",
}

// extensions are the extensions of a header's value, and their parameters.
func extensions(value []byte) (fields []Field) {
	for from := 0; from < len(value) && len(fields) < mostParts; {
		n := bytes.IndexAny(value[from:], ",;")
		if n < 0 {
			n = len(value) - from
		}
		part := value[from : from+n]
		left := len(part) - len(bytes.TrimLeft(part, " \t\r\n"))
		part = bytes.TrimSpace(part)
		name, arg, _ := strings.Cut(string(part), "=")
		if len(part) > 0 {
			f := at(from+left, len(part), escape(name), escape(arg), extensionWords[name], clause{})
			if section := extensionClauses[name]; section != "" {
				c := rfc(7692, section)
				f.Clause, f.Link = c.name, c.link
			}
			fields = append(fields, f)
		}
		from += n + 1
	}
	return fields
}
