package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sockkit/sockkit/examples/browser"
)

// ourBrowserPage loads examples/browser/socketio.js, and gives it what the
// scripts of the official client look for.
const ourBrowserPage = `<!doctype html><title>a page</title><link rel="icon" href="data:,"><script type="module">
import { io as ours } from "./socketio.js"
window.io = (url, options) => {
  const socket = ours(url, options)
  socket.io.engine = {
    get transport() { return { name: socket.transport || '' } },
    on: (name, f) => socket.io.on(name, (transport) => f({ name: transport })),
    close: () => socket.drop(),
  }
  return socket
}
</script>`

// ourBrowserSite serves that page.
func ourBrowserSite(t testing.TB) (page string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", browser.Handler())
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, ourBrowserPage)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// The examples' own client in Chromium has to see at our server what the
// official one sees.
func TestSIOBrowserClient(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := ourBrowserSite(t)
	for _, way := range sioWays {
		t.Run(way.name, func(t *testing.T) {
			r := &sioRun{sioTab(t, browser, page), way, false}
			for _, s := range sioScenarios {
				if s.name == "namespaces" || s.name == "server close" {
					continue // they have several namespaces on one connection
				}
				t.Run(s.name, func(t *testing.T) {
					defer r.peer.do(t, sioAct{Do: "end"})
					s.run(r, t)
				})
			}
		})
	}
}

// It talks to the official server, too, each way: arguments of every kind, those
// for which it has to wait, and again once it was cut off.
func TestSIOBrowserClientAtNode(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := ourBrowserSite(t)
	for _, way := range sioWays {
		t.Run(way.name, func(t *testing.T) {
			s := sioOfficial(t, sioWords{Options: map[string]any{"cors": map[string]any{"origin": "*"}, "connectionStateRecovery": map[string]any{}}, Welcome: "hello"})
			c := sioTab(t, browser, page).dial(t, sioAct{URL: s.url, Options: way.options()})
			id := c.next("connect").ID
			c.skipTo("event") // welcome: it has the first offset
			for _, args := range sioArguments {
				if args != "[]" { // the page's answer is one value
					c.do(sioAct{Do: "emit", Event: "ask", Args: sioList(t, args), Ack: true})
					c.nextAck("ask", args)
				}
			}
			if way.transports == nil {
				c.sioPeer.skipTo(t, c.of+"/manager", "upgrade")
			}
			c.do(sioAct{Do: "ask", Event: "hold", Timeout: 50})
			if got := c.next("ack"); got.Error != "operation has timed out" {
				t.Errorf("the client saw %v", got)
			}
			c.do(sioAct{Do: "drop"})
			c.do(sioAct{Do: "emit", Event: "ask", Args: []any{"said while away"}, Ack: true})
			c.do(sioAct{Do: "emit", Event: "ask", Args: []any{"not worth to wait for"}, Ack: true, Volatile: true})
			if got := c.next("disconnect"); got.Reason != "forced close" || !got.Active {
				t.Errorf("the client saw %v", got)
			}
			if got := c.skipTo("connect"); !got.Recovered || got.ID != id {
				t.Errorf("the client saw %v; want %s, recovered", got, id)
			}
			sioWant(t, c.skipTo("ack"), "ask", `["said while away"]`)
			c.do(sioAct{Do: "disconnect"})
			if got := c.skipTo("disconnect"); got.Reason != "io client disconnect" || got.Active {
				t.Errorf("the client saw %v", got)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		s := sioOfficial(t, sioWords{Options: map[string]any{"cors": map[string]any{"origin": "*"}}})
		p := sioTab(t, browser, page)
		c := p.dial(t, sioAct{URL: s.url + "/auth"})
		if got := c.next("connect_error"); got.Message != "not authorized" || got.Active || fmt.Sprint(got.Data) != "map[code:4711 list:[a map[b:<nil>]] token:<nil>]" {
			t.Errorf("the client saw %v", got)
		}
		if got := p.dial(t, sioAct{URL: s.url + "/nosuch"}).next("connect_error"); got.Message != "Invalid namespace" {
			t.Errorf("the client saw %v", got)
		}
		if got := p.dial(t, sioAct{URL: "http://127.0.0.1:1"}).next("connect_error"); got.Message != "xhr poll error" || !got.Active {
			t.Errorf("the client saw %v", got)
		}
	})
}

// Where a proxy breaks WebSockets it stays on polling, and elsewhere it moves.
func TestSIOBrowserClientThroughProxies(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := ourBrowserSite(t)
	for name, proxy := range sioProxies() {
		t.Run(name, func(t *testing.T) {
			h := serveSIO(t, false, nil)
			front := "http://" + hostPortOf(proxy.start(t, hostPortOf(h.url)))
			c := sioTab(t, browser, page).dial(t, sioAct{URL: front})
			c.next("connect")
			sioThrough(t, c, h)
			if passes(name, false) {
				c.sioPeer.skipTo(t, c.of+"/manager", "upgrade")
			}
			sioMoves(t, c, map[bool]string{true: "websocket", false: "polling"}[passes(name, false)])
			sioThrough(t, c, h)
		})
	}
}
