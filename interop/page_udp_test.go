package interop

import (
	"testing"
)

func TestPageUDP(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/udp", width)
			p.ready()
			p.do(`one('form[data-call="question"] input').value = "1"`)
			p.calls("question", "Answer")
			p.says("question", "nothing was sent yet")
			p.calls("race", "Send by both")
			p.says("race", "TCP: 20 of 20 came")
			p.until(`one("#messages tbody").rows.length === 20 && one("#messages tr", "overtaken") && one("#messages tr", "lost")`)
			p.until(`document.querySelectorAll('[data-track="udp"] line.overtaken').length === [...document.querySelectorAll("#messages td:nth-child(2)")].filter((c) => c.textContent.includes("overtaken")).length`)
			p.until(`document.querySelectorAll('[data-track="tcp"] line').length === 22 && one('[data-track="tcp"] svg').ariaLabel.startsWith("TCP: 20 of 20")`)
			p.until(`Number(one('[data-value="race.kernel.out"]').textContent) > 0`)
			p.do(`one("#do").scrollIntoView()`)
			p.pictured("udp-" + name)
			p.do(`one("#messages").scrollIntoView()`)
			p.pictured("udp-table-" + name)

			p.do(`fill('form[data-call="question"] input', one("#messages tr", "lost").querySelector("th").textContent)`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong" && one("#timeline .marked")`)
			p.do(`fill('form[data-call="question"] input', one("#messages tr", "overtaken").querySelector("th").textContent)`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right"`)
			p.do(`press("#messages button")`)
			p.until(`document.querySelectorAll("#timeline .marked").length >= 3`)

			p.calls("pieces", "Write twice")
			p.says("pieces", `"good mor" and "ning"`)
			p.calls("size", "Send one")
			p.says("size", "Refused")
			p.calls("nobody", "Send to nobody")
			p.says("nobody", "The send succeeded")
			p.calls("room", "Read two")
			p.says("room", "The second gave")
			p.do(`one("#break").scrollIntoView()`)
			p.pictured("udp-break-" + name)
			p.opens("datagram", "")
			p.shows()
			p.accessible()
			p.fits()
			if name == "wide" {
				p.story()
			}
		})
	}
}
