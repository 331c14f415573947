package interop

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// curl is let in by our listener, and shows the answer.
func TestWSListenCurl(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--json")
	it := start(t, program{args: []string{"curl", "-sS", "--include", "-N", "--http1.1", "--max-time", "60", strings.Replace(url, "ws:", "http:", 1),
		"-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="}})
	us.awaitRecord(event("upgrade", fields{"side": "server"}))
	endListener(us)
	it.wait()
	for _, line := range []string{"HTTP/1.1 101 Switching Protocols\r\n", "\r\nUpgrade: websocket\r\n", "\r\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n"} {
		if !strings.Contains(it.out.String(), line) {
			t.Errorf("curl shows no %q: %q", line, it.out)
		}
	}
}

// dial goes through proxies of both kinds, in plain and by TLS.
func TestWSDialThroughForwardProxies(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, proxy := range map[string]func(t *testing.T) string{
		"socks5": func(t *testing.T) string { return "socks5://" + socks(t).hostPort() },
		"http":   func(t *testing.T) string { return "http://" + connectProxy(t).hostPort() },
	} {
		for _, o := range []wsOptions{{Echo: true}, {Echo: true, Cert: cert.cert, Key: cert.key}} {
			t.Run(name+" to "+wsURL(o, "")[:3], func(t *testing.T) {
				t.Parallel()
				p := wsServer(t, wsLibraries["gorilla"], o)
				url := strings.Replace(p.url, "127.0.0.1", "localhost", 1)
				args := []string{"dial", "-v", "--proxy", proxy(t), "-x", "hello", "--count", "1", url}
				if o.Cert != "" {
					args = append(args, "--ca", a.pem)
				}
				us := sockkit(t, args...)
				us.wantSays(0, `^\* .*proxy`)
				if us.out.String() != "hello\n" {
					t.Errorf("got %q", us.out)
				}
			})
		}
	}
}

// --reconnect takes a connection up again that was lost, and input goes on.
func TestWSDialReconnects(t *testing.T) {
	t.Parallel()
	p := wsServer(t, wsLibraries["gorilla"], wsOptions{Echo: true})
	us := held(t, "dial", "--reconnect", "--linger", "0", p.url)
	for i, word := range []string{"one", "two", "three"} {
		p.skipTo("open")
		us.write(word + "\n")
		p.nextText(word)
		us.out.awaitText(t, word+"\n")
		if i < 2 {
			p.do(wsAct{Do: "drop"})
		}
	}
	us.in.Close()
	us.want(0)
	if us.out.String() != "one\ntwo\nthree\n" {
		t.Errorf("got %q", us.out)
	}
}

// A signal closes the connection properly.
func TestWSDialSignals(t *testing.T) {
	t.Parallel()
	for signal, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			p := wsServer(t, wsLibraries["gobwas"], wsOptions{})
			us := held(t, "dial", p.url)
			p.next("open")
			p.do(wsAct{Do: "text", Data: "ready"})
			us.out.awaitText(t, "ready\n")
			us.signal(signal)
			if got := p.next("close"); got.Code != 1000 && got.Code != 1001 {
				t.Errorf("the server saw %+v", got)
			}
			us.want(status)
			if strings.Contains(us.err.String(), "sockkit: ") {
				t.Errorf("an end that was asked for is no error: %s", us.err)
			}
		})
	}
}

// --max-rate ends who sends too fast, with 1008, and nobody else.
func TestWSListenMaxRate(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--max-rate", "10")
	calm, _ := wsClient(t, wsLibraries["gobwas"], url, wsOptions{})
	c := rawDial(t, url)
	c.upgrade(t)
	go pourFrames(c, true, nil, []rawFrame{{op: opText, data: "x"}})
	if code, reason := c.closing(); code != 1008 || reason == "" {
		t.Errorf("closed with %d %q; want 1008 and a reason", code, reason)
	}
	us.err.awaitText(t, "faster than the limit")
	calm.do(wsAct{Do: "text", Data: "still here"})
	calm.nextText("still here")
}

// --idle-timeout ends a silent client.
func TestWSListenIdleTimeout(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "--idle-timeout", "300ms")
	p, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
	if got := p.next("close"); got.Code == 1006 {
		t.Errorf("the client saw %+v; want a close frame", got)
	}
	us.err.awaitText(t, "idle")
}

// Nobody is there, or no name: the same statuses as for other sockets.
func TestWSDialNobody(t *testing.T) {
	t.Parallel()
	for address, status := range map[string]int{"ws://" + newPlace(t, "tcp4").hostPort(): 6, "ws://nosuch.invalid/": 5, "wss://nosuch.invalid": 5,
		"ws+unix:/nonexistent/s": 6, "ws://127.0.0.1:1/#top": 2, "ws:///path": 2, "ws://127.0.0.1:99999/": 2} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			us := fed(t, strings.NewReader("hello\n"), "dial", address)
			us.wantSays(status, `^sockkit: `)
			wantOneError(t, us)
			if status != 2 && !regexp.MustCompile(`^sockkit: dial ws`).MatchString(us.err.String()) {
				t.Errorf("the address is not named as it was given: %s", us.err)
			}
		})
	}
}
