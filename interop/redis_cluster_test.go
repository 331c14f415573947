package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// ring is a Redis Cluster, of which one master has a replica.
type ring struct {
	t       *testing.T
	all     []*redisServer
	owner   *redisServer // of what the test is about
	replica *redisServer
}

// startRing starts one. The master that has a replica is the owner of a key, or of
// a channel.
func startRing(t *testing.T, key string) *ring {
	t.Helper()
	g := &ring{t: t, all: startRedisCluster(t)}
	for _, r := range g.all {
		if !strings.Contains(r.do("EXISTS", key), "MOVED") {
			g.owner = r
		}
	}
	g.replica = startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", fmt.Sprint(patience.Milliseconds()))
	id := strings.TrimSpace(g.owner.do("CLUSTER", "MYID"))
	g.replica.do("CLUSTER", "MEET", "127.0.0.1", fmt.Sprint(g.owner.port), fmt.Sprint(g.owner.bus))
	poll(t, "the owner to be known", func() bool { return strings.Contains(g.replica.do("CLUSTER", "NODES"), id) })
	poll(t, "the replica to be one", func() bool { return strings.HasPrefix(g.replica.do("CLUSTER", "REPLICATE", id), "OK") })
	g.level()
	for _, r := range g.all { // a master is voted for by those that know its replica
		poll(t, "the replica to be known", func() bool {
			return strings.Count(r.do("CLUSTER", "NODES"), " connected") == 4 && strings.Contains(r.do("CLUSTER", "NODES"), " slave ")
		})
	}
	return g
}

// level waits until the replica has all that its master has.
func (g *ring) level() {
	g.t.Helper()
	poll(g.t, "the replica to have it all", func() bool { return caughtUp(g.owner, g.replica) })
}

// caughtUp reports whether a replica is as far as its master.
func caughtUp(master, replica *redisServer) bool {
	field := func(text, name string) string {
		_, rest, _ := strings.Cut(text, name+":")
		value, _, _ := strings.Cut(rest, "\r")
		return value
	}
	of, its := master.do("INFO", "replication"), replica.do("INFO", "replication")
	return field(its, "master_link_status") == "up" && field(of, "master_repl_offset") == field(its, "slave_repl_offset")
}

// urls are those of the masters.
func (g *ring) urls() (all []string) {
	for _, r := range g.all {
		all = append(all, r.url())
	}
	return all
}

// failsOver kills a master in the middle of the talk of two, and waits until its
// replica is one.
func (g *troubled) failsOver(master, replica *redisServer) {
	g.t.Helper()
	poll(g.t, "the replica", func() bool { return caughtUp(master, replica) })
	master.kill()
	g.becomes(false)
	for i := range 20 {
		g.say(g.members[i%2], fmt.Sprint("meanwhile ", i))
	}
	isMaster(g.t, replica)
	g.back()
}

// isMaster waits until the replica is one.
func isMaster(t testing.TB, r *redisServer) {
	t.Helper()
	poll(t, "the replica to be a master", func() bool {
		role, err := r.try("ROLE") // a sentinel ends all connections
		return err == nil && strings.HasPrefix(role, "master")
	})
}

// takesOver has a replica take its master's place. Redis gives that up after five
// seconds, on a busy machine: then it is asked again.
func takesOver(t *testing.T, r *redisServer) {
	t.Helper()
	asked := 0
	poll(t, "the replica to be a master", func() bool {
		if asked <= strings.Count(r.it.out.String(), "Manual failover timed out") {
			r.do("CLUSTER", "FAILOVER")
			asked++
		}
		return strings.HasPrefix(r.do("ROLE"), "master")
	})
}

// startRingMembers starts two servers of ours at a Redis, which counts as gone
// after timeout. The first one's states are reported.
func startRingMembers(t *testing.T, kind string, urls []string, o *socketio.ServerOptions, timeout time.Duration) *troubled {
	t.Helper()
	g := &troubled{redisCluster: &redisCluster{t: t, settled: func(string) {}}, states: make(chan redis.State, 1000)}
	w := memberWords{Name: "go 1", Kind: kind, Redis: urls, hold: patience}
	own := func() *socketio.ServerOptions {
		if o == nil {
			return nil
		}
		one := *o
		return &one
	}
	g.one = startGoMember(t, w, own(), &redis.ConnOptions{Timeout: timeout, OnState: func(s redis.State) { g.states <- s }})
	g.join(g.one)
	w.Name = "go 2"
	g.two = startGoMember(t, w, own(), &redis.ConnOptions{Timeout: timeout})
	g.join(g.two)
	for _, m := range g.members {
		counts(t, m, 2)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, m := range []*goMember{g.one, g.two} {
			t.Logf("%s: %+v", m.title, m.conn.Stats())
			for len(m.troubles) > 0 {
				t.Log(<-m.troubles)
			}
		}
	})
	return g
}

// TestRedisFailover kills the master of a cluster that has what an adapter needs.
// Its replica takes over, and the servers find it by themselves.
func TestRedisFailover(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ kind, key string }{{"classic", "socket.io#/#"}, {"sharded", "socket.io#/#"}, {"streams", "socket.io"}} {
		t.Run(row.kind, func(t *testing.T) {
			t.Parallel()
			ring := startRing(t, row.key)
			g := startRingMembers(t, row.kind, ring.urls(), recovering(row.kind), quick)
			g.everywhere("at first")
			ring.level()
			ring.all = append(ring.all, ring.replica)
			for _, r := range ring.all { // before that a busy one is not taken for dead
				r.do("CONFIG", "SET", "cluster-node-timeout", "2000")
			}
			ring.owner.kill()
			for i := range 20 { // of streams none is lost
				g.say(g.members[i%2], fmt.Sprint("meanwhile ", i))
			}
			isMaster(t, ring.replica)
			g.back()
			if row.kind == "streams" {
				g.heardInOrder()
			}
			g.everywhere("at the replica")
			g.checkServerAck(g.one)
			g.checkFetch(g.one)
			if s := g.one.conn.Stats(); s.Failed > 0 && row.kind == "streams" || s.Garbage > 0 || s.Dropped > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// heardInOrder demands all that was said meanwhile, each once: what a server says
// is in order.
func (g *troubled) heardInOrder() {
	g.t.Helper()
	for _, c := range g.clients {
		next := []int{0, 1}
		for range 20 {
			for {
				e := c.next(g.t)
				var n int
				if _, err := fmt.Sscanf(string(e.args), `["meanwhile %d"`, &n); err != nil {
					continue
				}
				if next[n%2] != n {
					g.t.Errorf("%s got %d; %d is due", c.name, n, next[n%2])
				}
				next[n%2] = n + 2
				break
			}
		}
	}
}

// TestRedisHandover has a master of a cluster change places with its replica, which
// closes no connection: who is subscribed there is counted again.
func TestRedisHandover(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ring := startRing(t, "socket.io#/#")
			g := startRingMembers(t, kind, ring.urls(), nil, quick)
			g.everywhere("at first")
			takesOver(t, ring.replica)
			for _, m := range g.members {
				counts(t, m, 2)
			}
			poll(t, "nobody to listen at the old master", func() bool {
				return !strings.Contains(ring.owner.do("PUBSUB", "SHARDCHANNELS")+ring.owner.do("PUBSUB", "CHANNELS"), "socket.io")
			})
			for _, m := range []*goMember{g.one, g.two} { // by channels one may have listened elsewhere
				poll(t, m.title+" to be back", func() bool { s := m.conn.Stats(); return s.Up && (s.Losses > 0 || kind == "classic") })
				counts(t, m, 2)
			}
			g.everywhere("behind it")
			g.checkServerAck(g.one)
		})
	}
}

// TestRedisRingEmitter has an emitter send by a cluster.
func TestRedisRingEmitter(t *testing.T) {
	t.Parallel()
	all := startRedisCluster(t)
	var hosts []string
	var urls []string
	for _, r := range all {
		urls = append(urls, r.url())
		hosts = append(hosts, strings.TrimPrefix(r.url(), "redis://"))
	}
	g := startRingMembers(t, "classic", urls, nil, 0)
	conn, err := redis.Open("redis://"+strings.Join(hosts, ","), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	e := conn.Emitter(nil)
	for i := range 50 { // of rooms whose slots are anywhere
		room := fmt.Sprint("room ", i)
		if err := e.In("two").SocketsJoin(room); err != nil {
			t.Fatal(err)
		}
		g.inRoom(room, g.names(1), true)
		if err := e.To(room).Emit("x", room); err != nil {
			t.Fatal(err)
		}
		g.clients[1].hears(t, room)
		g.clients[3].hears(t, room)
	}
}

// startSentinel starts one that watches a master, by its port; more are further lines
// of its configuration.
func startSentinel(t *testing.T, master int, password string, more ...string) *redisServer {
	t.Helper()
	dir := tempDir(t)
	config := fmt.Sprintf("sentinel monitor mymaster 127.0.0.1 %d 1\nsentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n", master)
	config += strings.Join(more, "\n") + "\n"
	if password != "" {
		config += "requirepass " + password + "\n"
	}
	path := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, port: portOf(t), dir: dir}
	r.it = start(t, program{args: []string{"redis-server", path, "--sentinel", "--port", fmt.Sprint(r.port), "--bind", "127.0.0.1", "--dir", dir}})
	poll(t, "the sentinel to listen", func() bool {
		answer, err := r.try("PING")
		return err == nil && (strings.HasPrefix(answer, "PONG") || strings.HasPrefix(answer, "NOAUTH"))
	})
	return r
}

// TestRedisSentinel kills a master that sentinels watch: the servers go to its
// replica.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			master := startRedis(t)
			replica := startRedis(t, "--replicaof", "127.0.0.1 "+fmt.Sprint(master.port), "--repl-ping-replica-period", "1")
			poll(t, "the replica", func() bool { return caughtUp(master, replica) })
			sentinel := startSentinel(t, master.port, "watch")
			poll(t, "the sentinel to know the replica", func() bool {
				return strings.Contains(sentinel.do("--no-auth-warning", "-a", "watch", "SENTINEL", "REPLICAS", "mymaster"), fmt.Sprint(replica.port))
			})
			g := startRingMembers(t, kind, []string{fmt.Sprintf("redis-sentinel://127.0.0.1:%d?sentinel_password=watch", sentinel.port)}, recovering(kind), quick)
			g.everywhere("at first")
			g.failsOver(master, replica)
			if kind == "streams" {
				g.heardInOrder()
			}
			g.everywhere("at the replica")
			g.checkServerAck(g.one)
			g.checkFetch(g.one)
		})
	}
}
