package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sockkit/sockkit/demo"
	"github.com/sockkit/sockkit/trace"
)

// widths are the windows that each lesson is walked through in.
var widths = map[string]int64{"wide": 1280, "narrow": 360}

// demoSite serves the page of the demo.
func demoSite(t *testing.T) (url string) {
	t.Helper()
	return demoSiteOf(t, 0)
}

// demoSiteOf is one that so many may visit; 0 is what it is by itself.
func demoSiteOf(t *testing.T, visitors int) (url string) {
	t.Helper()
	site, err := demo.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	site.MaxVisitors = visitors
	s := httptest.NewServer(site)
	t.Cleanup(func() {
		s.CloseClientConnections()
		if err := site.Close(); err != nil {
			t.Errorf("the page's close: %v", err)
		}
		s.Close()
	})
	return s.URL
}

// pageTab is a tab of the browser with a page of the demo, which must not complain
// nor ask for anything from elsewhere.
type pageTab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu      sync.Mutex
	faults  []string
	allowed []string
}

// turnTo opens a page in a tab of its own.
func turnTo(t *testing.T, browser context.Context, url string, width int64) *pageTab {
	t.Helper()
	p := &pageTab{t: t, url: url}
	home := url[:strings.Index(url[len("http://"):], "/")+len("http://")]
	ctx, end := chromedp.NewContext(browser, chromedp.WithListener(func(event any) { p.watch(home, event) }))
	p.ctx = ctx
	t.Cleanup(func() {
		end()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, f := range p.faults {
			t.Errorf("%s: %s", url, f)
		}
	})
	// The tab lives as long as the context of its first steps.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url)); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return p
}

// watch notes what a page does that it must not.
func (p *pageTab) watch(home string, event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.fault("an exception: %s %s", e.ExceptionDetails.Text, said(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			text, _ := json.Marshal(e.Args)
			p.fault("the console says %s: %s", e.Type, text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.fault("the browser's log says: %s (%s)", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, home+"/") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:"+home) {
			p.fault("a request to %s", u)
		}
	}
}

func (p *pageTab) fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := fmt.Sprintf(format, args...)
	for _, words := range p.allowed {
		if strings.Contains(what, words) {
			return
		}
	}
	p.faults = append(p.faults, what)
}

// expects lets the browser complain in those words from here on: what a lesson
// has its reader break.
func (p *pageTab) expects(words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, words)
}

func (p *pageTab) run(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%s: %v", p.url, err)
	}
}

// pageHelp are the few words that the tests speak in a page.
const pageHelp = `
globalThis.one = (selector, text) => [...document.querySelectorAll(selector)].find((e) => !text || e.textContent.includes(text));
globalThis.press = (selector, text) => { const e = one(selector, text); if (!e) throw new Error("no " + selector + " " + (text || "")); e.scrollIntoView({block: "center"}); e.click(); };
globalThis.fill = (selector, value) => { const e = one(selector); if (!e) throw new Error("no " + selector); e.value = value; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); };
globalThis.rows = (event, text) => [...document.querySelectorAll("#timeline .row")].filter((r) => (!event || r.classList.contains("event-" + event)) && (!text || r.textContent.includes(text)));
`

// do runs a script in the page, with the words of pageHelp.
func (p *pageTab) do(script string) {
	p.t.Helper()
	p.run(chromedp.Evaluate[chromedp.Void]("{" + pageHelp + script + "\n}; void 0"))
}

// until waits until an expression holds in the page.
func (p *pageTab) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	p.do("")
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void]("!!("+expression+")", chromedp.WithPollingTimeout(0))); err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.t.Fatalf("%s: waited in vain for %s: %v\n%s", p.url, expression, err, tail(text))
	}
}

// value is what an expression is in the page.
func value[T any](p *pageTab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.url, expression, err)
	}
	return v
}

// ready waits until a lesson's lab is there, or an application's page.
func (p *pageTab) ready() {
	p.t.Helper()
	p.until(`document.querySelector("#timeline .rows") && (!document.querySelector("#lab") || document.querySelector("#lab[data-ready]"))`)
}

// calls presses a button of a form of the lab, and waits until it is done.
func (p *pageTab) calls(form, button string) {
	p.t.Helper()
	p.do(fmt.Sprintf(`press('form[data-call=%q] button', %q)`, form, button))
	p.until(fmt.Sprintf(`![...document.querySelectorAll('form[data-call=%q] button')].some((b) => b.disabled)`, form))
}

// records are those that the timeline's server has.
func (p *pageTab) records() []trace.Record {
	p.t.Helper()
	link := value[string](p, `one("#timeline a[download]").href`)
	answer, err := http.Get(link)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	var list []trace.Record
	for r, err := range trace.ReadJSON(answer.Body) {
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// shows waits until the timeline shows all that the recorder has, and holds one
// against the other.
func (p *pageTab) shows() {
	p.t.Helper()
	p.do(`one(".timeline-bar select", "every byte").value = "4"; one(".timeline-bar select", "every byte").dispatchEvent(new Event("change"))`)
	var want []string
	for _, r := range p.records() {
		want = append(want, r.Event.Name())
	}
	if len(want) == 0 {
		p.t.Fatalf("%s: the recorder has nothing", p.url)
	}
	p.until(fmt.Sprintf(`document.querySelectorAll("#timeline .row").length >= Math.min(%d, 1500)`, len(want)-hidden(want)))
	got := value[[]string](p, `[...document.querySelectorAll("#timeline .row")].map((r) => [...r.classList].find((c) => c.startsWith("event-")).slice(6))`)
	shown := strings.Join(got, " ")
	wanted := strings.Join(visible(want), " ")
	if len(got) < 1500 && !strings.HasPrefix(shown, wanted) {
		p.t.Errorf("%s: the timeline shows\n%s\nand the recorder has\n%s", p.url, shown, wanted)
	}
}

// Records that no view shows.
func visible(events []string) (list []string) {
	for _, e := range events {
		if e != "secret" {
			list = append(list, e)
		}
	}
	return list
}

func hidden(events []string) int { return len(events) - len(visible(events)) }

// opens opens the last record of that kind, and sees its bytes and fields. More
// may come meanwhile: the page keeps which one it is, as opened.
func (p *pageTab) opens(event, field string) {
	p.t.Helper()
	p.do(fmt.Sprintf(`globalThis.opened = rows(%q).at(-1); if (!opened) throw new Error("no record "+%q); if (!opened.querySelector(".detail")) opened.querySelector(".record").click();`, event, event))
	p.until(`opened.querySelector(".detail .json")`)
	if field != "" {
		p.do(fmt.Sprintf(`[...opened.querySelectorAll(".field")].find((e) => e.textContent.includes(%q)).click()`, field))
		p.until(`opened.querySelector(".byte.on")`)
	}
}

// accessible holds the page against the rules of axe-core.
func (p *pageTab) accessible() {
	p.t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		p.t.Fatal(err)
	}
	p.run(chromedp.Evaluate[chromedp.Void](string(script) + "; void 0"))
	found := value[[]string](p, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + " (" + v.impact + "): " + v.nodes.map((n) => n.target.join(" ") + " " + n.failureSummary).join("; ")))`)
	for _, f := range found {
		p.t.Errorf("%s: axe-core: %s", p.url, f)
	}
}

// fits holds that nothing makes the page wider than the window.
func (p *pageTab) fits() {
	p.t.Helper()
	if over := value[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		p.t.Errorf("%s: the page is %d pixels wider than its window", p.url, over)
	}
}

// pictured keeps a picture where SOCKKIT_PICTURES names a folder for it.
func (p *pageTab) pictured(name string) {
	p.t.Helper()
	dir := os.Getenv("SOCKKIT_PICTURES")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// story tells the lesson's story to its end.
func (p *pageTab) story() {
	p.t.Helper()
	p.do(`press("#story-next")`)
	for range 60 {
		p.until(`!one("#story-next").disabled`)
		if value[bool](p, `one("#story-next").textContent === "Tell it again"`) {
			if wrong := value[string](p, `one("#story .wrong")?.textContent ?? ""`); wrong != "" {
				p.t.Errorf("%s: the story says: %s", p.url, wrong)
			}
			return
		}
		p.do(`press("#story-next")`)
	}
	p.t.Errorf("%s: the story has no end", p.url)
}

func said(d *runtime.ExceptionDetails) string {
	if d.Exception == nil {
		return ""
	}
	return d.Exception.Description
}

func itoa(n int) string { return strconv.Itoa(n) }

// says waits until the output of a form of the lab has those words.
func (p *pageTab) says(form, words string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`one('form[data-call=%q] output', %q)`, form, words))
}
