package interop

import (
	"testing"
)

func TestPageTCP(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/tcp", width)
			p.ready()
			p.calls("open", "Open")
			p.do(`fill('form[data-call="send"] input', 'hello, server')`)
			p.calls("send", "Send")
			p.until(`rows("data", "hello, server").length === 2`)
			p.calls("end", "client's half")
			p.do(`fill('form[data-call="send"] select', 'server')`)
			p.calls("send", "Send")
			p.until(`rows("data", "hello, server").length === 4`)
			p.do(`one('form[data-call="question"] input[value="yes"]').checked = true`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right" && one("#timeline .marked")`)
			p.until(`one('[data-value="client.state"]').textContent === "fin_wait2"`)
			p.pictured("tcp-" + name)
			p.calls("open", "Open")
			p.calls("sleep", "stops")
			p.calls("fill", "writes")
			p.until(`rows("note", "buffers are full").length === 1`)
			p.calls("wake", "reads again")
			p.calls("reset", "by the server")
			p.until(`rows("note", "a read fails").length >= 1`)
			p.calls("queue", "Connect")
			p.calls("queue", "Connect")
			p.until(`one('[data-value="queued"]').textContent === "2"`)
			p.calls("accept", "Accept")
			p.calls("accept", "Accept")
			p.opens("open", "")
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				p.story()
			}
			p.pictured("tcp-end-" + name)
		})
	}
}
