package interop

import (
	"fmt"
	"testing"
)

func TestPageRecovery(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/recovery", width)
			p.ready()
			p.until(`one("#state", "connected by websocket")`)
			p.do(`fill('form[data-call="question"] input', '2')`)
			p.calls("question", "Answer")
			p.says("question", "nobody has come back yet")
			p.calls("emit", "Emit")
			p.until(`one("#heard p", "soup is ready")`)

			p.expects("WebSocket connection to") // failed
			p.calls("cut", "Cut")
			p.until(`rows("note", "disconnect: transport").length === 2`)
			p.calls("emit", "Emit")
			p.calls("emit", "Emit")
			p.calls("say", "Emit")
			p.says("say", "It waits.")
			p.do(`one('form[data-call="say"] [name="volatile"]').checked = true`)
			p.calls("say", "Emit")
			p.says("say", "Dropped")
			p.until(`one("#waiting").textContent === "1" && one("#heard p", "attempt 1 to connect again") && one("#state", "not connected: websocket error")`)
			p.calls("mend", "Mend")
			p.until(`one("#state", "connected by websocket") && one("#recovered").textContent === "true"`)
			p.until(`[...document.querySelectorAll("#heard p")].filter((e) => e.textContent.includes("soup")).length === 3`)
			p.until(`rows("sio_packet", "are you there?").length === 1 && one("#waiting").textContent === "0"`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right" && one("#timeline .marked")`)
			p.do(`one("#heard").scrollIntoView({block: "center"})`)
			p.pictured("recovery-" + name)

			p.calls("restart", "anew")
			p.until(`one('[data-value="window"]').textContent === "0.5" && one("#recovered").textContent === "false" && one("#state", "connected by")`)
			tried := value[int](p, `rows("note", "attempt 2 to connect").length`)
			p.calls("cut", "Cut")
			// Two attempts take 0.75 seconds at the least.
			p.until(fmt.Sprintf(`rows("note", "attempt 2 to connect").length > %d`, tried))
			p.calls("emit", "Emit")
			p.calls("mend", "Mend")
			p.until(`one("#state", "connected by websocket")`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong" && one('form[data-call="question"] output', "None.")`)

			p.expects("Failed to load resource")
			p.do(`fill('form[data-call="connect"] select', 'polling')`)
			p.calls("connect", "Connect")
			p.until(`one("#state", "connected by polling")`)
			p.calls("cut", "Cut")
			p.until(`one("#state", "not connected")`)
			p.calls("mend", "Mend")
			p.until(`one("#state", "connected by polling")`)
			p.opens("sio_packet", "packet type")
			p.shows()
			p.accessible()
			p.fits()
			p.pictured("recovery-end-" + name)
			if name == "wide" {
				p.story()
			}
		})
	}
}
