package interop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// clusterClient is a client of one server, with what it got.
type clusterClient struct {
	*socketio.Client
	name string
	at   clusterMember
	got  chan clusterEvent
}

type clusterEvent struct {
	event string
	args  json.RawMessage
}

// redisCluster is a cluster of servers, each with two clients: the first is in
// the room one, the second in one and two.
type redisCluster struct {
	t       *testing.T
	members []clusterMember
	clients []*clusterClient
	fences  int
	settled func(room string) // waits until the channel of a room has all subscribers
}

// kinds of adapters, with the options of the official one.
var redisKinds = []struct {
	name    string
	kind    string
	adapter map[string]any
}{
	{"classic", "classic", nil},
	{"sharded, dynamic", "sharded", nil},
	{"sharded, dynamic-private", "sharded", map[string]any{"subscriptionMode": "dynamic-private"}},
	{"sharded, static", "sharded", map[string]any{"subscriptionMode": "static"}},
	{"streams", "streams", nil},
}

func (g *redisCluster) join(m clusterMember) {
	g.t.Helper()
	for i := range 2 {
		c := clusterDial(g.t, m, string(rune('a'+len(g.clients))))
		c.enter(g.t, "one")
		if i == 1 {
			c.enter(g.t, "two")
		}
		g.clients = append(g.clients, c)
	}
	g.members = append(g.members, m)
}

func clusterDial(t testing.TB, m clusterMember, name string) *clusterClient {
	t.Helper()
	c := &clusterClient{name: name, at: m, got: make(chan clusterEvent, 10000)}
	c.Client = socketio.NewClient(m.url(), &socketio.ClientOptions{Transports: []string{"websocket"}, Auth: map[string]any{"name": name}})
	for _, event := range []string{"x", "fence"} {
		c.On(event, func(args ...any) { c.got <- clusterEvent{event, sioLine(args)} })
	}
	c.On("question", func(v any, ack func(any)) { ack([]any{name, v}) })
	c.On("binary question", func(ack func([]byte)) { ack([]byte(name)) })
	c.On("silence", func() {})
	c.OnDisconnect(func(reason string) { c.got <- clusterEvent{"disconnect", json.RawMessage(reason)} })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatalf("%s: %v", m.name(), err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// enter has the client join a room by its server.
func (c *clusterClient) enter(t testing.TB, room string) {
	t.Helper()
	if _, err := c.EmitWithAck(t.Context(), "join", room); err != nil {
		t.Fatal(err)
	}
}

func (c *clusterClient) next(t testing.TB) clusterEvent {
	t.Helper()
	select {
	case e := <-c.got:
		return e
	case <-time.After(patience):
		t.Fatalf("%s, at %s: nothing came", c.name, c.at.name())
	}
	return clusterEvent{}
}

// reached demands that the event x has reached these clients and nobody else,
// once each, with these arguments. A fence behind it shows who was left out.
func (g *redisCluster) reached(from clusterMember, what, want, args string) {
	g.t.Helper()
	g.fences++
	from.call(g.t, clusterAct{Do: "emit", Event: "fence", Args: []any{g.fences}}, nil)
	got := ""
	for _, c := range g.clients {
		for e := c.next(g.t); e.event != "fence"; e = c.next(g.t) {
			got += c.name
			if args != "" && (e.event != "x" || sioPlain(g.t, e.args) != sioPlain(g.t, []byte(args))) {
				g.t.Errorf("%s: from %s: %s at %s got %s %.300s; want x %.300s", what, from.name(), c.name, c.at.name(), e.event, e.args, args)
			}
		}
	}
	if got != want {
		g.t.Errorf("%s: from %s it reached %q; want %q", what, from.name(), got, want)
	}
}

// at are the names of clients: all, or the first, or the second of each server.
func (g *redisCluster) names(which ...int) string {
	text := ""
	for i, c := range g.clients {
		if slices.Contains(which, i%2) {
			text += c.name
		}
	}
	return text
}

// clusterArgs are values that every adapter has to carry unharmed.
const clusterArgs = `[null,true,-1,127,128,65536,4294967296,-2147483649,9007199254740991,1.5,"","é✓😀",[],{},{"a":[{"b":null}]},{"_placeholder":true,"num":0}]`

const clusterBinary = `["t",{"_base64":"AQID"},{"deep":[{"_base64":""},{"_base64":"/w=="}]}]`

// bigNumbers are what the official MessagePack damages.
const bigNumbers = `[100000000000000000000,1e300,18446744073709551616,-1e20,0.1]`

// redisCheck is one check of one sender, by its name in the table.
type redisCheck struct {
	name string
	run  func(g *redisCluster, from clusterMember)
}

// The checks of one server.
var redisChecks = []redisCheck{
	{"broadcast to all", (*redisCluster).checkAll},
	{"broadcast to rooms", (*redisCluster).checkRooms},
	{"broadcast to one server only", (*redisCluster).checkLocal},
	{"values", (*redisCluster).checkValues},
	{"fetchSockets", (*redisCluster).checkFetch},
	{"remote join and leave", (*redisCluster).checkJoin},
	{"serverSideEmit", (*redisCluster).checkServerEmit},
	{"serverSideEmit with acknowledgements", (*redisCluster).checkServerAck},
	{"broadcast with acknowledgements", (*redisCluster).checkAck},
	{"timeout with partial answers", (*redisCluster).checkPartial},
	{"remote disconnect", (*redisCluster).checkDisconnect},
}

func (g *redisCluster) emit(from clusterMember, args string, to, except []string) {
	g.t.Helper()
	from.call(g.t, clusterAct{Do: "emit", Event: "x", Args: sioList(g.t, args), To: to, Except: except}, nil)
}

func (g *redisCluster) checkAll(from clusterMember) {
	g.emit(from, `["all"]`, nil, nil)
	g.reached(from, "all", g.names(0, 1), `["all"]`)
	g.emit(from, `["but two"]`, nil, []string{"two"})
	g.reached(from, "all but one room", g.names(0), `["but two"]`)
}

func (g *redisCluster) checkRooms(from clusterMember) {
	for _, row := range []struct {
		to, except []string
		want       string
	}{
		{[]string{"one"}, nil, g.names(0, 1)},
		{[]string{"two"}, nil, g.names(1)},
		{[]string{"one", "two"}, nil, g.names(0, 1)},
		{[]string{"one"}, []string{"two"}, g.names(0)},
		{[]string{"two", "nowhere"}, nil, g.names(1)},
		{[]string{"nowhere"}, nil, ""},
		{[]string{"one"}, []string{"one"}, ""},
		{[]string{g.clients[0].ID()}, nil, g.clients[0].name},
		{nil, []string{g.clients[0].ID(), g.clients[5].ID()}, strings.Trim(g.names(0, 1), "af")},
	} {
		g.emit(from, `["rooms"]`, row.to, row.except)
		g.reached(from, fmt.Sprintf("to %q except %q", row.to, row.except), row.want, `["rooms"]`)
	}
}

func (g *redisCluster) checkLocal(from clusterMember) {
	from.call(g.t, clusterAct{Do: "emit", Event: "x", Local: true}, nil)
	want := ""
	for _, c := range g.clients {
		if c.at == from {
			want += c.name
		}
	}
	g.reached(from, "local", want, "")
}

func (g *redisCluster) checkValues(from clusterMember) {
	for _, args := range []string{clusterArgs, clusterBinary, "[]"} {
		for _, to := range [][]string{nil, {"one"}} {
			g.emit(from, args, to, nil)
			g.reached(from, "values", g.names(0, 1), args)
		}
	}
	if name := from.name(); name != "node" && name != "the official emitter" {
		g.emit(from, bigNumbers, nil, nil)
		g.reached(from, "big numbers", g.names(0, 1), bigNumbers)
	}
}

func (g *redisCluster) checkFetch(from clusterMember) {
	for _, row := range []struct {
		to   []string
		want string
	}{{nil, g.names(0, 1)}, {[]string{"two"}, g.names(1)}, {[]string{"nowhere"}, ""}} {
		var found []clusterSocket
		from.call(g.t, clusterAct{Do: "fetch", To: row.to}, &found)
		var names []string
		for _, s := range found {
			names = append(names, s.Data["name"])
			if s.Query != "4" || !slices.Contains(s.Rooms, s.ID) || !slices.Contains(s.Rooms, "one") {
				g.t.Errorf("from %s: %+v", from.name(), s)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, ""); got != row.want {
			g.t.Errorf("from %s: in %q are %q; want %q", from.name(), row.to, got, row.want)
		}
	}
	var n int
	if from.call(g.t, clusterAct{Do: "count"}, &n); n != len(g.members) {
		g.t.Errorf("%s counts %d servers", from.name(), n)
	}
}

// inRoom waits until all of these clients are in a room, or none is.
func (g *redisCluster) inRoom(room, names string, want bool) {
	g.t.Helper()
	for _, c := range g.clients {
		if !strings.Contains(names, c.name) {
			continue
		}
		poll(g.t, fmt.Sprintf("%s at %s and the room %s: %v", c.name, c.at.name(), room, want), func() bool {
			var rooms []string
			c.at.call(g.t, clusterAct{Do: "rooms", ID: c.ID()}, &rooms)
			return slices.Contains(rooms, room) == want
		})
	}
}

func (g *redisCluster) checkJoin(from clusterMember) {
	from.call(g.t, clusterAct{Do: "join", To: []string{"two"}, Rooms: []string{"new", "newer"}}, nil)
	g.inRoom("newer", g.names(1), true)
	g.settled("new")
	g.emit(from, `["new"]`, []string{"new"}, nil)
	g.reached(from, "to those that have joined", g.names(1), `["new"]`)
	from.call(g.t, clusterAct{Do: "leave", Except: []string{g.clients[1].ID()}, Rooms: []string{"new", "newer"}}, nil)
	rest := strings.ReplaceAll(g.names(1), g.clients[1].name, "")
	g.inRoom("newer", rest, false)
	g.inRoom("new", g.clients[1].name, true)
	from.call(g.t, clusterAct{Do: "leave", Rooms: []string{"new", "newer"}}, nil)
	g.inRoom("newer", g.names(0, 1), false)
	g.inRoom("new", g.names(0, 1), false)
}

// heard waits until a server has heard events, and holds them against these.
func (g *redisCluster) heard(m clusterMember, want ...string) {
	g.t.Helper()
	var all []json.RawMessage
	poll(g.t, m.name()+" to hear", func() bool {
		var more []json.RawMessage
		m.call(g.t, clusterAct{Do: "heard"}, &more)
		all = append(all, more...)
		return len(all) >= len(want)
	})
	for i, text := range all {
		if i >= len(want) || sioPlain(g.t, text) != sioPlain(g.t, []byte(want[i])) {
			g.t.Errorf("%s heard %s; want %q", m.name(), text, want)
		}
	}
}

func (g *redisCluster) checkServerEmit(from clusterMember) {
	from.call(g.t, clusterAct{Do: "serverEmit", Event: "hello", Args: []any{"a", map[string]any{"b": []any{1.5}}}}, nil)
	from.call(g.t, clusterAct{Do: "serverEmit", Event: "hello", Args: []any{"b"}}, nil)
	for _, m := range g.members {
		if m != from {
			g.heard(m, `["a",{"b":[1.5]}]`, `["b"]`)
		}
	}
	var more []json.RawMessage
	if from.call(g.t, clusterAct{Do: "heard"}, &more); len(more) > 0 {
		g.t.Errorf("%s has heard itself: %s", from.name(), more)
	}
}

func (g *redisCluster) checkServerAck(from clusterMember) {
	var a clusterAnswers
	from.call(g.t, clusterAct{Do: "serverAck", Event: "hello", Args: []any{"x"}}, &a)
	var got, want []string
	for _, one := range a.Answers {
		got = append(got, string(one))
	}
	for _, m := range g.members {
		if m != from {
			want = append(want, fmt.Sprintf("%q", m.name()+":x"))
			g.heard(m, `["x"]`)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if a.Error != "" || !slices.Equal(got, want) {
		g.t.Errorf("%s got %q, %q; want %q", from.name(), got, a.Error, want)
	}
}

func (g *redisCluster) checkAck(from clusterMember) {
	for _, row := range []struct {
		event string
		to    []string
		want  func(c *clusterClient) string
		names string
	}{
		{"question", nil, func(c *clusterClient) string { return fmt.Sprintf("[%q,7]", c.name) }, g.names(0, 1)},
		{"question", []string{"two"}, func(c *clusterClient) string { return fmt.Sprintf("[%q,7]", c.name) }, g.names(1)},
		{"binary question", nil, func(c *clusterClient) string { return string(sioLine([]any{[]byte(c.name)})) }, g.names(0, 1)},
		{"question", []string{"nowhere"}, nil, ""},
	} {
		var a clusterAnswers
		act := clusterAct{Do: "ack", Event: row.event, To: row.to, Timeout: 20000}
		if row.event == "question" {
			act.Args = []any{7}
		}
		from.call(g.t, act, &a)
		got, want := []string{}, []string{}
		for _, one := range a.Answers {
			got = append(got, sioPlain(g.t, one))
		}
		for _, c := range g.clients {
			if strings.Contains(row.names, c.name) {
				want = append(want, strings.TrimSuffix(strings.TrimPrefix(row.want(c), "[{"), "}]"))
			}
		}
		for i := range got {
			got[i] = strings.TrimSuffix(strings.TrimPrefix(got[i], "{"), "}")
		}
		slices.Sort(got)
		slices.Sort(want)
		if a.Error != "" || !slices.Equal(got, want) {
			g.t.Errorf("from %s: %q to %q got %q, %q; want %q", from.name(), row.event, row.to, got, a.Error, want)
		}
	}
}

// checkPartial asks clients of which some never answer: those that do are what is
// returned.
func (g *redisCluster) checkPartial(from clusterMember) {
	quiet := g.clients[len(g.clients)-1]
	if quiet.at == from {
		quiet = g.clients[0]
	}
	quiet.Off("question")
	var a clusterAnswers
	from.call(g.t, clusterAct{Do: "ack", Event: "question", Args: []any{1}, Timeout: 2000}, &a)
	if a.Error != "operation has timed out" || len(a.Answers) != len(g.clients)-1 {
		g.t.Errorf("from %s: %d answers, %q", from.name(), len(a.Answers), a.Error)
	}
	quiet.On("question", func(v any, ack func(any)) { ack([]any{quiet.name, v}) })
}

func (g *redisCluster) checkDisconnect(from clusterMember) {
	var gone []*clusterClient
	for _, m := range g.members {
		c := clusterDial(g.t, m, "gone")
		c.enter(g.t, "going")
		gone = append(gone, c)
	}
	from.call(g.t, clusterAct{Do: "disconnect", To: []string{"going"}, Close: true}, nil)
	for _, c := range gone {
		if e := c.next(g.t); e.event != "disconnect" || !strings.Contains("io server disconnect transport close", string(e.args)) {
			g.t.Errorf("from %s: at %s: %s %s", from.name(), c.at.name(), e.event, e.args)
		}
		c.Close()
	}
	g.reached(from, "nothing", "", "")
}

// settleRoom waits until every server has subscribed to the channel of a room:
// official servers do not wait for that.
func settleRoom(t testing.TB, r *redisServer, kind string, adapter map[string]any, room string) {
	t.Helper()
	if kind != "sharded" || adapter["subscriptionMode"] == "static" {
		return
	}
	poll(t, "the channel of "+room, func() bool {
		return strings.HasSuffix(strings.TrimSpace(r.do("PUBSUB", "SHARDNUMSUB", "socket.io#/#"+room+"#")), "3")
	})
}

// TestRedisMatrix holds servers of ours and official ones, in one cluster,
// against the same checks, whichever sends.
func TestRedisMatrix(t *testing.T) {
	t.Parallel()
	for _, k := range redisKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			w := memberWords{Name: "node", Kind: k.kind, Redis: []string{r.url()}, Adapter: k.adapter}
			g := &redisCluster{t: t, settled: func(room string) { settleRoom(t, r, k.kind, k.adapter, room) }}
			w.Name = "go 1"
			g.join(startGoMember(t, w, nil, nil))
			w.Name = "node"
			g.join(startNodeMember(t, w))
			w.Name = "go 2"
			g.join(startGoMember(t, w, nil, nil))
			for _, from := range g.members {
				for _, check := range redisChecks {
					clusterTable.run(t, k.name, from.name(), check.name, func(t *testing.T) {
						in := *g
						in.t = t
						check.run(&in, from)
						g.fences = in.fences
					})
				}
			}
		})
	}
}
