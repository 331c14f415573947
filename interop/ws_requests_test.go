package interop

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wrongRequest is a request with one thing wrong, and what has to be answered.
type wrongRequest struct {
	name   string
	bend   func(lines []string) []string
	status int
	rule   string            // what the body has to say
	owes   map[string]string // headers that the status owes
}

// first replaces the first line.
func first(line string) func([]string) []string {
	return func(lines []string) []string { lines[0] = line; return lines }
}

// also adds a line.
func also(line string) func([]string) []string {
	return func(lines []string) []string { return append(lines, line) }
}

// manyFields are more headers than anybody has to read.
func manyFields(lines []string) []string {
	for i := range 101 {
		lines = append(lines, fmt.Sprintf("X-%d: x", i))
	}
	return lines
}

var wrongRequests = []wrongRequest{
	{"HTTP/1.0", first("GET / HTTP/1.0"), 400, "RFC 6455 4", nil},
	{"HTTP/2.0 in the first line", first("GET / HTTP/2.0"), 505, "RFC 9113|RFC 9112", nil},
	{"no version", first("GET /"), 400, "RFC 9112", nil},
	{"POST", first("POST / HTTP/1.1"), 405, "RFC 6455 4", map[string]string{"Allow": "GET"}},
	{"lower-case method", first("get / HTTP/1.1"), 405, "RFC 9110 9.1", map[string]string{"Allow": "GET"}},
	{"no path", first("GET chat HTTP/1.1"), 400, "RFC 9112 3.2", nil},
	{"a ws address for a path", first("GET ws://127.0.0.1/ HTTP/1.1"), 400, "RFC 6455 4.1", nil},
	{"a fragment", first("GET /#top HTTP/1.1"), 400, "RFC 6455 3", nil},
	{"no Host", without("Host"), 400, "Host.*RFC 9112 3.2", nil},
	{"two Hosts", also("Host: elsewhere"), 400, "Host.*RFC 9112 3.2", nil},
	{"an empty Host", with("Host", ""), 400, "Host", nil},
	{"no Upgrade", without("Upgrade"), 426, "Upgrade.*RFC 6455 4.2.1", map[string]string{"Upgrade": "websocket"}},
	{"Upgrade: h2c", with("Upgrade", "h2c"), 426, "Upgrade.*RFC 6455 4.2.1", map[string]string{"Upgrade": "websocket"}},
	{"no Connection", without("Connection"), 400, "Connection.*RFC 6455 4.2.1", nil},
	{"Connection: keep-alive", with("Connection", "keep-alive"), 400, "Connection.*RFC 6455 4.2.1", nil},
	{"no key", without("Sec-WebSocket-Key"), 400, "Sec-WebSocket-Key.*RFC 6455 4.2.1", nil},
	{"a key of 15 bytes", with("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0O"), 400, "16 bytes.*RFC 6455 4.2.1", nil},
	{"a key of 17 bytes", with("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODxA="), 400, "16 bytes.*RFC 6455 4.2.1", nil},
	{"a key that is no base64", with("Sec-WebSocket-Key", "not base64 at all!!!!!!!"), 400, "base64.*RFC 6455 4.2.1", nil},
	{"two keys", also("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="), 400, "Sec-WebSocket-Key.*RFC 6455 11.3.1", nil},
	{"no version of WebSocket", without("Sec-WebSocket-Version"), 400, "Sec-WebSocket-Version.*RFC 6455 4.2.1", map[string]string{"Sec-WebSocket-Version": "13"}},
	{"version 8", with("Sec-WebSocket-Version", "8"), 426, "version.*RFC 6455 4", map[string]string{"Sec-WebSocket-Version": "13", "Upgrade": "websocket"}},
	{"version 13abc", with("Sec-WebSocket-Version", "13abc"), 400, "Version.*RFC 6455 4", map[string]string{"Sec-WebSocket-Version": "13"}},
	{"two versions", also("Sec-WebSocket-Version: 8"), 400, "Version.*RFC 6455 11.3.5", map[string]string{"Sec-WebSocket-Version": "13"}},
	{";;;= as extensions", also("Sec-WebSocket-Extensions: ;;;="), 400, "Sec-WebSocket-Extensions.*RFC 6455 9.1", nil},
	{"no subprotocol in the list", also("Sec-WebSocket-Protocol: ,"), 400, "Sec-WebSocket-Protocol|subprotocol", nil},
	{"a subprotocol twice", also("Sec-WebSocket-Protocol: a, a"), 400, "subprotocol.*RFC 6455 4.1", nil},
	{"a subprotocol of spaces", also("Sec-WebSocket-Protocol: a" + strings.Repeat(" ", 9000) + "b"), 400, "subprotocol|Sec-WebSocket-Protocol", nil},
	{"a foreign Origin", also("Origin: https://evil.example"), 403, "--allow-origin", nil},
	{"Origin: null", also("Origin: null"), 403, "--allow-origin", nil},
	{"a browser and a foreign Host", func(l []string) []string {
		return also("Origin: http://rebind.example")(with("Host", "rebind.example")(l))
	}, 403, "--allow-host|--allow-origin", nil},
	{"a body", also("Content-Length: 5"), 400, "body|Content-Length", nil},
	{"a body in chunks", also("Transfer-Encoding: chunked"), 400, "body|Transfer-Encoding", nil},
	{"obs-fold", also("X-Folded: one\r\n two"), 400, "RFC 9112 5.2", nil},
	{"NUL", also("X-Nul: a\x00b"), 400, "NUL", nil},
	{"a bare CR", also("X-CR: a\rb"), 400, "CR", nil},
	{"no colon", also("this is no header"), 400, "colon.*RFC 9112 5", nil},
	{"a space before the colon", also("X-Space : x"), 400, "colon.*RFC 9112 5.1", nil},
	{"a name of brackets", also("(X): x"), 400, "name", nil},
	{"more than 100 headers", manyFields, 431, "headers", nil},
	{"a head of more than 64 KiB", also("X-Long: " + strings.Repeat("x", 65536)), 431, "larger|65536|64", nil},
	{"a head without an end", also("X-Endless: " + strings.Repeat("x", 1<<20)), 431, "larger|65536|64", nil},
}

// Each wrong request is refused with its status and the rule, and disturbs
// nobody else.
func TestWSListenWrongRequests(t *testing.T) {
	us, url := wsListen(t, "--echo")
	witness, _ := wsClient(t, wsLibraries["gorilla"], url, wsOptions{})
	t.Run("all", func(t *testing.T) {
		for _, row := range wrongRequests {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				c := rawDial(t, url)
				c.write(strings.Join(row.bend(slices.Clone(rightRequest)), "\r\n") + "\r\n\r\n")
				row.want(t, c)
			})
		}
	})
	witness.do(wsAct{Do: "text", Data: "nothing happened"})
	witness.nextText("nothing happened")
	c := rawDial(t, url)
	c.upgrade(t)
	if !us.alive() || us.out.size() > 0 {
		t.Errorf("the listener is alive: %v; standard output has %q", us.alive(), us.out)
	}
}

// want reads the answer.
func (w wrongRequest) want(t *testing.T, c *raw) {
	t.Helper()
	head, body := c.head(), c.rest()
	if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", w.status)) {
		t.Errorf("the answer is %q; want %d", head, w.status)
	}
	if !regexp.MustCompile("(?s)" + w.rule).MatchString(body) {
		t.Errorf("the body has nothing like /%s/: %q", w.rule, body)
	}
	for name, value := range w.owes {
		if got := headerOf(head, name); got != value {
			t.Errorf("%s is %q; want %q", name, got, value)
		}
	}
	if n := headerOf(head, "Content-Length"); n != fmt.Sprint(len(body)) {
		t.Errorf("Content-Length is %q; the body has %d bytes", n, len(body))
	}
}

// What is no request of HTTP/1.1 gets an answer that names it, or an end.
func TestWSListenOtherProtocols(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo")
	for name, row := range map[string]struct{ says, answer string }{
		"bare LF":             {strings.Join(rightRequest, "\n") + "\n\n", `^HTTP/1\.1 400 .*LF.*RFC 9112 2\.2`},
		"TLS":                 {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", `^$|^HTTP/1\.1 400 .*TLS|^\x15\x03`},
		"HTTP/2":              {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", `^\x00\x00.\x04\x00{5}.*\x00\x08\x00\x00\x00\x01`}, // SETTINGS with ENABLE_CONNECT_PROTOCOL
		"frames":              {string(rawFrame{op: opText, data: "hello there, how are you"}.bytes(true)) + "\r\n\r\n", `^HTTP/1\.1 400 `},
		"a half, and the end": {"GET / HTTP/1.1\r\nHost: x\r\nUpgr", `^$|^HTTP/1\.1 400 `},
		"nothing":             {"", `^$|^HTTP/1\.1 400 `},
	} {
		t.Run(name, func(t *testing.T) {
			c := rawDial(t, url)
			c.write(row.says)
			_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
			if got := c.rest(); !regexp.MustCompile("(?s)" + row.answer).MatchString(got) {
				t.Errorf("the answer is %q; want /%s/", got, row.answer)
			}
		})
	}
	rawDial(t, url).upgrade(t)
	if !us.alive() {
		t.Error("the listener has ended")
	}
}

// What is not wrong, though some servers stumble over it, is let in.
func TestWSListenOddButRightRequests(t *testing.T) {
	t.Parallel()
	_, url := wsListen(t, "--echo")
	for name, bend := range map[string]func([]string) []string{
		"header names in any case":       func(l []string) []string { l[2] = "uPGRADE: WebSocket"; return l },
		"a list in Connection":           with("Connection", "keep-alive, Upgrade"),
		"Connection in two lines":        func(l []string) []string { return append(l, "Connection: keep-alive") },
		"no space behind the colon":      func(l []string) []string { l[2] = "Upgrade:websocket"; return l },
		"an http address":                first("GET http://127.0.0.1/ HTTP/1.1"),
		"a query":                        first("GET /?a=1&b=%20 HTTP/1.1"),
		"Origin of this machine":         also("Origin: http://localhost:3000"),
		"an unknown extension":           also("Sec-WebSocket-Extensions: x-nosuch; a=1"),
		"a list with nothing in between": also("Sec-WebSocket-Protocol: a,,b"), // RFC 9110 section 5.6.1.2
		"an unknown subprotocol":         also("Sec-WebSocket-Protocol: nosuch"),
		"Content-Length: 0":              also("Content-Length: 0"),
		"100 headers":                    func(l []string) []string { return manyFields(l)[:101] },
	} {
		t.Run(name, func(t *testing.T) {
			c := rawDial(t, url)
			lines := bend(slices.Clone(rightRequest))
			c.write(strings.Join(lines, "\r\n") + "\r\n\r\n")
			if answer := c.head(); !strings.HasPrefix(answer, "HTTP/1.1 101 ") || headerOf(answer, "Sec-WebSocket-Accept") != acceptOf(strings.Join(lines, "\n")) {
				t.Fatalf("the answer is %q %q", answer, c.rest())
			}
			c.write(string(rawFrame{op: opText, data: "hello"}.bytes(true)))
			if f, masked, err := c.readFrame(); f.data != "hello" || masked || err != nil {
				t.Errorf("the echo is %+v, masked %v, %v", f, masked, err)
			}
		})
	}
}

// A frame that comes with the request is not lost.
func TestWSListenFrameBehindTheRequest(t *testing.T) {
	t.Parallel()
	_, url := wsListen(t, "--echo")
	c := rawDial(t, url)
	c.write(strings.Join(rightRequest, "\r\n") + "\r\n\r\n" + string(rawFrame{op: opText, data: "early"}.bytes(true)))
	c.head()
	if f, _, err := c.readFrame(); f.data != "early" {
		t.Errorf("the echo is %+v, %v", f, err)
	}
}

// A client that stops within its request is let go by -w, and others are served
// meanwhile.
func TestWSListenSlowRequest(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "-w", "300ms", "--json")
	slow := rawDial(t, url)
	slow.write("GET / HTTP/1.1\r\nHost: 127")
	rawDial(t, url).upgrade(t)
	if got := slow.rest(); got != "" && !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("the answer is %q; want 408", got)
	}
	us.awaitRecord(event("upgrade_failed"))
}

// The flags that let in and keep out.
func TestWSListenFlags(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		flags   []string
		bend    func([]string) []string
		answer  string
		pattern string
	}{
		{"--path, another", []string{"--path", "/chat"}, first("GET /other HTTP/1.1"), "404", "/chat"},
		{"--path, the same", []string{"--path", "/chat"}, first("GET /chat?room=1 HTTP/1.1"), "101", ""},
		{"--allow-origin", []string{"--allow-origin", "https://app.example"}, also("Origin: https://app.example"), "101", ""},
		{"--allow-origin, another", []string{"--allow-origin", "https://app.example"}, also("Origin: https://evil.example"), "403", "evil"},
		{"--basic-auth, without", []string{"--basic-auth", "me:secret"}, also("X: y"), "401", ""},
		{"--basic-auth, with", []string{"--basic-auth", "me:secret"}, also("Authorization: Basic bWU6c2VjcmV0"), "101", ""},
		{"-s, the client's order", []string{"-s", "a", "-s", "b"}, also("Sec-WebSocket-Protocol: c, b, a"), "101", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, url := wsListen(t, append([]string{"--echo"}, row.flags...)...)
			c := rawDial(t, url)
			c.write(strings.Join(row.bend(slices.Clone(rightRequest)), "\r\n") + "\r\n\r\n")
			head := c.head()
			if !strings.HasPrefix(head, "HTTP/1.1 "+row.answer) {
				t.Fatalf("the answer is %q; want %s", head, row.answer)
			}
			if row.pattern != "" && !strings.Contains(c.rest(), row.pattern) {
				t.Errorf("the body does not name %q", row.pattern)
			}
			if row.answer == "401" && !strings.HasPrefix(headerOf(head, "WWW-Authenticate"), "Basic ") {
				t.Errorf("WWW-Authenticate is %q", headerOf(head, "WWW-Authenticate"))
			}
		})
	}
}

// More connections than --max-conns are turned away by 503, with the reason.
func TestWSListenMaxConns(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--max-conns", "1")
	first := rawDial(t, url)
	first.upgrade(t)
	late := rawDial(t, url)
	late.write(strings.Join(rightRequest, "\r\n") + "\r\n\r\n")
	if head, body := late.head(), late.rest(); !strings.HasPrefix(head, "HTTP/1.1 503 ") || !strings.Contains(body, "connection") {
		t.Errorf("the answer is %q %q", head, body)
	}
	us.err.awaitText(t, "(--max-conns)")
}
