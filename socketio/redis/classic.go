package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// AdapterOptions configure [Conn.Adapter]. The zero value has the official
// defaults; nil is the zero value. Key has to be the same on all servers. The official
// parser is not here: servers that have another one than MessagePack are not understood.
type AdapterOptions struct {
	// Key is what the names of all channels begin with; "" is socket.io.
	Key string
	// RequestsTimeout bounds the wait for other servers; 0 is 5 seconds.
	RequestsTimeout time.Duration
	// PublishOnSpecificResponseChannel has answers go to the server that has asked
	// alone. Servers of versions before 6.1 do not hear those.
	PublishOnSpecificResponseChannel bool
}

// Adapter makes adapters that speak as @socket.io/redis-adapter does
// (createAdapter): by channels, which keep nothing. In a Redis Cluster every
// message goes to all its servers; there [Conn.ShardedAdapter] is the better one.
//
// Answers carry one value: of an acknowledgement the first.
func (c *Conn) Adapter(options *AdapterOptions) socketio.AdapterFactory {
	var o AdapterOptions
	if options != nil {
		o = *options
	}
	if o.Key == "" {
		o.Key = defaultPrefix
	}
	return func(n *socketio.Namespace) socketio.Adapter { return newClassic(c, n, o) }
}

// classic is an adapter by the channels of @socket.io/redis-adapter.
type classic struct {
	*adapter
	options                    AdapterOptions
	channel, request, response string
	pattern, specific          string
}

func newClassic(c *Conn, n *socketio.Namespace, o AdapterOptions) *classic {
	a := &classic{adapter: newAdapter(n, c, newUID(6), o.RequestsTimeout), options: o}
	a.channel = o.Key + "#" + n.Name() + "#"
	a.request = o.Key + "-request#" + n.Name() + "#"
	a.response = o.Key + "-response#" + n.Name() + "#"
	a.specific = a.response + a.uid + "#"
	a.pattern = escapePattern(a.channel) + "*"
	a.wire = a
	return a
}

// escapePattern has a name stand for itself in a pattern of Redis.
func escapePattern(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(name)
}

// Init implements [socketio.Adapter].
func (a *classic) Init() error {
	h := a.conn.hub
	if err := h.claim(toChannel, a.request, a.adapter); err != nil {
		return err
	}
	return a.begin(
		h.subscribe(a, toPattern, a.pattern, a.onBroadcast),
		h.subscribe(a, toChannel, a.request, a.onRequest),
		h.subscribe(a, toChannel, a.response, a.onResponse),
		h.subscribe(a, toChannel, a.specific, a.onResponse),
	)
}

// Close implements [socketio.Adapter].
func (a *classic) Close() error {
	h := a.conn.hub
	h.release(toChannel, a.request, a.adapter)
	h.unsubscribe(a, toPattern, a.pattern)
	h.unsubscribe(a, toChannel, a.request)
	h.unsubscribe(a, toChannel, a.response)
	h.unsubscribe(a, toChannel, a.specific)
	a.finish()
	return nil
}

// servers counts who listens to requests. In a cluster they may be connected to
// any of its servers.
func (a *classic) servers(ctx context.Context) (int, error) {
	return a.conn.countSubscribers(ctx, a.request)
}

// members are known by the channels on which they take answers.
func (a *classic) members(ctx context.Context) ([]string, error) {
	names, err := a.conn.channels(ctx, escapePattern(a.response)+"*#")
	return idsOf(names, a.response, isClassicUID), err
}

func isClassicUID(id string) bool { return !strings.Contains(id, "#") }

// idsOf are the ids of servers in the names of their channels.
func idsOf(names []string, prefix string, is func(id string) bool) (ids []string) {
	for _, name := range names {
		id := strings.TrimSuffix(strings.TrimPrefix(name, prefix), "#")
		if id != "" && is(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// publish puts a message for a channel into the queue.
func (c *Conn) publish(channel string, body []byte, report func(error)) error {
	return c.queue.add(&job{
		size: len(channel) + len(body),
		run: func(ctx context.Context, p goredis.Pipeliner) goredis.Cmder {
			return p.Publish(ctx, channel, body)
		},
		done: failed(report),
	})
}

// failed tells of a command that Redis did not take. The end of the Conn is no
// news.
func failed(report func(error)) func(goredis.Cmder, error) {
	return func(_ goredis.Cmder, err error) {
		if err != nil && !errors.Is(err, errClosed) {
			report(err)
		}
	}
}

// countSubscribers counts those of a channel at all servers of Redis.
func (c *Conn) countSubscribers(ctx context.Context, channel string) (int, error) {
	n := 0
	err := c.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		counts, err := node.PubSubNumSub(ctx, channel).Result()
		n += int(counts[channel])
		return err
	})
	return n, err
}

// channels are those that somebody is subscribed to.
func (c *Conn) channels(ctx context.Context, pattern string) (all []string, err error) {
	err = c.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		names, err := node.PubSubChannels(ctx, pattern).Result()
		all = append(all, names...)
		return err
	})
	return all, err
}

// eachMaster asks one server of a cluster after the other.
func (c *Conn) eachMaster(ctx context.Context, f func(ctx context.Context, node *goredis.Client) error) error {
	if c.cluster == nil {
		node, err := c.node(ctx, "")
		if err != nil {
			return err
		}
		return f(ctx, node)
	}
	masters := make(chan *goredis.Client, 1000)
	err := c.cluster.ForEachMaster(ctx, func(_ context.Context, node *goredis.Client) error {
		masters <- node
		return nil
	})
	close(masters)
	if err != nil {
		return err
	}
	for node := range masters {
		if err := f(ctx, node); err != nil {
			return err
		}
	}
	return nil
}
