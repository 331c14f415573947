package interop

import (
	"os"
	"strings"
	"testing"
)

// http2Node is Node's http2, with the frames of the library ws.
var http2Node = wsLibrary{start: func(p *wsPeer, o wsOptions) { p.script(o, "node", "node/http2-peer.cjs") }}

// What is typed comes to Node's server over HTTP/2, and its echo is printed.
func TestHTTP2DialNode(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, row := range map[string]struct {
		o     wsOptions
		flags []string
	}{
		"prior knowledge": {wsOptions{}, nil},
		"ALPN":            {wsOptions{Cert: cert.cert, Key: cert.key}, []string{"--ca", a.pem}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.o.Echo, row.o.Subprotocols = true, []string{"chat", "v2"}
			p := wsServer(t, http2Node, row.o)
			us := held(t, append(append([]string{"dial", "--http2", "-s", "v1", "-s", "v2", "--linger", "0"}, row.flags...), p.url)...)
			if got := p.next("open").Subprotocol; got != "v2" {
				t.Errorf("the server saw the subprotocol %q", got)
			}
			printed := dialTexts(us, p)
			printed += dialParts(us, p, http2Node)
			us.in.Close()
			if got := p.skipTo("close"); got.Code != 1000 {
				t.Errorf("the server saw the close code %d; want 1000", got.Code)
			}
			us.want(0)
			if us.out.hex() != sumOf([]byte(printed)) {
				t.Errorf("what was printed is not what came: %d bytes of %d", us.out.size(), len(printed))
			}
		})
	}
}

// A server that drops the stream is a connection lost; one that does not offer
// WebSockets over HTTP/2 is told by the clause.
func TestHTTP2DialNodeFails(t *testing.T) {
	t.Parallel()
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		p := wsServer(t, http2Node, wsOptions{})
		us := held(t, "dial", "--http2", p.url)
		p.next("open")
		p.do(wsAct{Do: "drop"})
		us.wantSays(8, `1006`)
	})
	t.Run("not offered", func(t *testing.T) {
		t.Parallel()
		p := newWSPeer(t)
		p.script(wsOptions{NoConnect: true}, "node", "node/http2-peer.cjs")
		us := sockkit(t, "dial", "--http2", p.url)
		us.wantSays(3, `RFC 8441 3`)
		wantShown(t, us, "ENABLE_CONNECT_PROTOCOL", "http2-connect-setting")
	})
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		p := wsServer(t, wsLibraries["node ws"], wsOptions{})
		us := sockkit(t, "dial", "--http2", p.url)
		us.wantSays(3, `RFC 9113 3\.4`)
	})
}

// inspect says of a server that knows HTTP/2 only whether it takes WebSockets so.
func TestHTTP2InspectNode(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	for name, row := range map[string]struct {
		without bool
		words   []string
	}{
		"with WebSockets": {false, []string{"http/2       WebSockets are taken", "sockkit dial --http2"}},
		"without":         {true, []string{"http/2       no WebSockets: the server has not said", "allow HTTP/1.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newWSPeer(t)
			p.script(wsOptions{Cert: cert.cert, Key: cert.key, NoConnect: row.without}, "node", "node/http2-peer.cjs")
			us := sockkit(t, "inspect", "--ca", a.pem, p.url)
			us.want(7)
			wantShown(t, us, append(row.words, "the port speaks HTTP/2 only")...)
		})
	}
}

// Node's client talks to our listener over HTTP/2, beside clients of HTTP/1.1.
func TestHTTP2ListenNode(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		flags []string
	}{{"ws://127.0.0.1:0", nil}, {"wss://127.0.0.1:0", []string{"--self-signed"}}} {
		us := sockkit(t, append([]string{"listen", "-k", "--echo", "-s", "chat", "--json", row.name}, row.flags...)...)
		url := us.address()
		p, opened := wsClient(t, http2Node, url, wsOptions{Subprotocols: []string{"v1", "chat"}})
		if opened.Subprotocol != "chat" {
			t.Errorf("the client saw %+v", opened)
		}
		us.awaitRecord(event("open", fields{"network": "http2"}))
		us.awaitRecord(event("http_head", fields{"dir": "in", "line": "CONNECT / HTTP/2"}))
		clientTexts(p)
		p.do(wsAct{Do: "close", Code: 4000, Reason: "done"})
		wantAnswer(t, p, http2Node, 4000)
		us.err.awaitText(t, "with 4000")
		old, _ := wsClient(t, wsLibraries["node ws"], url, wsOptions{})
		clientTexts(old)
		old.do(wsAct{Do: "close", Code: 4001})
		wantAnswer(t, old, wsLibraries["node ws"], 4001)
		last, _ := wsClient(t, http2Node, url, wsOptions{})
		endListener(us)
		if got := last.next("close"); got.Code != 1001 {
			t.Errorf("the client saw %+v; want 1001", got)
		}
	}
}

// haproxy takes WebSockets over HTTP/2, and hands them on over HTTP/1.1.
func TestHTTP2ThroughHAProxy(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, "Interop CA")
	cert := a.issue(t, here)
	p := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true, Subprotocols: []string{"chat"}})
	_, plain, secure := http2HAProxy(t, cert, hostPortOf(p.url))
	for _, args := range [][]string{{"wss://" + secure + "/", "--ca", a.pem}, {"ws://" + plain + "/"}} {
		us := held(t, append([]string{"dial", "--http2", "-s", "chat", "--linger", "0"}, args...)...)
		p.next("open")
		printed := dialTexts(us, p)
		us.in.Close()
		us.want(0)
		p.skipTo("close")
		if us.out.hex() != sumOf([]byte(printed)) {
			t.Errorf("%d bytes were printed of %d", us.out.size(), len(printed))
		}
	}
}

func http2HAProxy(t *testing.T, cert pair, target string) (p *proc, plain, secure string) {
	t.Helper()
	template, err := os.ReadFile("proxies/haproxy-http2.cfg")
	if err != nil {
		t.Fatal(err)
	}
	var both []byte
	for _, file := range []string{cert.cert, cert.key} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	p, at := serve(t, "tcp4", func(at place) program {
		plain = "127.0.0.1:" + freePort(t)
		fill := strings.NewReplacer("@LISTEN@", at.hostPort(), "@PLAIN@", plain, "@TARGET@", target, "@CERT@", fileOf(t, both))
		return program{args: []string{"haproxy", "-db", "-f", fileOf(t, []byte(fill.Replace(string(template))))}}
	})
	return p, plain, at.hostPort()
}

// Chromium opens a WebSocket on the HTTP/2 connection that it has fetched a page
// over from the same listener; the trace says so.
func TestHTTP2Chromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	us := sockkit(t, "listen", "-k", "--echo", "--self-signed", "--json", "-s", "chat", "wss://127.0.0.1:0")
	url := us.address()
	home := "https" + strings.TrimPrefix(url, "wss")
	p := chromiumDials(t, browser, home, url, "chat")
	if opened := p.next("open"); opened.Subprotocol != "chat" {
		t.Errorf("the browser saw %+v", opened)
	}
	us.awaitRecord(event("http_head", fields{"dir": "in", "line": "CONNECT / HTTP/2"}))
	chromiumTalks(t, p)
	us.err.awaitText(t, "with 4999")
}
