package handshake

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
)

// TestCurlOutput reads what curl 7.88 wrote (testdata/capture).
func TestCurlOutput(t *testing.T) {
	for name, want := range map[string][]string{
		"curl-keep-alive.txt": {"response-connection-other", "response-accept-wrong"},
		"curl-bare-lf.txt":    {"response-bare-lf"},
		"curl-engineio.txt":   {"refused-engineio"},
		"curl-404.txt":        {"refused-404"}, // behind a 100
		"curl-plain.txt":      {"request-upgrade-missing", "request-connection-missing", "request-version-missing", "request-key-missing", "refused-engineio"},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "capture", name))
		if err != nil {
			t.Fatal(err)
		}
		list, err := ReadCapture(text)
		if err != nil || len(list) != 1 || list[0].Text || list[0].Request.Get("Host") != "127.0.0.1:8080" {
			t.Errorf("%s: %d exchanges, %v", name, len(list), err)
			continue
		}
		if got := ids(Check(&list[0])); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if name == "curl-engineio.txt" && (string(list[0].Body) != `{"code":0,"message":"Transport unknown"}`+"\n" || !strings.HasPrefix(strings.Join(list[0].Notes, "\n"), "  Trying")) {
			t.Errorf("%s: body %q, notes %q", name, list[0].Body, list[0].Notes)
		}
		// The same text after an editor has taken the CRs away is read the same
		// way, but for what hangs on them.
		pasted, _ := ReadCapture([]byte(strings.ReplaceAll(string(text), "\r", "")))
		if got := ids(Check(&pasted[0])); !pasted[0].Text || name != "curl-bare-lf.txt" && !reflect.DeepEqual(got, want) {
			t.Errorf("%s, pasted: %v, want %v", name, got, want)
		}
		// And so it is with CRs on all lines.
		dos, _ := ReadCapture([]byte(strings.ReplaceAll(strings.ReplaceAll(string(text), "\r", ""), "\n", "\r\n")))
		if got := ids(Check(&dos[0])); name != "curl-bare-lf.txt" && !reflect.DeepEqual(got, want) {
			t.Errorf("%s, on Windows: %v, want %v", name, got, want)
		}
	}
}

const noUpgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + acceptLine + "Sec-WebSocket-Protocol: chat\r\n\r\n"

func TestReadCapture(t *testing.T) {
	lf := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
	indent := func(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }
	wide := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	for _, test := range []struct {
		name  string
		texts []string
		want  []string // of the last exchange
		count int
		text  bool
	}{
		{"a request", []string{goodRequest}, nil, 1, false},
		{"a response", []string{goodResponse}, nil, 1, false},
		{"both in one", []string{goodRequest + goodResponse}, nil, 1, false},
		{"in two", []string{goodRequest, noUpgrade}, []string{"response-upgrade-missing"}, 1, false},
		{"in two, the other way about", []string{noUpgrade, goodRequest}, []string{"response-upgrade-missing"}, 1, false},
		{"pasted", []string{lf(goodRequest + goodResponse)}, nil, 1, true},
		{"pasted, without an empty line at the end", []string{strings.TrimSpace(lf(goodRequest)) + "\n\n" + strings.TrimSpace(lf(goodResponse))}, nil, 1, true},
		{"pasted and indented", []string{"Here it is:\n\n" + indent(lf(goodRequest)) + "\nand\n\n" + indent(lf(noUpgrade))}, []string{"response-upgrade-missing"}, 1, true},
		{"junk before it", []string{"GNU nc\nConnected to it.\n" + goodRequest}, nil, 1, false},
		{"UTF-8 with a mark", []string{"\xef\xbb\xbf" + goodRequest}, nil, 1, false},
		{"UTF-16, as PowerShell writes", []string{wide(goodRequest)}, nil, 1, false},
		{"frames behind", []string{goodRequest + goodResponse + "\x81\x05Hello"}, nil, 1, false},
		{"no frames behind", []string{goodRequest + goodResponse + "<b>Hello"}, []string{"response-no-frame"}, 1, false},
		{"an interim response", []string{goodRequest + "HTTP/1.1 103 Early Hints\r\n\r\n" + noUpgrade}, []string{"response-upgrade-missing"}, 1, false},
		{"two exchanges", []string{goodRequest + "HTTP/1.1 401 \r\nWWW-Authenticate: Basic\r\n\r\n" + goodRequest + noUpgrade}, []string{"response-upgrade-missing"}, 2, false},
		{"cut off", []string{strings.TrimSuffix(goodRequest, "\r\n")}, []string{"request-unfinished"}, 1, false},
		{"one bare LF", []string{strings.Replace(goodRequest, "websocket\r\n", "websocket\n", 1)}, []string{"request-bare-lf"}, 1, false},
		{"no version", []string{"GET /chat\nHost: a\n\n"}, []string{"request-line-bad", "request-upgrade-missing", "request-connection-missing", "request-version-missing", "request-key-missing"}, 1, true},
		{"TLS from a client", []string{"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03"}, []string{"request-is-tls"}, 1, false},
		{"TLS from a server", []string{"\x15\x03\x03\x00\x02\x02\x46"}, []string{"response-is-tls"}, 1, false},
		{"HTTP/2", []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, []string{"request-is-http2"}, 1, false},
		{"as developer tools write it", []string{lf(strings.Replace(goodRequest, "/chat", "ws://server.example.com/chat", 1))}, []string{"request-target-scheme"}, 1, true},
	} {
		var texts [][]byte
		for _, text := range test.texts {
			texts = append(texts, []byte(text))
		}
		list, err := ReadCapture(texts...)
		if err != nil || len(list) != test.count {
			t.Errorf("%s: %d exchanges, %v", test.name, len(list), err)
			continue
		}
		x := &list[len(list)-1]
		if got := ids(Check(x)); !reflect.DeepEqual(got, test.want) || x.Text != test.text {
			t.Errorf("%s: %v, want %v; text %v", test.name, got, test.want, x.Text)
		}
	}
	if _, err := ReadCapture([]byte("nothing of the kind\n"), nil); err != ErrNoHead {
		t.Errorf("%v", err)
	}
}

func TestCurlCommand(t *testing.T) {
	const key = " -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -H 'Sec-WebSocket-Version: 13'"
	for _, test := range []struct{ name, command, line, field, value string }{
		{"Chrome, bash", "curl 'wss://a.example/chat?x=1' \\\n  -H 'Upgrade: websocket' \\\n  -H 'Connection: Upgrade' \\\n --compressed" + key, "GET /chat?x=1 HTTP/1.1", "Upgrade", "websocket"},
		{"Chrome, cmd", "curl ^\"wss://a.example/chat^\" ^\r\n  -H ^\"Upgrade: websocket^\" ^\r\n  -H ^\"X: a^\\^\"b^%^\"", "GET /chat HTTP/1.1", "X", `a"b%`},
		{"Firefox", "curl 'ws://a.example/' -H 'User-Agent: Mozilla/5.0' -H 'Host: b.example'", "GET / HTTP/1.1", "Host", "b.example"},
		{"a prompt before it", "user@host:~$ ls\n$ curl -i -N ws://a.example:8080", "GET / HTTP/1.1", "Host", "a.example:8080"},
		{"ANSI-C quoting", `curl $'ws://a.example/' -H $'X: \u0021\x41\'\n'`, "GET / HTTP/1.1", "X", "!A'"},
		{"bundled", `curl -sSvNH'X: y' -XPUT --max-time 3 a.example`, "PUT / HTTP/1.1", "X", "y"},
		{"data", `curl -d a=b http://a.example/?q`, "POST /?q HTTP/1.1", "Host", "a.example"},
		{"upload", `curl -T - http://a.example/`, "PUT / HTTP/1.1", "Host", "a.example"},
		{"head", `curl -I http://a.example/`, "HEAD / HTTP/1.1", "Host", "a.example"},
		{"1.0", `curl -0 http://a.example/#top`, "GET / HTTP/1.0", "Host", "a.example"},
		{"2", `curl --http2 http://a.example/`, "GET / HTTP/2", "Host", "a.example"},
		{"a user", `curl -u user:pass http://a.example/`, "GET / HTTP/1.1", "Authorization", "Basic dXNlcjpwYXNz"},
		{"an empty header", `curl -H "Origin;" a.example -b "a=b"`, "GET / HTTP/1.1", "Cookie", "a=b"},
		{"double quotes", `curl "http://a.example/" -H "X: \"\$ \a" -o out`, "GET / HTTP/1.1", "X", `"$ \a`},
		{"the first of several", "curl a.example -H 'X: 1' ;\ncurl b.example -H 'X: 2' &", "GET / HTTP/1.1", "X", "1"},
		{"removed", "curl -H 'Accept:' -H 'X: 1' --proxy http://p:1 a.example", "GET / HTTP/1.1", "X", "1"},
	} {
		list, err := ReadCapture([]byte(test.command))
		if err != nil || !list[0].Rebuilt || list[0].Request == nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		h := list[0].Request
		if line := string(h.AppendLine(nil)); line != test.line || h.Get(test.field) != test.value {
			t.Errorf("%s: %q, %q", test.name, line, h.AppendTo(nil))
		}
		if n := strings.Count(test.command, "curl "); len(list) != n || h.Has("Accept") == (test.name == "removed") {
			t.Errorf("%s: %d exchanges", test.name, len(list))
		}
	}
	list, _ := ReadCapture([]byte("curl https://a.example -H 'Upgrade: websocket'"))
	if len(list[0].Notes) != 1 || !strings.Contains(list[0].Notes[0], "--http1.1") {
		t.Errorf("%q", list[0].Notes)
	}
}

func FuzzReadCapture(f *testing.F) {
	files, _ := filepath.Glob("testdata/capture/*")
	for _, name := range files {
		text, _ := os.ReadFile(name)
		f.Add(text)
	}
	for _, text := range []string{goodRequest + goodResponse, strings.ReplaceAll(goodRequest, "\r", ""), "curl 'ws://a' -H $'X: \\u0021' ^\"", "\xff\xfeG\x00", "> ", "<", "* \r\n> GET / HTTP/1.1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ReadCapture(text)
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%d exchanges, %v", len(list), err)
		}
		for i := range list {
			Check(&list[i])
			if list[i].Request == nil && list[i].Response == nil {
				t.Error("an exchange without a head")
			}
		}
	})
}

func ExampleReadCapture() {
	list, err := ReadCapture([]byte(`
* Connected to localhost (127.0.0.1) port 8080 (#0)
> GET /chat HTTP/1.1
> Host: localhost:8080
> Upgrade: websocket
> Connection: Upgrade
> Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
> Sec-WebSocket-Version: 13
>
< HTTP/1.1 400 Bad Request
< Content-Length: 42
<
Client sent an HTTP request to an HTTPS server.
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range Check(&list[0]) {
		fmt.Println(f.Summary, f.Mend)
	}
	// Output:
	// The port speaks TLS and was dialled without it. Dial wss:// instead of ws://.
}
