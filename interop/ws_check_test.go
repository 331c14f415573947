package interop

import (
	"strings"
	"testing"
)

// curlUpgrade has Debian's curl ask for a WebSocket, as people do who look for
// what is wrong, and returns what -v prints.
func curlUpgrade(t *testing.T, url string, leaveOut string) string {
	t.Helper()
	args := []string{"curl", "-sS", "-v", "-i", "--http1.1", "-N", "--max-time", "20", strings.Replace(url, "ws:", "http:", 1)}
	for _, line := range []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="} {
		if name, _, _ := strings.Cut(line, ":"); name != leaveOut {
			args = append(args, "-H", line)
		}
	}
	it := start(t, program{args: args})
	it.wait()
	if !strings.Contains(it.err.String(), "> GET / HTTP/1.1") {
		t.Fatalf("curl says %s", it.err)
	}
	return it.err.String()
}

// What curl -v prints can be piped into handshake check, which finds what is
// wrong: nothing, or each broken rule with its clause, and status 3.
func TestWSCheckOfCurl(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		url      func(t *testing.T) string
		leaveOut string
		status   int
		words    []string
	}{
		{"a right server", curlEnds, "", 0, nil},
		{"no Accept", brokenFor("no Accept"), "", 3, []string{"Sec-WebSocket-Accept", "RFC 6455 4.1"}},
		{"a wrong Accept", brokenFor("wrong Accept"), "", 3, []string{"Sec-WebSocket-Accept", "RFC 6455 4.1", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}},
		{"Connection: keep-alive", brokenFor("Connection: keep-alive"), "", 3, []string{"Connection", "keep-alive"}},
		{"no Upgrade", brokenFor("no Upgrade"), "", 3, []string{"Upgrade", "RFC 6455 4.1"}},
		{"another extension", brokenFor("an extension that was not offered"), "", 3, []string{"Sec-WebSocket-Extensions", "permessage-deflate"}},
		{"our own request without its key", ourListener, "Sec-WebSocket-Key", 3, []string{"Sec-WebSocket-Key", "RFC 6455 4", "client"}},
		{"our own request without Upgrade", ourListener, "Upgrade", 3, []string{"Upgrade", "RFC 6455 4", "426"}},
		{"nginx in between", behindNginx, "", 3, []string{"proxy"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			text := curlUpgrade(t, row.url(t), row.leaveOut)
			us := fed(t, strings.NewReader(text), "handshake", "check")
			if row.name == "nginx in between" { // a refusal may be no broken rule
				wantOneOf(t, us, []int{0, 3, 4})
			} else {
				us.want(row.status)
			}
			wantShown(t, us, row.words...)
			file := sockkit(t, "handshake", "check", fileOf(t, []byte(text)))
			if file.wait() != us.wait() || file.out.String() != us.out.String() {
				t.Errorf("from a file it is %d %s", file.wait(), file.out)
			}
		})
	}
}

// curlEnds is a right server that ends once the upgrade is done: curl would
// wait for more.
func curlEnds(t *testing.T) string {
	p := wsServer(t, wsLibraries["node ws"], wsOptions{})
	go func() {
		<-p.event()
		_ = p.act(wsAct{Do: "drop"})
	}()
	return p.url
}

// brokenFor is a server that answers as a row of broken101, and ends.
func brokenFor(name string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		for _, row := range broken101 {
			if row.name == name {
				return "ws://" + rawServer(t, func(c *raw) {
					lines := row.mend([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + acceptOf(c.head())})
					c.write(strings.Join(lines, "\r\n") + "\r\n\r\n")
				})
			}
		}
		t.Fatalf("there is no row %s", name)
		return ""
	}
}

func ourListener(t *testing.T) string {
	_, url := wsListen(t, "--echo")
	return url
}

func behindNginx(t *testing.T) string {
	return wrongProxies["nginx with nothing but proxy_pass"].start(t, upgradeTarget(t, "node ws"))
}

// handshake request is a request that every server takes, and each answer to it
// stands up to handshake check; response is an answer that every client takes.
func TestWSHandshakeByHand(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run("request to "+name, func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, lib, wsOptions{})
			made := sockkit(t, "handshake", "request", p.url)
			made.want(0)
			c := rawDial(t, p.url)
			c.write(made.out.String())
			answer := c.head()
			if !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
				t.Fatalf("%s was answered by %s", made.out, answer)
			}
			checked := fed(t, strings.NewReader(made.out.String()+answer), "handshake", "check")
			checked.want(0)
		})
		t.Run("response to "+name, func(t *testing.T) {
			t.Parallel()
			url := "ws://" + rawServer(t, func(c *raw) {
				made := fed(t, strings.NewReader(c.head()), "handshake", "response")
				made.want(0)
				c.write(made.out.String())
				c.drain()
			}) + "/"
			wsClient(t, lib, url, wsOptions{})
		})
	}
}

// The accept value is the one that OpenSSL calculates.
func TestWSHandshakeKey(t *testing.T) {
	t.Parallel()
	openssl := start(t, program{args: []string{"sh", "-c", "printf %s dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11 | openssl dgst -sha1 -binary | openssl base64"}})
	openssl.want(0)
	us := sockkit(t, "handshake", "key", "dGhlIHNhbXBsZSBub25jZQ==")
	us.want(0)
	wantShown(t, us, strings.TrimSpace(openssl.out.String()))
	for got, mistake := range map[string]string{
		"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=":             "",
		"b37a4f2cc0624f1690f64606cf385945b2bec4ea": "hex",
		"dGhlIHNhbXBsZSBub25jZQ==":                 "key",
	} {
		named := sockkit(t, "handshake", "key", "dGhlIHNhbXBsZSBub25jZQ==", "--got", got)
		if mistake == "" {
			named.want(0)
			continue
		}
		named.want(3)
		wantShown(t, named, mistake)
	}
}

// An answer that is bent on purpose is refused by every client, and the server
// shows what it was.
func TestWSHandshakeListenBent(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		for _, bend := range [][]string{{"--accept", "wrong"}, {"--status", "403"}, {"--status", "503 Busy"}} {
			t.Run(name+" "+strings.Join(bend, " "), func(t *testing.T) {
				t.Parallel()
				us := sockkit(t, append([]string{"handshake", "listen", "127.0.0.1:0"}, bend...)...)
				p := newWSPeer(t)
				lib.start(p, wsOptions{URL: "ws://" + hostPortOf(us.address()) + "/"})
				if s := p.any(); s.Saw == "open" {
					t.Errorf("the client saw %+v", s)
				}
				us.wait()
				wantShown(t, us, "GET / HTTP/1.1", "-Key: ")
			})
		}
	}
}

// A request that is bent on purpose is sent as it was bent, and what the server
// makes of it is shown.
func TestWSHandshakeDialBent(t *testing.T) {
	t.Parallel()
	for _, lib := range []string{"node ws", "gorilla", "coder", "gobwas"} {
		for _, bend := range [][]string{{"--omit", "Upgrade"}, {"--omit", "Sec-WebSocket-Key"}, {"--set", "Sec-WebSocket-Version: 12"}, {"--method", "POST"}} {
			t.Run(lib+" "+strings.Join(bend, " "), func(t *testing.T) {
				t.Parallel()
				p := wsServer(t, wsLibraries[lib], wsOptions{})
				us := sockkit(t, append([]string{"handshake", "dial", p.url}, bend...)...)
				wantOneOf(t, us, []int{3, 4})
				wantShown(t, us, "RFC ", "HTTP/1.1 4")
			})
		}
	}
}
