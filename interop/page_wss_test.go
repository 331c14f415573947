package interop

import (
	"testing"
)

func TestPageWSS(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/wss", width)
			p.ready()
			p.do(`one('form[data-call="question"] input[value="nothing"]').checked = true`)
			p.calls("question", "Answer")
			p.says("question", "nothing has been said")
			p.calls("say", "Say it")
			p.says("say", "wss: the middle sees")
			p.until(`one('[data-value="ws.read"]', "my PIN is 4711") && one('[data-value="wss.read"]', "nothing") && one('[data-value="wss.server"]', "my PIN is 4711")`)
			p.until(`one('[data-value="ws.back"]', "my PIN") && one('[data-value="wss.there"]', "17 03 03") && one('[data-value="tls.pin"]').textContent.length >= 64`)
			p.pictured("wss-" + name)
			for button, said := range map[string]string{
				"does not know": "unknown authority", "calls it": "shop.example", "Expired": "expired", "self-signed": "gives up",
				"server itself": "heard \"Hello\"", "The impostor": "pin", "without TLS": "speaks no TLS", "with TLS": "gives up",
			} {
				p.calls("break", button)
				p.says("break", said)
			}
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong" && one("#timeline .marked")?.offsetParent`)
			p.do(`one('form[data-call="question"] input[value="name"]').checked = true`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right"`)
			p.do(`one("#break").scrollIntoView()`)
			p.pictured("wss-break-" + name)
			p.do(`one("#timeline .marked .record").click()`)
			p.until(`one("#timeline .marked .field", "chat.example")`)
			p.opens("tls", "")
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				p.story()
			}
		})
	}
}
