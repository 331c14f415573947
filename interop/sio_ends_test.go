package interop

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// ends demands the reasons that both sides give for a disconnection.
func (r *sioRun) ends(t *testing.T, h *sioHost, c *sioClient, id, server, client string, active bool) {
	t.Helper()
	if got := c.skipTo("disconnect"); got.Reason != client || got.Active != active {
		t.Errorf("the client saw %v; want %q, active %v", got, client, active)
	}
	if got := h.skipTo(t, id, "disconnecting"); !slices.Contains(got.Rooms, id) {
		t.Errorf("disconnecting, the rooms are %v", got.Rooms)
	}
	if got := h.next(t, id, "disconnect"); got.Reason != server {
		t.Errorf("the server saw %v; want %q", got, server)
	}
}

func (r *sioRun) clientLeaves(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	c.emit("last", `["words"]`)
	c.do(sioAct{Do: "disconnect"})
	id := h.next(t, "server", "connection").ID
	sioWant(t, h.next(t, id, "event"), "last", `["words"]`)
	r.ends(t, h, c, id, socketio.ReasonClientNamespaceDisconnect, "io client disconnect", false)
	poll(t, "the connection to go", func() bool { return h.EngineServer().ClientsCount() == 0 })
	c.do(sioAct{Do: "open"})
	c.next("connect")
}

func (r *sioRun) serverDisconnects(t *testing.T) {
	h := r.serve(t, nil)
	for _, all := range []bool{false, true} {
		c := r.dial(t, h, "/", nil)
		s := h.joined(t)
		must(t, s.Emit("last", "words"))
		s.Disconnect(all)
		c.nextEvent("last", `["words"]`)
		r.ends(t, h, c, s.ID(), socketio.ReasonServerNamespaceDisconnect, "io server disconnect", false)
		if err := s.Join("a room"); err != nil || len(s.Rooms()) != 0 {
			t.Errorf("a socket that is gone joins a room: %v, %v", s.Rooms(), err)
		}
	}
	poll(t, "the connections to go", func() bool { return h.EngineServer().ClientsCount() <= 1 })
}

// settled waits until the connection is where its way leads.
func (r *sioRun) settled(c *sioClient) {
	c.t.Helper()
	if r.way.transports == nil {
		c.sioPeer.skipTo(c.t, c.of+"/manager", "upgrade")
	}
	c.do(sioAct{Do: "emit", Event: "settled", Ack: true})
	c.skipTo("ack")
}

func (r *sioRun) transportCloses(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	id := h.next(t, "server", "connection").ID
	r.settled(c)
	c.do(sioAct{Do: "drop"})
	r.ends(t, h, c, id, socketio.ReasonTransportClose, "forced close", true)
	c.next("connect")
	if again := h.next(t, "server", "connection"); again.ID == id || again.Recovered {
		t.Errorf("the server saw %v", again)
	}
}

// A peer that answers no more is given up by both.
func (r *sioRun) pingTimeout(t *testing.T) {
	h := r.serve(t, &socketio.ServerOptions{Engine: quickHeart()})
	w := newWire(t, h.url)
	c := r.begin(t, w.url, "/", nil)
	c.next("connect")
	id := h.next(t, "server", "connection").ID
	r.settled(c)
	w.hold(true)
	r.ends(t, h, c, id, socketio.ReasonPingTimeout, "ping timeout", true)
	w.cut()
	w.hold(false)
	c.skipTo("connect") // a try may have met the wire while it was held
}

func (r *sioRun) serverCloses(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	id := h.next(t, "server", "connection").ID
	chat := r.dial(t, h, "/chat", nil)
	r.settled(c)
	ctx, cancel := context.WithTimeout(bounded(t), patience)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- h.Close(ctx) }()
	client := chat.next("disconnect").Reason
	if client != "transport close" && (r.way.name != "polling" || client != "transport error") { // it may be between two polls
		t.Errorf("the client saw %q", client)
	}
	r.ends(t, h, c, id, socketio.ReasonServerShuttingDown, client, true)
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A client whose connection was cut comes back as it was, and gets what it has
// missed.
func (r *sioRun) recovery(t *testing.T) {
	h := r.serve(t, &socketio.ServerOptions{Recovery: &socketio.Recovery{}, Engine: quickHeart()})
	h.Use(func(s *socketio.Socket) error { s.SetData("kept"); return nil })
	w := newWire(t, h.url)
	c := r.begin(t, w.url, "/", nil)
	id := c.next("connect").ID
	s := h.joined(t)
	must(t, s.Join("room"))
	r.settled(c)
	must(t, s.Emit("before"))
	if got := c.next("event"); got.Event != "before" {
		t.Fatalf("the client saw %v", got)
	}
	r.settled2(c)
	w.takeDown()
	h.skipTo(t, id, "disconnect")
	must(t, h.To("room").Emit("missed", 1))
	must(t, h.To("elsewhere").Emit("not for it"))
	must(t, h.Emit("missed", 2, []byte{7}))
	w.bringUp()
	c.skipTo("disconnect")
	r.missed(c, c.skipTo("event"), `missed [1,`)
	r.missed(c, c.skipTo("event"), `missed [2,{"_base64":"Bw=="},`)
	r.recovered(t, h, c, id)
	must(t, h.To("room").Emit("after"))
	r.missed(c, c.next("event"), `after [`)
}

// missed holds an event that has an offset behind its arguments.
func (r *sioRun) missed(c *sioClient, got sioSaw, want string) {
	c.t.Helper()
	if text := fmt.Sprintf("%s %s", got.Event, got.Args); len(text) < len(want)+20 || text[:len(want)] != want {
		c.t.Errorf("the client saw %v; want %s…", got, want)
	}
}

func (r *sioRun) recovered(t *testing.T, h *sioHost, c *sioClient, id string) {
	t.Helper()
	if got := c.next("connect"); !got.Recovered || got.ID != id {
		t.Fatalf("the client saw %v; want %s, recovered", got, id)
	}
	s := h.joined(t)
	if s == nil || !s.Recovered() || s.ID() != id || s.Data() != "kept" || !slices.Contains(s.Rooms(), "room") {
		t.Fatalf("the server has %v with %v in %v", s.ID(), s.Data(), s.Rooms())
	}
}

// settled2 is settled where the upgrade was told before.
func (r *sioRun) settled2(c *sioClient) {
	c.t.Helper()
	c.do(sioAct{Do: "emit", Event: "settled", Ack: true})
	c.next("ack")
}

// Who left on purpose, or is not known, begins anew.
func (r *sioRun) noRecovery(t *testing.T) {
	h := r.serve(t, &socketio.ServerOptions{Recovery: &socketio.Recovery{}})
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	must(t, s.Emit("offset"))
	c.next("event")
	c.do(sioAct{Do: "disconnect"})
	c.next("disconnect")
	h.skipTo(t, s.ID(), "disconnect")
	c.do(sioAct{Do: "open"})
	if got := c.next("connect"); got.Recovered || got.ID == s.ID() {
		t.Errorf("the client saw %v; want another id", got)
	}
}
