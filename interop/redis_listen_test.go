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
