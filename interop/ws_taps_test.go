package interop

import (
	"strings"
	"testing"
)

// echoTargets are what a tap may stand before, each an echo.
var echoTargets = map[string]func(t *testing.T) string{
	"tcp": func(t *testing.T) string {
		_, at := serve(t, "tcp4", func(at place) program {
			return program{args: []string{"socat", socatListen["tcp4"](at) + ",fork", "EXEC:cat"}}
		})
		return at.String()
	},
	"unix": func(t *testing.T) string {
		_, at := serve(t, "unix", func(at place) program {
			return program{args: []string{"socat", socatListen["unix"](at) + ",fork", "EXEC:cat"}}
		})
		return at.String()
	},
	"udp": func(t *testing.T) string {
		return sockkit(t, "listen", "-k", "--echo", "udp://127.0.0.1:0").address()
	},
	"exec": func(t *testing.T) string { return "exec:cat" },
	"wss": func(t *testing.T) string {
		return sockkit(t, "listen", "-k", "--echo", "--self-signed", "wss://127.0.0.1:0").address()
	},
}

// A WebSocket before anything else: what a client says comes to the other side,
// and what that says comes back, whole and in order; the end passes on too.
func TestWSTapBeforeOthers(t *testing.T) {
	t.Parallel()
	for name, target := range echoTargets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := []string{"--json"}
			if name == "wss" {
				flags = append(flags, "-k") // what is tested is not its certificate
			}
			us, url := wsTap(t, "ws://127.0.0.1:0", target(t), flags...)
			p, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
			end := "\n"
			if name == "exec" {
				end = "" // a text message is a line there, without its newline
			}
			for _, act := range []wsAct{{Do: "text", Data: "hello" + end}, {Do: "binary", Data: "grüße ☃\n"}, {Do: "text", Data: "again" + end}} {
				p.do(act)
				p.nextBytes(act.Data)
			}
			us.awaitRecord(event("ws_message", fields{"text": "hello" + end}))
			p.do(wsAct{Do: "close", Code: 1000})
			wantAnswer(t, p, wsLibraries["node ws"], 1000)
			again, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
			again.do(wsAct{Do: "text", Data: "another client\n"})
			again.nextBytes("another client\n")
		})
	}
}

// nextBytes waits for messages that together hold these bytes: a stream knows
// no borders.
func (p *wsPeer) nextBytes(want string) {
	p.t.Helper()
	got := ""
	for strings.TrimSuffix(got, "\n") != strings.TrimSuffix(want, "\n") {
		s := p.any()
		if s.Saw != "text" && s.Saw != "binary" || !strings.HasPrefix(want, got) {
			p.t.Fatalf("the peer saw %+v behind %q; want %q", s, got, want)
		}
		got += s.Data
	}
}

// Anything else before a WebSocket.
func TestWSTapBehindOthers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		listen string
		dial   func(place) []string
		net    string
	}{
		"tcp":  {"tcp://127.0.0.1:0", dialPeer["nc"], "tcp4"},
		"unix": {"unix:" + tempDir(t) + "/s", dialPeer["nc"], "unix"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true})
			_, address := wsTap(t, row.listen, s.url)
			it := start(t, program{args: row.dial(placeOf(row.net, address)), hold: true})
			s.next("open")
			it.write("hello\n")
			it.out.awaitText(t, "hello")
			it.write("grüße ☃\n")
			it.out.awaitText(t, "grüße ☃")
			it.in.Close()
			if got := s.skipTo("close"); got.Code != 1000 && got.Code != 1001 {
				t.Errorf("the server saw %+v", got)
			}
		})
	}
}

// The end on the other side is a close, and its kind decides the code.
func TestWSTapTargetEnds(t *testing.T) {
	t.Parallel()
	_, url := wsTap(t, "ws://127.0.0.1:0", "exec:sh -c 'echo bye'")
	p, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
	p.nextBytes("bye\n")
	if got := p.next("close"); got.Code != 1000 {
		t.Errorf("the client saw %+v", got)
	}
}

// A target that cannot be reached is no silent end.
func TestWSTapTargetIsGone(t *testing.T) {
	t.Parallel()
	us, url := wsTap(t, "ws://127.0.0.1:0", newPlace(t, "tcp4").String())
	c := rawDial(t, url)
	c.write(strings.Join(rightRequest, "\r\n") + "\r\n\r\n")
	head := c.head()
	switch {
	case strings.HasPrefix(head, "HTTP/1.1 502 "):
	case strings.HasPrefix(head, "HTTP/1.1 101 "):
		if code, _ := c.closing(); code != 1014 && code != 1011 && code != 1013 {
			t.Errorf("closed with %d", code)
		}
	default:
		t.Errorf("the answer is %q", head)
	}
	us.err.awaitText(t, "connection refused")
}
