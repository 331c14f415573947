package interop

import (
	"testing"
)

func TestPageEvents(t *testing.T) {
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/events", width)
			p.ready()
			p.until(`one("#state", "connected by websocket")`)
			p.do(`fill('form[data-call="question"] input', '3')`)
			p.calls("question", "Answer")
			p.says("question", "upload some")
			p.calls("emit", "Emit")
			p.until(`one("#heard p", "hello, Ann")`)
			p.do(`fill('form[data-call="emit"] [name="event"]', 'add'); fill('form[data-call="emit"] [name="args"]', '2, 3'); one('form[data-call="emit"] [name="ack"]').checked = true`)
			p.calls("emit", "Emit")
			p.says("emit", "Acknowledged: 5")
			p.do(`fill('form[data-call="emit"] [name="event"]', 'nonsense'); fill('form[data-call="emit"] [name="args"]', '{"a": [true]}'); one('form[data-call="emit"] [name="ack"]').checked = false`)
			p.calls("emit", "Emit")
			p.until(`rows("note", 'nobody listens for "nonsense"').length === 1`)
			p.do(`fill('form[data-call="emit"] [name="args"]', '{"a"')`)
			p.calls("emit", "Emit")
			p.until(`one('form[data-call="emit"] output.wrong')`)

			p.calls("ask", "ask")
			p.says("ask", `["Ann"]`)
			p.do(`one('form[data-call="ask"] [name="answers"]').checked = false; fill('form[data-call="ask"] [name="within"]', '0.1')`)
			p.calls("ask", "ask")
			p.says("ask", "no answer")
			p.do(`one('form[data-call="upload"] [name="mirror"]').checked = true`)
			p.calls("upload", "Upload")
			p.says("upload", "came, with 16 bytes")
			p.until(`one("#heard p", "8 bytes: 10 30 70 ff")`)
			p.do(`one("#hex").scrollIntoView()`)
			p.pictured("events-" + name)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right" && one("#timeline .marked")`)
			p.do(`fill('form[data-call="question"] input', '1')`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong"`)

			p.calls("wrong", "two")
			p.says("wrong", "No acknowledgement: operation has timed out")
			p.until(`rows("note", 'the event "add": argument 1').length === 1`)
			p.calls("never", "silent")
			p.says("never", "operation has timed out")
			p.calls("reserved", "connect")
			p.says("reserved", `"connect" is a reserved event name`)
			p.calls("byhand", "Send")
			p.says("byhand", "The session is over")
			p.do(`fill('form[data-call="byhand"] input', '427["add",20,3]')`)
			p.calls("byhand", "Send")
			p.says("byhand", "The server says 437[23]")
			p.opens("sio_packet", "packet type")
			p.do(`fill('form[data-call="connect"] select', 'polling')`)
			p.calls("connect", "Connect")
			p.until(`one("#state", "connected by polling")`)
			p.calls("upload", "Upload")
			p.says("upload", "came, with 16 bytes")
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				p.story()
			}
			p.do(`one("#break").scrollIntoView()`)
			p.pictured("events-break-" + name)
		})
	}
}
