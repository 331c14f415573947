package interop

import (
	"fmt"
	"testing"
)

func TestPageHandshake(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/handshake", width)
			p.ready()
			p.until(`one("#verdict").textContent.startsWith("All ") && one("#steps").children.length >= 4`)
			p.until(`one("#response").value.includes(one("#steps li:last-child code").textContent)`)
			p.calls("send", "Send")
			p.says("send", "heard \"Hello\"")
			p.calls("serve", "Serve")
			p.says("serve", "The client takes it.")
			p.pictured("handshake-" + name)

			p.do(`fill("#request", one("#request").value.replace("Host:", "Ho\\x00st:"))`)
			p.until(`one("#findings .must", "NUL") || one("#findings .must", "0x00") || one("#findings .must", "\\x00")`)
			p.do(`fill("#request", one("#request").value.replace("\\x00", "\\q"))`)
			p.until(`one("#request-said.wrong", "stands for no byte")`)
			p.do(`press("#right")`)
			p.until(`one("#verdict").textContent.startsWith("All ")`)
			for _, m := range []string{"No key", "Version 8", "HTTP/1.0", "keep-alive", "Two keys", "two lines", "LF without", "200 in place", "nobody asked"} {
				p.calls("break", m)
				p.until(`one("#findings .must, #findings li")`)
			}
			p.do(`one('form[data-call="question"] input[value="response-accept-missing"]').checked = true`)
			p.calls("question", "Answer")
			p.says("question", "nothing of the kind")
			p.calls("break", "hexadecimal")
			p.says("break", "The client gives up")
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong" && one("#timeline .marked")`)
			p.do(`one('form[data-call="question"] input[value="response-accept-wrong"]').checked = true`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right"`)
			p.do(`one("#break").scrollIntoView()`)
			p.pictured("handshake-break-" + name)
			p.opens("http_head", "")
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				other := turnTo(t, browser, value[string](p, `location.href + "?join=" + one("#timeline a[download]").href.split("/")[4]`), width)
				other.ready()
				other.until(fmt.Sprintf(`one("#response").value === %q && one("#findings .must")`, value[string](p, `one("#response").value`)))
				p.story()
			}
		})
	}
}
