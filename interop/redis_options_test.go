package interop

import (
	"strconv"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio/redis"
)

// redisOptions are the options of the official adapters, none of them as it is by
// default, and channels or keys of which one tells that they count.
var redisOptions = []struct {
	name, kind string
	adapter    map[string]any
	leaves     []string // a command whose answer holds the second
}{
	{"classic", "classic", map[string]any{"key": "own", "requestsTimeout": 9000, "publishOnSpecificResponseChannel": true},
		[]string{"own-request#/#", "PUBSUB", "CHANNELS"}},
	{"sharded", "sharded", map[string]any{"channelPrefix": "own", "subscriptionMode": "dynamic-private"}, []string{"own#/#two#", "PUBSUB", "SHARDCHANNELS"}},
	{"streams", "streams", map[string]any{"streamName": "own", "channelPrefix": "chan", "maxLen": 50, "readCount": 2, "blockTimeInMs": 300, "sessionKeyPrefix": "kept:"},
		[]string{"chan#/#", "PUBSUB", "CHANNELS"}},
	{"streams, many", "streams", map[string]any{"streamName": "own", "streamCount": 4, "useShardedPubSub": true, "heartbeatInterval": 500, "heartbeatTimeout": 900},
		[]string{"own-3", "KEYS", "own*"}}, // the hash of / among four
	{"streams, plain text", "streams", map[string]any{"onlyPlaintext": true}, []string{"socket.io", "KEYS", "*"}},
}

// TestRedisOptions holds servers of ours and an official one in one cluster, with
// every option of the official adapters changed.
func TestRedisOptions(t *testing.T) {
	t.Parallel()
	for _, row := range redisOptions {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			w := memberWords{Name: "go 1", Kind: row.kind, Redis: []string{r.url()}, Adapter: row.adapter}
			g := &redisCluster{t: t, settled: func(string) {}}
			one := startGoMember(t, w, recovering(row.kind), nil)
			g.join(one)
			w.Name = "node"
			g.join(startNodeMember(t, w))
			w.Name = "go 2"
			g.join(startGoMember(t, w, recovering(row.kind), nil))
			for _, m := range g.members {
				counts(t, m, 3)
			}
			for i, from := range g.members {
				for j := range 10 { // more than is read at once
					from.call(t, clusterAct{Do: "emit", Event: "x", Args: []any{strconv.Itoa(100*i + j)}, To: []string{"two"}}, nil)
				}
				for _, c := range []*clusterClient{g.clients[1], g.clients[3], g.clients[5]} {
					c.hears(t, strconv.Itoa(100*i+9))
				}
				g.checkFetch(from)
				g.checkServerAck(from)
				g.checkAck(from)
			}
			if held := r.do(row.leaves[1:]...); !strings.Contains(held, row.leaves[0]) {
				t.Errorf("%q: %s", row.leaves, held)
			}
			if row.adapter["sessionKeyPrefix"] != nil {
				keptUnder(t, r, one, "kept:")
			}
			if s := one.conn.Stats(); s != (redis.Stats{Up: true, Published: s.Published, Received: s.Received, Queued: s.Queued}) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// keptUnder has a client be cut off: its session is kept under a key that begins
// so.
func keptUnder(t *testing.T, r *redisServer, m *goMember, prefix string) {
	t.Helper()
	board := newSwitchboard(t, m)
	c := clusterDial(t, through{m, board}, "z")
	m.call(t, clusterAct{Do: "emit", Event: "x", Args: []any{"before"}}, nil)
	c.hears(t, "before")
	board.turn(nil)
	poll(t, "the session to be kept", func() bool { return strings.Contains(r.do("KEYS", prefix+"*"), prefix) })
}
