package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/admin"
)

// adminFolder has the official page.
const adminFolder = "node_modules/@socket.io/admin-ui/ui/dist"

// adminFar are what the page loads from elsewhere: letters and icons.
var adminFar = regexp.MustCompile(`<link rel="stylesheet" href="https://[^"]*">`)

// adminSite serves the official page, but for what it loads from elsewhere.
func adminSite(t *testing.T) (origin string) {
	t.Helper()
	index, err := os.ReadFile(adminFolder + "/index.html")
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(adminFolder))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(adminFar.ReplaceAll(index, nil))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// adminHash is a hash of "secret".
func adminHash(t *testing.T) string {
	t.Helper()
	hash, err := admin.HashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// watchedServer is an instrumented server, with handlers that can be watched.
func watchedServer(t *testing.T, o *admin.Options) *sioHost {
	t.Helper()
	h := &sioHost{Server: socketio.NewServer(nil), sioLog: newSIOLog()}
	o.Username, o.PasswordHash, o.StatsInterval = "ada", adminHash(t), 100*time.Millisecond
	if err := admin.Instrument(h.Server, o); err != nil {
		t.Fatal(err)
	}
	h.OnConnection(func(s *socketio.Socket) {
		name, _ := s.Handshake().Auth["name"].(string)
		s.SetData(map[string]string{"name": name})
		s.On("join", func(room string, ack func()) { _ = s.Join(room); ack() })
		s.On("order", func(_ []byte, ack func()) { _ = s.Emit("receipt", name, []byte{1, 2, 3}); ack() })
	})
	h.Of("/chat")
	h.serve(t, true)
	return h
}

// watchedClient is a client of it, which tells of its end.
func watchedClient(t *testing.T, url, name string, transports ...string) (c *socketio.Client, ended chan string) {
	t.Helper()
	c = socketio.NewClient(url, &socketio.ClientOptions{Transports: transports, Auth: map[string]any{"name": name}, NoReconnection: true})
	t.Cleanup(func() { _ = c.Close() })
	ended = make(chan string, 1)
	c.OnDisconnect(func(reason string) { ended <- reason })
	if err := c.Connect(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return c, ended
}

// adminHelp is what the tests say in the page.
const adminHelp = `
globalThis.field = (label, value) => {
  const box = [...document.querySelectorAll(".v-input")].find((e) => e.querySelector("label")?.textContent === label);
  const input = box.querySelector("input");
  input.value = value;
  input.dispatchEvent(new Event("input", {bubbles: true}));
};
globalThis.row = (...texts) => [...document.querySelectorAll("tbody tr")].find((r) => texts.every((t) => r.textContent.includes(t)));
globalThis.card = (title) => [...document.querySelectorAll(".v-card")].find((c) => c.querySelector(".v-card__title")?.textContent.includes(title));
`

// logIn fills in the form of the page.
func (p *pageTab) logIn(url, password string) {
	p.t.Helper()
	p.do(adminHelp)
	p.until(`one("form button[type=submit]", "Connect")`)
	p.do(fmt.Sprintf(`field("Server URL", %q); field("Username", "ada"); field("Password", %q)`, url, password))
	p.until(`!one("form button[type=submit]", "Connect").disabled`)
	p.do(`press("form button[type=submit]", "Connect")`)
}

// leafs turns to a part of the page, and waits until the one before has gone.
func (p *pageTab) leafs(part string) {
	p.t.Helper()
	p.do(fmt.Sprintf(`location.hash = "#/%s/"`, part))
	p.until(fmt.Sprintf(`[...document.querySelectorAll(".v-breadcrumbs")].map((e) => e.textContent.trim().toLowerCase()).join() === %q`, part))
}

// The official page watches our server: what it shows of clients, rooms, events
// and figures, and what it has done.
func TestPageAdmin(t *testing.T) {
	t.Parallel()
	site := adminSite(t)
	h := watchedServer(t, &admin.Options{Origins: []string{site}, ServerID: "blue"})
	bob, bobEnds := watchedClient(t, h.url, "Bob", "websocket")
	eve, eveEnds := watchedClient(t, h.url, "Eve", "polling")
	mustAck(t, bob, "join", "kitchen")
	mustAck(t, eve, "join", "kitchen")
	chat, chatEnds := watchedClient(t, h.url+"/chat", "Cleo")

	p := turnTo(t, chromium(t), site+"/", 1280)
	p.expects("a request to " + h.url)
	p.expects("a request to ws" + h.url[len("http"):])
	p.logIn(h.url, "wrong")
	p.until(`one("form", "Invalid credentials")`)
	p.logIn(h.url, "secret")
	p.until(`!one(".v-dialog--active") && !one("[class*=leave-active]")`)

	// The dashboard has the figures: bob, Cleo and the page over WebSocket, Eve polls.
	p.until(`/WebSocket\s*3\s*75\.0 %\s*HTTP long-polling\s*1\s*25\.0 %/.test(card("Clients")?.innerText)`)
	p.until(`/\/admin\s+1/.test(card("Namespaces").innerText) && /\/chat\s+1/.test(card("Namespaces").innerText) && /\/\s+2/.test(card("Namespaces").innerText)`)
	p.until(`/Healthy\s*1\s*100\.0 %/i.test(card("Servers").innerText)`)
	p.pictured("admin-dashboard")
	p.leafs("servers")
	p.until(`row("blue", "` + itoa(os.Getpid()) + `", "4")`)
	p.pictured("admin-servers")

	p.leafs("sockets")
	p.until(`row("` + bob.ID() + `", "127.0.0.1", "WebSocket") && row("` + eve.ID() + `", "HTTP long-polling")`)
	p.pictured("admin-sockets")
	p.do(`row("` + bob.ID() + `").click()`)
	p.until(`document.body.innerText.includes("Bob") && row("kitchen") && row("user-agent") === undefined`)
	p.pictured("admin-socket")

	p.leafs("rooms")
	p.until(`row("kitchen", "2")`)
	mustAck(t, bob, "join", "attic")
	p.until(`row("attic", "1")`)
	p.pictured("admin-rooms")

	p.leafs("events")
	mustAck(t, bob, "order", []byte("beer"))
	p.until(`row("` + bob.ID() + `", "Event received", "order") && row("` + bob.ID() + `", "Event sent", "receipt") && row("Room joined", "attic")`)
	p.do(`row("Event sent", "receipt").querySelector("button").click()`)
	p.until(`document.body.innerText.includes("binary, 3 bytes: 010203")`)
	p.pictured("admin-events")

	// What the page has done: one socket, one client, one room.
	p.leafs("sockets")
	p.until(`row("` + bob.ID() + `")`)
	bobID, eveID := bob.ID(), eve.ID()
	p.do(`row("` + bobID + `").querySelector("button").click()`)
	ends(t, bobEnds, "io server disconnect")
	p.leafs("sockets") // a press on a row leads to its details, too
	p.until(`!row("` + bobID + `") && row("` + eveID + `")`)
	p.leafs("rooms")
	p.until(`row("kitchen", "1") && !row("attic")`)
	p.do(`row("kitchen").querySelectorAll("button")[0].click()`)
	p.leafs("rooms")
	p.until(`!row("kitchen")`)
	p.leafs("clients")
	p.until(`row("HTTP long-polling")`)
	p.do(`row("HTTP long-polling").querySelector("button").click()`)
	ends(t, eveEnds, "")
	p.leafs("clients")
	p.until(`!row("HTTP long-polling")`)
	_ = chat
	if len(chatEnds) > 0 {
		t.Errorf("who was not meant was disconnected, too: %s", <-chatEnds)
	}

	// A page that is loaded again is still logged in.
	p.run(chromedp.Reload())
	p.do(adminHelp)
	p.until(`row("WebSocket") && !one(".v-dialog--active")`)
}

// In production the page shows figures only, and where it may only read it offers
// nothing to press.
func TestPageAdminProduction(t *testing.T) {
	t.Parallel()
	site := adminSite(t)
	h := watchedServer(t, &admin.Options{Origins: []string{site}, Mode: admin.Production, ReadOnly: true})
	watchedClient(t, h.url, "Bob", "websocket")
	p := turnTo(t, chromium(t), site+"/", 1280)
	p.expects("a request to " + h.url)
	p.expects("a request to ws" + h.url[len("http"):])
	p.logIn(h.url, "secret")
	p.until(`/WebSocket\s*2\s*100\.0 %/.test(card("Clients")?.innerText)`)
	p.until(`!one("a", "Sockets") && one("a", "Servers")`)
	p.pictured("admin-production")
}

func mustAck(t *testing.T, c *socketio.Client, event string, args ...any) {
	t.Helper()
	if _, err := c.EmitWithAck(bounded(t), event, args...); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
}

// ends waits for a client's end.
func ends(t *testing.T, ended chan string, reason string) {
	t.Helper()
	select {
	case got := <-ended:
		if reason != "" && got != reason {
			t.Errorf("the client ended by %q, want %q", got, reason)
		}
	case <-bounded(t).Done():
		t.Fatal("the client was not disconnected")
	}
}
