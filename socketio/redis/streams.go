package redis

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf16"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// StreamsOptions configure [Conn.StreamsAdapter]. The zero value has the official
// defaults but for BlockTime; nil is the zero value. Those up to SessionKeyPrefix have
// to be the same on all servers. The official onlyPlaintext is not here: it saves a
// search for binary values that this package does not make.
type StreamsOptions struct {
	// StreamName is the name of the stream; "" is socket.io.
	StreamName string
	// StreamCount is the number of streams, among which namespaces are divided; 0 is
	// 1. With more, each has its number behind its name. Official servers compute
	// negative numbers for some namespaces, and do not read those streams: this
	// package writes and reads them.
	StreamCount int
	// ChannelPrefix is what the names of the channels begin with; "" is socket.io.
	ChannelPrefix string
	// UseShardedPubSub has the channels be sharded ones.
	UseShardedPubSub bool
	// SessionKeyPrefix is what the keys of sessions begin with; "" is sio:session:.
	SessionKeyPrefix string

	// MaxLen is how many entries a stream keeps, about; 0 is 10,000. Who was away
	// for longer than those cannot come back as it was.
	MaxLen int
	// ReadCount is how many entries are read at once; 0 is 100.
	ReadCount int
	// BlockTime is how long Redis waits for an entry before it says that there is
	// none; 0 is 2 seconds.
	BlockTime time.Duration
	// RequestTimeout bounds the wait for other servers; 0 is 5 seconds.
	RequestTimeout time.Duration
	// Hold bounds how long an event waits for Redis before the sockets of this
	// server get it, out of the stream's order; 0 is 1 second, or 10 where clients
	// may come back (recovery). Once Redis has been gone for that long, or is known
	// to be gone where there is no recovery, events do not wait. What is sent to a
	// client before Redis has it, and is lost on its way, stays lost.
	Hold time.Duration
	// RestoreTimeout bounds how long a client that wants to come back waits for
	// Redis, before it is a new one; 0 is 20 seconds.
	RestoreTimeout time.Duration
}

const (
	readBlock           = 2 * time.Second
	defaultHold         = time.Second
	defaultRecoveryHold = 10 * time.Second
)

func (o *StreamsOptions) fill() {
	for _, field := range []struct {
		of    *string
		value string
	}{{&o.StreamName, defaultPrefix}, {&o.ChannelPrefix, defaultPrefix}, {&o.SessionKeyPrefix, "sio:session:"}} {
		if *field.of == "" {
			*field.of = field.value
		}
	}
	o.StreamCount, o.MaxLen = orDefault(o.StreamCount, 1), orDefault(o.MaxLen, 10000)
	o.ReadCount, o.BlockTime = orDefault(o.ReadCount, 100), orDefault(o.BlockTime, readBlock)
	o.RestoreTimeout = orDefault(o.RestoreTimeout, 20*time.Second)
}

// StreamsAdapter makes adapters that speak as @socket.io/redis-streams-adapter
// does: broadcasts are entries of a stream, which Redis keeps for a while. A
// server that has lost Redis reads on where it was; with
// [socketio.ServerOptions.Recovery] a client that was lost comes back on any
// server.
//
// The sockets of all servers, this one too, get events in the order of the
// stream. Only while Redis is away those of this server get its events before
// that ([StreamsOptions.Hold]).
// Their offset is the entry's id.
func (c *Conn) StreamsAdapter(options *StreamsOptions) socketio.AdapterFactory {
	all := &streams{conn: c, readers: map[string]*reader{}}
	if options != nil {
		all.options = *options
	}
	all.options.fill()
	return func(n *socketio.Namespace) socketio.Adapter { return newStream(all, n) }
}

// streams are the adapters of one server, which read the same streams.
type streams struct {
	conn    *Conn
	options StreamsOptions
	mu      sync.Mutex
	readers map[string]*reader // by the name of their stream
}

// stream is the adapter of a namespace.
type stream struct {
	*adapter
	all              *streams
	name             string
	channel, private string
	reader           *reader
	recovers         bool

	pendingMu sync.Mutex
	pending   []*entry    // written, or about to be, and not read yet
	timer     *time.Timer // for those that wait too long
	confirmed string      // the last id that Redis has told of

	late map[string]bool // under the lock of the reader: see lag
}

func newStream(all *streams, n *socketio.Namespace) *stream {
	o := &all.options
	a := &stream{
		adapter: newAdapter(n, all.conn, newUID(16), o.RequestTimeout), all: all, name: streamName(o, n.Name()),
		channel: o.ChannelPrefix + "#" + n.Name() + "#", recovers: n.Server().Recovery != nil,
	}
	a.private = a.channel + a.uid + "#"
	a.wire = a
	return a
}

// streamName is that of a namespace's stream. The official hash is one of 32
// bits with a sign, and so is the number behind the name.
func streamName(o *StreamsOptions, namespace string) string {
	if o.StreamCount == 1 {
		return o.StreamName
	}
	var hash int32
	for _, unit := range utf16.Encode([]rune(namespace)) {
		hash = hash*31 + int32(unit)
	}
	return o.StreamName + "-" + strconv.Itoa(int(hash)%o.StreamCount)
}

// Init implements [socketio.Adapter].
func (a *stream) Init() error {
	a.reader = a.all.open(a)
	if err := a.conn.hub.claim(a.channelKind(), a.channel, a.adapter); err != nil {
		return err
	}
	a.conn.watch(a.private, func(s State) {
		if !s.Up && !a.recovers {
			a.wait(0)
		}
	})
	kind := a.channelKind()
	h := a.conn.hub
	return errors.Join(
		a.begin(h.subscribe(a, kind, a.channel, a.takeEphemeral), h.subscribe(a, kind, a.private, a.takeEphemeral), a.reader.begun),
	)
}

func (a *stream) channelKind() kind {
	if a.all.options.UseShardedPubSub {
		return toShard
	}
	return toChannel
}

// Close implements [socketio.Adapter]. What was broadcast reaches Redis first.
func (a *stream) Close() error {
	h := a.conn.hub
	h.release(a.channelKind(), a.channel, a.adapter)
	h.unsubscribe(a, a.channelKind(), a.channel)
	h.unsubscribe(a, a.channelKind(), a.private)
	a.conn.unwatch(a.private)
	a.finish()
	a.all.close(a)
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.pending = nil
	return nil
}

// takeEphemeral takes what is not kept: requests and their answers.
func (a *stream) takeEphemeral(channel string, raw []byte) {
	if len(raw) > 0 && raw[0] == '{' { // here MessagePack is due, whose maps do not begin so
		a.conn.garbage(channel, errMessage("JSON; MessagePack is due"))
		return
	}
	a.take(channel, raw)
}

// send implements wire: what is asked for and answered goes over channels.
func (a *stream) send(m *message) error {
	c, err := clusterOf(m, a.Namespace().Name())
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	switch {
	case m.to != "", m.request != "", m.kind == kindServerEvent:
		return a.sendEphemeral(c, m)
	}
	return a.append(&entry{message: m}, c)
}

func (a *stream) sendEphemeral(c *clusterMessage, m *message) error {
	document, err := marshal(c)
	if err == nil {
		document, err = socketio.EncodeMsgpack(document, m.attachments)
	}
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	channel := a.channel
	if m.to != "" {
		channel += m.to + "#"
	}
	if a.all.options.UseShardedPubSub {
		return a.conn.publishSharded(channel, document, a.Namespace().AdapterError)
	}
	return a.conn.publish(channel, document, a.Namespace().AdapterError)
}

// servers implements wire.
func (a *stream) servers(ctx context.Context) (int, error) {
	if a.all.options.UseShardedPubSub {
		return a.conn.countSharded(ctx, a.channel)
	}
	return a.conn.countSubscribers(ctx, a.channel)
}

// members implements wire.
func (a *stream) members(ctx context.Context) ([]string, error) {
	list := a.conn.channels
	if a.all.options.UseShardedPubSub {
		list = a.conn.shardChannels
	}
	names, err := list(ctx, escapePattern(a.channel)+"*#")
	return idsOf(names, a.channel, isUID), err
}

// fields are those of an entry.
func fields(c *clusterMessage, attachments [][]byte) ([]any, error) {
	body, err := encode(c.Data, attachments)
	if err != nil {
		return nil, err
	}
	data := string(body)
	if len(attachments) > 0 {
		data = base64.StdEncoding.EncodeToString(body)
	}
	return []any{"uid", c.UID, "nsp", c.NSP, "type", strconv.Itoa(c.Type), "data", data}, nil
}

// readEntry reads the fields of an entry. It is nil where it is another
// namespace's.
func readEntry(values map[string]any, namespace string) (*message, error) {
	text := func(name string) string { s, _ := values[name].(string); return s }
	if text("nsp") != namespace {
		return nil, nil
	}
	kind, err := strconv.Atoi(text("type"))
	if err != nil {
		return nil, errMessage("an entry of type %.20q", text("type"))
	}
	m := &message{kind: messageKind(kind), uid: text("uid")}
	raw := []byte(text("data"))
	if len(raw) > 0 && raw[0] != '{' {
		if raw, err = base64.StdEncoding.DecodeString(string(raw)); err != nil {
			return nil, err
		}
	}
	var data json.RawMessage
	if len(raw) > 0 {
		if err := decode(raw, &m.attachments, &data); err != nil {
			return nil, err
		}
	}
	if m.request != "" {
		return nil, errMessage("a request in the stream")
	}
	return m, m.readCluster(data)
}

// command is the XADD of an entry.
func (a *stream) command(ctx context.Context, p goredis.Pipeliner, values []any) goredis.Cmder {
	return p.XAdd(ctx, &goredis.XAddArgs{Stream: a.name, MaxLen: int64(a.all.options.MaxLen), Approx: true, Values: values})
}
