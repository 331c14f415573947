package interop

import (
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// TestRedisTooMuch has a server say more at once than Redis takes, which hangs up on
// it without a word, again and again: that is dropped and said, its own clients get
// it, and what is said behind it arrives.
func TestRedisTooMuch(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := startTroubled(t, kind)
			g.r.do("CONFIG", "SET", "client-query-buffer-limit", "1048576")
			much := strings.Repeat("x", 3<<20)
			g.say(g.one, "before it")
			if err := g.one.Emit("x", much); err != nil {
				t.Fatal(err)
			}
			for _, c := range g.clients[:2] {
				c.hears(t, much)
			}
			if kind != "streams" { // what goes together with it is lost with it, perhaps
				poll(t, "it to be dropped", func() bool { return g.one.conn.Stats().Failed > 0 && g.one.conn.Stats().Up })
				g.connected()
			}
			g.say(g.one, "behind it")
			for _, c := range g.clients {
				c.hears(t, "behind it")
			}
			poll(t, "all to have left", func() bool { return g.one.conn.Stats().Queued == 0 })
			if s := g.one.conn.Stats(); s.Failed != 1 {
				t.Errorf("%+v", s)
			}
			for said := false; !said; {
				err := <-g.one.troubles
				said = strings.Contains(err.Error(), map[bool]string{false: "publish: ", true: " bytes at once are more than it takes"}[kind == "streams"])
			}
		})
	}
}

// TestRedisSessionRefused has Redis refuse to give a session, for good: the client is
// a new one at once, and Redis' own words say why.
func TestRedisSessionRefused(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	w := memberWords{Name: "go", Kind: "streams", Redis: []string{r.url()}}
	m := startGoMember(t, w, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, &redis.ConnOptions{})
	if err := m.Emit("x", 1); err != nil {
		t.Fatal(err)
	}
	offset := ""
	poll(t, "an entry", func() bool {
		offset, _, _ = strings.Cut(r.do("XREVRANGE", "socket.io", "+", "-", "COUNT", "1"), "\n")
		return strings.Contains(offset, "-")
	})
	r.do("LPUSH", "sio:session:odd\n", "x")
	for _, want := range []string{"WRONGTYPE ", "NOPERM "} {
		lost, err := m.Of("/").Adapter().RestoreSession("odd\n", offset)
		if lost != nil || err == nil || !strings.Contains(err.Error(), `no session of "odd\n": `+want) {
			t.Errorf("%+v, %v; want %s", lost, err, want)
		}
		r.do("ACL", "SETUSER", "default", "-get")
	}
}

// TestRedisSessionElsewhere has a client of one namespace want to come back in
// another, past that one's middlewares: there it is a new one, whoever has written its
// session.
func TestRedisSessionElsewhere(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	w := memberWords{Name: "go", Kind: "streams", Redis: []string{r.url()}}
	m := startGoMember(t, w, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, &redis.ConnOptions{})
	offsets := map[string]string{}
	for _, name := range []string{"/", "/admin"} {
		if err := m.Of(name).Emit("x", 1); err != nil {
			t.Fatal(err)
		}
		poll(t, "an entry of "+name, func() bool {
			lines := strings.Split(r.do("XREVRANGE", "socket.io", "+", "-", "COUNT", "1"), "\n")
			offsets[name] = lines[0]
			return len(lines) > 4 && lines[4] == name
		})
	}
	// by a server in Go, which says whose it is, and by an official one
	m.Of("/").Adapter().PersistSession(&socketio.LostSession{SID: "ours", PID: "go", Rooms: []string{"ours"}})
	r.do("SET", "sio:session:p", "hKNzaWShc6NwaWShcKVyb29tc5OhcwfApGRhdGGCo2tlecQCAQKhbgE=")
	poll(t, "the session", func() bool { return strings.TrimSpace(r.do("EXISTS", "sio:session:go")) == "1" })
	for _, row := range []struct {
		pid, namespace, offset string
		comes                  bool
	}{
		{"go", "/admin", "/", false}, {"go", "/admin", "/admin", false}, {"p", "/admin", "/", false},
		{"go", "/", "/", true}, {"p", "/", "/", true},
	} {
		lost, err := m.Of(row.namespace).Adapter().RestoreSession(row.pid, offsets[row.offset])
		if err != nil || (lost != nil) != row.comes {
			t.Errorf("%+v: %+v, %v", row, lost, err)
		}
	}
}
