package interop

import (
	"testing"
)

func TestPageRooms(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for name, width := range widths {
		t.Run(name, func(t *testing.T) {
			ann := turnTo(t, browser, home+"/lesson/rooms", width)
			ann.ready()
			ann.until(`one("#name").textContent === "Ann" && one("#state", "connected by websocket")`)
			bob := turnTo(t, browser, value[string](ann, `one("#another").href`), width)
			bob.ready()
			bob.until(`one("#name").textContent === "Bob"`)
			ann.until(`one("#present tr", "Ann (this tab)") && one("#present tr", "Bob")`)
			bob.until(`one("#present tr", "Bob (this tab)") && one("#present tr", "Ann")`)
			ann.do(`fill('form[data-call="question"] input', '1')`)
			ann.calls("question", "Answer")
			ann.says("question", "nobody has said anything yet")

			bob.calls("join", "Join")
			bob.says("join", `socket.join("kitchen")`)
			ann.until(`[...document.querySelectorAll("#present tr")].some((r) => r.textContent.includes("Bob") && r.textContent.includes("kitchen"))`)
			for to, code := range map[string]string{"all": "io.emit", "others": "socket.broadcast.emit", "room": `io.to("kitchen").emit`, "room-others": `socket.to("kitchen").emit`, "except": `io.except("kitchen").emit`} {
				ann.do(`fill('form[data-call="say"] [name="to"]', '` + to + `'); fill('form[data-call="say"] [name="text"]', 'to ` + to + `.')`)
				ann.calls("say", "Say")
				ann.says("say", code)
			}
			bob.until(`["all", "others", "room", "room-others"].every((to) => one("#heard p", "Ann: to " + to + "."))`)
			ann.until(`["all", "except"].every((to) => one("#heard p", "Ann: to " + to + "."))`)
			if n := value[int](ann, `document.querySelectorAll("#heard p").length`); n != 2 {
				t.Errorf("Ann has heard %d messages", n)
			}
			ann.pictured("rooms-" + name)

			ann.calls("sneak", "and the server checks")
			ann.says("sneak", "Refused")
			ann.calls("sneak", "boo")
			bob.until(`one("#heard p", "Ann: boo")`)
			ann.calls("question", "Answer")
			ann.until(`one('form[data-call="question"] output').className === "right" && one("#timeline .marked")`)
			ann.do(`fill('form[data-call="question"] input', '2')`)
			ann.calls("question", "Answer")
			ann.until(`one('form[data-call="question"] output').className === "wrong"`)

			for _, tab := range []*pageTab{ann, bob} {
				tab.calls("news", "Join /news")
			}
			ann.until(`[...document.querySelectorAll("#present tr")].filter((r) => r.textContent.includes("/news")).length === 2`)
			ann.do(`fill('form[data-call="say"] [name="namespace"]', '/news'); fill('form[data-call="say"] [name="to"]', 'all')`)
			ann.calls("say", "Say")
			ann.says("say", `io.of("/news").emit`)
			bob.until(`one("#heard p", "Ann in /news: to")`)
			bob.calls("news", "Leave /news")
			bob.calls("join", "Leave")
			ann.until(`rows("note", 'nobody is left in the room "kitchen"').length === 1`)
			ann.opens("sio_packet", "packet type")
			ann.shows()
			for _, tab := range []*pageTab{ann, bob} {
				tab.accessible()
				tab.fits()
			}
			ann.do(`one("#present").scrollIntoView({block: "center"})`)
			ann.pictured("rooms-end-" + name)
			bob.do(`location.href = "/"`)
			ann.until(`!one("#present tr", "Bob")`)
			if name == "wide" {
				ann.story()
			}
		})
	}
}
