package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/sockkit/sockkit/examples/browser"
	chat "github.com/sockkit/sockkit/examples/chat/app"
	dashboard "github.com/sockkit/sockkit/examples/dashboard/app"
	document "github.com/sockkit/sockkit/examples/document/app"
	game "github.com/sockkit/sockkit/examples/game/app"
	notifications "github.com/sockkit/sockkit/examples/notifications/app"
	"github.com/sockkit/sockkit/socketio"
)

// serveApp serves an application of the examples below a prefix, and returns the
// URL of its page.
func serveApp(t testing.TB, io *socketio.Server, app browser.App) (page string) {
	t.Helper()
	s := httptest.NewServer(http.StripPrefix("/below", app))
	t.Cleanup(s.Close)
	t.Cleanup(func() {
		app.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(t, io.Close(ctx))
	})
	return s.URL + "/below/"
}

// appTab is the page of an application.
type appTab struct{ *pageTab }

// view is what somebody looks at a page with.
type view struct {
	width int64
	dark  bool
}

var views = map[string]view{"wide": {1280, false}, "narrow": {360, true}}

func openApp(t *testing.T, browser context.Context, v view, page string) appTab {
	t.Helper()
	p := turnTo(t, browser, page, v.width)
	scheme := map[bool]string{true: "dark", false: "light"}[v.dark]
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	must(t, err)
	return appTab{p}
}

// says waits until an element's text has this in it.
func (p appTab) says(id, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.getElementById(%q).textContent.includes(%q)", id, text))
}

// keys types into an element.
func (p appTab) keys(id, text string) {
	p.t.Helper()
	p.run(chromedp.SendKeys("#"+id, text))
}

func (p appTab) click(selector string) {
	p.t.Helper()
	p.run(chromedp.Click(selector))
}

// sound wants no fault of accessibility, and no part of the page beyond its edge.
func (p appTab) sound(name string) {
	p.t.Helper()
	p.accessible()
	p.fits()
	p.pictured(name)
}

// eachView runs a test of an application with two tabs, on a wide window and on
// a narrow one.
func eachView(t *testing.T, test func(t *testing.T, open func(page string) appTab, shot string)) {
	t.Parallel()
	browser := chromium(t)
	for name, v := range views {
		t.Run(name, func(t *testing.T) {
			test(t, func(page string) appTab { return openApp(t, browser, v, page) }, strings.ToLower(strings.TrimPrefix(strings.Split(t.Name(), "/")[0], "TestApp"))+"-"+name)
		})
	}
}

func TestAppChat(t *testing.T) {
	eachView(t, func(t *testing.T, open func(string) appTab, shot string) {
		io := socketio.NewServer(nil)
		page := serveApp(t, io, chat.New(io))
		ann, bob := open(page+"?name=Ann"), open(page)
		ann.says("people", "Ann")
		bob.keys("name", "Bob\r")
		ann.says("people", "Ann, Bob")
		bob.keys("text", "<b>hello</b>")
		ann.says("typing", "Bob is typing")
		bob.keys("text", "\r")
		ann.says("messages", "<b>hello</b>")
		ann.until(`document.getElementById("typing").textContent === ""`)
		ann.keys("text", "hi Bob\r")
		bob.says("messages", "hi Bob")
		bob.until(`document.querySelector("#messages .own b").textContent === "Bob"`)
		ann.sound(shot)
		io.DisconnectSockets(true) // the server's wish: nobody comes back by himself
		ann.says("state", "io server disconnect")
	})
}

func TestAppNotifications(t *testing.T) {
	eachView(t, func(t *testing.T, open func(string) appTab, shot string) {
		var recovery *socketio.Recovery
		if strings.HasSuffix(shot, "wide") { // with it, and without
			recovery = &socketio.Recovery{}
		}
		io := socketio.NewServer(&socketio.ServerOptions{Recovery: recovery})
		page := serveApp(t, io, notifications.New(io))
		ann, bob := open(page+"?name=Ann&topics=builds,lunch"), open(page+"?name=Bob")
		ann.says("state", "websocket")
		bob.says("state", "websocket")
		publish := func(topic, text string) {
			bob.do(fmt.Sprintf(`document.getElementById("topic").value = %q`, topic))
			bob.keys("text", text+"\r")
			bob.until(`document.getElementById("text").value === ""`)
		}
		publish("builds", "the build is green")
		publish("incidents", "smoke in the kitchen")
		ann.says("notices", "the build is green")
		bob.says("notices", "smoke in the kitchen")
		ann.until(`document.title === "(1) Notifications"`)
		cleo := socketio.NewClient(strings.TrimSuffix(page, "/below/"), &socketio.ClientOptions{Path: "/below/socket.io/"})
		defer cleo.Close()
		must(t, cleo.Connect(bounded(t)))
		ann.click("#cut")
		ann.says("state", "not connected: forced close")
		for topic, text := range map[string]string{"lunch": "the soup is ready", "builds": "the build is red"} { // no page types that fast
			mustAck(t, cleo, "publish", map[string]string{"topic": topic, "text": text, "from": "Cleo"})
		}
		ann.says("notices", "the build is red")
		ann.says("notices", "the soup is ready")
		ann.says("unread", "3")
		ann.says("back", map[bool]string{true: "as it was before", false: "after notice 1, and got 2"}[recovery != nil])
		ann.until(`!document.getElementById("notices").textContent.includes("smoke")`)
		ann.sound(shot)
		ann.click("#read")
		ann.says("unread", "0")
	})
}

func TestAppDocument(t *testing.T) {
	eachView(t, func(t *testing.T, open func(string) appTab, shot string) {
		io := socketio.NewServer(nil)
		page := serveApp(t, io, document.New(io))
		ann, bob := open(page+"?name=Ann"), open(page+"?name=Bob")
		reads := func(tab appTab, text string) {
			tab.t.Helper()
			tab.until(fmt.Sprintf("document.getElementById('text').value === %q", text))
		}
		place := func(tab appTab, at int) {
			tab.do(fmt.Sprintf("const f = document.getElementById('text'); f.focus(); f.setSelectionRange(%d, %d)", at, at))
		}
		const list = "Shopping list\n\n- bread\n- coffee\n"
		reads(ann, list)
		reads(bob, list)
		ann.says("people", "Bob, line")
		// Both type at once, each where the other does not.
		place(bob, len(list))
		place(ann, 0)
		ann.keys("text", "My ")
		bob.keys("text", "- 🧀\r")
		reads(ann, "My "+list+"- 🧀\n")
		reads(bob, "My "+list+"- 🧀\n")
		ann.says("people", "Bob, line 6, column 1")
		bob.says("people", "Ann, line 1, column 4")
		ann.until(`document.querySelector("#shadow span").dataset.name === "Bob"`)
		ann.sound(shot)
		// Without a connection one can go on; it all comes together again.
		for _, s := range io.Sockets() {
			s.Engine().Close(true)
		}
		ann.keys("text", "own ")
		bob.keys("text", "- tea")
		reads(ann, "My own "+list+"- 🧀\n- tea")
		reads(bob, "My own "+list+"- 🧀\n- tea")
		ann.until("document.getElementById('pending').textContent === ''")
	})
}

// What is typed while the WebSocket closes waits for the next one, and the browser
// has nothing to complain of.
func TestAppDocumentSocketCloses(t *testing.T) {
	t.Parallel()
	io := socketio.NewServer(nil)
	page := serveApp(t, io, document.New(io))
	ann := openApp(t, chromium(t), views["wide"], page+"?name=Ann")
	ann.do("globalThis.WebSocket = class extends WebSocket { constructor(...a) { super(...a); globalThis.last = this; } }")
	ann.says("state", "websocket")
	for _, s := range io.Sockets() {
		s.Engine().Close(true)
	}
	ann.until("globalThis.last?.readyState === WebSocket.OPEN")
	ann.says("state", "connected, websocket")
	ann.do(`const f = document.getElementById("text"); last.close(); f.value = "own " + f.value; f.dispatchEvent(new Event("input"))`)
	ann.until("last.readyState === WebSocket.OPEN")
	ann.until("document.getElementById('pending').textContent === ''")
	bob := openApp(t, chromium(t), views["wide"], page+"?name=Bob")
	bob.until("document.getElementById('text').value.startsWith('own ')")
}

// runner is for the page of the game: runs stops Ann at the tick that shows her in
// the dot's column or row, and still is when she is seen to have stopped. She may have run
// too far, where the machine is busy.
const runner = `
globalThis.ann = () => one("#players tr", "Ann (you)");
globalThis.off = (axis) => Number(ann().children[axis === "cx" ? 2 : 3].textContent) - (document.getElementById("dot").getAttribute(axis) - 0.5 + 1);
globalThis.scored = () => /(Ann|Bob) has [1-9]/.test(document.getElementById("news").textContent);
globalThis.runs = (axis) => {
  const way = Math.sign(off(axis));
  let stopped;
  globalThis.still = false;
  new MutationObserver((_, watch) => {
    if (stopped === undefined && Math.sign(off(axis)) === way) return;
    if (stopped === undefined) document.getElementById("board").dispatchEvent(new KeyboardEvent("keydown", {key: " ", bubbles: true}));
    const at = ann().textContent;
    if (globalThis.still = at === stopped) watch.disconnect();
    stopped = at;
  }).observe(document.getElementById("players"), {childList: true});
};
`

func TestAppGame(t *testing.T) {
	eachView(t, func(t *testing.T, open func(string) appTab, shot string) {
		io := socketio.NewServer(nil)
		page := serveApp(t, io, game.New(io))
		ann, bob := open(page+"?name=Ann"), open(page)
		bob.keys("name", "Bob\r")
		ann.says("players", "Ann (you)")
		ann.says("players", "Bob")
		ann.says("where", "The dot is ")
		// Ann runs to the dot: by the keys, and Bob along one edge by the buttons.
		bob.click("[data-way=left]")
		bob.until(`one("#players tr", "Bob (you)").children[2].textContent === "1"`)
		bob.until("document.activeElement !== document.getElementById('name')")
		ann.do("document.getElementById('board').focus();" + runner)
		keys := map[string][2]string{"cx": {"a", "d"}, "cy": {"w", "s"}}
		for !value[bool](ann.pageTab, "scored()") {
			for axis, keys := range keys {
				for way := 1.0; way != 0 && !value[bool](ann.pageTab, "scored()"); {
					if way = value[float64](ann.pageTab, fmt.Sprintf("Math.sign(off(%q))", axis)); way != 0 {
						ann.do(fmt.Sprintf("runs(%q)", axis))
						ann.keys("board", map[bool]string{true: keys[0], false: keys[1]}[way > 0])
						ann.until("still || scored()")
					}
				}
			}
		}
		for _, tab := range []appTab{ann, bob} {
			tab.until(`/(Ann|Bob) has [1-9]/.test(document.getElementById("news").textContent)`)
		}
		ann.until(`document.querySelectorAll("#picture g").length === 2`)
		ann.sound(shot)
	})
}

func TestAppDashboard(t *testing.T) {
	eachView(t, func(t *testing.T, open func(string) appTab, shot string) {
		io := socketio.NewServer(nil)
		page := serveApp(t, io, dashboard.New(io, nil))
		ann, bob := open(page), open(page)
		for _, tab := range []appTab{ann, bob} {
			tab.until(`document.querySelector("#table tr td").textContent === "2"`)
			tab.until(`!document.querySelector("#table tr:nth-child(6) td").textContent.startsWith("0.0")`)
		}
		bob.click("#burst")
		ann.until(`Number(document.querySelector("#table tr:nth-child(3) td:last-child").textContent) > 100`)
		ann.until(`document.querySelector("polyline").getAttribute("points").split(" ").length > 2`)
		ann.click("#speak")
		ann.says("said", "Connections: 2; ")
		ann.sound(shot)
	})
}
