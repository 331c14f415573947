package interop

import (
	"regexp"
	"testing"
)

var pageOn = regexp.MustCompile(`page on (http://\S+)`)

// What passes a tap is on its page, live, down to the bits of a frame.
func TestPageTap(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	echo := sockkit(t, "listen", "-k", "--echo", "ws://127.0.0.1:0")
	us := sockkit(t, "tap", "--ui", "localhost:0", "ws://127.0.0.1:0", echo.address())
	front := us.address()
	await(t, "the page", us.errOrEnd, func() bool { return pageOn.MatchString(us.err.String()) })
	url := pageOn.FindStringSubmatch(us.err.String())[1]
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, url, width)
			p.until(`document.querySelector("#timeline .rows")`)
			before := value[int](p, `rows("ws_message", "<b>hello</b>").length`)
			sockkit(t, "dial", front, "-x", "<b>hello</b>", "--count", "1").want(0)
			p.until(`rows("ws_message", "<b>hello</b>").length >= ` + itoa(before+2))
			p.do(`one("label", "Show").querySelector("select").value = "3"; one("label", "Show").querySelector("select").dispatchEvent(new Event("change"))`)
			p.opens("ws_frame", "FIN")
			p.until(`opened.querySelector(".field[aria-pressed=true] + .meaning code")?.textContent === "1... ...."`)
			p.do(`opened.querySelector(".record").click()`)
			p.do(`press("button", "Pause")`)
			sockkit(t, "dial", front, "-x", "while "+name+" pauses", "--count", "1").want(0)
			p.until(`one(".count").textContent.includes("to come") && rows("ws_message", "while ` + name + ` pauses").length === 0`)
			shown := value[int](p, `document.querySelectorAll("#timeline .row").length`)
			p.do(`press("button", "Step")`)
			p.until(`document.querySelectorAll("#timeline .row").length > ` + itoa(shown))
			p.do(`press("button", "Go on")`)
			p.until(`rows("ws_message", "while ` + name + ` pauses").length >= 2 && !one(".count").textContent.includes("to come")`)
			p.do(`press("button", "Replay"); if (!one(".count").textContent.includes("to come")) throw new Error("nothing is to come")`)
			p.until(`!one(".count").textContent.includes("to come")`)
			p.shows()
			p.accessible()
			p.fits()
			p.pictured("tap-" + name)
		})
	}
}
