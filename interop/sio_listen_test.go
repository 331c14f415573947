package interop

import (
	"strings"
	"testing"
)

// sioListen starts sockkit listen -k for Socket.IO, whose input stays open.
func sioListen(t testing.TB, args ...string) (us *proc, url string) {
	t.Helper()
	us = held(t, append([]string{"listen", "-k", "sio://127.0.0.1:0"}, args...)...)
	return us, "http://" + hostPortOf(us.address())
}

// sioListens has a test run by clients in Node, each way.
func sioListens(t *testing.T, test func(t *testing.T, r *sioRun)) {
	eachWay(t, func(t *testing.T, way sioWay) { test(t, &sioRun{sioNode(t, sioClient4), way, false}) })
}

// join has a client connect to a URL, and waits until it is connected.
func (r *sioRun) join(t testing.TB, url, namespace string, a *sioAct) *sioClient {
	t.Helper()
	c := r.begin(t, url, namespace, a)
	c.next("connect")
	return c
}

// --echo sends every event back, and acknowledges it with its arguments.
func TestSIOListenEcho(t *testing.T) {
	t.Parallel()
	sioListens(t, func(t *testing.T, r *sioRun) {
		us, url := sioListen(t, "--echo")
		for _, name := range []string{"/", "/anything"} {
			listenEchoes(t, r.join(t, url, name, nil))
		}
		other := r.join(t, url, "/", nil)
		endListener(us)
		if got := other.skipTo("disconnect"); got.Reason != "transport close" && (r.way.name == "websocket" || got.Reason != "transport error") {
			t.Errorf("the client saw %v", got)
		}
	})
}

func listenEchoes(t *testing.T, c *sioClient) {
	t.Helper()
	for _, args := range sioArguments {
		c.emit("any name", args)
		c.nextEvent("any name", args)
	}
	c.do(sioAct{Do: "emit", Event: "ask", Args: sioList(t, `[1,{"_base64":"AQ=="}]`), Ack: true})
	for range 2 {
		switch got := c.sioPeer.any(t, c.of); got.Saw {
		case "ack", "event":
			sioWant(t, got, "ask", `[1,{"_base64":"AQ=="}]`)
		default:
			t.Errorf("the client saw %v", got)
		}
	}
}

// any waits for the next thing that of sees, whatever it is.
func (l *sioLog) any(t testing.TB, of string) (s sioSaw) {
	t.Helper()
	await(t, of+" to see something", l.event, func() (ok bool) {
		s, ok = l.take(of)
		return ok
	})
	return s
}

// --broadcast sends each event to all the others, --broadcast=all to its sender
// too, --discard to nobody.
func TestSIOListenBroadcast(t *testing.T) {
	t.Parallel()
	sioListens(t, func(t *testing.T, r *sioRun) {
		for mode, copies := range map[string][3]int{"--broadcast": {0, 1, 1}, "--broadcast=all": {1, 1, 1}, "--discard": {0, 0, 0}} {
			_, url := sioListen(t, mode)
			clients := []*sioClient{r.join(t, url, "/", nil), r.join(t, url, "/", nil), r.join(t, url, "/", nil)}
			clients[0].do(sioAct{Do: "emit", Event: "x", Args: sioList(t, `["y",{"_base64":"AQ=="}]`), Ack: true})
			for i, n := range copies {
				acks := 0
				if i == 0 {
					acks = 1
				}
				got := map[string]int{}
				for range n + acks {
					s := clients[i].sioPeer.any(t, clients[i].of)
					if got[s.Saw]++; s.Saw == "event" {
						sioWant(t, s, "x", `["y",{"_base64":"AQ=="}]`)
					}
				}
				if got["event"] != n || got["ack"] != acks {
					t.Errorf("%s: client %d saw %v; want %d events", mode, i, got, n)
				}
			}
		}
	})
}

// Lines of input go to all, and events are printed in the same form.
func TestSIOListenLines(t *testing.T) {
	t.Parallel()
	sioListens(t, func(t *testing.T, r *sioRun) {
		us, url := sioListen(t)
		a, b := r.join(t, url, "/", nil), r.join(t, url, "/chat", nil)
		a.emit("hello", `["two words",1,{"_base64":"AQ=="},{"a":[null]}]`)
		us.out.awaitText(t, "hello \"two words\" 1 {\"_base64\":\"AQ==\"} {\"a\":[null]}\n")
		us.write("news 1 word {\"_base64\":\"Ag==\"}\n")
		a.nextEvent("news", `[1,"word",{"_base64":"Ag=="}]`)
		b.nextEvent("news", `[1,"word",{"_base64":"Ag=="}]`)
		a.do(sioAct{Do: "disconnect"})
		b.emit("still", `["here"]`)
		us.out.awaitText(t, "still \"here\"\n")
		sent, url := sioListen(t, "--event", "message")
		c := r.join(t, url, "/", nil)
		sent.write("a line as it is\n")
		c.nextEvent("message", `["a line as it is"]`)
	})
}

// Without -k the first client is the only one, and its leaving is the end.
func TestSIOListenOnce(t *testing.T) {
	t.Parallel()
	sioListens(t, func(t *testing.T, r *sioRun) {
		us := sockkit(t, "listen", "sio://127.0.0.1:0")
		c := r.join(t, "http://"+hostPortOf(us.address()), "/", nil)
		c.emit("hello", `["x"]`)
		us.out.awaitText(t, "hello \"x\"\n")
		c.do(sioAct{Do: "disconnect"})
		us.want(0)
	})
}

// What a client sends along, the namespace, the path and the login are held
// against the flags.
func TestSIOListenAdmits(t *testing.T) {
	t.Parallel()
	sioListens(t, func(t *testing.T, r *sioRun) {
		_, url := sioListen(t, "--echo", "--require-auth", `{"token":"abc"}`)
		no := r.begin(t, url, "/", &sioAct{Auth: map[string]any{"token": "wrong"}})
		if got := no.next("connect_error"); got.Message == "" || got.Active || got.Data == nil {
			t.Errorf("the client saw %v; want a message and data", got)
		}
		r.join(t, url, "/x", &sioAct{Auth: map[string]any{"token": "abc", "more": 1}})
		_, url = sioListen(t, "--echo", "--path", "/my/path/")
		listenEchoes(t, r.join(t, url, "/", &sioAct{Options: map[string]any{"path": "/my/path"}}))
		r.elsewhere(t, url)
		us := held(t, "listen", "-k", "--echo", "sio://127.0.0.1:0/only")
		url = "http://" + hostPortOf(us.address())
		r.join(t, url, "/only", nil)
		if got := r.begin(t, url, "/other", nil).next("connect_error"); got.Message != "Invalid namespace" {
			t.Errorf("the client saw %v", got)
		}
		us, url = sioListen(t, "--echo", "--basic-auth", "ann:secret")
		r.elsewhere(t, url)
		us.err.awaitText(t, "--basic-auth")
		r.join(t, url, "/", &sioAct{Options: map[string]any{"extraHeaders": map[string]any{"Authorization": "Basic YW5uOnNlY3JldA=="}}})
	})
}

// elsewhere demands that a client with the defaults gets no connection.
func (r *sioRun) elsewhere(t *testing.T, url string) {
	t.Helper()
	if got := r.begin(t, url, "/", nil).next("connect_error"); !strings.HasSuffix(got.Message, "error") || !got.Active {
		t.Errorf("the client saw %v", got)
	}
}

// --recovery brings clients back as they were, --transports offers what it
// names, and --max-conns turns away the others.
func TestSIOListenLimits(t *testing.T) {
	t.Parallel()
	sioListens(t, func(t *testing.T, r *sioRun) {
		us, url := sioListen(t, "--recovery", "1m")
		w := newWire(t, url)
		c := r.begin(t, w.url, "/", nil)
		id := c.next("connect").ID
		us.write("offset\n")
		c.next("event")
		r.settled(c)
		c.do(sioAct{Do: "drop"})
		c.next("disconnect")
		if got := c.next("connect"); !got.Recovered || got.ID != id {
			t.Errorf("the client saw %v; want %s, recovered", got, id)
		}
		_, url = sioListen(t, "--echo", "--max-conns", "1")
		r.join(t, url, "/", nil)
		r.elsewhere(t, url)
		other := map[string]string{"polling": "websocket", "websocket": "polling", "upgrade": "websocket"}[r.way.name]
		_, url = sioListen(t, "--echo", "--transports", other)
		r.elsewhere(t, url)
	})
}

// A page that is not on this host is let in by --allow-origin only; a page that
// is, always.
func TestSIOListenChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	page := sioPage(t, "/socket.io/socket.io.js")
	evil := strings.Replace(page, "127.0.0.1", "evil.example", 1)
	_, url := sioListen(t, "--echo")
	refusing, _ := sioListen(t, "--echo", "-v")
	_, allowing := sioListen(t, "--echo", "--allow-origin", strings.TrimSuffix(evil, "/"))
	home, other := sioTab(t, browser, page), sioTab(t, browser, evil)
	for _, way := range sioWays {
		t.Run(way.name, func(t *testing.T) {
			listenEchoes(t, (&sioRun{home, way, false}).join(t, url, "/", nil))
			r := &sioRun{other, way, false}
			r.elsewhere(t, "http://"+hostPortOf(refusing.address()))
			refusing.err.awaitText(t, "evil.example")
			listenEchoes(t, r.join(t, allowing, "/", nil))
			home.do(t, sioAct{Do: "end"})
			other.do(t, sioAct{Do: "end"})
		})
	}
}
