package interop

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// Through each of these proxies Socket.IO works: where WebSockets get through it
// moves to one, and elsewhere it stays on polling.
func sioProxies() map[string]wsProxy {
	all := map[string]wsProxy{}
	for name, p := range rightProxies {
		all[name] = p
	}
	for name, p := range wrongProxies {
		all[name] = p
	}
	return all
}

// passes reports whether a WebSocket gets through, by a server that takes
// HTTP/1.0 for an upgrade, as Node's does, or not.
func passes(name string, node bool) bool {
	return rightProxies[name].program != "" || name == oldHTTP && node
}

func TestSIOClientsThroughProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range sioProxies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serveSIO(t, false, nil)
			front := "http://" + hostPortOf(proxy.start(t, hostPortOf(h.url)))
			node := sioNode(t, sioClient4)
			for _, way := range sioWays {
				c := node.dial(t, sioAct{URL: front, Options: way.options()})
				if way.name == "websocket" && !passes(name, false) {
					if got := c.next("connect_error"); got.Message != "websocket error" {
						t.Errorf("the client saw %v", got)
					}
					continue
				}
				c.next("connect")
				sioThrough(t, c, h)
				want := map[bool]string{true: "websocket", false: "polling"}[way.name != "polling" && passes(name, false)]
				sioMoves(t, c, want)
				sioThrough(t, c, h)
				c.do(sioAct{Do: "disconnect"})
				c.next("disconnect")
			}
		})
	}
}

// sioMoves waits until a client is on a transport.
func sioMoves(t *testing.T, c *sioClient, want string) {
	t.Helper()
	poll(t, "the transport "+want, func() bool {
		c.do(sioAct{Do: "transport"})
		return c.next("transport").Transport == want
	})
}

func sioThrough(t *testing.T, c *sioClient, h *sioHost) {
	t.Helper()
	for _, args := range []string{`["x",{"_base64":"AQ=="}]`, sioArguments[len(sioArguments)-2]} {
		c.do(sioAct{Do: "emit", Event: "ask", Args: sioList(t, args), Ack: true})
		c.nextAck("ask", args)
		c.emit("echo", args)
		c.nextEvent("echo", args)
	}
	must(t, h.Emit("all", 1))
	c.nextEvent("all", "[1]")
}

func TestSIOOursThroughProxies(t *testing.T) {
	t.Parallel()
	for name, proxy := range sioProxies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sioOfficial(t, sioWords{})
			front := "http://" + hostPortOf(proxy.start(t, hostPortOf(s.url)))
			for _, way := range sioWays {
				us := sioDial(t, way, front, "-vv", "--ack", "-x", "ask 1", "--linger", "0")
				if way.name == "websocket" && !passes(name, true) {
					us.wantSays(4, `^sockkit: dial sio://`, `(?i)proxy`, `^hint: `)
					continue
				}
				us.want(0)
				if us.out.String() != "ack 1\n" {
					t.Errorf("got %q", us.out)
				}
				r := &sioOurRun{s, way}
				c := r.begin(t, front, r.options())
				must(t, c.Connect(bounded(t)))
				sioOursThrough(t, c, way.name == "polling" || !passes(name, true))
			}
		})
	}
}

// sioOursThrough has our client ask over the transport that it begins with, and
// over the one that it comes to use.
func sioOursThrough(t *testing.T, c *ourClient, polling bool) {
	t.Helper()
	c.polling = polling
	for range 2 {
		for _, args := range []string{`["x",{"_base64":"AQ=="}]`, sioArguments[len(sioArguments)-2]} {
			answer, err := c.EmitWithAck(bounded(t), "ask", sioOurs(t, args)...)
			sioWantArgs(t, answer, err, args)
		}
		sioSettle(t, c)
	}
	if got := c.Engine().Transport(); got != map[bool]string{true: "polling", false: "websocket"}[polling] {
		t.Errorf("the transport is %s", got)
	}
	must(t, c.Close())
}

// Many clients connect at once, each with its CONNECT right behind the OPEN, and
// every one of them is served.
func TestSIOCrowd(t *testing.T) {
	eachWay(t, func(t *testing.T, way sioWay) {
		const count = 400
		h := serveSIO(t, way.name == "polling", nil)
		_, listening := sioListen(t, "--echo")
		for _, url := range []string{h.url, listening} {
			p := sioNode(t, sioClient4)
			p.do(t, sioAct{Do: "crowd", Of: "crowd", URL: url, Options: way.options(), Size: count, Timeout: 30_000})
			var seen []int
			for range count {
				got := p.next(t, "crowd", "one")
				if seen = append(seen, got.Size); got.Error != "" {
					t.Errorf("client %d: %s", got.Size, got.Error)
				}
			}
			slices.Sort(seen)
			if len(slices.Compact(seen)) != count {
				t.Errorf("%d clients were served of %d", len(slices.Compact(seen)), count)
			}
		}
		poll(t, "all to be gone", func() bool { return h.EngineServer().ClientsCount() == 0 })
	})
}

// So it is the other way round: many of our clients at one official server.
func TestSIOOurCrowd(t *testing.T) {
	eachWay(t, func(t *testing.T, way sioWay) {
		const count = 400
		limit := patience.Milliseconds() // they are many, for one server
		r := &sioOurRun{sioOfficial(t, sioWords{Options: map[string]any{"upgradeTimeout": limit, "pingTimeout": limit}}), way}
		failed := make(chan error, count)
		for i := range count {
			go func() { failed <- r.once(t, i) }()
		}
		for range count {
			if err := within(t, "a client of the crowd", failed); err != nil {
				t.Error(err)
			}
		}
		poll(t, "all to be gone", func() bool {
			r.server.do(t, sioAct{Do: "count"})
			return r.server.skipTo(t, "server", "count").Size == 0
		})
	})
}

// once connects, asks once, and leaves.
func (r *sioOurRun) once(t *testing.T, i int) error {
	o := r.options()
	o.Timeout = patience
	c := socketio.NewClient(r.server.url, o)
	defer c.Close()
	why := make(chan string, 100)
	c.On("disconnect", func(reason, description string) { why <- reason + ": " + description })
	if err := c.Connect(bounded(t)); err != nil {
		return err
	}
	var back int
	answer, err := c.EmitWithAck(bounded(t), "ask", i)
	if errors.Is(err, socketio.ErrDisconnected) {
		err = fmt.Errorf("client %d: %w: %s", i, err, within(t, "the reason", why))
	}
	if err == nil {
		err = answer.Decode(&back)
	}
	if err == nil && back != i {
		err = fmt.Errorf("client %d got the answer of %d", i, back)
	}
	return err
}
