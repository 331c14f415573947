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
