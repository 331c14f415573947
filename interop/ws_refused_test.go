package interop

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

// refusal is an answer other than 101, with what has to be said of it.
type refusal struct {
	name   string
	path   string
	flags  []string
	answer string // lines of the head, an empty one, the body
	says   []string
}

var wsRefusals = []refusal{
	{"404", "/nowhere", nil, "HTTP/1.1 404 Not Found\nContent-Type: text/plain\nX-Server: demo\n\nno such page: /nowhere",
		[]string{"404 Not Found", "X-Server: demo", "no such page: /nowhere", "path"}},
	{"401", "/", nil, "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer realm=\"api\"\n\ntoken missing",
		[]string{"401 Unauthorized", "WWW-Authenticate: Bearer", "token missing", "(?i)token|credential|auth"}},
	{"403 by Origin", "/", []string{"--origin", "https://evil.example"}, "HTTP/1.1 403 Forbidden\n\norigin not allowed",
		[]string{"403 Forbidden", "origin not allowed", "Origin"}},
	{"403 without Origin", "/", nil, "HTTP/1.1 403 Forbidden\nServer: demo\n\nOrigin required",
		[]string{"403 Forbidden", "--origin"}},
	{"426", "/", nil, "HTTP/1.1 426 Upgrade Required\nUpgrade: websocket\nConnection: Upgrade\n\nthis service wants a WebSocket",
		[]string{"426 Upgrade Required", "Upgrade: websocket", "(?i)proxy"}},
	{"426 for another version", "/", nil, "HTTP/1.1 426 Upgrade Required\nSec-WebSocket-Version: 8, 7\n\n",
		[]string{"426 Upgrade Required", "Sec-WebSocket-Version: 8, 7", "version"}},
	{"301 to TLS", "/", nil, "HTTP/1.1 301 Moved Permanently\nLocation: https://127.0.0.1/\n\n",
		[]string{"301 Moved Permanently", "Location: https://127.0.0.1/", "wss://"}},
	{"302 to a login", "/app", nil, "HTTP/1.1 302 Found\nLocation: /login?next=/app\n\n",
		[]string{"302 Found", "Location: /login", "(?i)log ?in|cookie"}},
	{"503", "/", nil, "HTTP/1.1 503 Service Unavailable\nRetry-After: 30\n\ntoo many connections",
		[]string{"503 Service Unavailable", "Retry-After: 30", "too many connections"}},
	{"200 with a page", "/", nil, "HTTP/1.1 200 OK\nContent-Type: text/html\n\n<!doctype html><title>Welcome to nginx!</title>",
		[]string{"200 OK", "Welcome to nginx!", "(?i)page|path"}},
	{"Socket.IO without a transport", "/socket.io/", nil, "HTTP/1.1 400 Bad Request\nContent-Type: application/json\n\n{\"code\":0,\"message\":\"Transport unknown\"}",
		[]string{"400 Bad Request", "Transport unknown", "Socket.IO"}},
	{"Socket.IO of another version", "/socket.io/?EIO=3&transport=websocket", nil, "HTTP/1.1 400 Bad Request\nContent-Type: application/json\n\n{\"code\":5,\"message\":\"Unsupported protocol version\"}",
		[]string{"Unsupported protocol version", "Socket.IO"}},
	{"502 by nginx", "/", nil, "HTTP/1.1 502 Bad Gateway\nServer: nginx/1.22.1\n\n<html>502 Bad Gateway</html>",
		[]string{"502 Bad Gateway", "nginx", "proxy_pass"}},
}

// A refusal is shown with its status, its headers, the beginning of its body
// and the likely cause; the status is 4.
func TestWSDialRefused(t *testing.T) {
	t.Parallel()
	for _, row := range wsRefusals {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			url := "ws://" + rawServer(t, func(c *raw) { c.head(); c.write(row.wire()) }) + row.path
			us := fed(t, strings.NewReader("hello\n"), append([]string{"dial", url}, row.flags...)...)
			us.wantSays(4, append(row.says, `^sockkit: dial ws://127\.0\.0\.1:\d+/`, `^ +mend +\w`)...)
			if us.out.size() > 0 {
				t.Errorf("standard output has %q", us.out)
			}
			if strings.Contains(us.err.String(), "Unexpected server response") {
				t.Errorf("wscat's words, which say nothing: %s", us.err)
			}
			machine := sockkit(t, append([]string{"dial", "--json", url}, row.flags...)...)
			machine.want(4)
			_, status, _ := strings.Cut(row.answer, " ")
			machine.wantRecord(event("upgrade_failed", fields{"status": status[:3]}))
		})
	}
}

// wire is the answer with the line ends of HTTP, and no more after it.
func (r refusal) wire() string {
	head, body, _ := strings.Cut(r.answer, "\n\n")
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\nConnection: close\r\n\r\n" + body
}

// A body without an end is shown by its beginning, and holds nobody up.
func TestWSDialEndlessRefusal(t *testing.T) {
	t.Parallel()
	url := "ws://" + rawServer(t, func(c *raw) {
		c.head()
		c.write("HTTP/1.1 404 Not Found\r\n\r\nthis is the beginning ")
		for _, err := c.Write(make([]byte, 4096)); err == nil; _, err = c.Write([]byte(strings.Repeat("x", 65536))) {
		}
	})
	us := sockkit(t, "dial", "-w", "5s", url)
	us.wantSays(4, "404 Not Found", "this is the beginning")
	if us.err.size() > 64*1024 {
		t.Errorf("%d bytes were shown of a body without an end", us.err.size())
	}
}

// The redirect is followed where -L asks for it.
func TestWSDialFollowsARedirect(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["gorilla"], wsOptions{Echo: true})
	url := "ws://" + rawServer(t, func(c *raw) {
		c.head()
		c.write("HTTP/1.1 307 Temporary Redirect\r\nLocation: " + p.url + "there\r\nContent-Length: 0\r\n\r\n")
	})
	us := sockkit(t, "dial", "-L", "-x", "hello", "--count", "1", url)
	us.want(0)
	if us.out.String() != "hello\n" {
		t.Errorf("got %q", us.out)
	}
}

// http2Settings is how a server of HTTP/2 begins (RFC 9113 section 3.4).
const http2Settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"

// What is no HTTP/1.1 at all is named for what it is.
func TestWSDialOtherProtocols(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		says     string
		statuses []int
		pattern  string
	}{
		"HTTP/2 only, SETTINGS": {http2Settings, []int{3, 4}, `HTTP/2`},
		"HTTP/2 only, GOAWAY":   {"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", []int{3, 4}, `HTTP/2`},
		"a TLS alert":           {"\x15\x03\x01\x00\x02\x02\x46", []int{3, 4, 7}, `wss://`},
		"SSH":                   {"SSH-2.0-OpenSSH_9.2\r\n", []int{3}, `SSH`},
		"Redis":                 {"-ERR unknown command 'GET'\r\n", []int{3}, `Redis`},
		"HTML without a head":   {"<html>hello</html>", []int{3}, `HTML`},
		"nothing":               {"", []int{3, 6}, `closed|without|before`},
		"NUL bytes":             {"\x00\x00\x00\x00", []int{3}, `HTTP`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := "ws://" + rawServer(t, func(c *raw) { c.head(); c.write(row.says) })
			us := sockkit(t, "dial", url)
			wantOneOf(t, us, row.statuses)
			us.wantSays(us.wait(), `^sockkit: dial ws://`, row.pattern)
		})
	}
}

func wantOneOf(t *testing.T, us *proc, statuses []int) {
	t.Helper()
	got := us.wait()
	for _, s := range statuses {
		if got == s {
			return
		}
	}
	t.Errorf("%s: exit status %d; want one of %v\n%s", us, got, statuses, us.err)
}

// A TLS port that is spoken to in plain, by servers that answer it in different
// ways, and the reverse: the hint is the other scheme.
func TestWSDialWrongScheme(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for _, name := range []string{"node ws", "gorilla", "websockets"} {
		t.Run("ws to the TLS of "+name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries[name], wsOptions{Cert: cert.cert, Key: cert.key})
			us := sockkit(t, "dial", strings.Replace(p.url, "wss:", "ws:", 1))
			wantOneOf(t, us, []int{3, 4, 6, 7})
			us.wantSays(us.wait(), `^sockkit: dial ws://`, `(mend|hint:).*wss://`)
		})
		t.Run("wss to the plain port of "+name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries[name], wsOptions{})
			us := sockkit(t, "dial", strings.Replace(p.url, "ws:", "wss:", 1))
			us.wantSays(7, `^sockkit: dial wss://`, `^hint: .*ws://`)
		})
	}
}

// Where TLS agrees on HTTP/2 only, that is said.
func TestWSSDialHTTP2Only(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	pairOf, err := tls.LoadX509KeyPair(cert.cert, cert.key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pairOf}, NextProtos: []string{"h2"}})
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Write([]byte(http2Settings)) // as it would be right to
				newRaw(c).drain()
			}()
		}
	}()
	us := sockkit(t, "dial", "--ca", a.pem, "-w", "3s", "wss://"+l.Addr().String())
	wantOneOf(t, us, []int{3, 4, 7})
	us.wantSays(us.wait(), `HTTP/2|ALPN|h2`)
}
