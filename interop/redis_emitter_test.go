package interop

import (
	"encoding/json"
	"testing"

	"github.com/sockkit/sockkit/socketio/redis"
)

// emitterMember sends as an emitter: ours, or the official one.
type emitterMember struct {
	title string
	send  func(t testing.TB, a clusterAct)
}

func (m *emitterMember) name() string { return m.title }
func (m *emitterMember) url() string  { return "" }
func (m *emitterMember) call(t testing.TB, a clusterAct, _ any) {
	t.Helper()
	m.send(t, a)
}

// nodeEmitter is the official one, a process for each act.
func nodeEmitter(r *redisServer) *emitterMember {
	return &emitterMember{"the official emitter", func(t testing.TB, a clusterAct) {
		t.Helper()
		words, err := json.Marshal(map[string]any{"redis": r.url(), "acts": []clusterAct{a}})
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, program{args: []string{"node", "node/redis-emitter.cjs", string(words)}})
		<-p.done
		if !p.cmd.ProcessState.Success() {
			t.Fatal(p.err.String())
		}
	}}
}

func goEmitter(t testing.TB, r *redisServer) *emitterMember {
	t.Helper()
	conn, err := redis.Open(r.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &emitterMember{"our emitter", func(t testing.TB, a clusterAct) {
		t.Helper()
		list, _ := sioOurValue(append([]any{}, a.Args...)).([]any)
		to := conn.Emitter(nil).To(a.To...).Except(a.Except...)
		var err error
		switch a.Do {
		case "emit":
			err = to.Emit(a.Event, list...)
		case "join":
			err = to.SocketsJoin(a.Rooms...)
		case "leave":
			err = to.SocketsLeave(a.Rooms...)
		case "disconnect":
			err = to.DisconnectSockets(a.Close)
		case "serverEmit":
			err = to.ServerSideEmit(a.Event, list...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}}
}

// The checks of one emitter.
var emitterChecks = []redisCheck{
	{"broadcast to all", (*redisCluster).checkAll},
	{"broadcast to rooms", (*redisCluster).checkRooms},
	{"values", (*redisCluster).checkValues},
	{"remote join and leave", (*redisCluster).checkJoin},
	{"remote disconnect", (*redisCluster).checkDisconnect},
	{"serverSideEmit", (*redisCluster).checkEmitterServers},
}

// TestRedisEmitter holds what emitters send, ours and the official one, at
// servers of both.
func TestRedisEmitter(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	w := memberWords{Name: "go 1", Kind: "classic", Redis: []string{r.url()}}
	g := &redisCluster{t: t, settled: func(string) {}}
	g.join(startGoMember(t, w, nil, nil))
	w.Name = "node"
	g.join(startNodeMember(t, w))
	w.Name = "go 2"
	g.join(startGoMember(t, w, nil, nil))
	for _, from := range []*emitterMember{goEmitter(t, r), nodeEmitter(r)} {
		for _, check := range emitterChecks {
			clusterTable.run(t, "classic", from.title, check.name, func(t *testing.T) {
				in := *g
				in.t = t
				check.run(&in, from)
				g.fences = in.fences
			})
		}
	}
	for _, m := range []*redis.Conn{g.members[0].(*goMember).conn, g.members[2].(*goMember).conn} {
		if s := m.Stats(); s.Garbage > 0 || s.Failed > 0 {
			t.Errorf("%+v", s)
		}
	}
}

func (g *redisCluster) checkEmitterServers(from clusterMember) {
	from.call(g.t, clusterAct{Do: "serverEmit", Event: "hello", Args: []any{"a", []any{1.5}}}, nil)
	for _, m := range g.members {
		g.heard(m, `["a",[1.5]]`)
	}
}
