package interop

import (
	"fmt"
	"strings"
	"testing"
)

// TestRedisRing runs servers on a Redis Cluster, whose channels belong to several
// servers of it, and moves one of them: its subscribers follow.
func TestRedisRing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sharded", "classic", "streams"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ring := startRedisCluster(t)
			w := memberWords{Name: "go 1", Kind: kind, Cluster: true}
			for _, r := range ring {
				w.Redis = append(w.Redis, r.url())
			}
			g := &redisCluster{t: t, settled: func(string) {}}
			one := startGoMember(t, w, nil, nil)
			g.join(one)
			w.Name = "node"
			g.join(startNodeMember(t, w))
			w.Name = "go 2"
			g.join(startGoMember(t, w, nil, nil))
			for _, from := range g.members {
				poll(t, "all servers to be counted", func() bool {
					var n int
					from.call(t, clusterAct{Do: "count"}, &n)
					return n == 3
				})
			}
			g.everywhere("at first")
			g.checkServerAck(one)
			g.checkAck(one)
			g.checkFetch(one)
			if kind == "sharded" {
				moveSlot(t, ring, "socket.io#/#")
				g.everywhere("behind the move")
			}
		})
	}
}

// TestRedisRingOrder has a server say a lot at once over a Redis Cluster, of which
// any server would take it: it comes in order.
func TestRedisRingOrder(t *testing.T) {
	t.Parallel()
	var urls []string
	for _, r := range startRedisCluster(t) {
		urls = append(urls, r.url())
	}
	g := startRingMembers(t, "classic", urls, nil, patience)
	g.everywhere("at first")
	const count = 500
	for i := range count {
		must(t, g.one.Emit("x", fmt.Sprint("number ", i)))
	}
	for _, c := range g.clients {
		due := 0
		for due < count {
			var n int
			if _, err := fmt.Sscanf(string(c.next(t).args), `["number %d"`, &n); err != nil {
				continue
			}
			if n != due {
				t.Fatalf("%s got %d; %d is due", c.name, n, due)
			}
			due++
		}
	}
}

// everywhere holds that what each of our servers sends reaches all that are ours.
func (g *redisCluster) everywhere(what string) {
	g.t.Helper()
	for _, from := range g.members {
		if _, ours := from.(*goMember); !ours {
			continue
		}
		text := what + " from " + from.name()
		g.emit(from, fmt.Sprintf("[%q]", text), nil, nil)
		for _, c := range g.clients {
			if _, ours := c.at.(*goMember); ours {
				c.hears(g.t, text)
			}
		}
		g.emit(from, fmt.Sprintf("[%q]", text+" to two"), []string{"two"}, nil)
		for i, c := range g.clients {
			if _, ours := c.at.(*goMember); ours && i%2 == 1 {
				c.hears(g.t, text+" to two")
			}
		}
	}
}

// moveSlot gives the slot of a channel to another server of a cluster.
func moveSlot(t testing.TB, ring []*redisServer, channel string) {
	t.Helper()
	slot := strings.TrimSpace(ring[0].do("CLUSTER", "KEYSLOT", channel))
	from, to := -1, -1
	for i, r := range ring {
		if n := strings.TrimSpace(r.do("PUBSUB", "SHARDNUMSUB", channel)); strings.HasSuffix(n, "3") {
			from = i
		}
	}
	if from < 0 {
		t.Fatal("no server of the cluster has the channel")
	}
	to = (from + 1) % len(ring)
	id := strings.TrimSpace(ring[to].do("CLUSTER", "MYID"))
	ring[to].do("CLUSTER", "BUMPEPOCH") // else a word of the old owner that is under way takes the slot back
	for _, i := range []int{to, from, 3 - to - from} {
		ring[i].do("CLUSTER", "SETSLOT", slot, "NODE", id)
	}
	poll(t, "our servers to follow the channel", func() bool {
		n := strings.Fields(ring[to].do("PUBSUB", "SHARDNUMSUB", channel))
		return len(n) == 2 && n[1] >= "2"
	})
}
