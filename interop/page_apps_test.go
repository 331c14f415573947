package interop

import "testing"

// inFrames are words for what stands in the frames of an application's page.
const inFrames = `
globalThis.inside = (i) => document.querySelectorAll("#frames iframe")[i].contentDocument;
globalThis.says = (i, id, text) => { const e = inside(i).getElementById(id); e.value = text; e.dispatchEvent(new Event("input", {bubbles: true})); };
globalThis.sends = (i, form) => inside(i).getElementById(form).requestSubmit();
globalThis.online = (i) => /connected|polling|websocket/i.test(inside(i)?.getElementById("state")?.textContent ?? "");
`

// Each application stands on the page twice, with its trace beside it.
func TestPageApps(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSite(t)
	for _, app := range []struct {
		name   string
		begun  string // beside the connections, before the play
		play   string // in the first frame, or both
		until  string // seen in the second
		record string // in the timeline
	}{
		{"chat", `[0, 1].every((i) => inside(i).getElementById("people").textContent === "Ann, Bob")`,
			`says(0, "text", "<i>hello</i>"); sends(0, "say")`,
			`inside(1).getElementById("messages").textContent.includes("<i>hello</i>")`, `<i>hello</i>`},
		{"notifications", ``, `says(0, "name", "Ann"); says(0, "text", "the build is green"); sends(0, "publish")`,
			`inside(1).getElementById("notices").textContent.includes("the build is green")`, `the build is green`},
		{"document", `[0, 1].every((i) => inside(i).getElementById("text").value.startsWith("Shopping"))`,
			`{ const e = inside(0).getElementById("text"); e.focus(); e.value = "milk " + e.value; e.dispatchEvent(new Event("input", {bubbles: true})); }`,
			`inside(1).getElementById("text").value.startsWith("milk ")`, `milk`},
		{"game", ``, `says(0, "name", "Ann"); sends(0, "join"); says(1, "name", "Bob"); sends(1, "join")`,
			`inside(1).getElementById("players").textContent.includes("Ann") && inside(0).getElementById("players").textContent.includes("Bob")`, `join`},
		{"dashboard", ``, `inside(0).getElementById("send").click()`,
			`inside(1).getElementById("table").textContent.length > 20`, `noise`},
	} {
		for name, width := range widths {
			t.Run(app.name+" "+name, func(t *testing.T) {
				p := turnTo(t, browser, home+"/app/"+app.name, width)
				p.ready()
				p.do(inFrames)
				p.until(`document.querySelectorAll("#frames iframe").length === 2 && online(0) && online(1)`)
				if app.begun != "" {
					p.until(app.begun)
				}
				p.do(app.play)
				p.until(app.until)
				p.until(`rows("sio_packet", "` + app.record + `").length > 0`)
				p.pictured("app-" + app.name + "-" + name)
				if app.name == "chat" {
					p.opens("sio_packet", "")
				}
				p.accessible()
				p.fits()
			})
		}
	}
}

// TestPageFull: who finds the page full reads that, on a lesson and on an
// application.
func TestPageFull(t *testing.T) {
	t.Parallel()
	browser, home := chromium(t), demoSiteOf(t, 1)
	turnTo(t, browser, home+"/lesson/tcp", 1280).ready()
	for _, page := range []string{"/lesson/udp", "/app/chat"} {
		turnTo(t, browser, home+page, 360).until(`one("#problem", "The page is full: there is room for 1 visitor (--max-visitors). Reload it later.")`)
	}
}
