package interop

import (
	"testing"
)

func TestPageAuth(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			p := turnTo(t, browser, home+"/lesson/auth", width)
			p.ready()
			field := func(name, value string) {
				p.do(`fill('form[data-call="connect"] [name="` + name + `"]', '` + value + `')`)
			}
			p.do(`one('form[data-call="question"] input[value="both"]').checked = true`)
			p.calls("question", "Answer")
			p.says("question", "no middleware has refused anybody")
			p.calls("connect", "Connect")
			p.says("connect", "Let in")
			p.until(`one("#state", "connected by")`)
			p.calls("emit", "who I am")
			p.says("emit", `Acknowledged: "Ann"`)
			p.calls("drop", "Delete")
			p.says("drop", "No acknowledgement")
			p.until(`rows("note", "an event is dropped").length === 1`)
			p.expects("WebSocket connection to") // failed: who is refused leaves while the upgrade is under way
			p.calls("revoke", "void")
			p.calls("emit", "who I am")
			p.says("emit", `Acknowledged: "Ann"`)
			p.calls("connect", "Connect")
			p.says("connect", `Refused: Authentication error, {"want":"another token"}`)
			p.calls("revoke", "good")

			p.calls("without", "without")
			p.says("without", `Authentication error, {"want":"token"}`)
			p.calls("without", "wrong")
			p.says("without", `{"want":"another token"}`)
			field("namespace", "/admin")
			p.calls("connect", "Connect")
			p.says("connect", `Refused: not authorized, {"you are":"Ann"}`)
			field("token", "mellon")
			p.calls("connect", "Connect")
			p.says("connect", "Let in")
			p.calls("drop", "Delete")
			p.says("drop", `Acknowledged: "all gone"`)

			p.expects("403")
			p.calls("tickets", "wants")
			p.until(`one('[data-value="tickets"]', "wants ?ticket=42")`)
			p.calls("connect", "Connect")
			p.says("connect", `Refused: xhr poll error, 403 {"code":4,"message":"no ticket"}`)
			field("transports", "websocket")
			p.calls("connect", "Connect")
			p.says("connect", `Refused: websocket error`)
			field("ticket", "42")
			p.calls("connect", "Connect")
			p.says("connect", "Let in")
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "wrong" && one("#timeline .marked")`)
			p.do(`one('form[data-call="question"] input[value="middleware"]').checked = true`)
			p.calls("question", "Answer")
			p.until(`one('form[data-call="question"] output').className === "right"`)
			p.do(`one("#break").scrollIntoView()`)
			p.pictured("auth-" + name)
			p.calls("tickets", "lets all in")
			p.opens("sio_packet", "packet type")
			p.shows()
			p.accessible()
			p.fits()
			p.calls("leave", "Disconnect")
			p.until(`one("#state").textContent === "not connected"`)
			if name == "wide" {
				p.story()
			}
		})
	}
}
