package interop

import (
	"strings"
	"testing"
)

// Two listeners at one Redis are one cluster, whichever adapter they use, and
// the loss of Redis and its return are said once each.
func TestRedisListen(t *testing.T) {
	t.Parallel()
	for _, adapter := range []string{"pubsub", "sharded", "streams"} {
		t.Run(adapter, func(t *testing.T) {
			r := startRedis(t)
			var us [2]*proc
			for i := range us {
				us[i] = sockkit(t, "listen", "-k", "--broadcast=all", "--redis", r.url(), "--redis-adapter", adapter, "sio://127.0.0.1:0")
			}
			first, second := us[0].address(), us[1].address()
			hears := func(text string) {
				t.Helper()
				listener := sockkit(t, "dial", "-v", first, "--recv-only", "--expect", text)
				await(t, "the listener to be in", listener.errOrEnd, func() bool { return strings.Contains(listener.err.String(), "connected to namespace") })
				for range 50 { // until the other server has heard of the first one
					sockkit(t, "dial", second, "-x", "message "+text, "--count", "1").want(0)
					if !listener.alive() {
						break
					}
				}
				listener.want(0)
			}
			hears("hello")
			r.kill()
			await(t, "the loss to be said", us[0].errOrEnd, func() bool { return strings.Contains(us[0].err.String(), "Redis is not there") })
			sockkit(t, "dial", first, "-x", "message alone", "--count", "1").want(0)
			r.start()
			await(t, "the return to be said", us[0].errOrEnd, func() bool { return strings.Contains(us[0].err.String(), "Redis is back") })
			hears("again")
		})
	}
}

// Listeners with a prefix are in the cluster of an official server that has the same
// one, and not in another at the same Redis.
func TestRedisListenPrefix(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kind    string
		adapter map[string]any
	}{
		{"classic", map[string]any{"key": "app"}},
		{"sharded", map[string]any{"channelPrefix": "app"}},
		{"streams", map[string]any{"streamName": "app", "channelPrefix": "app"}},
	} {
		t.Run(row.kind, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			official := startNodeMember(t, memberWords{Name: "node", Kind: row.kind, Redis: []string{r.url()}, Adapter: row.adapter})
			listener := func(flags ...string) string {
				return sockkit(t, append([]string{"listen", "-k", "--broadcast=all", "--redis", r.url(), "--redis-adapter", adapterNames[row.kind], "sio://127.0.0.1:0"}, flags...)...).address()
			}
			with, without := listener("--redis-prefix", "app"), listener()
			near, apart := sockkit(t, "dial", "-v", with), sockkit(t, "dial", "-v", without)
			for _, c := range []*proc{near, apart} {
				await(t, "a client to be in", c.errOrEnd, func() bool { return strings.Contains(c.err.String(), "connected to namespace") })
			}
			counts(t, official, 2)
			poll(t, "what the official server says", func() bool {
				official.call(t, clusterAct{Do: "emit", Event: "x", Args: []any{"hello"}}, nil)
				return strings.Contains(near.out.String(), "hello")
			})
			sockkit(t, "dial", without, "-x", "message last", "--count", "1").want(0)
			await(t, "what comes last", apart.outOrEnd, func() bool { return strings.Contains(apart.out.String(), "last") })
			if strings.Contains(apart.out.String(), "hello") {
				t.Errorf("the other cluster heard %q", apart.out.String())
			}
		})
	}
}
