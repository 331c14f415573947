package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sockkit/sockkit/internal/inspect"
)

// observed is what tap tells of a message or a request, as JSON.
type observed struct {
	Event, Adapter, Server, To, Namespace, Type, Name, Request, Text string
	Rooms, Except, Change, Silent, Answered                          []string
	Expected, Came, Count, Acks, Clients                             int
	After                                                            int64 `json:"after_ns"`
	TimedOut                                                         bool  `json:"timed_out"`
	Among, Late                                                      bool
	Rule, Summary                                                    string
}

// observedBy returns the records that tap has written so far.
func observedBy(p *proc) (all []observed) {
	for line := range strings.Lines(p.out.String()) {
		var o observed
		if strings.HasSuffix(line, "\n") {
			_ = json.Unmarshal([]byte(line), &o) // a finding has words where a request has numbers
			all = append(all, o)
		}
	}
	return all
}

// awaitObserved waits for a record of tap's.
func awaitObserved(t testing.TB, p *proc, what string, is func(observed) bool) (found observed) {
	t.Helper()
	await(t, "tap to show "+what, p.outOrEnd, func() bool {
		all := observedBy(p)
		i := slices.IndexFunc(all, is)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// observing starts a tap of a Redis.
func observing(t testing.TB, url string, args ...string) *proc {
	t.Helper()
	p := sockkit(t, append([]string{"tap", "--json", url}, args...)...)
	await(t, "tap to observe", p.errOrEnd, func() bool { return strings.Contains(p.err.String(), "observing redis://") })
	return p
}

// observedCluster is two official servers and one of ours.
func observedCluster(t *testing.T, kind string, urls ...string) *redisCluster {
	t.Helper()
	w := memberWords{Name: "go", Kind: kind, Redis: urls, Cluster: len(urls) > 1}
	g := &redisCluster{t: t, settled: func(string) {}}
	g.join(startGoMember(t, w, nil, nil))
	for _, name := range []string{"node 1", "node 2"} {
		w.Name = name
		g.join(startNodeMember(t, w))
	}
	g.counted(3)
	return g
}

// counted waits until each server knows of so many.
func (g *redisCluster) counted(n int) {
	g.t.Helper()
	for _, m := range g.members {
		poll(g.t, fmt.Sprintf("%s to count %d servers", m.name(), n), func() bool {
			var got int
			m.call(g.t, clusterAct{Do: "count"}, &got)
			return got == n
		})
	}
}

var adapterNames = map[string]string{"classic": "pubsub", "sharded": "sharded", "streams": "streams"}

// TestRedisObserve has tap look at clusters of official servers and ours: it shows
// who says what, who answers and who does not, and no server counts it.
func TestRedisObserve(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			g := observedCluster(t, kind, r.url())
			tap := observing(t, r.url(), "--request-timeout", "1m")
			g.counted(3)
			for _, from := range g.members[:2] {
				g.observeFrom(tap, from, adapterNames[kind])
			}
			hasty := observing(t, r.url(), "--request-timeout", "500ms")
			g.observeSilent(hasty, adapterNames[kind])
			g.observeReturn(tap, r)
			for _, p := range []*proc{tap, hasty} {
				p.signal(syscall.SIGINT)
			}
			tap.wantSays(130, `servers seen.*: 3`)
			hasty.wantSays(130, `not answered in time by all: [1-9]`)
		})
	}
}

// observeFrom has one server say all there is to say.
func (g *redisCluster) observeFrom(tap *proc, from clusterMember, adapter string) {
	t, name := g.t, "from "+from.name()
	from.call(t, clusterAct{Do: "emit", Event: name, Args: []any{"hi"}, To: []string{"one", "two"}, Except: []string{"x"}}, nil)
	o := awaitObserved(t, tap, name, func(o observed) bool { return o.Event == "adapter_message" && o.Name == name })
	slices.Sort(o.Rooms)
	if o.Adapter != adapter || o.Server == "" || o.Namespace != "/" || o.Type != "BROADCAST" || !slices.Equal(o.Rooms, []string{"one", "two"}) || !slices.Equal(o.Except, []string{"x"}) || !strings.Contains(o.Text, `"hi"`) {
		t.Errorf("%+v", o)
	}
	uid := o.Server
	by := func(kind, event string) func(observed) bool {
		return func(o observed) bool { return o.Event == event && o.Server == uid && o.Type == kind }
	}
	from.call(t, clusterAct{Do: "join", Rooms: []string{"new " + name}, To: []string{"one"}}, nil)
	if o := awaitObserved(t, tap, "socketsJoin", by("SOCKETS_JOIN", "adapter_message")); !slices.Equal(o.Change, []string{"new " + name}) || !slices.Equal(o.Rooms, []string{"one"}) {
		t.Errorf("%+v", o)
	}
	from.call(t, clusterAct{Do: "fetch"}, nil)
	from.call(t, clusterAct{Do: "serverAck", Event: "hello", Args: []any{"yo"}}, nil)
	from.call(t, clusterAct{Do: "ack", Event: "question", Args: []any{1}, Timeout: 10000}, nil)
	for _, kind := range []string{"FETCH_SOCKETS", "SERVER_SIDE_EMIT", "BROADCAST"} {
		o := awaitObserved(t, tap, "the end of "+kind+" "+name, by(kind, "adapter_request"))
		if o.Expected != 2 || o.Came != 2 || o.TimedOut || len(o.Silent) > 0 || kind == "BROADCAST" && (o.Clients != 4 || o.Acks != 4) {
			t.Errorf("%s: %+v", kind, o)
		}
	}
	answered := func(o observed) bool { return o.Type == "FETCH_SOCKETS_RESPONSE" && o.To == uid }
	if o := awaitObserved(t, tap, "an answer", answered); o.Count != 2 || o.After < 0 || o.Late || strings.Contains(o.Text, "handshake") {
		t.Errorf("%+v", o)
	}
}

// observeSilent has a server hang, and another one ask it.
func (g *redisCluster) observeSilent(tap *proc, adapter string) {
	t := g.t
	hangs, asks := g.members[2].(*nodeMember), g.members[0].(*goMember)
	hangs.it.signal(syscall.SIGSTOP)
	fetched := make(chan error, 1)
	go func() {
		_, err := asks.FetchSockets(context.Background())
		fetched <- err
	}()
	o := awaitObserved(t, tap, "who is silent", func(o observed) bool { return o.Event == "adapter_request" && o.TimedOut })
	if o.Type != "FETCH_SOCKETS" || o.Expected != 2 || o.Came != 1 {
		t.Errorf("%+v", o)
	}
	if n := len(o.Silent); adapter == "pubsub" && (n != 2 || !o.Among) || adapter != "pubsub" && (n != 1 || o.Among || len(o.Answered) != 1) {
		t.Errorf("%+v", o)
	}
	hangs.it.signal(syscall.SIGCONT)
	awaitObserved(t, tap, "what came too late", func(o observed) bool { return o.Late && o.Request != "" })
	<-fetched
}

// observeReturn restarts Redis: tap goes on.
func (g *redisCluster) observeReturn(tap *proc, r *redisServer) {
	g.t.Helper()
	r.kill()
	await(g.t, "the loss to be said", tap.outOrEnd, func() bool { return strings.Contains(tap.out.String(), "is lost: ") })
	r.start()
	await(g.t, "the return to be said", tap.outOrEnd, func() bool { return strings.Contains(tap.out.String(), "is back") })
	poll(g.t, "tap to go on", func() bool {
		g.members[0].call(g.t, clusterAct{Do: "emit", Event: "again"}, nil)
		return slices.ContainsFunc(observedBy(tap), func(o observed) bool { return o.Name == "again" })
	})
}

// TestRedisObserveOthers has tap show emitters, the official one and ours, and
// garbage, and leave after so many messages.
func TestRedisObserveOthers(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	tap := observing(t, r.url(), "--count", "4")
	for _, e := range []*emitterMember{goEmitter(t, r), nodeEmitter(r)} {
		e.call(t, clusterAct{Do: "emit", Event: e.title, Args: []any{"hi"}, To: []string{"one"}}, nil)
		o := awaitObserved(t, tap, e.title, func(o observed) bool { return o.Name == e.title })
		if o.Server != "emitter" || o.Adapter != "pubsub" || !slices.Equal(o.Rooms, []string{"one"}) {
			t.Errorf("%+v", o)
		}
	}
	r.do("PUBLISH", "socket.io#/#", "garbage")
	awaitObserved(t, tap, "garbage", func(o observed) bool { return o.Rule == "adapter-garbage" })
	r.do("XADD", "socket.io", "*", "uid", "x", "nsp", "/", "type", "3", "data", "!")
	await(t, "tap to show the garbage of the stream", tap.outOrEnd, func() bool { // what ends tap comes another way
		return slices.ContainsFunc(observedBy(tap), func(o observed) bool {
			return o.Rule == "adapter-garbage" && strings.HasPrefix(o.Summary, "What came over socket.io is")
		})
	})
	for range 2 {
		goEmitter(t, r).call(t, clusterAct{Do: "leave", Rooms: []string{"a"}}, nil)
	}
	tap.wantSays(0, "garbage: 2")
}

// inspected runs inspect on a Redis.
func inspected(t testing.TB, status int, args ...string) *inspect.Report {
	t.Helper()
	p := sockkit(t, append([]string{"inspect", "--json"}, args...)...)
	p.want(status)
	report := &inspect.Report{}
	if err := json.Unmarshal([]byte(p.out.String()), report); err != nil {
		t.Fatalf("%v: %s", err, p)
	}
	if report.Cluster == nil && status != 4 {
		t.Fatalf("no cluster is reported: %s", p)
	}
	return report
}

func findingIDs(r *inspect.Report) string {
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.ID)
	}
	return strings.Join(ids, " ")
}

// TestRedisInspect counts and asks clusters of official servers and ours.
func TestRedisInspect(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			g := observedCluster(t, kind, r.url())
			report := inspected(t, 0, "--ask", r.url())
			if ids := findingIDs(report); ids != "" {
				t.Error(ids)
			}
			c := report.Cluster
			if len(c.Groups) != 1 || c.Mode != "standalone" || c.Buffer == nil {
				t.Fatalf("%+v", c)
			}
			group := c.Groups[0]
			if a := group.Answers; group.Adapter != adapterNames[kind] || group.Prefix != "socket.io" || group.Namespace != "/" || group.Servers != 3 || len(group.IDs) != 3 || a.Came != 3 || a.Sockets != 6 || a.Rooms != 2 {
				t.Errorf("%+v: %+v", group, a)
			}
			g.counted(3)

			hangs := g.members[2].(*nodeMember)
			hangs.it.signal(syscall.SIGSTOP)
			report = inspected(t, 3, "--ask", "--request-timeout", "1s", r.url())
			if a := report.Cluster.Groups[0].Answers; findingIDs(report) != "silent_servers" || a.Came != 2 || kind != "classic" && len(a.Silent) != 1 {
				t.Errorf("%s: %+v", findingIDs(report), a)
			}
			hangs.it.signal(syscall.SIGCONT)

			other := map[string]string{"classic": "sharded", "sharded": "streams", "streams": "classic"}[kind]
			startNodeMember(t, memberWords{Name: "other", Kind: other, Redis: []string{r.url()}})
			report = inspected(t, 3, strings.Replace(g.members[0].url(), "http:", "sio:", 1), "--redis", r.url())
			if !strings.HasPrefix(findingIDs(report), "mixed_adapters") || len(report.Cluster.Groups) != 2 || report.SocketIO == nil {
				t.Errorf("%s: %+v", findingIDs(report), report.Cluster)
			}
		})
	}
}

// TestRedisAskBeside has a cluster by pubsub asked beside one by streams with the same
// prefix: an official server of the first hears everything afterwards, too.
func TestRedisAskBeside(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	g := &redisCluster{t: t, settled: func(string) {}}
	one := startGoMember(t, memberWords{Name: "go", Kind: "classic", Redis: []string{r.url()}}, nil, nil)
	g.join(one)
	g.join(startNodeMember(t, memberWords{Name: "node", Kind: "classic", Redis: []string{r.url()}}))
	startGoMember(t, memberWords{Name: "other", Kind: "streams", Redis: []string{r.url()}}, nil, nil)
	report := inspected(t, 3, "--ask", r.url())
	for _, group := range report.Cluster.Groups {
		if a := group.Answers; group.Adapter == "pubsub" && a.Came != 2 || group.Adapter == "streams" && (a.Came != 0 || a.Error == "") {
			t.Errorf("%+v: %+v", group, a)
		}
	}
	one.call(t, clusterAct{Do: "emit", Event: "x", Args: []any{"hi"}}, nil)
	g.reached(one, "what is said afterwards", g.names(0, 1), `["hi"]`)
}

// TestRedisInspectTrouble has what is wrong be said.
func TestRedisInspectTrouble(t *testing.T) {
	t.Parallel()
	r := startRedis(t, "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru")
	report := inspected(t, 3, r.url())
	if ids := findingIDs(report); ids != "no_servers" {
		t.Error(ids)
	}
	startGoMember(t, memberWords{Name: "go", Kind: "classic", Redis: []string{r.url()}}, nil, nil)
	stranger := start(t, program{args: []string{"redis-cli", "-p", fmt.Sprint(r.port), "SUBSCRIBE", "socket.io-request#/#"}, hold: true})
	await(t, "the stranger to be subscribed", stranger.outOrEnd, func() bool { return strings.Contains(stranger.out.String(), "1") })
	r.do("EVAL", "for i = 1, 2000 do redis.call('XADD', 'socket.io', '*', 'a', 'b') end", "0")
	r.do("XADD", "socket.io--3", "*", "a", "b")
	report = inspected(t, 3, r.url())
	if ids := findingIDs(report); ids != "subscriber_count eviction short_stream unread_stream" {
		t.Errorf("%s", ids)
	}
	r.do("ACL", "SETUSER", "seen", "on", ">pass", "allchannels", "+ping", "+pubsub", "+psubscribe", "+punsubscribe", "+xread", "+xrevrange", "+type", "~*")
	url := strings.Replace(r.url(), "://", "://seen:pass@", 1)
	report = inspected(t, 3, url)
	if told := report.Cluster.NotTold; !slices.Contains(told, "INFO") || !slices.Contains(told, "CONFIG GET") || report.Cluster.Groups[0].Servers != 2 {
		t.Errorf("%+v", report.Cluster)
	}
	tap := observing(t, url, "--count", "1", "--monitor", "always")
	tap.awaitRecord(event("note", fields{"text": "NOPERM"}))
	goEmitter(t, r).call(t, clusterAct{Do: "emit", Event: "x"}, nil)
	tap.want(0)
	r.do("CONFIG", "SET", "requirepass", "secret")
	for _, verb := range []string{"inspect", "tap"} {
		p := sockkit(t, verb, r.url())
		p.wantSays(4, "it wants a password")
		p = sockkit(t, verb, strings.Replace(r.url(), "://", "://:wrong@", 1))
		p.wantSays(4, "the name or the password is wrong")
	}
}

// TestRedisObserveForbidden holds what tap needs, as docs/scaling.md has it, and has
// what is not allowed be said.
func TestRedisObserveForbidden(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, less, kind, said string }{
		{"all that is needed, pubsub", "", "classic", ""},
		{"all that is needed, sharded", "", "sharded", ""},
		{"all that is needed, streams", "", "streams", ""},
		{"no pattern", "-psubscribe", "", "NOPERM.*psubscribe"},
		{"no type", "-type", "streams", "streams with a number are not looked for: NOPERM"},
		{"no stream", "-xread", "", "the stream socket.io is not read: NOPERM"},
		{"no last entry", "-xrevrange", "streams", "what the stream socket.io has is not known: NOPERM"},
		{"no sharded channels", "-pubsub|shardchannels", "", "sharded channels are not looked for: NOPERM"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			r.do(append([]string{"ACL", "SETUSER", "look", "on", ">pass"}, strings.Fields(redisACL["tap"]+" "+row.less)...)...)
			var m *goMember
			if row.kind != "" {
				m = startGoMember(t, memberWords{Name: "go", Kind: row.kind, Redis: []string{r.url()}}, nil, nil)
			}
			tap := sockkit(t, "tap", "--json", strings.Replace(r.url(), "://", "://look:pass@", 1))
			if row.said != "" {
				await(t, "what is not allowed to be said", tap.outOrEnd, func() bool { return regexp.MustCompile(row.said).MatchString(tap.out.String()) })
			}
			if m != nil {
				await(t, "tap to observe", tap.errOrEnd, func() bool { return strings.Contains(tap.err.String(), "observing redis://") })
				poll(t, "tap to show an event", func() bool { // where it cannot ask for the last entry, the next ones may be missed
					m.call(t, clusterAct{Do: "emit", Event: "seen"}, nil)
					return strings.Contains(tap.out.String(), `"seen"`)
				})
				awaitObserved(t, tap, "an event", func(o observed) bool { return o.Name == "seen" })
			}
			if log := r.do("ACL", "LOG"); row.said == "" && strings.TrimSpace(log) != "" {
				t.Errorf("refused was\n%s", log)
			}
		})
	}
}

// TestRedisObserveRing looks at a Redis Cluster, of which it is told one server.
func TestRedisObserveRing(t *testing.T) {
	t.Parallel()
	ring := startRedisCluster(t)
	var urls []string
	for _, r := range ring {
		urls = append(urls, r.url())
	}
	g := observedCluster(t, "sharded", urls...)
	tap := observing(t, ring[1].url())
	g.observeFrom(tap, g.members[0], "sharded")
	g.observeFrom(tap, g.members[1], "sharded")
	report := inspected(t, 0, "--ask", ring[2].url())
	c := report.Cluster
	if c.Mode != "cluster" || c.Nodes != 3 || len(c.Groups) != 1 || c.Groups[0].Servers != 3 || c.Groups[0].Answers.Came != 3 {
		t.Errorf("%+v", c)
	}
	g.counted(3)
	startGoMember(t, memberWords{Name: "go 2", Kind: "classic", Redis: urls}, nil, nil)
	report = inspected(t, 3, ring[0].url())
	if ids := findingIDs(report); ids != "mixed_adapters pubsub_on_cluster" {
		t.Error(ids)
	}
}
