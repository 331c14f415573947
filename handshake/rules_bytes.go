package handshake

import (
	"bytes"
	"fmt"
	"slices"
)

// side is the head that a rule about bytes looks at: both kinds of head keep
// the same rules, and different programs break them.
type side struct {
	head, who, other string
	fault            Party
	part             Part
	bytes            scope
	of               func(*Exchange) *Head
}

var (
	requestSide  = side{"request", "client", "server", Client, InRequest, requestBytes, func(x *Exchange) *Head { return x.Request }}
	responseSide = side{"response", "server", "client", Server, InResponse, responseBytes, func(x *Exchange) *Head { return x.Response }}
)

// byteRules are the rules that are about the form of a head. A client gives up
// for each that a server refuses for: a response that is no valid HTTP fails the
// connection (RFC 6455 4.1, 4.2.2 item 5).
func byteRules(s side) []Rule {
	list := slices.Concat(s.foreignRules(), s.limitRules(), s.lineEndRules(), s.characterRules(), s.fieldRules())
	for i := range list {
		r := &list[i]
		r.ID = s.head + "-" + r.ID
		if s.part == InResponse {
			r.Fails, r.Status = r.Status != 0, 0
		}
	}
	return within(s.bytes, s.part, s.fault, list...)
}

// only is Status where the rule is asked of a request, and nothing elsewhere.
func (s side) only(part Part, status int) int {
	if s.part == part {
		return status
	}
	return 0
}

func (s side) foreignRules() []Rule {
	return []Rule{{
		ID: "empty", Clause: "RFC 6455 4.1", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The connection was closed before a single byte of the " + s.head + " came.",
		Why:     "The opening handshake is one HTTP request and one HTTP response. Without them there is no WebSocket connection.",
		Due:     "the head of an HTTP " + s.head,
		Cause:   s.silence(), Mend: s.breakSilence(),
		check: s.saw(emptyHead, func(*Head) string { return "nothing" }),
	}, {
		ID: "is-tls", Clause: "RFC 6455 4.1", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The " + s.who + " speaks TLS where plain HTTP was due.",
		Why:     "ws:// is HTTP without encryption, wss:// is HTTP inside TLS. Both ends have to use the same.",
		Due:     "the head of an HTTP " + s.head + ", in plain text",
		Cause:   s.pick("The client dials wss:// (or https://) to a port that serves plain ws://.", "The address was dialled as ws://, but the port serves wss:// and answered with a TLS record."),
		Mend:    s.pick("Dial ws:// here, or give the server a certificate, or put a proxy that ends TLS in front of it.", "Dial wss:// instead of ws://."),
		check:   s.saw(tlsRecord, func(h *Head) string { return "bytes " + hexOf(h.Raw) + ", the beginning of a TLS record" }),
	}, {
		ID: "is-http2", Clause: "RFC 9113 3.4", Source: HTTP, Level: Must, Status: 505,
		Summary: "The " + s.who + " speaks HTTP/2 where HTTP/1.1 was due.",
		Why:     "The Upgrade header exists in HTTP/1.1 only. Over HTTP/2 a WebSocket is opened by another method, extended CONNECT (RFC 8441).",
		Due:     "the head of an HTTP/1.1 " + s.head,
		Cause:   s.pick("The client was told to use HTTP/2 without asking first, or a proxy in front speaks HTTP/2 (h2c, gRPC) to this port.", "The port serves HTTP/2 only, as gRPC services do."),
		Mend:    s.pick("Make the client, or the proxy's connection to this server, use HTTP/1.1.", "Dial a port that serves HTTP/1.1, or use a client for RFC 8441."),
		check:   s.saw(http2, func(h *Head) string { return quote(h.Raw[:min(len(h.Raw), 24)]) }),
	}, {
		ID: "not-http", Clause: "RFC 6455 4.1 item 1", Source: WebSocket, Level: Must, Status: 400,
		Summary: "The " + s.who + " does not speak HTTP.",
		Why:     "The opening handshake is HTTP; only after it do the two sides speak WebSocket.",
		Due:     s.pick(`a first line such as "GET /chat HTTP/1.1"`, `a first line such as "HTTP/1.1 101 Switching Protocols"`),
		Cause:   s.pick("Something other than a WebSocket client connected to this port.", "Another kind of service listens on this port, or the server writes something before its response."),
		Mend:    s.pick("Look at what connects here.", "Check host and port. In the server, write nothing (no log line, no byte order mark, no frame) before the response."),
		check:   s.saw(notHTTP, foreignWords),
	}}
}

// foreignWords shows what came in place of HTTP, and what it looks like.
func foreignWords(h *Head) string {
	text := quote(h.Raw[:min(len(h.Raw), 48)])
	if kind := Sniff(h.Raw); kind != "" {
		return fmt.Sprintf("%s, which looks like %s", text, kind)
	}
	if first, _, _ := bytes.Cut(h.Raw, []byte("\r\n")); bytes.HasPrefix(first, []byte("GET /")) && bytes.HasSuffix(first, []byte(" HTTP/1.1")) {
		return text + ", which is a request: what was sent is sent back"
	}
	return text
}

func (s side) limitRules() []Rule {
	return []Rule{{
		ID: "too-large", Clause: "RFC 6585 5", Source: Practice, Level: Should, Status: 431,
		Summary: "The head of the " + s.head + " is larger than the limit.",
		Why:     "A head has to be read to its end before it can be judged, so whoever reads it has to bound it. Common limits lie between 8 and 64 KiB.",
		Due:     "a head within the limit (64 KiB here, unless set otherwise)",
		Cause:   s.pick("Cookies have piled up, or a token in a header or in the address is very large.", "The server sends a page or a stream where the head should end, or sets very many cookies."),
		Mend:    s.pick("Clear the site's cookies; send large data in a message once the connection is open.", "End the head with an empty line, and send less in it."),
		check:   s.saw(tooLarge, func(h *Head) string { return "at least " + count(len(h.Raw), "byte", "bytes") + " without an end" }),
	}, {
		ID: "too-many-fields", Clause: "RFC 6585 5", Source: Practice, Level: Should, Status: 431,
		Summary: "The " + s.head + " has more headers than the limit.",
		Why:     "Headers cost memory and time, and thousands of them are a known way to attack a server (CVE-2024-37890).",
		Due:     "at most 100 headers, unless set otherwise",
		Cause:   "A loop that adds headers, a proxy that forwards to itself, or an attack.",
		Mend:    "Look at which header repeats in the " + s.head + ", and at who adds it.",
		check:   s.saw(tooManyFields, func(h *Head) string { return "more than " + count(len(h.fields)-1, "header", "headers") }),
	}, {
		ID: "unfinished", Clause: "RFC 9112 2.1", Source: HTTP, Level: Must, Status: 400,
		Summary: "The " + s.head + " broke off before the empty line that ends its head.",
		Why:     "A head ends with an empty line: CR LF CR LF. Until it has come, the " + s.other + " has to go on waiting.",
		Due:     "an empty line behind the last header",
		Cause:   "The program that writes the " + s.head + ` forgot the second "\r\n" at its end, or it crashed, or the connection was cut.`,
		Mend:    `End the ` + s.head + ` with "\r\n\r\n", and flush it.`,
		check:   s.saw(unfinished, func(h *Head) string { return count(len(h.Raw), "byte", "bytes") + ", the last ones " + tail(h.Raw) }),
	}}
}

func tail(b []byte) string { return quote(b[max(0, len(b)-24):]) }

func (s side) lineEndRules() []Rule {
	return []Rule{{
		ID: "line-bad", Clause: s.pick("RFC 9112 3", "RFC 9112 4"), Source: HTTP, Level: Must, Status: 400,
		Summary: "The first line of the " + s.head + " is malformed.",
		Why:     "It says what is asked or answered. Programs that guess at a malformed line guess differently, and attackers live on the difference.",
		Due:     s.pick(`"GET /path HTTP/1.1": three parts, one space between them`, `"HTTP/1.1 101 Switching Protocols": version, three digits, reason, one space between them`),
		Cause:   s.pick("The request was put together by hand, with a part missing or a space in the path.", "The response was put together by hand."),
		Mend:    s.pick("Write method, path and version with one space between them. A space inside the path is %20.", "Write the version, a space, the status, a space and the reason."),
		check:   s.saw(badLine, func(h *Head) string { return quote(trimEOL(h.line)) }),
	}, {
		ID: "bare-lf", Clause: "RFC 9112 2.2", Source: HTTP, Level: Must, Status: 400,
		Summary: `A line of the ` + s.head + ` ends with LF alone and not with CR LF.`,
		Why:     "HTTP's lines end with the two bytes CR LF. Where one program takes LF for an end and the next one does not, headers can be smuggled between them.",
		Due:     `every line ends with "\r\n"`,
		Cause:   `The ` + s.head + ` is written by hand with "\n", by a shell script, or with a print that adds only a line feed.`,
		Mend:    `Write "\r\n" at the end of each line, and "\r\n" once more at the end of the head.`,
		check:   s.saw(bareLF, func(h *Head) string { return `"` + h.faultLine(bareLF) + `\n"` }),
	}, {
		ID: "empty-lines", Clause: "RFC 9112 2.2", Source: HTTP, Level: Must, Status: s.only(InResponse, 400),
		Summary: "An empty line stands before the first line of the " + s.head + ".",
		Why:     "An empty line ends a head. Servers pass over one before a request; clients do not before a response.",
		Due:     "the first line at once",
		Cause:   s.pick("A client sent a line end too many behind an earlier request on this connection.", "The program printed something, or ended a line, before its response."),
		Mend:    "Send nothing before the first line of the " + s.head + ".",
		check:   s.saw(emptyLines, func(h *Head) string { return quote(h.lead) }),
	}}
}

func (s side) characterRules() []Rule {
	list := []Rule{{
		ID: "nul", Clause: "RFC 9110 5.5", Source: HTTP, Level: Must, Status: 400,
		Summary: "A NUL byte stands in the " + s.head + ".",
		Why:     "Programs in C end a text at NUL and others do not, so two programs read two different headers.",
		Due:     "no byte 0x00",
		Cause:   "A buffer was sent with its whole size (sizeof) and not with the length of its text, or the text is UTF-16.",
		Mend:    "Send as many bytes as the text has, as ASCII or UTF-8.",
		check:   s.sawLine(nulByte),
	}, {
		ID: "bare-cr", Clause: "RFC 9112 2.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "A CR stands in the " + s.head + " without an LF behind it.",
		Why:     "Some programs take it for the end of a line and others do not: that is a way to smuggle headers.",
		Due:     "CR only before LF",
		Cause:   `A value was taken over with its line end, or a line ends with "\r\r\n" because it was written to a file in text mode.`,
		Mend:    "Trim values before writing them into headers, and write in binary mode.",
		check:   s.sawLine(bareCR),
	}, {
		ID: "control-character", Clause: "RFC 9110 5.5", Source: HTTP, Level: Must, Status: 400,
		Summary: "A control character stands in the " + s.head + ".",
		Why:     "Headers are lines of visible text. Control characters have no meaning there, and terminals and logs obey them.",
		Due:     "visible characters, spaces and tabs",
		Cause:   "Binary data or a terminal's escape sequence got into a header.",
		Mend:    "Encode such values (base64, percent-encoding) before putting them into a header.",
		check:   s.sawLine(controlByte),
	}, {
		ID: "non-ascii", Clause: "RFC 9110 5.5", Source: HTTP, Level: Should,
		Summary: "A header's value holds bytes beyond US-ASCII.",
		Why:     "HTTP does not say which encoding they are in, so the two sides may read different text, and some proxies refuse them.",
		Due:     "US-ASCII",
		Cause:   "A name or a title was put into a header as it is.",
		Mend:    "Percent-encode or base64-encode it, or send it in a message.",
		check:   s.sawLine(highByte),
	}}
	if s.part == InResponse {
		list = append(list, Rule{
			ID: "reason-space", Clause: "RFC 9112 4", Source: HTTP, Level: Must,
			Summary: "The status line has no space behind the status.",
			Why:     "The space has to be there even where no reason follows. Some clients split the line at spaces and fail.",
			Due:     `"HTTP/1.1 101 Switching Protocols", or "HTTP/1.1 101 " with the space`,
			Cause:   "The status line was put together by hand, without a reason.",
			Mend:    "Write the reason, or at least the space.",
			check:   s.saw(noReasonSpace, func(h *Head) string { return quote(trimEOL(h.line)) }),
		})
	}
	return list
}

func (s side) fieldRules() []Rule {
	return []Rule{{
		ID: "leading-space", Clause: "RFC 9112 2.2", Source: HTTP, Level: Must, Status: 400,
		Summary: "The line behind the first one begins with whitespace.",
		Why:     "A line that begins with whitespace continues the line above it, and there is no header above it yet.",
		Due:     "a header, which begins with its name",
		Cause:   "The " + s.head + " is written as an indented block of text in a program.",
		Mend:    "Take the indentation out of the text.",
		check:   s.sawLine(leadingSpace),
	}, {
		ID: "obs-fold", Clause: "RFC 9112 5.2", Source: HTTP, Level: Must, Status: s.only(InRequest, 400),
		Summary: "A header goes on over the next line.",
		Why:     "Folding headers over lines was given up, because programs differ in how they read it. A server refuses it; a client joins the lines.",
		Due:     "each header on one line",
		Cause:   "The " + s.head + " is written as an indented block of text, or a long value was wrapped.",
		Mend:    "Write each header on one line, however long.",
		check:   s.sawLine(obsFold),
	}, {
		ID: "no-colon", Clause: "RFC 9112 5", Source: HTTP, Level: Must, Status: 400,
		Summary: "A line among the headers has no colon.",
		Why:     "A header is a name, a colon and a value. A line without a colon is none.",
		Due:     `"Name: value"`,
		Cause:   "A value was broken over lines, or a line of a log or of a body got among the headers.",
		Mend:    "Look at the line that is shown, and at who wrote it.",
		check:   s.sawLine(noColon),
	}, {
		ID: "space-before-colon", Clause: "RFC 9112 5.1", Source: HTTP, Level: Must, Status: 400,
		Summary: "Whitespace stands between a header's name and its colon.",
		Why:     "Some programs take the space for part of the name and so do not see the header: a known way to smuggle headers past a proxy.",
		Due:     `"Name: value", the colon right behind the name`,
		Cause:   "The " + s.head + " was put together by hand.",
		Mend:    "Take the space before the colon away.",
		check:   s.sawLine(spaceBeforeColon),
	}, {
		ID: "bad-name", Clause: "RFC 9110 5.1", Source: HTTP, Level: Must, Status: 400,
		Summary: "A header's name is empty or holds characters that no name may hold.",
		Why:     "Names are letters, digits and !#$%&'*+-.^_`|~ so that every program finds the same colon.",
		Due:     "a token as the name",
		Cause:   "A stray line, a name with a space in it, or quotation marks around the name.",
		Mend:    "Look at the line that is shown, and at who wrote it.",
		check:   s.sawLine(badName),
	}}
}

// pick is what is said of a request, or of a response.
func (s side) pick(request, response string) string {
	if s.part == InRequest {
		return request
	}
	return response
}

func (s side) silence() string {
	return s.pick("A health check or a port scanner connected, or a client that gave up.",
		"The port expects TLS and was dialled as ws://, the server crashed at this request, a firewall closed the connection, or something other than HTTP listens there.")
}

func (s side) breakSilence() string {
	return s.pick("Nothing has to be done, unless it should have been a client of yours.",
		"Try wss:// instead of ws://, look at the server's log, and make sure of the port.")
}

// saw makes a check that asks for a fault, and says what came.
func (s side) saw(f fault, came func(*Head) string) func(*Exchange) *hit {
	return func(x *Exchange) *hit {
		if h := s.of(x); h.is(f) {
			return &hit{came: came(h)}
		}
		return nil
	}
}

// sawLine is saw for a fault of one line, which it shows.
func (s side) sawLine(f fault) func(*Exchange) *hit {
	return s.saw(f, func(h *Head) string { return `"` + h.faultLine(f) + `"` })
}

// faultLine shows the line where a fault was met first.
func (h *Head) faultLine(f fault) string {
	at := int(h.at[f])
	if at < 0 || at >= len(h.Raw) {
		return ""
	}
	line := h.Raw[at:]
	for i, c := range line {
		if c == '\n' {
			line = line[:i]
			break
		}
	}
	return show(trimEOL(line))
}
