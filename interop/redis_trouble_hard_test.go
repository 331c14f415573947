package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// labelled runs f so that the goroutines it starts, and theirs, can be counted.
func labelled(t *testing.T, f func()) (count func() int) {
	name := t.Name()
	pprof.Do(t.Context(), pprof.Labels("redis", name), func(context.Context) { f() })
	return func() int {
		var text bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&text, 1)
		n := 0
		for _, group := range strings.Split(text.String(), "\n\n") {
			if strings.Contains(group, strconv.Quote(name)) {
				head := ofGroup.FindStringSubmatch(group)
				if head != nil {
					more, _ := strconv.Atoi(head[1])
					n += more
				}
			}
		}
		return n
	}
}

var ofGroup = regexp.MustCompile(`(?m)^(\d+) @`)

// TestRedisStuckForLong has Redis stop and go on again, twice, with more said
// meanwhile than there is room for: that is dropped and counted, the clients of
// this server get all of it, who asks is told, and nothing is left behind.
func TestRedisStuckForLong(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := &troubled{redisCluster: &redisCluster{t: t}, r: startRedis(t), states: make(chan redis.State, 10000)}
			w := memberWords{Name: "go 1", Kind: kind, Redis: []string{g.r.url()}}
			goroutines := labelled(t, func() {
				g.one = startGoMember(t, w, nil, &redis.ConnOptions{Timeout: quick, MaxQueue: 300, OnState: func(s redis.State) { g.states <- s }})
			})
			g.join(g.one)
			w.Name = "go 2"
			g.join(startGoMember(t, w, nil, nil))
			for _, m := range g.members {
				counts(t, m, 2)
			}
			g.everywhere("at first")
			var before int
			for round := range 2 {
				g.stuck(round)
				g.r.goOn()
				g.becomes(true)
				poll(t, "the queue to be empty", func() bool { return g.one.conn.Stats().Queued == 0 })
				for _, m := range g.members {
					counts(t, m, 2)
				}
				g.everywhere(fmt.Sprint("again ", round))
				if round == 0 {
					if before = goroutines(); before == 0 {
						t.Fatal("no goroutine was counted")
					}
				}
			}
			poll(t, fmt.Sprintf("as few goroutines as before, %d", before), func() bool { return goroutines() <= before })
		})
	}
}

// stuck stops Redis, and says more than there is room for.
func (g *troubled) stuck(round int) {
	g.t.Helper()
	g.r.stall()
	was := g.one.conn.Stats().Dropped
	g.say(g.one, "stuck")
	g.becomes(false)
	full := 0
	const many = 700
	for i := range many {
		if err := g.one.Emit("x", fmt.Sprint(round, " stuck ", i)); errors.Is(err, redis.ErrQueueFull) {
			full++
		} else if err != nil {
			g.t.Fatal(err)
		}
	}
	for _, c := range g.clients[:2] {
		c.hears(g.t, fmt.Sprint(round, " stuck ", many-1))
	}
	if s := g.one.conn.Stats(); s.Up || s.Queued > 300 || full < many-300 || s.Dropped-was != int64(full) {
		g.t.Errorf("%d were refused; %+v", full, s)
	}
	var timeout *redis.TimeoutError
	all, err := g.one.Timeout(quick).FetchSockets(g.t.Context())
	if len(all) != 2 && !errors.Is(err, redis.ErrQueueFull) || !errors.As(err, &timeout) && !errors.Is(err, redis.ErrQueueFull) || timeout != nil && timeout.Away == nil {
		g.t.Errorf("%d sockets, %v", len(all), err)
	}
	answers, err := g.one.Timeout(quick).EmitWithAck(g.t.Context(), "question", 1)
	if len(answers) != 2 || !errors.Is(err, socketio.ErrTimeout) {
		g.t.Errorf("%d answers, %v", len(answers), err)
	}
}

// TestRedisSlow has each word to and from Redis take its time: all arrives, in
// order, and Redis does not count as lost.
func TestRedisSlow(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			slow := sockkit(t, "tap", "--delay", "40ms", "tcp://127.0.0.1:0", fmt.Sprintf("tcp://127.0.0.1:%d", r.port))
			url := "redis://" + strings.TrimPrefix(slow.address(), "tcp://")
			g := startRingMembers(t, kind, []string{url}, nil, 0)
			for i := range 300 {
				g.say(g.one, fmt.Sprint("slow ", i))
			}
			for _, c := range g.clients {
				for i := range 300 {
					if e := c.next(t); string(e.args) != fmt.Sprintf(`["slow %d"]`, i) {
						t.Fatalf("%s got %s; %d is due", c.name, e.args, i)
					}
				}
			}
			g.everywhere("slow")
			g.checkAck(g.one)
			g.checkFetch(g.one)
			if s := g.one.conn.Stats(); s.Losses > 0 || s.Failed > 0 || s.Dropped > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// back waits until both servers have lost Redis, and found it again.
func (g *troubled) back() {
	g.t.Helper()
	for _, m := range []*goMember{g.one, g.two} {
		poll(g.t, m.title+" to have Redis again", func() bool { s := m.conn.Stats(); return s.Losses > 0 && s.Up })
	}
	for _, m := range g.members {
		counts(g.t, m, 2)
	}
}

// redisAt is a Redis to which a switchboard leads.
type redisAt struct{ *redisServer }

func (r redisAt) name() string                     { return "redis" }
func (r redisAt) url() string                      { return "http://" + strings.TrimPrefix(r.redisServer.url(), "redis://") }
func (r redisAt) call(testing.TB, clusterAct, any) {}

// TestRedisBehindProxy cuts what leads to Redis by way of a proxy, which goes on
// taking connections and ends them at once: what is said meanwhile waits, and
// nothing of it is lost, with no adapter.
func TestRedisBehindProxy(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			board := newSwitchboard(t, redisAt{r})
			g := startRingMembers(t, kind, []string{"redis://" + strings.TrimPrefix(board.url(), "http://")}, nil, quick)
			board.turn(nil)
			g.becomes(false)
			g.say(g.one, "lost, perhaps")
			for i := range 100 {
				g.say(g.one, fmt.Sprint("meanwhile ", i))
			}
			g.clients[0].hears(t, "meanwhile 99")
			board.turn(redisAt{r})
			for i := range 100 {
				if kind == "streams" { // the reader goes back
					g.clients[2].hears(t, fmt.Sprint("meanwhile ", i))
				}
			}
			poll(t, "the queue to be empty", func() bool { return g.one.conn.Stats().Queued == 0 })
			if s := g.one.conn.Stats(); s.Failed > 0 || s.Dropped > 0 {
				t.Errorf("%+v", s)
			}
			g.back()
			g.everywhere("behind it")
		})
	}
}

// TestRedisAnother has the address of Redis lead to another one, whose clock is
// behind: what is written there is read, though its ids are lower than what was
// read before.
func TestRedisAnother(t *testing.T) {
	t.Parallel()
	r, other := startRedis(t), startRedis(t)
	r.do("XADD", "socket.io", "9999999999999-0", "uid", "x", "nsp", "/elsewhere", "type", "3", "data", "{}")
	board := newSwitchboard(t, redisAt{r})
	g := startRingMembers(t, "streams", []string{"redis://" + strings.TrimPrefix(board.url(), "http://")}, recovering("streams"), quick)
	g.everywhere("at first")
	board.turn(redisAt{other})
	g.back()
	g.everywhere("at another one")
}

// TestRedisAnotherBetween is that, at the moment at which a server has read an
// entry and does not yet wait for the next one: it has nothing on its way by which
// it could see that Redis is lost.
func TestRedisAnotherBetween(t *testing.T) {
	t.Parallel()
	r, other := startRedis(t), startRedis(t)
	r.do("XADD", "socket.io", "9999999999999-0", "uid", "x", "nsp", "/elsewhere", "type", "3", "data", "{}")
	board := newSwitchboard(t, redisAt{r})
	var once sync.Once // what Redis had not confirmed is written there, too
	board.watch = func(answer []byte) {
		if bytes.Contains(answer, []byte("the last words")) {
			once.Do(func() { board.turn(redisAt{other}) })
		}
	}
	g := startRingMembers(t, "streams", []string{"redis://" + strings.TrimPrefix(board.url(), "http://")}, recovering("streams"), quick)
	g.everywhere("at first")
	g.say(g.one, "the last words")
	g.back()
	g.everywhere("at another one")
}

// TestRedisFull has Redis refuse what needs memory: channels do not.
func TestRedisFull(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "sharded"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t, "--maxmemory-policy", "noeviction")
			g := startRingMembers(t, kind, []string{r.url()}, nil, 0)
			r.do("CONFIG", "SET", "maxmemory", "1")
			g.everywhere("without memory")
			g.checkServerAck(g.one)
			g.checkAck(g.one)
			if s := g.one.conn.Stats(); s.Losses > 0 || s.Failed > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
