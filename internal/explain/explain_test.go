package explain

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sockkit/sockkit/handshake"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	request  = "GET /chat HTTP/1.1\r\nHost: app.test:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// with is s with one piece in another's place.
func with(s, old, new string) string { return strings.Replace(s, old, new, 1) }

// offering is the request with one more header.
func offering(header string) string { return strings.TrimSuffix(request, "\r\n") + header + "\r\n\r\n" }

// answering is the response with one more header.
func answering(header string) string {
	return strings.TrimSuffix(response, "\r\n") + header + "\r\n\r\n"
}

// The main kinds of breakage, each a file in testdata.
var cases = []struct{ name, request, response string }{
	{"right", request, response},
	{"accept-missing", request, with(response, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "")},
	{"accept-wrong", request, with(response, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=")},
	{"upgrade-by-nginx", "GET /chat HTTP/1.0\r\nHost: backend\r\nConnection: close\r\nX-Real-IP: 10.0.0.7\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", ""},
	{"response-without-upgrade", request, with(response, "Upgrade: websocket\r\n", "")},
	{"404", request, "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 30\r\n\r\n<h1>404 Not Found</h1>\r\nnginx\r\n"},
	{"403-origin", offering("Origin: http://localhost:3000"), "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\norigin not allowed\n"},
	{"426", with(request, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"), "HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\r\n"},
	{"301", request, "HTTP/1.1 301 Moved Permanently\r\nLocation: https://app.test/chat\r\nContent-Length: 0\r\n\r\n"},
	{"http-1.0", request, with(response, "HTTP/1.1", "HTTP/1.0")},
	{"bare-lf", request, strings.ReplaceAll(response, "\r\n", "\n")},
	{"extension-not-offered", request, answering("Sec-WebSocket-Extensions: permessage-deflate")},
	{"subprotocol-unrequested", request, answering("Sec-WebSocket-Protocol: chat.v2")},
	{"subprotocol-none", offering("Sec-WebSocket-Protocol: chat.v1, chat.v2"), response},
	{"no-frame", request, response + "Hello, world\n"},
	{"tls-port", request, "\x15\x03\x01\x00\x02\x02\x16"},
	{"hostile", request, "HTTP/1.1 101 \x1b[2J\x1b[31m\r\nUpgrade: \x9b31m\u202ewebsocket\r\nSet-Cookie: session=secret\r\n\x07: \x00\r\n\r\n"},
}

// exchange reads both sides as they went over the wire.
func exchange(t *testing.T, request, response string) *handshake.Exchange {
	t.Helper()
	x := &handshake.Exchange{Request: &handshake.Head{}}
	if err := (&handshake.Reader{Source: strings.NewReader(request)}).ReadRequest(x.Request); err != nil {
		t.Logf("the request: %v", err)
	}
	if response == "" {
		return x
	}
	x.Response = &handshake.Head{}
	r := &handshake.Reader{Source: strings.NewReader(response)}
	if err := r.ReadResponse(x.Response); err != nil {
		t.Logf("the response: %v", err)
	}
	x.Body = r.Rest()
	if x.Response.Status != 101 {
		x.Body, _ = r.Body(x.Response, 4096)
	}
	return x
}

// TestGolden holds the words against testdata. The words are the product.
func TestGolden(t *testing.T) {
	for _, c := range cases {
		got := strings.Join(New(exchange(t, c.request, c.response), false).Lines(Options{}), "\n") + "\n"
		file := filepath.Join("testdata", c.name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as in %s (-update writes it anew):\n%s", c.name, file, got)
		}
	}
}

// TestHarmless holds that nothing a peer says reaches a terminal as it is, and
// that no credentials are shown.
func TestHarmless(t *testing.T) {
	for _, c := range cases {
		x := exchange(t, c.request, c.response)
		text := strings.Join(New(x, false).Lines(Options{}), "\n")
		for _, r := range text {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%s: %q is shown", c.name, r)
			}
		}
		if strings.Contains(text, "session=secret") {
			t.Errorf("%s: a cookie is shown", c.name)
		}
	}
	x := exchange(t, request, cases[len(cases)-1].response)
	if text := strings.Join(New(x, true).Lines(Options{ShowSecrets: true}), "\n"); !strings.Contains(text, "session=secret") {
		t.Error("the cookie is not shown where it was asked for")
	}
}

// TestWidth holds that prose keeps to the page, with and without colors.
func TestWidth(t *testing.T) {
	for _, c := range cases {
		x := exchange(t, c.request, c.response)
		for _, line := range Findings(handshake.Check(x), Options{Width: 60}) {
			if utf8.RuneCountInString(line) > 60 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, GUIDPart) {
				t.Errorf("%s: %d columns: %q", c.name, utf8.RuneCountInString(line), line)
			}
		}
	}
}

// GUIDPart marks lines that hold a word too long to be broken.
const GUIDPart = "258EAFA5"

func TestColor(t *testing.T) {
	x := exchange(t, request, cases[1].response)
	text := strings.Join(New(x, false).Lines(Options{Color: true}), "\n")
	if !strings.Contains(text, "\x1b[31m[1]\x1b[0m") {
		t.Errorf("no color:\n%s", text)
	}
	plain := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[90m", "", "\x1b[1m", "", "\x1b[0m", "").Replace(text)
	if want := strings.Join(New(x, false).Lines(Options{}), "\n"); plain != want {
		t.Errorf("without its colors it is\n%s\nwant\n%s", plain, want)
	}
}

// TestEveryRuleHasAPlace holds that a finding can be pointed at, but for those
// that are about a head as a whole.
func TestEveryRuleHasAPlace(t *testing.T) {
	for _, r := range handshake.Rules() {
		part, what, _ := strings.Cut(r.ID, "-")
		whole := map[string]bool{"empty": true, "is-tls": true, "is-http2": true, "not-http": true, "too-large": true, "too-many-fields": true}[what] && part != "refused"
		if p := placeOf(r.ID); (place{}).whole(p) != whole {
			t.Errorf("%s has no place", r.ID)
		}
	}
}

// TestPlaces holds that the right line is marked.
func TestPlaces(t *testing.T) {
	for _, c := range []struct{ request, want string }{
		{with(request, "Host: app.test:8080\r\n", "Host: a\r\nHost: b\r\n"), "[1]   > Host: b"},
		{with(request, "Host: app.test:8080\r\n", ""), "[1]   > (no Host header)"},
		{with(request, "Upgrade: websocket\r\n", "Upgrade: websocket\n"), `[1]   > Upgrade: websocket\n`},
		{with(request, "Upgrade: websocket", "Upgrade : websocket"), "[1]   > Upgrade : websocket"},
		{with(request, "Connection: Upgrade", "Connection: Upgrade\r\n  , x"), "[1]   >   , x"},
		{"\r\n" + request, "[1]   >"},
		{with(request, "\r\nUpgrade", "\r\nnothing\r\nUpgrade"), "[1]   > nothing"},
		{with(request, "Host", "H(st"), "> H(st: app.test:8080"},
		{strings.TrimSuffix(request, "\r\n\r\n"), "[1]   > (it breaks off here)"},
		{with(request, "GET /", "GET  /"), "[1]   > GET  /chat HTTP/1.1"},
		{with(request, "HTTP/1.1", "HTTP/1.0"), "[1]   > GET /chat HTTP/1.0"},
		{request + "early", "(behind the head came 5 bytes)"},
	} {
		x := &handshake.Exchange{Request: &handshake.Head{}}
		r := &handshake.Reader{Source: strings.NewReader(c.request)}
		_ = r.ReadRequest(x.Request)
		x.Early = r.Rest()
		heads := Heads(x, handshake.Check(x), Options{})
		if text := strings.Join(heads, "\n"); !strings.Contains(text+"\n", c.want+"\n") {
			t.Errorf("%q is not in\n%s", c.want, text)
		}
	}
}

// A head without measure is shown in part, what is wrong in it always.
func TestLongHead(t *testing.T) {
	x := exchange(t, with(request, "Upgrade: websocket\r\n", strings.Repeat("A: b\r\n", 80)+"Upgrade: nothing\r\n"), "")
	heads := Heads(x, handshake.Check(x), Options{})
	text := strings.Join(heads, "\n")
	if len(heads) > 50 || !strings.Contains(text, "[1]   > Upgrade: nothing") || !strings.Contains(text, "lines more …") {
		t.Errorf("%d lines:\n%s", len(heads), text)
	}
}

func TestFrames(t *testing.T) {
	for in, want := range map[string]string{
		"\x81\x05hello":                            "a text frame, 5 bytes \"hello\"",
		"\x88\x02\x03\xe8":                         "a close frame, 2 bytes, code 1000",
		"\x88\x06\x03\xe9gone":                     "a close frame, 6 bytes, code 1001 \"gone\"",
		"\x82\x7e\x00\x02\x00\xff\x89":             "a binary frame, 2 bytes|… and 1 byte more, no whole frame",
		"\x83\x00":                                 "a reserved (opcode 3) frame, 0 bytes",
		"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x01": "… and 10 bytes more, no whole frame",
	} {
		if got := strings.Join(Frames([]byte(in)), "|"); got != want {
			t.Errorf("%q: %q; want %q", in, got, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	text := strings.Join(Verdicts(handshake.Judge(exchange(t, request, cases[1].response)), Options{}), "\n")
	for _, want := range []string{"Rules of the request", "Rules of the response", "holds   Upgrade: websocket (RFC 6455 4.2.1 item 3)", "BROKEN  The response has no Sec-WebSocket-Accept header."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestLate(t *testing.T) {
	for response, want := range map[string]string{"": "Not a byte of the response came within 2s.", "HTTP/1.1 101": "The response was not complete within 2s."} {
		x := &handshake.Exchange{Response: &handshake.Head{}}
		_ = (&handshake.Reader{Source: strings.NewReader(response)}).ReadResponse(x.Response)
		findings := handshake.Check(x)
		Late(findings, 2*time.Second)
		if len(findings) == 0 || findings[0].Summary != want {
			t.Errorf("%q: %+v", response, findings)
		}
	}
}

func TestReportJSON(t *testing.T) {
	head := offering("Authorization: Bearer secret")
	b, err := json.Marshal(Report{Version, Kind, []Judgement{*New(exchange(t, head, cases[5].response), false)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version":1`, `"kind":"handshake_check"`, `"outcome":"refused"`, `"id":"refused-404"`, `"causes":[{"cause":`, `"name":"Authorization","value":"Bearer ******"`, `"status":404`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in\n%s", want, b)
		}
	}
	if strings.Contains(string(b), "secret") {
		t.Errorf("a secret is in\n%s", b)
	}
}

// FuzzLines holds that nothing a peer sends is too strange to be explained, and
// that nothing of it does harm to a terminal.
func FuzzLines(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.request), []byte(c.response), []byte("\x81\x05hello"))
	}
	f.Add([]byte("\n \r\n"), []byte("HTTP/1.1 101\n\n"), []byte{0x88})
	f.Fuzz(func(t *testing.T, request, response, behind []byte) {
		x := &handshake.Exchange{Request: &handshake.Head{}, Response: &handshake.Head{}, Early: behind, Body: behind}
		_ = (&handshake.Reader{Source: strings.NewReader(string(request))}).ReadRequest(x.Request)
		_ = (&handshake.Reader{Source: strings.NewReader(string(response))}).ReadResponse(x.Response)
		j := New(x, false)
		text := strings.Join(append(append(j.Lines(Options{}), j.Served(Options{})...), Verdicts(handshake.Judge(x), Options{})...), "")
		for _, r := range text {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q is shown:\n%s", r, text)
			}
		}
		if _, err := json.Marshal(j); err != nil {
			t.Fatal(err)
		}
	})
}
