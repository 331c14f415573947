package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// TestRedisDrain restarts the servers of a cluster one after the other while they
// speak to a room: official clients, by both transports, lose nothing, get nothing
// twice, and all of it in order.
func TestRedisDrain(t *testing.T) {
	t.Parallel()
	for _, node := range []bool{false, true} {
		t.Run(map[bool]string{false: "two Go servers", true: "with a Node server"}[node], func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			g, b := newFlock(t), newBalancer(t)
			var servers [2]*drained
			for i := range servers {
				servers[i] = startDrained(t, g, r, fmt.Sprintf("go %d", i+1))
			}
			var official *nodeMember
			if node { // its clients move away from it; those of others never come to it
				official = startNodeMember(t, memberWords{Name: "node", Kind: "streams", Redis: []string{r.url()},
					Options: map[string]any{"connectionStateRecovery": map[string]any{}}})
				b.among(official)
				g.dial(b.URL, 3, "websocket")
			}
			b.among(servers[0], servers[1])
			g.dial(b.URL, 4, "websocket")
			g.dial(b.URL, 2, "polling")
			g.begun()
			if node {
				official.call(t, clusterAct{Do: "close"}, nil)
				g.back(1)
			}
			for round := range 2 {
				for i, m := range servers {
					before := g.moves()
					leaving := m.EngineServer().ClientsCount()
					m.restart(t)
					g.back(before + leaving)
					servers[i] = startDrained(t, g, r, fmt.Sprintf("go %d.%d", i+1, round+1))
					b.among(servers[0], servers[1])
				}
			}
			for _, m := range servers {
				m.hush()
			}
			g.settles()
			if g.anew > 0 || g.moved < 9 {
				t.Errorf("clients came back %d times, %d anew", g.moved, g.anew)
			}
		})
	}
}

// drained is one of our servers, which speaks.
type drained struct {
	*goMember
	hush func()
}

func startDrained(t testing.TB, g *flock, r *redisServer, name string) *drained {
	t.Helper()
	w := memberWords{Name: name, Kind: "streams", Redis: []string{r.url()}}
	m := startGoMember(t, w, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, &redis.ConnOptions{Timeout: quick})
	d := &drained{m, g.speak(m, name)}
	t.Cleanup(d.hush)
	return d
}

// restart is the first half of it: the server speaks until it has drained.
func (d *drained) restart(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Drain(ctx, 100*time.Millisecond); err != nil {
		t.Errorf("%s: %v", d.name(), err)
	}
	d.hush()
	d.leave()
}

// begun waits until all clients have got something: who has not cannot come back
// as it was.
func (g *flock) begun() {
	g.t.Helper()
	poll(g.t, "all clients to get something", func() bool {
		return g.every(func(l *listener) bool {
			for _, n := range l.got {
				if n > 0 {
					return true
				}
			}
			return false
		})
	})
}

func (g *flock) moves() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.moved
}

// back waits until clients have come back so many times, and nobody is away.
func (g *flock) back(times int) {
	g.t.Helper()
	poll(g.t, fmt.Sprintf("clients to come back %d times", times), func() bool {
		return g.moves() >= times && g.every(func(l *listener) bool { return !l.gone })
	})
}
