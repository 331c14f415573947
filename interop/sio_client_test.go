package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// sioOurRun is one run of the tests of our client: at which official server,
// and which way.
type sioOurRun struct {
	server *sioPeer
	way    sioWay
}

// ourClient is a client of ours with a log of what it sees.
type ourClient struct {
	*socketio.Client
	*sioLog
	t       testing.TB
	polling bool // and nothing else
}

// options are quick to come back.
func (r *sioOurRun) options() *socketio.ClientOptions {
	return &socketio.ClientOptions{Transports: r.way.transports, ReconnectionDelay: 10 * time.Millisecond, ReconnectionDelayMax: 100 * time.Millisecond}
}

// begin makes a client that tells what it sees, and acknowledges each event with
// its own arguments, but for hold. It is not connected yet.
func (r *sioOurRun) begin(t testing.TB, url string, o *socketio.ClientOptions) *ourClient {
	t.Helper()
	o.OnHandlerError = func(_ *socketio.Client, event string, err error) { t.Errorf("the handler of %q: %v", event, err) }
	c := &ourClient{socketio.NewClient(url, o), newSIOLog(), t, r.way.name == "polling"}
	t.Cleanup(func() { c.Close() })
	c.listen()
	return c
}

func (c *ourClient) listen() {
	c.OnConnect(func() { c.report(sioSaw{Saw: "connect", ID: c.ID(), Recovered: c.Recovered()}) })
	c.OnDisconnect(func(reason string) { c.report(sioSaw{Saw: "disconnect", Reason: reason, Active: c.Active()}) })
	c.OnConnectError(func(err error) { c.report(sioSaw{Saw: "connect_error", Message: err.Error(), Active: c.Active()}) })
	c.OnAny(func(event string, args socketio.Args) {
		values, err := args.Values()
		if err != nil {
			c.t.Errorf("%s: %v", event, err)
		}
		c.report(sioSaw{Saw: "event", Event: event, Args: sioLine(values)})
	})
	for _, event := range []string{"ask", "who"} {
		c.On(event, func(ack func(...any), args ...any) { ack(args...) })
	}
}

func (c *ourClient) next(kind string) sioSaw   { c.t.Helper(); return c.sioLog.next(c.t, "", kind) }
func (c *ourClient) skipTo(kind string) sioSaw { c.t.Helper(); return c.sioLog.skipTo(c.t, "", kind) }

// dial has a client connect to a namespace; id is its socket's at the server.
func (r *sioOurRun) dial(t testing.TB, namespace string) (c *ourClient, id string) {
	t.Helper()
	c = r.begin(t, r.server.url+namespace, r.options())
	return c, r.connect(c)
}

// connect connects, and returns the id of the socket at the server.
func (r *sioOurRun) connect(c *ourClient) (id string) {
	c.t.Helper()
	if err := c.Connect(bounded(c.t)); err != nil {
		c.t.Fatal(err)
	}
	id = c.next("connect").ID
	if got := r.server.next(c.t, "server", "connection"); got.ID != id || got.Namespace != c.Namespace() {
		c.t.Fatalf("the server saw %v; want %s in %s", got, id, c.Namespace())
	}
	return id
}

func (r *sioOurRun) arguments(t *testing.T) {
	c, id := r.dial(t, "/")
	for _, args := range sioArguments {
		must(t, c.Emit("echo", sioOurs(t, args)...))
		sioWant(t, r.server.next(t, id, "event"), "echo", args)
		sioWant(t, c.next("event"), "echo", args)
	}
	for _, pair := range sioOddArguments {
		r.server.do(t, sioAct{Do: "emit", ID: id, Event: "odd", Args: sioList(t, pair[0])})
		sioWant(t, c.next("event"), "odd", pair[1])
	}
}

func (r *sioOurRun) acks(t *testing.T) {
	c, id := r.dial(t, "/")
	ctx := bounded(t)
	for _, args := range sioArguments {
		answer, err := c.EmitWithAck(ctx, "tell", sioOurs(t, args)...)
		sioWantArgs(t, answer, err, args)
		r.server.do(t, sioAct{Do: "emit", ID: id, Event: "ask", Args: sioList(t, args), Ack: true, Timeout: 60_000})
		sioWant(t, r.server.skipTo(t, id, "ack"), "ask", args)
	}
	called := make(chan string, 1)
	must(t, c.Emit("tell", "x", 3, func(text string, n int) { called <- fmt.Sprint(text, n) }))
	if got := <-called; got != "x3" {
		t.Errorf("the function got %q", got)
	}
	if _, err := c.Timeout(100*time.Millisecond).EmitWithAck(ctx, "hold"); !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("the client got %v", err)
	}
	r.server.do(t, sioAct{Do: "emit", ID: id, Event: "nobody answers", Ack: true, Timeout: 100})
	if got := r.server.skipTo(t, id, "ack"); got.Error != "operation has timed out" {
		t.Errorf("the server saw %v", got)
	}
	lost := make(chan error, 1)
	must(t, c.Emit("hold", func(err error) { lost <- err }))
	r.server.do(t, sioAct{Do: "disconnect", ID: id, Close: true})
	if err := <-lost; !errors.Is(err, socketio.ErrDisconnected) {
		t.Errorf("the client got %v", err)
	}
}

func (r *sioOurRun) broadcast(t *testing.T) {
	a, idA := r.dial(t, "/")
	b, idB := r.dial(t, "/")
	r.server.do(t, sioAct{Do: "join", ID: idB, Rooms: []string{"room"}})
	for _, act := range []sioAct{{To: []string{"room"}}, {To: []string{"room", idB}}, {Except: []string{idA}}, {ID: idA, Broadcast: true}} {
		act.Do, act.Event, act.Args = "emit", "x", sioList(t, `[{"_base64":"AQ=="}]`)
		r.server.do(t, act)
		r.server.do(t, sioAct{Do: "emit", Event: "fence"})
		sioWant(t, a.next("event"), "fence", "[]")
		sioWant(t, b.next("event"), "x", `[{"_base64":"AQ=="}]`)
		sioWant(t, b.next("event"), "fence", "[]")
	}
	r.server.do(t, sioAct{Do: "emit", Event: "who", Args: []any{"?"}, Ack: true, Timeout: 60_000})
	sioWant(t, r.server.skipTo(t, "server", "ack"), "who", `[["?","?"]]`)
}

func (r *sioOurRun) namespaces(t *testing.T) {
	m := socketio.NewManager(r.server.url, r.options())
	t.Cleanup(func() { m.Close() })
	var all []*ourClient
	for _, name := range []string{"/", "/chat", "/dynamic-7", "/auth"} {
		c := &ourClient{m.Socket(name, map[string]any{"token": "abc"}), newSIOLog(), t, false}
		c.listen()
		all = append(all, c)
		r.connect(c)
		must(t, c.Emit("echo", name))
		sioWant(t, c.next("event"), "echo", fmt.Sprintf("[%q]", name))
	}
	r.server.do(t, sioAct{Do: "count"})
	if got := r.server.skipTo(t, "server", "count"); got.Size != 1 {
		t.Errorf("there are %d connections; want 1", got.Size)
	}
	all[1].Disconnect()
	if got := all[1].next("disconnect"); got.Reason != "io client disconnect" || got.Active {
		t.Errorf("the client saw %v", got)
	}
	answer, err := all[0].EmitWithAck(bounded(t), "tell", "still here")
	sioWantArgs(t, answer, err, `["still here"]`)
	r.connect(all[1])
}

func (r *sioOurRun) refused(t *testing.T) {
	var refused *socketio.Error
	nowhere := r.begin(t, r.server.url+"/nosuch", r.options())
	if err := nowhere.Connect(bounded(t)); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
		t.Errorf("Connect: %v", err)
	}
	o, token := r.options(), "wrong"
	o.Auth = func(context.Context) (map[string]any, error) { return map[string]any{"token": token}, nil }
	c := r.begin(t, r.server.url+"/auth", o)
	err := c.Connect(bounded(t))
	if want := `map[code:4711 list:[a map[b:<nil>]] token:wrong]`; !errors.As(err, &refused) || refused.Message != "not authorized" || fmt.Sprint(refused.Data) != want {
		t.Errorf("Connect: %v with %v; want %s", err, refused, want)
	}
	if got := c.next("connect_error"); got.Active {
		t.Errorf("the client saw %v", got)
	}
	token = "abc"
	r.connect(c)
}

func (r *sioOurRun) ends(t *testing.T) {
	c, id := r.dial(t, "/")
	must(t, c.Emit("last", "words"))
	c.Disconnect()
	r.want(c, id, "client namespace disconnect", "io client disconnect", false)
	for _, all := range []bool{false, true} {
		c, id = r.dial(t, "/")
		r.server.do(t, sioAct{Do: "emit", ID: id, Event: "last", Args: []any{"words"}})
		r.server.do(t, sioAct{Do: "disconnect", ID: id, Close: all})
		sioWant(t, c.next("event"), "last", `["words"]`)
		r.want(c, id, "server namespace disconnect", "io server disconnect", false)
	}
}

// want demands the reasons that both sides give for a disconnection.
func (r *sioOurRun) want(c *ourClient, id, server, client string, active bool) {
	c.t.Helper()
	if got := c.skipTo("disconnect"); got.Reason != client || got.Active != active {
		c.t.Errorf("the client saw %v; want %q, active %v", got, client, active)
	}
	if got := r.server.skipTo(c.t, id, "disconnecting"); !slices.Contains(got.Rooms, id) {
		c.t.Errorf("disconnecting, the rooms are %v", got.Rooms)
	}
	if got := r.server.next(c.t, id, "disconnect"); got.Reason != server {
		c.t.Errorf("the server saw %v; want %q", got, server)
	}
}

// Events that are emitted while the client is away, or before it is there, go
// out in order once it is; volatile ones do not.
func (r *sioOurRun) buffered(t *testing.T) {
	w := newWire(t, r.server.url)
	c := r.begin(t, w.url, r.options())
	must(t, c.Emit("early", 1))
	id := r.connect(c)
	sioWant(t, r.server.next(t, id, "event"), "early", "[1]")
	w.takeDown()
	r.awaitLoss(c)
	must(t, c.Emit("away", 1))
	must(t, c.Volatile().Emit("dropped"))
	must(t, c.Emit("away", 2, []byte{1}))
	w.bringUp()
	id = c.skipTo("connect").ID
	sioWant(t, r.server.next(t, id, "event"), "away", "[1]")
	sioWant(t, r.server.next(t, id, "event"), "away", `[2,{"_base64":"AQ=="}]`)
}

// awaitLoss waits until the client has noticed that the wire is cut.
func (r *sioOurRun) awaitLoss(c *ourClient) {
	c.t.Helper()
	if got := c.skipTo("disconnect"); !got.Active || got.Reason != "transport close" && got.Reason != "transport error" {
		c.t.Errorf("the client saw %v", got)
	}
}

func (r *sioOurRun) recovery(t *testing.T) {
	options := map[string]any{"connectionStateRecovery": map[string]any{}, "pingInterval": 300, "pingTimeout": 4000}
	r = &sioOurRun{sioOfficial(t, sioWords{Options: options}), r.way}
	w := newWire(t, r.server.url)
	c := r.begin(t, w.url, r.options())
	id := r.connect(c)
	r.server.do(t, sioAct{Do: "join", ID: id, Rooms: []string{"room"}})
	r.server.skipTo(t, "server", "done")
	r.server.do(t, sioAct{Do: "emit", ID: id, Event: "before"})
	c.next("event")
	w.takeDown()
	r.awaitLoss(c)
	r.server.skipTo(t, id, "disconnect")
	r.server.do(t, sioAct{Do: "emit", To: []string{"room"}, Event: "missed", Args: []any{1}})
	r.server.do(t, sioAct{Do: "emit", Event: "missed", Args: sioList(t, `[2,{"_base64":"AQ=="}]`)})
	w.bringUp()
	r.recovered(c, id)
}

func (r *sioOurRun) recovered(c *ourClient, id string) {
	c.t.Helper()
	var missed []string
	for len(missed) < 2 || !c.Connected() {
		switch got, _ := c.take(""); got.Saw {
		case "event":
			missed = append(missed, string(got.Args[:3]))
		case "connect":
			if !got.Recovered || got.ID != id {
				c.t.Fatalf("the client saw %v; want %s, recovered", got, id)
			}
		default:
			<-soon()
		}
	}
	if got := r.server.next(c.t, "server", "connection"); !got.Recovered || got.ID != id || !slices.Contains(got.Rooms, "room") {
		c.t.Errorf("the server saw %v", got)
	}
	if !slices.Equal(missed, []string{"[1,", "[2,"}) {
		c.t.Errorf("what was missed came as %v", missed)
	}
}

var sioOurScenarios = []struct {
	name string
	run  func(*sioOurRun, *testing.T)
}{
	{"arguments", (*sioOurRun).arguments},
	{"acknowledgements", (*sioOurRun).acks},
	{"broadcast", (*sioOurRun).broadcast},
	{"namespaces", (*sioOurRun).namespaces},
	{"refused", (*sioOurRun).refused},
	{"ends", (*sioOurRun).ends},
	{"buffered", (*sioOurRun).buffered},
	{"recovery", (*sioOurRun).recovery},
}

// Our client at the official server, each way.
func TestSIOClient(t *testing.T) {
	t.Parallel()
	for _, way := range sioWays {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			options := map[string]any{"pingInterval": 300, "pingTimeout": 4000}
			r := &sioOurRun{sioOfficial(t, sioWords{Options: options}), way}
			for _, s := range sioOurScenarios {
				t.Run(s.name, func(t *testing.T) { s.run(r, t) })
			}
		})
	}
}
