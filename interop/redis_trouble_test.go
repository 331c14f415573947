package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// troubled is a cluster of two of our servers and an official one, and what the
// first says of Redis.
type troubled struct {
	*redisCluster
	r      *redisServer
	states chan redis.State
	one    *goMember
	two    *goMember
	node   *nodeMember
}

const quick = 2 * time.Second // so that a Redis that is stuck is found out soon

func startTroubled(t *testing.T, kind string, args ...string) *troubled {
	t.Helper()
	r := startRedis(t, args...)
	g := &troubled{redisCluster: &redisCluster{t: t}, r: r, states: make(chan redis.State, 1000)}
	w := memberWords{Name: "go 1", Kind: kind, Redis: []string{r.url()}}
	g.one = startGoMember(t, w, nil, &redis.ConnOptions{Timeout: quick, OnState: func(s redis.State) { g.states <- s }})
	w.Name = "go 2"
	g.two = startGoMember(t, w, nil, &redis.ConnOptions{Timeout: quick})
	w.Name = "node"
	g.node = startNodeMember(t, w)
	g.join(g.one)
	g.join(g.two)
	g.join(g.node)
	g.say(g.one, "first") // an official server reads on only from what it has read
	for _, c := range g.clients {
		c.hears(t, "first")
	}
	return g
}

// becomes waits until the first server has said this of Redis.
func (g *troubled) becomes(up bool) redis.State {
	g.t.Helper()
	for {
		select {
		case s := <-g.states:
			if s.Up == up {
				return s
			}
		case <-time.After(patience):
			g.t.Fatalf("Redis does not become up: %v", up)
		}
	}
}

// connected waits until servers reach each other again: an official server says
// nothing of it.
func (g *troubled) connected() {
	g.t.Helper()
	for _, from := range g.members {
		poll(g.t, "all servers to be counted by "+from.name(), func() bool {
			var n int
			from.call(g.t, clusterAct{Do: "count"}, &n)
			return n == len(g.members)
		})
	}
}

// hears waits until a client has got x with this text as its first argument,
// whatever comes before: an event that can be missed has an offset behind it.
func (c *clusterClient) hears(t testing.TB, text string) {
	t.Helper()
	for {
		e := c.next(t)
		var args []any
		if e.event == "x" && json.Unmarshal(e.args, &args) == nil && len(args) > 0 && args[0] == text {
			return
		}
	}
}

func (g *troubled) say(from clusterMember, text string) {
	g.t.Helper()
	from.call(g.t, clusterAct{Do: "emit", Event: "x", Args: []any{text}}, nil)
}

// TestRedisRestart kills Redis in the middle: each server goes on by itself, says
// that it is alone, and finds the others again.
func TestRedisRestart(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := startTroubled(t, kind)
			g.connected()
			g.r.kill()
			if s := g.becomes(false); s.Err == nil {
				t.Error("no reason was given")
			}
			g.say(g.one, "alone")
			g.clients[0].hears(t, "alone")
			g.clients[1].hears(t, "alone")
			g.askedInVain()
			g.r.start()
			g.becomes(true)
			g.connected()
			for _, from := range g.members {
				g.say(from, "again from "+from.name())
				for _, c := range g.clients {
					c.hears(t, "again from "+from.name())
				}
			}
			if s := g.one.conn.Stats(); !s.Up || s.Losses == 0 || s.Failed > 0 || s.Dropped > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// askedInVain asks while Redis is away: what this server knows is returned, and
// that others do not answer.
func (g *troubled) askedInVain() {
	g.t.Helper()
	var timeout *redis.TimeoutError
	all, err := g.one.Timeout(200 * time.Millisecond).FetchSockets(g.t.Context())
	if len(all) != 2 || !errors.As(err, &timeout) || !errors.Is(err, socketio.ErrTimeout) || timeout.Answered != 0 {
		g.t.Errorf("%d sockets, %v", len(all), err)
	}
	answers, err := g.one.Timeout(200*time.Millisecond).EmitWithAck(g.t.Context(), "question", 1)
	if len(answers) != 2 || !errors.Is(err, socketio.ErrTimeout) || !errors.As(err, &timeout) || timeout.Away == nil {
		g.t.Errorf("%d answers, %v", len(answers), err)
	}
}

// TestRedisStuck stops Redis without ending it, and then has it go on.
func TestRedisStuck(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := startTroubled(t, kind)
			g.r.stall()
			g.say(g.one, "stuck")
			g.clients[0].hears(t, "stuck")
			g.becomes(false)
			g.say(g.one, "still stuck")
			g.clients[1].hears(t, "still stuck")
			g.r.goOn()
			g.becomes(true)
			g.connected()
			g.say(g.one, "back")
			for _, c := range g.clients {
				c.hears(t, "back")
			}
		})
	}
}

// TestRedisSilentServer stops a server: who asks says which one does not answer.
func TestRedisSilentServer(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := startTroubled(t, kind)
			_ = g.node.it.cmd.Process.Signal(syscall.SIGSTOP)
			defer func() { _ = g.node.it.cmd.Process.Signal(syscall.SIGCONT) }()
			all, err := g.one.Timeout(time.Second).FetchSockets(t.Context())
			var timeout *redis.TimeoutError
			if len(all) != 4 || !errors.As(err, &timeout) || timeout.Answered != 1 || timeout.Expected != 2 || len(timeout.Missing) != 1 {
				t.Errorf("%d sockets, %v", len(all), err)
			}
			const silent = "only 1 responses received out of 2; silent: "
			answers, err := g.one.Timeout(time.Second).EmitWithAck(t.Context(), "question", 1)
			if len(answers) != 4 || !errors.As(err, &timeout) || len(timeout.Missing) != 1 || !strings.Contains(err.Error(), silent) {
				t.Errorf("%d answers, %v", len(answers), err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			answers, err = g.one.Of("/").ServerSideEmitWithAck(ctx, "blob", 1)
			if len(answers) != 1 || !errors.As(err, &timeout) || len(timeout.Missing) != 1 || !strings.Contains(err.Error(), silent) ||
				!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, socketio.ErrTimeout) {
				t.Errorf("%d answers, %v", len(answers), err)
			}
			if len(g.one.troubles) > 0 {
				t.Errorf("the hook was told: %v", <-g.one.troubles)
			}
		})
	}
}

// TestRedisGarbage has a cluster go on, whatever comes over its channels. Official
// servers are ended by some of it: there is none here.
func TestRedisGarbage(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			dropped := make(chan string, 1000)
			w := memberWords{Name: "go 1", Kind: kind, Redis: []string{r.url()}}
			one := startGoMember(t, w, nil, &redis.ConnOptions{OnDrop: func(channel string, err error) { dropped <- channel + ": " + err.Error() }})
			g := &redisCluster{t: t}
			g.join(one)
			sent := 0
			for _, text := range redisGarbage {
				for _, to := range [][]string{{"PUBLISH", "socket.io#/#"}, {"PUBLISH", "socket.io-request#/#"}, {"PUBLISH", "socket.io-response#/#"}, {"SPUBLISH", "socket.io#/#"}} {
					sent += strings.Count(r.do(append(to, text)...), "1")
				}
				r.do("XADD", "socket.io", "*", "uid", "x", "nsp", "/", "type", "3", "data", text)
			}
			r.do("XADD", "socket.io", "*", "what", "ever")
			for range redisGarbage[1:] { // one is a heartbeat to some
				select {
				case <-dropped:
				case <-time.After(patience):
					t.Fatalf("of %d pieces of garbage %d were counted", sent, one.conn.Stats().Garbage)
				}
			}
			g.emit(one, `["well"]`, nil, nil)
			g.reached(one, "all", "ab", `["well"]`)
			if all, err := one.FetchSockets(t.Context()); len(all) != 2 || err != nil {
				t.Errorf("%d sockets, %v", len(all), err)
			}
		})
	}
}

var redisGarbage = []string{
	"garbage", "{", "{}", "[]", "null", "\xff\xfe", `{"type":3}`, `{"type":2,"rooms":["a"]}`, `{"type":5,"requestId":"a"}`,
	`{"type":7,"requestId":"a"}`, `{"type":6,"data":{}}`, `{"uid":"x","nsp":"/","type":3,"data":{"opts":{}}}`, `{"uid":"x","nsp":"/","type":99,"data":{}}`,
	"\x93\xa1x\x81\xa4type\x02\x80", "\x93\xa1x\xc0\xc0", "\xdd\xff\xff\xff\xff",
}

// TestRedisMemory has Redis refuse what needs memory: a stream's entries. The
// servers go on by themselves, and all of it goes out once there is room.
func TestRedisMemory(t *testing.T) {
	t.Parallel()
	g := startTroubled(t, "streams")
	g.r.do("CONFIG", "SET", "maxmemory", "1")
	g.say(g.one, "full")
	s := g.becomes(false)
	if s.Err == nil || !strings.Contains(s.Err.Error(), "OOM") {
		t.Errorf("the reason is %v", s.Err)
	}
	g.clients[0].hears(t, "full")
	g.r.do("CONFIG", "SET", "maxmemory", "0")
	g.becomes(true)
	for _, c := range g.clients[2:] {
		c.hears(t, "full")
	}
}

// TestRedisAuth opens a Redis that wants a password, and one that wants another.
func TestRedisAuth(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	r.do("CONFIG", "SET", "requirepass", "secret")
	t.Cleanup(func() { _, _ = r.try("-a", "secret", "CONFIG", "SET", "requirepass", "") })
	for _, row := range []struct {
		url  string
		o    redis.ConnOptions
		good bool
	}{
		{fmt.Sprintf("redis://:secret@127.0.0.1:%d", r.port), redis.ConnOptions{}, true},
		{r.url(), redis.ConnOptions{Password: "secret"}, true},
		{fmt.Sprintf("redis://:wrong@127.0.0.1:%d", r.port), redis.ConnOptions{}, false},
		{r.url(), redis.ConnOptions{}, false},
	} {
		conn, err := redis.Open(row.url, &row.o)
		if err != nil {
			t.Fatal(err)
		}
		if err = conn.Ping(t.Context()); (err == nil) != row.good || err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), r.url())) {
			t.Errorf("%s: %v", row.url, err)
		}
		conn.Close()
	}
}
