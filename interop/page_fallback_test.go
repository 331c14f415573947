package interop

import (
	"testing"
)

func TestPageFallback(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/fallback", width)
			p.ready()
			p.do(`one('form[data-call="question"] input[value="noop"]').checked = true`)
			p.calls("question", "Answer")
			p.says("question", "no session has moved")
			p.calls("connect", "Connect")
			p.until(`one("#state", "connected by websocket")`)
			right := 0
			for _, last := range []string{"ping", "message", "noop", "close"} {
				p.do(`one('form[data-call="question"] input[value="` + last + `"]').checked = true`)
				p.calls("question", "Answer")
				p.until(`one("#timeline .marked")`)
				right += value[int](p, `Number(one('form[data-call="question"] output').className === "right")`)
			}
			if right != 1 {
				t.Errorf("%d answers are right", right)
			}
			p.calls("say", "Emit")
			p.until(`one("#heard p", "you said: hello\", by websocket")`)
			p.calls("emit", "Emit")
			p.until(`one("#heard p", "coffee is ready\", by websocket")`)
			p.pictured("fallback-" + name)

			p.expects("WebSocket connection to") // failed
			for words, noted := range map[string]string{"drops": "without Upgrade", "answers 400": "by 400"} {
				p.calls("proxy", words)
				p.do(`one("#heard").replaceChildren()`)
				p.calls("connect", "Connect")
				p.until(`one("#state", "connected by polling")`)
				p.until(`rows("note", "` + noted + `").length === 1`)
				p.calls("say", "Emit")
				p.until(`one("#heard p", "by polling")`)
			}
			p.do(`fill('form[data-call="connect"] select', "websocket")`)
			p.calls("connect", "Connect")
			p.until(`one("#state", "not connected: websocket error")`)
			p.calls("leave", "Disconnect")
			p.calls("proxy", "Nothing")
			p.do(`fill('form[data-call="connect"] select', "polling")`)
			p.calls("connect", "Connect")
			p.until(`one("#state", "connected by polling")`)
			p.calls("emit", "Emit")
			p.until(`one("#heard p", "coffee")`)
			p.opens("eio_packet", "packet type")
			p.calls("leave", "Disconnect")
			p.until(`rows("note", "disconnect: io client disconnect").length >= 3`)
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				p.story()
			}
			p.pictured("fallback-end-" + name)
		})
	}
}
