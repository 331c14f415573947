package interop

import (
	"fmt"
	"testing"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
)

// sioVersion2 are the arguments that version 2 of the client can say.
func sioVersion2(t *testing.T, way sioWay) (*sioHost, *sioClient) {
	t.Helper()
	h := serveSIO(t, way.name == "websocket", &socketio.ServerOptions{Engine: &engine.Server{AllowEIO3: true}})
	c := sioNode(t, sioClient2).dial(t, sioAct{URL: h.url, Options: way.options()})
	c.next("connect")
	return h, c
}

// The client of version 2 is served where that is allowed: events, binary,
// acknowledgements both ways, rooms, and the ends.
func TestSIOVersion2(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		h, c := sioVersion2(t, way)
		s := h.joined(t)
		for _, args := range sioArguments {
			c.emit("echo", args)
			sioWant(t, h.next(t, s.ID(), "event"), "echo", args)
			c.nextEvent("echo", args)
			c.do(sioAct{Do: "emit", Event: "ask", Args: sioList(t, args), Ack: true})
			c.nextAck("ask", args)
			answer, err := s.EmitWithAck(bounded(t), "tell", sioOurs(t, args)...)
			sioWantArgs(t, answer, err, args)
			c.nextEvent("tell", args)
			h.skipTo(t, s.ID(), "event")
		}
		must(t, s.Join("room"))
		must(t, h.To("room").Emit("x", 1))
		c.nextEvent("x", "[1]")
		s.Disconnect(false)
		if got := c.next("disconnect"); got.Reason != "io server disconnect" {
			t.Errorf("the client saw %v", got)
		}
	})
}

// Its namespaces, what refuses it, and its leaving.
func TestSIOVersion2Namespaces(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		h, c := sioVersion2(t, way)
		id := h.next(t, "server", "connection").ID
		chat := c.sioPeer.dial(t, sioAct{URL: h.url + "/chat", Options: way.options()})
		chat.next("connect")
		chat.do(sioAct{Do: "emit", Event: "ask", Args: []any{"x"}, Ack: true})
		chat.nextAck("ask", `["x"]`)
		no := c.sioPeer.dial(t, sioAct{URL: h.url + "/nosuch", Options: way.options()})
		if got := no.next("connect_error"); got.Message != "Invalid namespace" {
			t.Errorf("the client saw %v", got)
		}
		no = c.sioPeer.dial(t, sioAct{URL: h.url + "/auth", Options: way.options()})
		if got := no.next("connect_error"); fmt.Sprint(got.Data) != "map[code:4711 list:[a map[b:<nil>]] token:<nil>]" { // the data stands for the error, where there is some
			t.Errorf("the client saw %v", got)
		}
		c.do(sioAct{Do: "emit", Event: "ask", Args: []any{"y"}, Ack: true})
		c.nextAck("ask", `["y"]`)
		c.do(sioAct{Do: "disconnect"})
		if got := h.skipTo(t, id, "disconnect"); got.Reason != socketio.ReasonClientNamespaceDisconnect {
			t.Errorf("the server saw %v", got)
		}
	})
}

// Its heart beats the other way round; a peer that falls silent is given up.
func TestSIOVersion2Heartbeat(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		h := serveSIO(t, false, &socketio.ServerOptions{Engine: &engine.Server{AllowEIO3: true, PingInterval: quickHeart().PingInterval, PingTimeout: quickHeart().PingTimeout}})
		w := newWire(t, h.url)
		c := sioNode(t, sioClient2).dial(t, sioAct{URL: w.url, Options: way.options()})
		c.next("connect")
		id := h.next(t, "server", "connection").ID
		(&sioRun{way: way}).settled(c)
		w.hold(true)
		if got := c.skipTo("disconnect"); got.Reason != "ping timeout" {
			t.Errorf("the client saw %v", got)
		}
		if got := h.skipTo(t, id, "disconnect"); got.Reason != socketio.ReasonPingTimeout {
			t.Errorf("the server saw %v", got)
		}
	})
}

// Without AllowEIO3 it is refused, and sockkit listen says why.
func TestSIOVersion2Refused(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		h := serveSIO(t, way.name == "websocket", nil)
		p := sioNode(t, sioClient2)
		us, url := sioListen(t, "--echo")
		for _, url := range []string{h.url, url} {
			c := p.dial(t, sioAct{URL: url, Options: way.options()})
			if got := c.next("connect_error"); got.Message != "xhr poll error" && got.Message != "websocket error" {
				t.Errorf("the client saw %v", got)
			}
		}
		us.err.awaitText(t, "Unsupported protocol version")
	})
}

// Our client speaks version 2, too.
func TestSIOVersion2Server(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		r := &sioOurRun{sioOfficial(t, sioWords{Package: "socket.io-2"}), way}
		o := r.options()
		o.Protocol = 3
		c := r.begin(t, r.server.url, o)
		must(t, c.Connect(bounded(t)))
		for _, args := range sioArguments {
			must(t, c.Emit("echo", sioOurs(t, args)...))
			sioWant(t, c.skipTo("event"), "echo", args)
			answer, err := c.EmitWithAck(bounded(t), "tell", sioOurs(t, args)...)
			sioWantArgs(t, answer, err, args)
		}
	})
}
