package explain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// lineHead is a head of HTTP/2 as it is shown: its first line, and its fields.
func lineHead(lines ...string) *handshake.Head {
	h := &handshake.Head{}
	if lines[0] == "HTTP/2 200" {
		h.SetStatusLine("HTTP/2", 200, "")
	} else if strings.HasPrefix(lines[0], "HTTP/2 ") {
		h.SetStatusLine("HTTP/2", 403, "")
	} else {
		h.SetRequestLine("CONNECT", "/chat", "HTTP/2")
	}
	for _, line := range lines[1:] {
		i := strings.Index(line[1:], ": ") + 1
		h.Add(line[:i], line[i+2:])
	}
	return h
}

// parsed is a head of HTTP/1.1.
func parsed(t *testing.T, s string) *handshake.Head {
	t.Helper()
	h := &handshake.Head{}
	var err error
	if strings.HasPrefix(s, "HTTP") {
		_, err = h.ParseResponse([]byte(s), nil)
	} else {
		_, err = h.ParseRequest([]byte(s), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHTTP2 holds the explanations of openings over HTTP/2, each a file in
// testdata.
func TestHTTP2(t *testing.T) {
	asked := lineHead("CONNECT", ":protocol: websocket", ":scheme: https", ":authority: app.test", "sec-websocket-version: 13", "authorization: Bearer secret")
	offered := []ws.HTTP2Setting{{Name: "MAX_CONCURRENT_STREAMS", Value: 100}, {Name: "ENABLE_CONNECT_PROTOCOL", Value: 1}}
	same := &handshake.Exchange{Request: parsed(t, request)}
	with := func(response string) *handshake.Exchange {
		return &handshake.Exchange{Request: same.Request, Response: parsed(t, response)}
	}
	for _, test := range []struct {
		name string
		x    handshake.Exchange
		i    ws.HTTP2Info
		fail bool
	}{
		{"right", handshake.Exchange{Request: asked, Response: lineHead("HTTP/2 200")},
			ws.HTTP2Info{Secure: true, ALPN: "h2", Spoken: true, Settings: offered, Connect: true, Stream: 1, Equivalent: with(response)}, false},
		{"accept", handshake.Exchange{Request: asked, Response: lineHead("HTTP/2 200", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")},
			ws.HTTP2Info{Spoken: true, Settings: offered, Connect: true, Stream: 1, Equivalent: with(response)}, false},
		{"not-offered", handshake.Exchange{}, ws.HTTP2Info{Secure: true, ALPN: "h2", Spoken: true, Settings: offered[:1], Equivalent: same}, true},
		{"no-alpn", handshake.Exchange{}, ws.HTTP2Info{Secure: true, ALPN: "http/1.1", Equivalent: same}, true},
		{"403", handshake.Exchange{Request: asked, Response: lineHead("HTTP/2 403", "server: x"), Body: []byte("no\n")},
			ws.HTTP2Info{Spoken: true, Settings: offered, Connect: true, Stream: 1, Equivalent: with("HTTP/1.1 403 \r\nserver: x\r\n\r\n")}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var failed *ws.HandshakeError
			if test.fail {
				failed = &ws.HandshakeError{Exchange: &test.x, HTTP2: &test.i}
				if list := findingsOf(ws.JudgeHTTP2(&test.x, &test.i)); len(list) > 0 {
					failed.Finding = &list[0]
				}
			}
			got := strings.Join(HTTP2(&test.x, &test.i, failed, Options{}), "\n") + "\n\n" + strings.Join(HTTP2Verdicts(&test.x, &test.i, Options{}), "\n") + "\n"
			path := filepath.Join("testdata", "http2-"+test.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || strings.ReplaceAll(string(want), "\r\n", "\n") != got {
				t.Errorf("%v: %s", err, got)
			}
			if strings.Contains(got, "secret") {
				t.Error("a credential is shown")
			}
		})
	}
}
