package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sockkit/sockkit/socketio"
)

// sioPage is a page that loads the official bundle from our server, which stands
// before the page's own.
func sioPage(t testing.TB, script string) (url string) {
	t.Helper()
	io := socketio.NewServer(&socketio.ServerOptions{ServeClient: os.DirFS("node_modules/socket.io-client/dist")})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "<!doctype html><title>a page</title><script src=%q></script>", script)
	}))
	io.Attach(s.Config)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// sioPageStart makes the peer of the page.
const sioPageStart = `
let queue = Promise.resolve()
const say = (saw, more) => {
  const line = JSON.stringify({ saw, ...more })
  queue = queue.then(() => tell(line))
}
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
const base64 = (b) => {
  const u = new Uint8Array(b.buffer, b.byteOffset, b.byteLength)
  let text = ''
  for (let i = 0; i < u.length; i += 4096) text += String.fromCharCode(...u.subarray(i, i + 4096))
  return btoa(text)
}
const values = sioValues(bytes, base64, ArrayBuffer.isView)
var act = sioClient(io, say, values, {})
window.addEventListener('error', (e) => say('error', { of: 'error', message: e.message }))
`

// sioTab opens the page in a tab of its own, whose clients are the official
// browser bundle's.
func sioTab(t testing.TB, browser context.Context, page string) *sioPeer {
	t.Helper()
	tab, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	p := &sioPeer{sioLog: newSIOLog()}
	p.act = func(a sioAct) error {
		words, err := json.Marshal(a)
		if err != nil {
			return err
		}
		text, _ := json.Marshal(string(words)) // parsed in the page: an object's __proto__ is a member then
		return chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("void act(JSON.parse(%s))", text)))
	}
	tell := func(_ context.Context, line string) (chromedp.Void, error) {
		_, err := (&sioLines{to: p.sioLog}).Write([]byte(line + "\n"))
		return chromedp.Void{}, err
	}
	script := sioScript(t, "node/sio-values.cjs") + sioScript(t, "node/sio-client-core.cjs") + sioPageStart
	if err := chromedp.Do(tab, chromedp.ExposeFunc("tell", tell), chromedp.Navigate(page), chromedp.Evaluate[chromedp.Void](script+"void 0")); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return p
}

// sioScript is a file of Node's as a page takes it.
func sioScript(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), "'use strict'", "", 1)
}
