package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// oneBrowser is what all tests share: to start one costs more than most of what
// is done in it.
var oneBrowser struct {
	sync.Mutex
	ctx context.Context
	end func()
}

// chromium is the browser, as one that knows nothing of the other tests: with
// tabs, connections, cookies and a cache of its own.
func chromium(t *testing.T) context.Context {
	t.Helper()
	oneBrowser.Lock()
	defer oneBrowser.Unlock()
	if oneBrowser.ctx == nil || oneBrowser.ctx.Err() != nil {
		startChromium(t)
	}
	ctx, leave := chromedp.NewContext(oneBrowser.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return ctx
}

// startChromium starts the browser, without a screen. It looks names up in nothing
// but the rules given here, so that pages of other sites can be played.
func startChromium(t *testing.T) {
	t.Helper()
	endChromium()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(filepath.Join(filepath.Dir(bin), "chromium")),
		chromedp.NoFirstRun, chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.Env = append(environment(), "SSLKEYLOGFILE="+chromiumKeys())
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
			cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		}))
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, leave := chromedp.NewContext(all)
	oneBrowser.ctx, oneBrowser.end = ctx, func() {
		within, cancel := context.WithTimeout(ctx, patience) // one that hangs is killed
		defer cancel()
		_ = chromedp.Cancel(within)
		end()
		leave()
	}
	if err := chromedp.Do(ctx); err != nil {
		endChromium()
		t.Fatalf("chromium: %v", err)
	}
}

// chromiumKeys is where the browser logs its secrets of TLS.
func chromiumKeys() string { return filepath.Join(filepath.Dir(bin), "chromium-keys") }

// endChromium ends the browser, if there is one.
func endChromium() {
	if oneBrowser.end != nil {
		oneBrowser.end()
	}
	oneBrowser.ctx, oneBrowser.end = nil, nil
}

// chromiumPeer is the peer's side in the page: it does what it is told and
// tells what it sees, in the words of the other peers.
const chromiumPeer = `
let socket
const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, '0')).join('')
let queue = Promise.resolve()
const say = (saw, more) => { queue = queue.then(() => tell({ saw, ...more })) }
const sayMessage = (saw, bytes, data) => {
  queue = queue.then(async () => {
    const sum = crypto.subtle ? hex(await crypto.subtle.digest('SHA-256', bytes)) : ''
    await tell({ saw, size: bytes.byteLength, sum, data })
  })
}
function dial(url, protocols) {
  try { socket = new WebSocket(url, protocols) } catch (e) { return say('error', { reason: String(e) }) }
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => say('open', { subprotocol: socket.protocol, extensions: socket.extensions })
  socket.onclose = (e) => say('close', { code: e.code, reason: e.reason })
  socket.onmessage = (e) => {
    if (typeof e.data === 'string') sayMessage('text', new TextEncoder().encode(e.data), e.data.length > 200 ? '' : e.data)
    else sayMessage('binary', e.data, '')
  }
}
const acts = {
  text: (a) => socket.send((a.data || '').repeat(a.times || 1)),
  binary: (a) => socket.send(new TextEncoder().encode((a.data || '').repeat(a.times || 1))),
  close: (a) => (a.code ? socket.close(a.code, a.reason) : socket.close()),
}
`

// chromiumDials opens a page of this site in a tab of its own, and a WebSocket
// from it.
func chromiumDials(t *testing.T, browser context.Context, page, url string, protocols ...string) *wsPeer {
	t.Helper()
	tab, end := chromedp.NewContext(browser)
	t.Cleanup(end)
	p := newWSPeer(t)
	tell := func(_ context.Context, s wsSaw) (chromedp.Void, error) {
		p.report(s)
		return chromedp.Void{}, nil
	}
	p.act = func(a wsAct) error {
		words, err := json.Marshal(a)
		if err != nil {
			return err
		}
		return chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("void acts[%q](%s)", a.Do, words)))
	}
	names, _ := json.Marshal(append([]string{}, protocols...))
	if err := chromedp.Do(tab, chromedp.ExposeFunc("tell", tell), chromedp.Navigate(page),
		chromedp.Evaluate[chromedp.Void](chromiumPeer+fmt.Sprintf("void dial(%q, %s)", url, names))); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return p
}

// site serves one empty page.
func site(t *testing.T) (hostPort string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>a page</title>"))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

var chromiumLib = wsLibrary{}

// Chromium talks to our listener, in plain, by TLS, compressed, and through a
// proxy; who is on another site's page is kept out.
func TestWSChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := site(t)
	home := "http://" + page + "/"
	t.Run("ws", func(t *testing.T) {
		_, url := wsListen(t, "--echo", "-s", "chat")
		p := chromiumDials(t, browser, home, url, "v1", "chat")
		if opened := p.next("open"); opened.Subprotocol != "chat" || opened.Extensions != "" {
			t.Errorf("the browser saw %+v", opened)
		}
		chromiumTalks(t, p)
	})
	t.Run("wss, by a certificate of our own", func(t *testing.T) {
		us := sockkit(t, "listen", "-k", "--echo", "--self-signed", "wss://127.0.0.1:0")
		p := chromiumDials(t, browser, home, us.address())
		p.next("open")
		chromiumTalks(t, p)
	})
	t.Run("compressed", func(t *testing.T) {
		_, url := wsListen(t, "--echo", "--compress")
		p := chromiumDials(t, browser, home, url)
		if opened := p.next("open"); !strings.Contains(opened.Extensions, "permessage-deflate") {
			t.Errorf("the browser saw the extensions %q", opened.Extensions)
		}
		for _, text := range deflated() {
			p.do(wsAct{Do: "text", Data: text})
			p.nextText(text)
		}
		chromiumTalks(t, p)
	})
	t.Run("through nginx", func(t *testing.T) {
		_, url := wsListen(t, "--echo")
		p := chromiumDials(t, browser, home, rightProxies["nginx"].start(t, hostPortOf(url)))
		p.next("open")
		chromiumTalks(t, p)
	})
	t.Run("closes", func(t *testing.T) { chromiumCloses(t, browser, home) })
	t.Run("sites", func(t *testing.T) { chromiumSites(t, browser, page) })
}

func chromiumTalks(t *testing.T, p *wsPeer) {
	t.Helper()
	for _, text := range append(wsTexts, strings.Repeat("0123456789abcdef", mib)) {
		act := wsAct{Do: "text", Data: text}
		if len(text) == 16*mib {
			act = wsAct{Do: "text", Data: "0123456789abcdef", Times: mib}
		}
		p.do(act)
		p.nextText(text)
	}
	binary := wsAct{Do: "binary", Data: "\x00\x01data☃", Times: 4096}
	p.do(binary)
	if got := p.next("binary"); got.Sum != sumOf(binary.data()) {
		t.Errorf("the binary message came back as %+v", got)
	}
	p.do(wsAct{Do: "close", Code: 4999, Reason: "grüße"})
	if got := p.next("close"); got.Code != 4999 {
		t.Errorf("the browser saw %+v", got)
	}
}

// Each code that a page may close with is in our trace, and ours reach the page.
func chromiumCloses(t *testing.T, browser context.Context, home string) {
	us, url := wsListen(t, "--echo", "--json", "--max-message", "1k")
	for code, seen := range map[int]int{1000: 1000, 3000: 3000, 4999: 4999, 0: 1005} {
		p := chromiumDials(t, browser, home, url)
		p.next("open")
		p.do(wsAct{Do: "close", Code: code, Reason: ""})
		wantAnswer(t, p, chromiumLib, code)
		us.awaitRecord(event("ws_close", fields{"dir": "in", "code": seen}))
	}
	p := chromiumDials(t, browser, home, url)
	p.next("open")
	p.do(wsAct{Do: "text", Data: "x", Times: 1025})
	if got := p.next("close"); got.Code != 1009 || got.Reason == "" {
		t.Errorf("the browser saw %+v; want 1009 and a reason", got)
	}
	last := chromiumDials(t, browser, home, url)
	last.next("open")
	endListener(us)
	if got := last.next("close"); got.Code != 1001 {
		t.Errorf("the browser saw %+v; want 1001", got)
	}
}

// A page of another site is kept out, by its Origin and by its Host; and let in
// by the flags that the refusal names.
func chromiumSites(t *testing.T, browser context.Context, page string) {
	_, port, _ := strings.Cut(page, ":")
	evil := "http://evil.example:" + port
	for _, row := range []struct {
		name  string
		flags []string
		host  string // that the page dials
		open  bool
	}{
		{"another site's page", nil, "127.0.0.1", false},
		{"--allow-origin", []string{"--allow-origin", evil}, "127.0.0.1", true},
		{"DNS rebinding", nil, "evil.example", false},
		{"DNS rebinding, the Origin allowed", []string{"--allow-origin", evil}, "evil.example", false},
		{"--allow-host", []string{"--allow-origin", evil, "--allow-host", "evil.example"}, "evil.example", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			us, url := wsListen(t, append([]string{"--echo", "-v"}, row.flags...)...)
			p := chromiumDials(t, browser, evil+"/", strings.Replace(url, "127.0.0.1", row.host, 1))
			if row.open {
				p.next("open")
				return
			}
			if got := p.next("close"); got.Code != 1006 {
				t.Errorf("the browser saw %+v; want 1006", got)
			}
			us.err.awaitText(t, "403")
		})
	}
}

// The browser's own rule: where a page asks for subprotocols and the server
// chooses none, it gives up. handshake listen says whose rule it is.
func TestWSChromiumWantsASubprotocol(t *testing.T) {
	t.Parallel()
	us := sockkit(t, "handshake", "listen", "ws://127.0.0.1:0")
	p := chromiumDials(t, chromium(t), "http://"+site(t)+"/", us.address(), "nosuch")
	if got := p.next("close"); got.Code != 1006 {
		t.Errorf("the browser saw %+v", got)
	}
	us.want(0)
	wantShown(t, us, "only a browser's rule", "Sec-WebSocket-Protocol: nosuch", "Origin: http://127.0.0.1")
}
