package interop

import (
	"testing"
)

func TestPageFrames(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/frames", width)
			p.ready()
			p.do(`fill('form[data-call="say"] [name="key"]', "37fa213d")`)
			p.calls("say", "Send")
			p.says("say", "The server has the message, 5 bytes")
			// The example of RFC 6455 5.7.
			p.until(`one("#bits .payload:last-child code", "58") && one("#bits .key code", "37 fa") && one("#xor tbody tr:last-child td:last-child", "o")`)
			p.pictured("frames-" + name)
			p.do(`one("#bits-title").scrollIntoView()`)
			p.pictured("frames-bits-" + name)
			p.do(`fill('form[data-call="say"] [name="key"]', ""); fill('form[data-call="say"] [name="pieces"]', 3); one('form[data-call="say"] [name="ping"]').checked = true`)
			p.calls("say", "Send")
			p.says("say", "in 3 frames")
			p.until(`one("#frame-choice").children.length === 4`)
			p.do(`press("#frame-choice button:last-child")`)
			p.until(`one("#frame-choice button:last-child[aria-pressed=true]") && one("#bits caption", "continuation")`)

			p.do(`fill('form[data-call="open"] select', "yes")`)
			p.calls("open", "Open")
			p.until(`one('[data-value="state"]', "permessage-deflate")`)
			p.do(`fill('form[data-call="say"] [name="text"]', "the price of ACME is 101.25 EUR, the price of INIT is 48.10 EUR"); fill('form[data-call="say"] [name="pieces"]', 1); fill('form[data-call="say"] [name="who"]', "server")`)
			p.calls("say", "Send")
			p.until(`one("#packed tbody").children.length === 1`)
			p.calls("say", "Send")
			p.until(`one("#packed tbody").children.length === 2`)
			p.until(`((rows) => Number(rows[1].children[3].textContent) < Number(rows[0].children[3].textContent))([...one("#packed tbody").children])`)
			p.calls("ping", "from the client")
			p.says("ping", "The pong came")
			p.calls("ping", "from the server")
			p.calls("close", "from the client")
			p.until(`one('form[data-call="close"] output', "enough") && one('[data-value="state"]', "closed")`)

			p.do(`one('form[data-call="question"] input[value="1002"]').checked = true`)
			p.calls("question", "Answer")
			p.says("question", "nothing of the kind")
			for button, code := range map[string]string{
				"without a mask": "1002", "with one": "1002", "Opcode 3": "1002", "RSV1": "1002", "continuation of": "1002", "in fragments": "1002",
				"126 bytes": "1002", "not UTF-8": "1007", "with 1005": "1002", "with 999": "1002",
			} {
				p.calls("break", button)
				p.says("break", "It closes with "+code)
			}
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong" && one("#timeline .marked")`)
			p.do(`one('form[data-call="question"] input[value="1007"]').checked = true`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right"`)
			p.do(`one("#break").scrollIntoView()`)
			p.pictured("frames-break-" + name)
			p.opens("ws_frame", "FIN")
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				p.story()
			}
		})
	}
}
