package interop

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// eachWay runs a test each way, at once with others.
func eachWay(t *testing.T, test func(t *testing.T, way sioWay)) {
	for _, way := range sioWays {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			test(t, way)
		})
	}
}

// A server that was killed, and is started again on its port, has its clients
// back, in all their namespaces, with what they had to say meanwhile.
func TestSIOClientServerKilled(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		port := portOf(t)
		r := &sioOurRun{sioOfficial(t, sioWords{Port: port}), way}
		m := socketio.NewManager(r.server.url, r.options())
		t.Cleanup(func() { m.Close() })
		var attempts, back atomic.Int64
		m.OnReconnectAttempt(func(int) { attempts.Add(1) })
		m.OnReconnect(func(n int) { back.Store(int64(n)) })
		var all []*ourClient
		for _, name := range []string{"/", "/chat", "/dynamic-1"} {
			c := &ourClient{m.Socket(name, nil), newSIOLog(), t, false}
			c.listen()
			all = append(all, c)
			r.connect(c)
		}
		r.server.it.signal(syscall.SIGKILL)
		for _, c := range all {
			r.awaitLoss(c)
			must(t, c.Emit("away", c.Namespace()))
		}
		poll(t, "attempts to reconnect", func() bool { return attempts.Load() > 1 })
		r.server = sioOfficial(t, sioWords{Port: port})
		for _, c := range all {
			id := c.skipTo("connect").ID
			sioWant(t, r.server.next(t, id, "event"), "away", fmt.Sprintf("[%q]", c.Namespace()))
		}
		poll(t, "the number of attempts", func() bool { return back.Load() == attempts.Load() })
	})
}

// With Retries every event arrives, in order, though the connection is cut again
// and again while they are sent.
func TestSIOClientRetries(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		r := &sioOurRun{sioOfficial(t, sioWords{Options: map[string]any{"pingInterval": 300, "pingTimeout": 4000}}), way}
		w := newWire(t, r.server.url)
		o := r.options()
		o.Retries, o.AckTimeout = 1000, time.Second
		c := r.begin(t, w.url, o)
		c.Open()
		const count = 60
		answered := make(chan int, count)
		for i := range count {
			must(t, c.Emit("numbered", i, func(err error, n int) {
				if err != nil {
					t.Errorf("event %d: %v", i, err)
				}
				answered <- n
			}))
		}
		for i := range count {
			if n := within(t, "an acknowledgement", answered); n != i {
				t.Fatalf("acknowledgement %d is of event %d", i, n)
			}
			if i%10 == 5 {
				w.cut()
			}
		}
	})
}

// within is what comes out of a channel, or the end of a test that hangs.
func within[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("waited %v in vain for %s", patience, what)
	}
	return v
}

// A server that closes, and one that falls silent, are told apart.
func TestSIOClientReasons(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		r := &sioOurRun{sioOfficial(t, sioWords{Options: map[string]any{"pingInterval": 300, "pingTimeout": 4000}}), way}
		w := newWire(t, r.server.url)
		c := r.begin(t, w.url, r.options())
		id := r.connect(c)
		sioSettle(t, c)
		w.hold(true)
		r.want(c, id, "ping timeout", "ping timeout", true)
		w.cut()
		w.hold(false)
		id = c.skipTo("connect").ID
		sioSettle(t, c)
		r.server.do(t, sioAct{Do: "close"})
		if got := c.skipTo("disconnect"); got.Reason != "transport close" && (way.name != "polling" || got.Reason != "transport error") {
			t.Errorf("the client saw %v", got)
		}
		if got := r.server.skipTo(t, id, "disconnect"); got.Reason != "server shutting down" {
			t.Errorf("the server saw %v", got)
		}
		if got := c.next("connect_error"); !got.Active {
			t.Errorf("the client saw %v", got)
		}
	})
}

// sioSettle waits until a client is on the last of its transports, and has
// answered the ping that the move may have met: the official server no longer
// times that one, and never pings again where the pong is lost.
func sioSettle(t testing.TB, c *ourClient) {
	t.Helper()
	poll(t, "the upgrade", func() bool { e := c.Engine(); return e != nil && (e.Transport() == "websocket" || c.polling) })
	for range 2 { // a pong to what came before the first answer leaves before the second
		if _, err := c.EmitWithAck(bounded(t), "settled"); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that gives up says so.
func TestSIOClientGivesUp(t *testing.T) {
	t.Parallel()
	r := &sioOurRun{way: sioWays[2]}
	o := r.options()
	o.ReconnectionAttempts = 3
	var attempts []int
	c := r.begin(t, "http://"+newPlace(t, "tcp4").hostPort(), o)
	failed := make(chan bool, 1)
	c.OnReconnectAttempt(func(n int) { attempts = append(attempts, n) })
	c.OnReconnectFailed(func() { failed <- true })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Connect(ctx); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Connect: %v", err)
	}
	within(t, "OnReconnectFailed", failed)
	if fmt.Sprint(attempts) != "[1 2 3]" {
		t.Errorf("the attempts were %v", attempts)
	}
}

// Handlers for all events see them, in order, both ways.
func TestSIOClientCatchAll(t *testing.T) {
	t.Parallel()
	r := &sioOurRun{sioOfficial(t, sioWords{Welcome: "at once"}), sioWays[1]}
	c := socketio.NewClient(r.server.url, r.options())
	t.Cleanup(func() { c.Close() })
	seen := make(chan string, 10)
	note := func(who string) func(string, socketio.Args) {
		return func(event string, args socketio.Args) { seen <- fmt.Sprintf("%s %s %d", who, event, args.Len()) }
	}
	c.OnAny(note("any"))
	c.PrependAny(note("first"))
	c.OnAnyOutgoing(note("out"))
	c.On("welcome", func(text string) { seen <- "own " + text; _ = c.Emit("echo", 1, 2) })
	must(t, c.Connect(bounded(t)))
	for _, want := range []string{"first welcome 1", "any welcome 1", "own at once", "out echo 2", "first echo 2", "any echo 2"} {
		if got := within(t, want, seen); got != want {
			t.Errorf("saw %q; want %q", got, want)
		}
	}
}

// sioPacked are the arguments that notepack.io does not damage, as it does whole
// numbers beyond 64 bits, and members named __proto__.
func sioPacked() (list []string) {
	for _, args := range sioArguments {
		if !strings.Contains(args, "1e21") && !strings.Contains(args, "__proto__") {
			list = append(list, args)
		}
	}
	return append(list, `[0,-1,127,128,255,256,-128,-129,65535,65536,-32769,4294967295,4294967296,9007199254740991,-9007199254740991,1.5,-2.25e-7,5e-324]`)
}

// The msgpack parser of the official packages, both ways.
func TestSIOMsgpack(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, way sioWay) {
		t.Run("our server", func(t *testing.T) {
			h := serveSIO(t, false, &socketio.ServerOptions{Parser: socketio.MsgpackParser{}})
			c := sioNode(t, sioClient4).dial(t, sioAct{URL: h.url, Options: way.options(), Parser: "msgpack"})
			c.next("connect")
			s := h.joined(t)
			for _, args := range sioPacked() {
				c.emit("echo", args)
				sioWant(t, h.next(t, s.ID(), "event"), "echo", args)
				c.nextEvent("echo", args)
				answer, err := s.EmitWithAck(bounded(t), "tell", sioOurs(t, args)...)
				sioWantArgs(t, answer, err, args)
				c.nextEvent("tell", args)
			}
		})
		t.Run("our client", func(t *testing.T) {
			r := &sioOurRun{sioOfficial(t, sioWords{Parser: "msgpack"}), way}
			o := r.options()
			o.Parser = socketio.MsgpackParser{}
			c := r.begin(t, r.server.url, o)
			r.connect(c)
			for _, args := range sioPacked() {
				must(t, c.Emit("echo", sioOurs(t, args)...))
				sioWant(t, c.next("event"), "echo", args)
				answer, err := c.EmitWithAck(bounded(t), "tell", sioOurs(t, args)...)
				sioWantArgs(t, answer, err, args)
			}
		})
	})
}
