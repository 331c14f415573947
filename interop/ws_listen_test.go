package interop

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// wsListen starts sockkit as a WebSocket server on a free port.
func wsListen(t testing.TB, args ...string) (us *proc, url string) {
	t.Helper()
	us = sockkit(t, append([]string{"listen", "-k", "ws://127.0.0.1:0"}, args...)...)
	return us, us.address()
}

// Every client's messages come back from our echo as they were sent.
func TestWSListenEcho(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--echo", "-s", "v2", "-s", "chat")
	t.Run("all", func(t *testing.T) {
		for name, lib := range wsLibraries {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p, opened := wsClient(t, lib, url, wsOptions{Subprotocols: []string{"v1", "chat"}})
				if opened.Subprotocol != "chat" {
					t.Errorf("the client saw the subprotocol %q", opened.Subprotocol)
				}
				clientTexts(p)
				p.do(wsAct{Do: "ping", Data: "are you there"})
				if got := p.next("pong"); got.Data != "are you there" {
					t.Errorf("the pong holds %q", got.Data)
				}
				p.do(wsAct{Do: "close", Code: 1000, Reason: "bye"})
				wantAnswer(t, p, lib, 1000)
			})
		}
	})
	if !us.alive() || us.out.size() > 0 {
		t.Errorf("the listener is alive: %v; standard output has %q", us.alive(), us.out)
	}
}

// clientTexts has a client send every kind of message, and holds the echoes to
// what was sent.
func clientTexts(p *wsPeer) {
	p.t.Helper()
	for _, text := range wsTexts {
		p.do(wsAct{Do: "text", Data: text})
		p.nextText(text)
	}
	binary := wsAct{Do: "binary", Data: "\x00\x01data☃", Times: 4096}
	p.do(binary)
	if got := p.next("binary"); got.Sum != sumOf(binary.data()) {
		p.t.Errorf("the binary message came back as %+v", got)
	}
	p.do(wsAct{Do: "parts", Parts: manyParts})
	p.nextText(strings.Join(manyParts, ""))
}

// wantAnswer demands that our close frame answers the client's, with its code.
// A frame without one may be answered by 1000 or by another without one.
func wantAnswer(t *testing.T, p *wsPeer, lib wsLibrary, code int) {
	t.Helper()
	got := p.next("close")
	if lib.abrupt || lib.oldCodes && code >= 1012 && code <= 1014 || got.Code == code || code == 0 && (got.Code == 1000 || got.Code == 1005) {
		return
	}
	t.Errorf("the answer to close code %d is %+v", code, got)
}

func TestWSListenBigMessage(t *testing.T) {
	t.Parallel()
	_, url := wsListen(t, "--echo")
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := wsClient(t, lib, url, wsOptions{})
			p.do(wsAct{Do: "text", Data: "0123456789abcdef", Times: mib})
			p.nextText(strings.Repeat("0123456789abcdef", mib))
		})
	}
}

// Every code that a client may close with is answered by the same, and is in
// the trace with its reason.
func TestWSListenClientCloses(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us, url := wsListen(t, "--echo", "--json")
			for _, row := range closings {
				if lib.noEmpty && row.code == 0 {
					continue
				}
				p, _ := wsClient(t, lib, url, wsOptions{})
				if row.code == 1006 {
					us.noRecord(event("finding"))
					p.do(wsAct{Do: "drop"})
					us.awaitRecord(event("finding", fields{"rule": "close-missing", "clause": "RFC 6455 7.1.1"}))
					continue
				}
				p.do(wsAct{Do: "close", Code: row.code, Reason: row.reason})
				wantAnswer(t, p, lib, row.code)
				us.awaitRecord(event("ws_close", fields{"dir": "in", "code": row.seen()}, reasonOf(row.reason)))
			}
		})
	}
}

// seen is the code that stands for the frame (RFC 6455 section 7.1.5).
func (c closing) seen() int {
	if c.code == 0 {
		return 1005
	}
	return c.code
}

// reasonOf leaves out what is absent from a record where it is empty.
func reasonOf(reason string) fields {
	if reason == "" {
		return nil
	}
	return fields{"reason": reason}
}

// Ending the listener closes every client with 1001.
func TestWSListenGoesAway(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			us, url := wsListen(t, "--echo")
			p, _ := wsClient(t, lib, url, wsOptions{})
			us.signal(syscall.SIGTERM)
			if got := p.next("close"); got.Code != 1001 {
				t.Errorf("the client saw %+v; want 1001", got)
			}
			us.want(143)
		})
	}
}

// Standard input goes to all clients, a line a message, and what they send is
// printed, a message a line.
func TestWSListenLines(t *testing.T) {
	t.Parallel()
	us := held(t, "listen", "-k", "ws://127.0.0.1:0")
	url := us.address()
	clients := map[string]*wsPeer{}
	for name, lib := range wsLibraries {
		clients[name], _ = wsClient(t, lib, url, wsOptions{})
		clients[name].do(wsAct{Do: "text", Data: "I am " + name})
		us.out.awaitText(t, "I am "+name+"\n")
	}
	us.write("to all\n\n")
	for _, p := range clients {
		p.nextText("to all")
		p.nextText("")
	}
}

// --broadcast sends what one client says to all the others.
func TestWSBroadcast(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"--broadcast", "--broadcast=all"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			_, url := wsListen(t, mode)
			node, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
			gorilla, _ := wsClient(t, wsLibraries["gorilla"], url, wsOptions{})
			node.do(wsAct{Do: "text", Data: "from node"})
			gorilla.nextText("from node")
			gorilla.do(wsAct{Do: "text", Data: "from gorilla"})
			if mode == "--broadcast=all" {
				node.nextText("from node")
				gorilla.nextText("from gorilla")
			}
			node.nextText("from gorilla")
		})
	}
}

// --discard answers nothing but pings and the close.
func TestWSDiscard(t *testing.T) {
	t.Parallel()
	_, url := wsListen(t, "--discard")
	p, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
	p.do(wsAct{Do: "text", Data: "into the void", Times: 1000})
	p.do(wsAct{Do: "ping", Data: "are you there"})
	p.next("pong")
	p.do(wsAct{Do: "close", Code: 1000})
	wantAnswer(t, p, wsLibraries["node ws"], 1000)
}

// --exec runs a command for each client, whose lines are messages.
func TestWSExec(t *testing.T) {
	t.Parallel()
	us, url := wsListen(t, "--exec", "sed -u s/^/you:/")
	for i := range 3 {
		p, _ := wsClient(t, wsLibraries["gobwas"], url, wsOptions{})
		p.do(wsAct{Do: "text", Data: fmt.Sprint("hello ", i)})
		p.nextText(fmt.Sprint("you:hello ", i))
		p.do(wsAct{Do: "close", Code: 1000})
		p.next("close")
	}
	noChildren(t, us)
}

// wss by a certificate made in memory is spoken by every client.
func TestWSSListen(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "listen", "-k", "--echo", "--self-signed", "wss://127.0.0.1:0")
	url := us.address()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := wsClient(t, lib, url, wsOptions{})
			p.do(wsAct{Do: "text", Data: "in secret"})
			p.nextText("in secret")
		})
	}
}

// A WebSocket on a Unix socket, and Node's own words for the address.
func TestWSUnix(t *testing.T) {
	t.Parallel()
	path := tempDir(t) + "/s"
	us := sockkit(t, "listen", "-k", "--echo", "ws+unix:"+path)
	us.address()
	p, _ := wsClient(t, wsLibraries["node ws"], "ws+unix:"+path+":/", wsOptions{})
	p.do(wsAct{Do: "text", Data: "no network"})
	p.nextText("no network")
	it := sockkit(t, "dial", "-x", "hello", "--count", "1", "ws+unix:"+path+":/any/path?q=1")
	it.want(0)
	if it.out.String() != "hello\n" {
		t.Errorf("got %q", it.out)
	}
}
