package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// Several namespaces, static and dynamic ones, go over one connection, and what
// happens in one is unknown in the others.
func (r *sioRun) namespaces(t *testing.T) {
	h := r.serve(t, nil)
	names := []string{"/", "/chat", "/dynamic-7", "/dynamic-8"}
	clients, ids := map[string]*sioClient{}, map[string]string{}
	for _, name := range names {
		clients[name] = r.dial(t, h, name, nil)
		got := h.next(t, "server", "connection")
		if ids[name] = got.ID; got.Namespace != name {
			t.Errorf("the server saw %v; want %s", got, name)
		}
	}
	if n := h.EngineServer().ClientsCount(); n != 1 {
		t.Errorf("there are %d connections; want 1", n)
	}
	for _, name := range names {
		must(t, h.Of(name).Emit("here", name))
		clients[name].nextEvent("here", fmt.Sprintf("[%q]", name))
		clients[name].do(sioAct{Do: "emit", Event: "ask", Args: []any{name}, Ack: true})
		clients[name].nextAck("ask", fmt.Sprintf("[%q]", name))
	}
	clients["/chat"].do(sioAct{Do: "disconnect"})
	clients["/chat"].next("disconnect")
	if got := h.skipTo(t, ids["/chat"], "disconnect"); got.Reason != socketio.ReasonClientNamespaceDisconnect {
		t.Errorf("the server saw %v", got)
	}
	clients["/"].do(sioAct{Do: "emit", Event: "ask", Ack: true})
	clients["/"].nextAck("ask", "[]")
	clients["/chat"].do(sioAct{Do: "open"})
	clients["/chat"].next("connect")
	if n := h.EngineServer().ClientsCount(); n != 1 {
		t.Errorf("there are %d connections; want 1", n)
	}
}

// Who is refused gets the message and the data, and may come again with better
// words.
func (r *sioRun) refused(t *testing.T) {
	h := r.serve(t, nil)
	nowhere := r.begin(t, h.url, "/nosuch", nil)
	if got := nowhere.next("connect_error"); got.Message != "Invalid namespace" || got.Active || got.Data != nil {
		t.Errorf("the client saw %v", got)
	}
	c := r.begin(t, h.url, "/auth", nil)
	got := c.next("connect_error")
	if want := `map[code:4711 list:[a map[b:<nil>]] token:<nil>]`; got.Message != "not authorized" || fmt.Sprint(got.Data) != want || got.Active {
		t.Errorf("the client saw %v; want the data %s", got, want)
	}
	c.do(sioAct{Do: "auth", Auth: map[string]any{"token": "abc"}})
	c.do(sioAct{Do: "open"})
	c.next("connect")
	if got := h.next(t, "server", "connection"); got.Namespace != "/auth" {
		t.Errorf("the server saw %v", got)
	}
	if slices.ContainsFunc(h.Namespaces(), func(n *socketio.Namespace) bool { return n.Name() == "/nosuch" }) {
		t.Error("a refused namespace was made")
	}
}

// What a client says about itself reaches the server, each time anew.
func (r *sioRun) auth(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", &sioAct{Auth: map[string]any{"token": "☃"}, Calls: true, Options: map[string]any{"query": map[string]any{"x": "a=b&c"}}})
	s := h.joined(t)
	if got := s.Handshake(); got.Auth["token"] != "☃" || got.Auth["call"] != 1.0 || got.Query.Get("x") != "a=b&c" || got.Address != "127.0.0.1" {
		t.Errorf("the handshake is %+v", got)
	}
	c.do(sioAct{Do: "drop"})
	c.next("disconnect")
	c.next("connect")
	if got := h.next(t, "server", "connection").Data.(map[string]any); got["call"] != 2.0 {
		t.Errorf("the second auth is %v", got)
	}
}

// Handlers for all events see them before their own do, in the order asked for.
func (r *sioRun) catchAll(t *testing.T) {
	h := r.serve(t, nil)
	var order []string
	note := func(who string) func(string, socketio.Args) {
		return func(event string, args socketio.Args) {
			order = append(order, fmt.Sprintf("%s %s %d", who, event, args.Len()))
		}
	}
	done := make(chan string, 1)
	h.OnConnection(func(s *socketio.Socket) {
		off := s.OnAny(note("off"))
		s.OnAny(note("any"))
		s.PrependAny(note("first"))
		s.OnAnyOutgoing(note("out"))
		off()
		s.On("ping me", func(a string) { order = append(order, "own "+a); _ = s.Emit("pong", a, a) })
		s.On("end", func() { done <- strings.Join(order, ", ") })
	})
	c := r.dial(t, h, "/", nil)
	c.emit("ping me", `["x"]`)
	c.nextEvent("pong", `["x","x"]`)
	c.emit("end", `[]`)
	if got, want := <-done, "first ping me 1, any ping me 1, own x, out pong 2, first end 0, any end 0"; got != want {
		t.Errorf("the order was %q; want %q", got, want)
	}
}

// A socket's middleware keeps an event from the handlers; the socket goes on.
func (r *sioRun) socketMiddleware(t *testing.T) {
	h := r.serve(t, nil)
	h.OnConnection(func(s *socketio.Socket) {
		s.OnError(func(err error) { h.report(sioSaw{Saw: "error", Of: "socket", Message: err.Error()}) })
		s.On("refused", func() { t.Error("the handler has run") })
	})
	c := r.dial(t, h, "/", nil)
	c.emit("refused", `[]`)
	if got := h.next(t, "socket", "error"); got.Message != "no such event" {
		t.Errorf("the socket saw %v", got)
	}
	c.do(sioAct{Do: "emit", Event: "ask", Args: []any{1}, Ack: true})
	c.nextAck("ask", "[1]")
}
