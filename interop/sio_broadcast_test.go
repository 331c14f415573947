package interop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// sioCrowd are clients of one namespace, and their sockets at our server.
type sioCrowd struct {
	t       *testing.T
	h       *sioHost
	clients map[string]*sioClient
	sockets map[string]*socketio.Socket
	fences  int
}

// crowd has four clients connect: a is in the room one, b in one and two, c in
// two, and d in none.
func (r *sioRun) crowd(t *testing.T) *sioCrowd {
	t.Helper()
	g := &sioCrowd{t, r.serve(t, nil), map[string]*sioClient{}, map[string]*socketio.Socket{}, 0}
	for name, rooms := range map[string][]string{"a": {"one"}, "b": {"one", "two"}, "c": {"two"}, "d": nil} {
		g.clients[name] = r.dial(t, g.h, "/", nil)
		g.sockets[name] = g.h.joined(t)
		if err := g.sockets[name].Join(rooms...); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// reached demands that the event x has reached these and nobody else, once each.
// A fence that is sent to all behind it shows who was left out.
func (g *sioCrowd) reached(what, want string) {
	g.t.Helper()
	g.fences++
	_ = g.h.Emit("fence", g.fences)
	got := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		for g.clients[name].next("event").Event == "x" {
			got += name
		}
	}
	if got != want {
		g.t.Errorf("%s reached %q; want %q", what, got, want)
	}
}

// Each way to select sockets selects those, and each once.
func (r *sioRun) broadcast(t *testing.T) {
	g := r.crowd(t)
	a := g.sockets["a"]
	for _, row := range []struct {
		what string
		to   interface {
			Emit(string, ...any) error
		}
		want string
	}{
		{"io", g.h, "abcd"}, {"Of", g.h.Of("/"), "abcd"}, {"another namespace", g.h.Of("/chat"), ""},
		{"socket", a, "a"}, {"Broadcast", a.Broadcast(), "bcd"},
		{"To one", g.h.To("one"), "ab"}, {"To both", g.h.To("one", "two"), "abc"}, {"In", g.h.In("two"), "bc"},
		{"To and To", g.h.To("one").To("two"), "abc"}, {"Except", g.h.Except("one"), "cd"},
		{"To but Except", g.h.To("one").Except("two"), "a"}, {"To nobody", g.h.To("nobody"), ""},
		{"To an id", g.h.To(g.sockets["d"].ID()), "d"}, {"Except ids", g.h.Except(g.sockets["d"].ID(), a.ID()), "bc"},
		{"socket To", a.To("one"), "b"}, {"socket To both", a.To("one", "two"), "bc"}, {"socket In", a.In("two"), "bc"},
		{"socket Except", a.Except("two"), "d"}, {"socket To Except", a.To("one", "two").Except("one"), "c"},
		{"Local", g.h.Local(), "abcd"}, {"socket Local", a.Local(), "bcd"}, {"Compress", g.h.To("two").Compress(true), "bc"},
		{"Timeout", g.h.Timeout(time.Minute).To("one"), "ab"}, {"flags", a.Compress(false).Broadcast(), "bcd"},
	} {
		if err := row.to.Emit("x", row.what, []byte{1, 2}); err != nil {
			t.Errorf("%s: %v", row.what, err)
		}
		g.reached(row.what, row.want)
	}
	g.sockets["b"].Leave("one")
	_ = g.h.To("one").Emit("x")
	g.reached("To one, after b left", "a")
}

// A broadcast gets all acknowledgements, or what came in time and an error.
func (r *sioRun) broadcastAcks(t *testing.T) {
	g := r.crowd(t)
	ctx := bounded(t)
	answers, err := g.h.Timeout(patience).EmitWithAck(ctx, "who", "x", []byte{1})
	if err != nil || len(answers) != 4 {
		t.Fatalf("%d answers, %v; want 4", len(answers), err)
	}
	for _, answer := range answers {
		sioWantArgs(t, answer, nil, `["x",{"_base64":"AQ=="}]`)
	}
	if answers, err = g.h.To("one").EmitWithAck(ctx, "who"); err != nil || len(answers) != 2 {
		t.Errorf("%d answers, %v; want 2", len(answers), err)
	}
	if answers, err = g.h.To("nobody").EmitWithAck(ctx, "who"); err != nil || len(answers) != 0 {
		t.Errorf("%d answers, %v; want none", len(answers), err)
	}
	if answers, err = g.h.Timeout(150*time.Millisecond).EmitWithAck(ctx, "hold"); !errors.Is(err, socketio.ErrTimeout) || len(answers) != 0 {
		t.Errorf("%d answers, %v; want none, and a timeout", len(answers), err)
	}
	called := make(chan int, 1)
	_ = g.h.To("two").Timeout(patience).Emit("who", func(err error, answers []socketio.Args) { called <- len(answers) })
	if n := <-called; n != 2 {
		t.Errorf("the function got %d answers; want 2", n)
	}
}

// The server has sockets join, leave and go, wherever they are, and fetches them.
func (r *sioRun) roomsOfOthers(t *testing.T) {
	g := r.crowd(t)
	ctx := bounded(t)
	must(t, g.h.To("one").SocketsJoin("three", "four"))
	_ = g.h.To("three").Emit("x")
	g.reached("those that were joined", "ab")
	must(t, g.h.To("two").SocketsLeave("three"))
	_ = g.h.To("three").Emit("x")
	g.reached("those that were not taken out", "a")
	g.sockets["d"].SetData(map[string]any{"user": "dora"})
	remotes, err := g.h.Except("one", "two").FetchSockets(ctx)
	if err != nil || len(remotes) != 1 || remotes[0].ID != g.sockets["d"].ID() || string(remotes[0].Data) != `{"user":"dora"}` || !slices.Equal(remotes[0].Rooms, []string{remotes[0].ID}) {
		t.Fatalf("fetched %+v, %v; want d", remotes, err)
	}
	must(t, remotes[0].Join("five"))
	_ = g.h.To("five").Emit("x")
	g.reached("who was joined by FetchSockets", "d")
	must(t, remotes[0].Emit("x"))
	g.reached("who was fetched", "d")
	answer, err := remotes[0].EmitWithAck(ctx, "remote", "?")
	sioWantArgs(t, answer, err, `["?"]`)
	g.clients["d"].nextEvent("remote", `["?"]`)
	must(t, g.h.To("two").DisconnectSockets(true))
	for _, name := range []string{"b", "c"} {
		if got := g.clients[name].next("disconnect"); got.Reason != "io server disconnect" {
			t.Errorf("%s saw %v", name, got)
		}
		if got := g.h.skipTo(t, g.sockets[name].ID(), "disconnect"); got.Reason != socketio.ReasonServerNamespaceDisconnect {
			t.Errorf("the server saw %v", got)
		}
	}
	must(t, remotes[0].Disconnect(false))
	g.clients["d"].next("disconnect")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What is volatile arrives where the client can take it, and holds up nothing.
func (r *sioRun) volatile(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	arrived := func(name string) bool { saw, ok := c.take(c.of); return ok && saw.Event == name }
	poll(t, "a volatile event", func() bool { _ = s.Volatile().Emit("tick"); return arrived("tick") })
	poll(t, "a volatile broadcast", func() bool { _ = h.Volatile().Emit("tack"); return arrived("tack") })
	poll(t, "a client's volatile event", func() bool {
		c.do(sioAct{Do: "emit", Event: "tock", Volatile: true})
		saw, ok := h.take(s.ID())
		return ok && saw.Event == "tock"
	})
	c.do(sioAct{Do: "emit", Event: "fence", Ack: true})
	c.skipTo("ack")
}
