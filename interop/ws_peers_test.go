package interop

import (
	"strings"
	"testing"
)

// What the other implementations do with each other is no test of ours, but
// shows that the peers of these tests do as they are told.
func TestWSPeersWithEachOther(t *testing.T) {
	t.Parallel()
	for serverName, server := range wsLibraries {
		for clientName, client := range wsLibraries {
			t.Run(serverName+" serves "+clientName, func(t *testing.T) {
				t.Parallel()
				s := wsServer(t, server, wsOptions{Echo: true, Subprotocols: []string{"chat"}})
				c, opened := wsClient(t, client, s.url, wsOptions{Subprotocols: []string{"chat"}})
				if opened.Subprotocol != "chat" {
					t.Errorf("the subprotocol is %q", opened.Subprotocol)
				}
				s.next("open")
				peersTalk(t, c, client)
				c.do(wsAct{Do: "close", Code: 3000, Reason: "enough"})
				if got := s.skipTo("close"); got.Code != 3000 || got.Reason != "enough" {
					t.Errorf("the server saw %+v", got)
				}
			})
		}
	}
}

func peersTalk(t *testing.T, c *wsPeer, client wsLibrary) {
	t.Helper()
	c.do(wsAct{Do: "text", Data: "grüße ☃"})
	c.nextText("grüße ☃")
	c.do(wsAct{Do: "binary", Data: "0123456789abcdef", Times: 65536})
	if got := c.next("binary"); got.Size != mib {
		t.Errorf("%d bytes came back", got.Size)
	}
	parts := []string{strings.Repeat("a", 5000), strings.Repeat("ü", 5000), "end"}
	c.do(wsAct{Do: "parts", Parts: parts})
	c.nextText(strings.Join(parts, ""))
	c.do(wsAct{Do: "ping", Data: "are you there"})
	c.next("pong")
}

// The proxies do what their configuration says, whoever speaks through them.
func TestWSPeersThroughProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range rightProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true})
			c, _ := wsClient(t, wsLibraries["gorilla"], proxy.start(t, hostPortOf(s.url)), wsOptions{})
			peersTalk(t, c, wsLibraries["gorilla"])
		})
	}
	for name, proxy := range wrongProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true})
			c := newWSPeer(t)
			startGorilla(c, wsOptions{URL: proxy.start(t, hostPortOf(s.url))})
			if name == oldHTTP {
				c.next("open") // Node takes HTTP/1.0 for an upgrade, and nginx passes its 101 on
				return
			}
			c.next("error")
		})
	}
}

// Chromium does as it is told.
func TestWSPeersChromium(t *testing.T) {
	t.Parallel()
	s := wsServer(t, wsLibraries["node ws"], wsOptions{Echo: true, Subprotocols: []string{"chat"}})
	p := chromiumDials(t, chromium(t), "http://"+site(t)+"/", s.url, "chat")
	p.next("open")
	chromiumTalks(t, p)
}
