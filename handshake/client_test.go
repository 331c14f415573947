package handshake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestRequest(t *testing.T) {
	for _, test := range []struct {
		clause string
		req    Request
		want   string // all but the key
	}{
		{"RFC 6455 4.1", Request{URL: "ws://example.com/chat", Key: rfcKey},
			"GET /chat HTTP/1.1\r\nHost: example.com\r\n" + upgradeLine + connectionLine + keyLine + versionLine + "\r\n"},
		{"4.1 item 4: the port", Request{URL: "wss://example.com:8443?a=b", Key: rfcKey, Origin: "https://example.com"},
			"GET /?a=b HTTP/1.1\r\nHost: example.com:8443\r\n" + upgradeLine + connectionLine + keyLine + versionLine + "Origin: https://example.com\r\n\r\n"},
		{"4.1 item 4: the default port", Request{URL: "wss://[::1%25eth0]:443/ä b", Key: rfcKey},
			"GET /%C3%A4%20b HTTP/1.1\r\nHost: [::1]\r\n" + upgradeLine + connectionLine + keyLine + versionLine + "\r\n"},
		{"4.1 items 10, 11", Request{URL: "ws://a", Key: rfcKey, Subprotocols: []string{"chat", "superchat"},
			Offers: []Deflate{{ClientMaxWindowBits: Unvalued}, {}}, Extensions: []Extension{{"x", nil}}},
			"GET / HTTP/1.1\r\nHost: a\r\n" + upgradeLine + connectionLine + keyLine + versionLine +
				"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, permessage-deflate, x\r\n\r\n"},
		{"RFC 7617 2", Request{URL: "ws://user:pa%20ss@a/", Key: rfcKey, Host: "b", Target: "/other"},
			"GET /other HTTP/1.1\r\nHost: b\r\n" + upgradeLine + connectionLine + keyLine + versionLine + "Authorization: Basic dXNlcjpwYSBzcw==\r\n\r\n"},
		{"order and spelling", Request{URL: "ws://a", Key: rfcKey, Header: []Field{F("HOST", "b"), F("X", "1"), F("x", "2")}},
			"GET / HTTP/1.1\r\nHOST: b\r\n" + upgradeLine + connectionLine + keyLine + versionLine + "X: 1\r\nx: 2\r\n\r\n"},
	} {
		got, err := test.req.AppendTo(nil)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %q, %v", test.clause, got, err)
		}
		if f := Check(&Exchange{Request: captured(string(got), false)}); len(f) > 0 && test.clause != "4.1 items 10, 11" {
			t.Errorf("%s: our own request breaks %v", test.clause, ids(f))
		}
		if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(got))); err != nil {
			t.Errorf("%s: net/http says %v", test.clause, err)
		}
	}
}

func TestRequestFreshKey(t *testing.T) {
	r := Request{URL: "ws://a"}
	one, _ := r.Head()
	two, _ := r.Head()
	if a, b := one.Get("Sec-WebSocket-Key"), two.Get("Sec-WebSocket-Key"); a == b || checkKey([]byte(a)) != keyGood {
		t.Errorf("%q, %q", a, b)
	}
}

func TestRequestErrors(t *testing.T) {
	for _, test := range []struct {
		req  Request
		want error
	}{
		{Request{URL: "example.com"}, ErrURL},
		{Request{URL: "ftp://example.com"}, ErrURL},
		{Request{URL: "ws:///chat"}, ErrURL},
		{Request{URL: "ws://a/#top"}, ErrURL}, // RFC 6455 3
		{Request{URL: "ws://a/#"}, ErrURL},
		{Request{URL: "ws://bücher.example"}, ErrURL},
		{Request{URL: "ws://a\r\nX: y/"}, ErrURL},
		{Request{URL: "ws://a", Target: "/ HTTP/1.1\r\nX: y"}, ErrURL},
		{Request{URL: "ws://a", Target: "/a b"}, ErrURL},
		{Request{URL: "ws://a", Host: "a\r\nX: y"}, ErrField},
		{Request{URL: "ws://a", Origin: "a\nX: y"}, ErrField},
		{Request{URL: "ws://a", Subprotocols: []string{"a\x00"}}, ErrField},
		{Request{URL: "ws://a", Header: []Field{F("X", "y\r\nZ: z")}}, ErrField},
		{Request{URL: "ws://a", Header: []Field{F("X:", "y")}}, ErrField},
		{Request{URL: "ws://a", Header: []Field{F("", "y")}}, ErrField},
	} {
		if got, err := test.req.AppendTo(nil); !errors.Is(err, test.want) || len(got) > 0 || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%+v: %q, %v", test.req, got, err)
		}
	}
}

func TestCheckResponse(t *testing.T) {
	req := captured(change(t, goodRequest, hostLine, hostLine+deflateOffer+"; client_max_window_bits=9\r\n"), false)
	resp := captured(change(t, goodResponse, upgradeLine, upgradeLine+deflateOffer+"; server_no_context_takeover\r\n"), true)
	agreed, err := CheckResponse(&Exchange{Request: req, Response: resp})
	want := Agreement{"chat", true, Deflate{ServerNoContextTakeover: true, ClientMaxWindowBits: 9}} // the client keeps to its hint
	if err != nil || agreed != want {
		t.Errorf("%+v, %v", agreed, err)
	}
	if _, err := CheckResponse(&Exchange{Request: req}); err == nil || err.(*Finding).ID != "response-empty" {
		t.Errorf("no response: %v", err)
	}
	// Whoever chose none of the subprotocols breaks a browser's rule only.
	none := captured(change(t, goodResponse, "Sec-WebSocket-Protocol: chat\r\n", ""), true)
	x := &Exchange{Request: captured(goodRequest, false), Response: none}
	if _, err := CheckResponse(x); err != nil {
		t.Error(err)
	}
	if f := Check(x); len(f) != 1 || f[0].Source != WHATWG || Broken(f) {
		t.Errorf("%+v", f)
	}
}

// Tokens have no case, and lists may stand on several lines (RFC 9110 5.3).
func TestLenientResponse(t *testing.T) {
	resp := captured(change(t, goodResponse, "Upgrade: websocket", "uPGRADE:WebSocket", connectionLine, "Connection: keep-alive\r\nconnection: x , UPGRADE\r\n"), true)
	if _, err := CheckResponse(&Exchange{Request: captured(goodRequest, false), Response: resp}); err != nil {
		t.Error(err)
	}
}

func TestBend(t *testing.T) {
	plain := "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"
	for _, test := range []struct {
		name string
		bend Bend
		want string
	}{
		{"not at all", Bend{}, plain},
		{"line", Bend{Method: "get", Target: "chat", Proto: "HTTP/1.0"}, "get chat HTTP/1.0\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"},
		{"set, in its place", Bend{Set: []Field{F("HOST", "b"), F("X", "y")}}, "GET /chat HTTP/1.1\r\nHOST: b\r\nUpgrade: websocket\r\nX: y\r\n\r\n"},
		{"set twice", Bend{Set: []Field{F("Host", "b"), F("Host", "c")}}, "GET /chat HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nHost: c\r\n\r\n"},
		{"add", Bend{Add: []Field{F("Host", "b")}}, "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nHost: b\r\n\r\n"},
		{"omit", Bend{Omit: []string{"host"}}, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"},
		{"omit and set", Bend{Omit: []string{"host"}, Set: []Field{F("Host", "b")}}, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nHost: b\r\n\r\n"},
		{"order", Bend{Order: []string{"upgrade"}}, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nHost: a\r\n\r\n"},
		{"line ends", Bend{LineEnd: "\n"}, "GET /chat HTTP/1.1\nHost: a\nUpgrade: websocket\n\n"},
		{"anything", Bend{Add: []Field{{Raw: []byte("no colon\r\n")}}, Set: []Field{F("X ", "\x00")}}, "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nX : \x00\r\nno colon\r\n\r\n"},
	} {
		built, _ := (&Request{URL: "ws://a/chat"}).Head()
		for _, name := range []string{"Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
			built.Omit(name)
		}
		for how, h := range map[string]*Head{"built": built, "read": captured(plain, false)} {
			test.bend.Apply(h)
			if got := string(h.AppendTo(nil)); got != test.want {
				t.Errorf("%s, %s: %q", test.name, how, got)
			}
		}
	}
	h := captured(goodResponse, true)
	(&Bend{Status: 404}).Apply(h)
	(&Bend{Proto: "HTTP/1.0"}).Apply(h)
	if got := string(h.AppendLine(nil)); got != "HTTP/1.0 404 Not Found" {
		t.Errorf("%q", got)
	}
}

// TestExplainRefusal holds what is told of refusals as servers and proxies
// really write them.
func TestExplainRefusal(t *testing.T) {
	const down = "<html>\r\n<head><title>502 Bad Gateway</title></head>"
	for _, test := range []struct {
		name    string
		request []string // edits
		head    string
		body    string
		words   string // in the first cause
		fault   Party
	}{
		{"nginx without proxy_set_header, Go behind it", nil, "400 Bad Request\r\nServer: nginx/1.22.1", "Bad Request\nwebsocket: the client is not using the websocket protocol: 'upgrade' token not found in 'Connection' header\n", "drops Upgrade", Proxy},
		{"Python websockets behind a proxy", nil, "426 Upgrade Required\r\nServer: Python/3.11 websockets/12\r\nUpgrade: websocket\r\nConnection: Upgrade", "Failed to open a WebSocket connection: missing Connection header.\n", "drops Upgrade", Proxy},
		{"426 alone", nil, "426 Upgrade Required\r\nUpgrade: websocket", "", "did not reach the server", Proxy},
		{"426 for HTTP/2", nil, "426 Upgrade Required\r\nUpgrade: h2c", "", "HTTP/2 only", Server},
		{"nothing behind nginx", nil, "502 Bad Gateway\r\nServer: nginx", down, "nginx could not talk", Proxy},
		{"an unknown version", nil, "400 Bad Request\r\nSec-WebSocket-Version: 8, 7", "", "does not speak version 13", Server},
		{"Origin", nil, "403 Forbidden", "request origin not allowed by Upgrader.CheckOrigin\n", "checks the Origin", Server},
		{"no Origin", []string{originLine, ""}, "403 Forbidden", "invalid origin", "the request has none", Client},
		{"Django", []string{"http://example.com", "http://server.example.com"}, "403 Access denied\r\nServer: daphne", "", "ASGI", Server},
		{"Vite", []string{originLine, ""}, "403 Forbidden", "Blocked request. This host is not allowed. To allow this host, add it to server.allowedHosts", "host name", Server},
		{"to https", nil, "301 Moved Permanently\r\nLocation: https://server.example.com/chat", "", "wants TLS", Client},
		{"a slash", nil, "301 Moved Permanently\r\nLocation: /chat/", "", "slash at its end", Client},
		{"a login", nil, "302 Found\r\nLocation: https://sso.example.com/login?next=/chat", "", "login", Client},
		{"Engine.IO", nil, "400 Bad Request", `{"code":5,"message":"Unsupported protocol version"}`, "another protocol version", Client},
		{"Socket.IO's path", []string{"/chat", "/socket.io/"}, "404 Not Found", "", "EIO=4", Client},
		{"SockJS", nil, "200 OK", "Welcome to SockJS!\n", "/websocket", Client},
		{"SignalR", nil, "400 Bad Request", "Connection ID required", "negotiation", Client},
		{"a page", nil, "200 OK", "<!DOCTYPE html><title>x</title>", "HTML page", Client},
		{"an index page", nil, "200 OK", `<!doctype html><div id="root"></div>`, "single-page", Server},
		{"API Gateway", nil, "403 Forbidden\r\nx-amzn-ErrorType: ForbiddenException", `{"message":"Forbidden"}`, "stage", Client},
		{"Cloudflare", nil, "521 \r\nServer: cloudflare", "", "Cloudflare could not", Proxy},
		{"our own fault", []string{versionLine, ""}, "400 Bad Request", "", "The request itself breaks a rule: The request has no Sec-WebSocket-Version", Client},
		{"a status alone", nil, "410 Gone", "", "moved", Server},
	} {
		x := &Exchange{Request: captured(change(t, goodRequest, test.request...), false), Response: captured("HTTP/1.1 "+test.head+"\r\n\r\n", true), Body: []byte(test.body)}
		_, err := CheckResponse(x)
		f, ok := err.(*Finding)
		if !ok || f.Part != InRefusal {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		causes := ExplainRefusal(x)
		if len(causes) == 0 || !strings.Contains(f.Cause+f.Mend, test.words) || f.Fault != test.fault {
			t.Errorf("%s: %s: %s (%s)", test.name, f.ID, f.Cause, f.Fault)
		}
		for _, c := range causes {
			if c.Cause == "" || c.Mend == "" || c.Fault == "" {
				t.Errorf("%s: %+v", test.name, c)
			}
		}
	}
	if causes := ExplainRefusal(&Exchange{Response: captured(goodResponse, true)}); causes != nil {
		t.Errorf("%v", causes)
	}
}

// TestServerFaults holds the requests that known servers let through. Ours
// refuses each.
func TestServerFaults(t *testing.T) {
	for name, edits := range map[string][]string{
		"HTTP/1.0":                {"HTTP/1.1", "HTTP/1.0"},
		"no Host":                 {hostLine, ""},
		"a key of 15 bytes":       {"dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4P"},
		"a key that is no base64": {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!=="},
		"two keys":                {keyLine, keyLine + "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n"},
		";;;= as extensions":      {hostLine, hostLine + "Sec-WebSocket-Extensions: ;;;=\r\n"},
		"version 8":               {"Version: 13", "Version: 8"},
		"no version":              {versionLine, ""},
		"a body":                  {hostLine, hostLine + "Content-Length: 3\r\n"},
		"smuggling":               {hostLine, hostLine + "Transfer-Encoding: chunked\r\n"},
		"POST":                    {"GET", "POST"},
		"two Hosts":               {hostLine, hostLine + "Host: other\r\n"},
	} {
		var a Acceptor
		var ans Answer
		if err := a.Accept(captured(change(t, goodRequest, edits...), false), &ans); err == nil || ans.Status < 400 {
			t.Errorf("%s is let through", name)
		}
		if name == "version 8" && ans.Head().Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: %q", name, ans.AppendTo(nil))
		}
	}
}

func ExampleRequest() {
	r := Request{URL: "ws://example.com/chat", Key: "dGhlIHNhbXBsZSBub25jZQ==", Subprotocols: []string{"chat"}}
	wire, err := r.AppendTo(nil)
	fmt.Println(strings.ReplaceAll(string(wire), "\r", ""), err)
	// Output:
	// GET /chat HTTP/1.1
	// Host: example.com
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
	// Sec-WebSocket-Version: 13
	// Sec-WebSocket-Protocol: chat
	//
	//  <nil>
}

func ExampleCheckResponse() {
	request, _ := (&Request{URL: "ws://example.com/", Key: "dGhlIHNhbXBsZSBub25jZQ=="}).Head()
	var response Head
	response.ParseResponse([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), nil)
	_, err := CheckResponse(&Exchange{Request: request, Response: &response})
	fmt.Println(err)
	var finding *Finding
	if errors.As(err, &finding) {
		fmt.Println(finding.Due)
	}
	// Output:
	// handshake: The response has no Connection header (RFC 6455 4.1 (response) item 3): no Connection header
	// Connection: Upgrade
}

func ExampleBend() {
	request, _ := (&Request{URL: "ws://example.com/", Key: "dGhlIHNhbXBsZSBub25jZQ=="}).Head()
	bend := Bend{Proto: "HTTP/1.0", Omit: []string{"Connection", "Sec-WebSocket-Key"}, Set: []Field{F("UPGRADE", "WebSocket")}}
	bend.Apply(request)
	fmt.Println(strings.ReplaceAll(string(request.AppendTo(nil)), "\r", ""))
	// Output:
	// GET / HTTP/1.0
	// Host: example.com
	// UPGRADE: WebSocket
	// Sec-WebSocket-Version: 13
}
