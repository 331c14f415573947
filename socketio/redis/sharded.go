package redis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// SubscriptionMode says which rooms have channels of their own.
type SubscriptionMode string

// The modes of the official adapter.
const (
	Dynamic        SubscriptionMode = "dynamic"         // all but those that are a socket's own
	DynamicPrivate SubscriptionMode = "dynamic-private" // all
	Static         SubscriptionMode = "static"          // none
)

// ShardedOptions configure [Conn.ShardedAdapter]. The zero value has the official
// defaults; nil is the zero value. ChannelPrefix and SubscriptionMode have to be
// the same on all servers.
type ShardedOptions struct {
	// ChannelPrefix is what the names of all channels begin with; "" is socket.io.
	ChannelPrefix string
	// SubscriptionMode is Dynamic where it is "". With rooms that have channels of
	// their own a server gets what is for its rooms alone.
	SubscriptionMode SubscriptionMode
	// RequestTimeout bounds the wait for other servers; 0 is 5 seconds.
	RequestTimeout time.Duration
}

// ShardedAdapter makes adapters that speak as those of createShardedAdapter of
// @socket.io/redis-adapter do: by sharded channels, each of which is one server's
// of a Redis Cluster. It wants Redis 7.
func (c *Conn) ShardedAdapter(options *ShardedOptions) socketio.AdapterFactory {
	var o ShardedOptions
	if options != nil {
		o = *options
	}
	if o.ChannelPrefix == "" {
		o.ChannelPrefix = defaultPrefix
	}
	if o.SubscriptionMode == "" {
		o.SubscriptionMode = Dynamic
	}
	return func(n *socketio.Namespace) socketio.Adapter {
		a := &sharded{adapter: newAdapter(n, c, newUID(16), o.RequestTimeout), mode: o.SubscriptionMode, rooms: map[string]<-chan struct{}{}, wait: readyTimeout}
		a.channel = o.ChannelPrefix + "#" + n.Name() + "#"
		a.response = a.channel + a.uid + "#"
		a.wire, a.obey = a, a.joinAtOnce
		return a
	}
}

// sharded is an adapter by sharded channels.
type sharded struct {
	*adapter
	mode              SubscriptionMode
	channel, response string
	wait              time.Duration // for the channel of a room

	roomsMu sync.Mutex
	rooms   map[string]<-chan struct{} // that have channels, and when those stand
	atOnce  map[string]int             // sockets that join without waiting for them
	closed  bool
}

// Init implements [socketio.Adapter].
func (a *sharded) Init() error {
	switch a.mode {
	case Dynamic, DynamicPrivate, Static:
	default:
		return fmt.Errorf("redis: the subscription mode %q; want dynamic, dynamic-private or static", a.mode)
	}
	h := a.conn.hub
	if err := h.claim(toShard, a.channel, a.adapter); err != nil {
		return err
	}
	a.follow()
	return a.begin(h.subscribe(a, toShard, a.channel, a.take), h.subscribe(a, toShard, a.response, a.take))
}

// follow has rooms have channels.
func (a *sharded) follow() {
	if a.mode != Static {
		a.Namespace().OnRoom(socketio.RoomCreated, func(room, _ string) { a.created(room) })
		a.Namespace().OnRoom(socketio.RoomDeleted, func(room, _ string) { a.deleted(room) })
	}
}

// Close implements [socketio.Adapter].
func (a *sharded) Close() error {
	h := a.conn.hub
	h.release(toShard, a.channel, a.adapter)
	h.unsubscribe(a, toShard, a.channel)
	h.unsubscribe(a, toShard, a.response)
	a.roomsMu.Lock()
	for room := range a.rooms {
		h.unsubscribe(a, toShard, a.channel+room+"#")
	}
	a.rooms, a.closed = map[string]<-chan struct{}{}, true
	a.roomsMu.Unlock()
	a.finish()
	return nil
}

// created subscribes to the channel of a room that has its first socket, unless it is
// subscribed to already.
func (a *sharded) created(room string) {
	own := len(a.SocketRooms(room)) > 0 // it is that of a socket
	if own && a.mode == Dynamic {
		return
	}
	a.roomsMu.Lock()
	defer a.roomsMu.Unlock()
	if a.closed || a.rooms[room] != nil || !a.HasRoom(room) {
		return
	}
	a.rooms[room] = a.conn.hub.subscribe(a, toShard, a.channel+room+"#", a.take)
}

func (a *sharded) deleted(room string) {
	a.roomsMu.Lock()
	defer a.roomsMu.Unlock()
	if _, has := a.rooms[room]; has && !a.HasRoom(room) {
		delete(a.rooms, room)
		a.conn.hub.unsubscribe(a, toShard, a.channel+room+"#")
	}
}

// AddAll implements [socketio.Adapter]. It waits until the channels of the rooms
// stand: what other servers send from now on reaches the socket.
func (a *sharded) AddAll(id string, rooms []string) {
	a.MemoryAdapter.AddAll(id, rooms)
	if a.mode == Static {
		return
	}
	for _, room := range rooms { // it is told of them too, but perhaps later: by who tells of others now
		a.created(room)
	}
	var ready []<-chan struct{}
	a.roomsMu.Lock()
	for _, room := range rooms {
		if r := a.rooms[room]; r != nil && a.atOnce[id] == 0 {
			ready = append(ready, r)
		}
	}
	a.roomsMu.Unlock()
	if len(ready) > 0 {
		a.awaitAll(a.wait, ready...)
	}
}

// joinAtOnce does what another server wishes. Who joins a room then does not wait for
// its channel: that it stands is said on the line from which the wish has been read,
// and nobody reads on meanwhile.
func (a *sharded) joinAtOnce(m *message) error {
	if m.kind == kindJoin {
		ids := a.Sockets(m.selection)
		a.hurry(ids, 1)
		defer a.hurry(ids, -1)
	}
	return a.local(m)
}

func (a *sharded) hurry(ids []string, by int) {
	a.roomsMu.Lock()
	defer a.roomsMu.Unlock()
	if a.atOnce == nil {
		a.atOnce = map[string]int{}
	}
	for _, id := range ids {
		if a.atOnce[id] += by; a.atOnce[id] == 0 {
			delete(a.atOnce, id)
		}
	}
}

// send implements wire.
func (a *sharded) send(m *message) error {
	c, err := clusterOf(m, a.Namespace().Name())
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	body, err := encode(c, m.attachments)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return a.conn.publishSharded(a.channelOf(m), body, a.Namespace().AdapterError)
}

// channelOf is where a message goes: an answer to who has asked, a broadcast for
// exactly one room to that. Who waits for acknowledgements counts all servers.
func (a *sharded) channelOf(m *message) string {
	if m.to != "" {
		return a.channel + m.to + "#"
	}
	if m.kind != kindBroadcast || m.request != "" || a.mode == Static {
		return a.channel
	}
	rooms := list(m.selection.Rooms)
	if len(rooms) != 1 || a.mode == Dynamic && looksLikeID(rooms[0]) {
		return a.channel
	}
	return a.channel + rooms[0] + "#"
}

// looksLikeID is how the official adapter knows the own room of a socket: by its
// length, as JavaScript counts it.
func looksLikeID(room string) bool { return len(utf16.Encode([]rune(room))) == 20 }

// servers implements wire.
func (a *sharded) servers(ctx context.Context) (int, error) {
	return a.conn.countSharded(ctx, a.channel)
}

// members implements wire. The channels of rooms look alike, where rooms do.
func (a *sharded) members(ctx context.Context) ([]string, error) {
	names, err := a.conn.shardChannels(ctx, escapePattern(a.channel)+"*#")
	return idsOf(names, a.channel, isUID), err
}

// isUID reports whether an id is that of a server: 16 hexadecimal digits.
func isUID(id string) bool { return len(id) == 16 && strings.Trim(id, "0123456789abcdef") == "" }

func (c *Conn) publishSharded(channel string, body []byte, report func(error)) error {
	return c.queue.add(&job{
		key: channel, size: len(channel) + len(body),
		run: func(ctx context.Context, p goredis.Pipeliner) goredis.Cmder {
			return p.SPublish(ctx, channel, body)
		},
		done: failed(report),
	})
}

// countSharded asks the server of Redis that owns a channel.
func (c *Conn) countSharded(ctx context.Context, channel string) (int, error) {
	node, err := c.node(ctx, channel)
	if err != nil {
		return 0, err
	}
	counts, err := node.PubSubShardNumSub(ctx, channel).Result()
	return int(counts[channel]), err
}

func (c *Conn) shardChannels(ctx context.Context, pattern string) (all []string, err error) {
	err = c.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		names, err := node.PubSubShardChannels(ctx, pattern).Result()
		all = append(all, names...)
		return err
	})
	return all, err
}
