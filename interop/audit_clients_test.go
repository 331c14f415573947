package interop

import (
	"context"
	"net"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// auditedClient is a client as its documentation shows it, that opens the URL
// again and again, reads what comes, and asks for two subprotocols and for
// compression where it can.
type auditedClient struct {
	name    string
	version func(t *testing.T) string
	what    string
	run     func(t *testing.T, url string, more func() bool)
}

var wantedProtocols = []string{"sockkit-a", "sockkit-b"}

var auditedClients = []auditedClient{
	{"sockkit ws.Dialer", ours, "`Dialer{Subprotocols, Deflate}`", func(t *testing.T, url string, more func() bool) {
		d := ws.Dialer{Subprotocols: wantedProtocols, Deflate: &handshake.Deflate{}}
		for more() {
			c, _, err := d.Dial(context.Background(), url)
			for err == nil {
				_, _, err = c.Read(context.Background())
			}
		}
	}},
	{"Chromium", versionOf("chromium", "--version"), "the page of `handshake audit --client`", runChromium},
	{"gorilla/websocket", module("github.com/gorilla/websocket"), "`Dialer{Subprotocols, EnableCompression: true}`", func(t *testing.T, url string, more func() bool) {
		d := gorilla.Dialer{Subprotocols: wantedProtocols, EnableCompression: true, HandshakeTimeout: patience}
		for more() {
			c, _, err := d.Dial(url, nil)
			if err != nil {
				continue
			}
			for err == nil {
				_, _, err = c.ReadMessage()
			}
			c.Close()
		}
	}},
	{"coder/websocket", module("github.com/coder/websocket"), "`Dial` with `Subprotocols` and `CompressionContextTakeover`", func(t *testing.T, url string, more func() bool) {
		for more() {
			c, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{Subprotocols: wantedProtocols, CompressionMode: websocket.CompressionContextTakeover})
			if err != nil {
				continue
			}
			for err == nil {
				_, _, err = c.Read(context.Background())
			}
			_ = c.CloseNow()
		}
	}},
	{"gobwas/ws", module("github.com/gobwas/ws"), "`Dialer{Protocols}`, `wsutil.ReadServerData`", runGobwas},
	{"lxzan/gws", module("github.com/lxzan/gws"), "`NewClient` with compression", func(t *testing.T, url string, more func() bool) {
		for more() {
			c, _, err := gws.NewClient(gwsEcho{}, &gws.ClientOption{Addr: url, PermessageDeflate: gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true}})
			if err == nil {
				readGWS(c)
			}
		}
	}},
	{"ws (Node)", npm("ws"), "`new WebSocket(url, protocols)`", func(t *testing.T, url string, more func() bool) {
		runScript(t, more, "node", "-e", `
			const { WebSocket } = require('ws')
			const again = () => {
				const s = new WebSocket(process.argv[1], ['sockkit-a', 'sockkit-b'])
				s.on('error', (e) => { if (e.code === 'ECONNREFUSED') process.exit(0) })
				s.on('close', () => setTimeout(again, 1))
			}
			again()`, url)
	}},
	{"websockets (Python)", pythonVersion, "`websockets.connect(url, subprotocols=…)`", func(t *testing.T, url string, more func() bool) {
		runScript(t, more, debianPython, "-c", `
import asyncio, sys, websockets
async def main():
    while True:
        try:
            async with websockets.connect(sys.argv[1], subprotocols=["sockkit-a", "sockkit-b"]) as s:
                async for m in s: pass
        except ConnectionRefusedError: return
        except Exception: pass
asyncio.run(main())`, url)
	}},
}

func runGobwas(t *testing.T, url string, more func() bool) {
	d := gobwas.Dialer{Protocols: wantedProtocols, Timeout: patience}
	for more() {
		c, early, _, err := d.Dial(context.Background(), url)
		if err != nil {
			if c != nil {
				c.Close()
			}
			continue
		}
		var conn net.Conn = c
		if early != nil {
			conn = earlier{c, early}
		}
		for err == nil {
			_, _, err = wsutil.ReadServerData(conn)
		}
		c.Close()
	}
}

// earlier reads first what the dialer has read ahead.
type earlier struct {
	net.Conn
	early interface{ Read([]byte) (int, error) }
}

// Read implements [net.Conn].
func (c earlier) Read(b []byte) (int, error) { return c.early.Read(b) }

// readGWS reads until the end. The library panics on a length of 2^63.
func readGWS(c *gws.Conn) {
	defer c.NetConn().Close()
	defer func() { _ = recover() }()
	c.ReadLoop()
}

func runScript(t *testing.T, more func() bool, command ...string) {
	p := start(t, program{args: command})
	poll(t, "the client's end", func() bool { return !p.alive() || !more() })
}

func runChromium(t *testing.T, url string, more func() bool) {
	tab, end := chromedp.NewContext(chromium(t))
	defer end()
	if err := chromedp.Do(tab, chromedp.Navigate("http://"+hostPortOf(url)+"/")); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	poll(t, "the page's end", func() bool { return !more() })
}

// TestAuditClients audits each client, and holds its findings to those that are
// known.
func TestAuditClients(t *testing.T) {
	t.Parallel()
	results := make([]auditResult, len(auditedClients))
	t.Run("all", func(t *testing.T) {
		for i, it := range auditedClients {
			t.Run(it.name, func(t *testing.T) {
				t.Parallel()
				us := sockkit(t, "handshake", "audit", "--client", "127.0.0.1:0", "--json", "-w", "2s", "--idle", "20s")
				ended := make(chan struct{})
				url := us.address()
				go func() {
					defer close(ended)
					it.run(t, url, us.alive)
				}()
				wantOneOf(t, us, []int{0, 3})
				<-ended
				results[i] = readAudit(t, us.out.String(), it.name, it.version(t), it.what)
				for n := range results[i].Findings {
					results[i].Findings[n].Bytes, results[i].Findings[n].Frames = nil, nil
				}
			})
		}
	})
	compareAudit(t, "clients.json", results)
}
