package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/metrics"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// redisFlags join a Socket.IO server to others.
type redisFlags struct {
	url     string
	adapter string
	prefix  string
}

// The adapters, by the names that --redis-adapter takes.
const (
	adapterPubSub  = "pubsub"
	adapterSharded = "sharded"
	adapterStreams = "streams"
)

func (f *redisFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.url, "redis", "", "be one cluster with all servers at this Redis, official ones too: `URL` is redis://…, rediss://… or redis-sentinel://…, or @FILE")
	set.StringVar(&f.adapter, "redis-adapter", adapterPubSub, "the official `ADAPTER` that the others use: pubsub, sharded or streams")
	set.StringVar(&f.prefix, "redis-prefix", "socket.io", "begin the names of channels, and the stream's, with `PREFIX`, as the others do; clusters that share a Redis need one each")
}

// complete checks the flags against each other.
func (f *redisFlags) complete(set *pflag.FlagSet, recovery bool) error {
	switch {
	case f.url == "" && set.Changed("redis-prefix"):
		return usagef("--redis-prefix names the channels of a Redis, and none is named", "--redis redis://localhost:6379")
	case f.adapter != adapterPubSub && f.adapter != adapterSharded && f.adapter != adapterStreams:
		return usagef(fmt.Sprintf("--redis-adapter takes pubsub, sharded or streams; %q came", f.adapter), "all servers of a cluster use the same one")
	case f.url == "" && f.adapter != adapterPubSub:
		return usagef("--redis-adapter says how the servers at a Redis speak, and none is named", "--redis redis://localhost:6379")
	case f.url != "" && recovery && f.adapter != adapterStreams:
		return usagef(fmt.Sprintf("--recovery is by one server alone with the adapter %s", f.adapter), "with --redis-adapter streams clients come back on any server")
	case f.url == "":
		return nil
	}
	var err error
	if f.url, err = secretValue("--redis", f.url); err != nil {
		return &usageError{err, ""}
	}
	conn, err := redis.Open(f.url, nil)
	if err != nil {
		return usagef("--redis: "+strings.TrimPrefix(err.Error(), "redis: "), "write redis://USER:PASSWORD@HOST:PORT/DATABASE; several hosts with commas between them are a cluster; docs/scaling.md has what else a URL can say")
	}
	return conn.Close()
}

// broker opens the way to Redis. That it is not there is said, and no failure:
// this server's clients do not need it.
func (l *listening) broker(ctx context.Context) (*redis.Conn, *brokerLog, error) {
	said := &brokerLog{listening: l, up: true, told: map[string]bool{}}
	if l.sio.redis.url == "" {
		return nil, said, nil
	}
	conn, err := redis.Open(l.sio.redis.url, &redis.ConnOptions{Timeout: time.Duration(l.timeout), Tracer: l.tracer, OnState: said.state})
	if err != nil {
		return nil, nil, err
	}
	if err := conn.Ping(ctx); err != nil && ctx.Err() == nil {
		said.state(redis.State{Err: err})
	}
	return conn, said, nil
}

// brokerLog says that Redis is lost, or back.
type brokerLog struct {
	*listening
	mu  sync.Mutex
	up  bool // as it was said
	why string
	// told are the reasons for which Redis has refused what was for others.
	told map[string]bool
}

func (b *brokerLog) state(s redis.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	why := render.Printable(strings.TrimPrefix(fmt.Sprint(s.Err), "redis: "))
	if s.Up == b.up && (!s.Still || strings.HasSuffix(b.why, why)) { // that of a Ping begins with the address
		return
	}
	text := "Redis is back: what is said reaches the clients of all servers"
	switch {
	case !s.Up && !b.up:
		text = fmt.Sprintf("Redis is still not there (%s)", why)
	case !s.Up:
		text = fmt.Sprintf("Redis is not there (%s): what is said reaches the clients of this server, and the others when it is back", why)
	}
	b.up, b.why = s.Up, why
	b.note(text)
}

func (b *brokerLog) note(text string) {
	if line := b.log.sparing(func() string { return "note: " + text }); line != "" && !b.quiet {
		fmt.Fprintln(b.Err, line)
	}
}

// mostRefusals bounds how many are said.
const mostRefusals = 20

// refused says that Redis does not take what is said in a namespace, each of its
// reasons once.
func (b *brokerLog) refused(n *socketio.Namespace, err error) {
	var reply interface {
		error
		RedisError()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	why := render.Printable(strings.TrimPrefix(err.Error(), "redis: "))
	if !b.up || !errors.As(err, &reply) || errors.Is(err, socketio.ErrTimeout) || b.told[n.Name()+why] || len(b.told) == mostRefusals {
		return
	}
	b.told[n.Name()+why] = true
	b.note(fmt.Sprintf("Redis does not take what is for other servers in %s (%s): what is said reaches the clients of this one", render.Printable(n.Name()), why))
}

// factory makes what --redis-adapter names.
func (f *redisFlags) factory(conn *redis.Conn) socketio.AdapterFactory {
	switch {
	case conn == nil:
		return nil
	case f.adapter == adapterSharded:
		return conn.ShardedAdapter(&redis.ShardedOptions{ChannelPrefix: f.prefix})
	case f.adapter == adapterStreams:
		return conn.StreamsAdapter(&redis.StreamsOptions{StreamName: f.prefix, ChannelPrefix: f.prefix})
	}
	return conn.Adapter(&redis.AdapterOptions{Key: f.prefix})
}

// brokerSamples are the figures of the way to Redis.
func brokerSamples(conn *redis.Conn) []metrics.Family {
	if conn == nil {
		return nil
	}
	st, up := conn.Stats(), 0.0
	if st.Up {
		up = 1
	}
	return []metrics.Family{
		gauge("redis_up", "1 where Redis can be reached.", up),
		counter("redis_published_total", "Messages that Redis has taken.", uint64(st.Published)),
		counter("redis_received_total", "Messages of other servers.", uint64(st.Received)),
		counter("redis_garbage_total", "What came over a channel and was no message.", uint64(st.Garbage)),
		counter("redis_dropped_total", "Messages for which there was no room while Redis was away.", uint64(st.Dropped)),
		counter("redis_failed_total", "Messages that Redis has refused, or may not have got.", uint64(st.Failed)),
		counter("redis_losses_total", "How often Redis was lost.", uint64(st.Losses)),
		gauge("redis_queued", "Messages that wait for Redis.", float64(st.Queued)),
	}
}
