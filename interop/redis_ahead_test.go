package interop

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// TestRedisMoveAhead has an official client move to a server that reads the stream
// late: it is the same client there, once the server has read what the client has
// got, and gets nothing of that again.
func TestRedisMoveAhead(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	late := newSwitchboard(t, redisAt{r})
	held, goOn := make(chan struct{}), make(chan struct{})
	var reads, looks atomic.Int32
	late.watch = func(answer []byte) {
		switch {
		case bytes.Contains(answer, []byte("the first")) && reads.Add(1) == 1:
			close(held) // what is behind it is not read
			<-goOn
		case bytes.Contains(answer, []byte("the last")):
			looks.Add(1)
		}
	}
	g := &moving{r: r, servers: map[string]clusterMember{}, said: map[string]int{}, got: map[string]int{}}
	for name, url := range map[string]string{"in time": r.url(), "late": "redis://" + strings.TrimPrefix(late.url(), "http://")} {
		w := memberWords{Name: name, Kind: "streams", Redis: []string{url}, Adapter: map[string]any{"blockTimeInMs": 60_000}}
		g.servers[name] = startGoMember(t, w, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, &redis.ConnOptions{})
	}
	g.dial(t, "in time")
	say := func(words string) {
		t.Helper()
		g.said["in time"]++
		g.servers["in time"].call(t, clusterAct{Do: "emit", Event: "x", To: []string{"room"}, Args: []any{"in time", g.said["in time"], words}}, nil)
	}
	say("the first")
	<-held
	say("the next")
	say("the last")
	g.gets(t, false)
	g.board.turn(g.servers["late"])
	var seen sioSaw
	poll(t, "the client to be back, or looked for three times", func() bool {
		for ok := true; ok && seen.Saw != "connect"; {
			seen, ok = g.peer.take(g.client.of)
		}
		return seen.Saw == "connect" || looks.Load() >= 3
	})
	close(goOn)
	if seen.Saw != "connect" {
		seen = g.until(t, "connect")
	}
	if !seen.Recovered || seen.ID != g.id {
		t.Errorf("it is not the same client: %v, before %s", seen, g.id)
	}
	say("behind it")
	g.gets(t, true)
}
