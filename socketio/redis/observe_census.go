package redis

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Census is what Redis tells of itself, and of the Socket.IO servers that are
// connected to it.
type Census struct {
	Product   string        `json:"product,omitempty"` // valkey; nothing where it is Redis, or says so
	Version   string        `json:"version,omitempty"`
	Mode      string        `json:"mode,omitempty"` // standalone, cluster or sentinel
	Role      string        `json:"role,omitempty"` // master or slave
	Nodes     int           `json:"nodes"`          // that were asked: the masters of a cluster
	RTT       time.Duration `json:"rtt_ns"`
	Clients   int           `json:"clients"`
	Commands  int           `json:"commands_per_second"`
	Memory    int64         `json:"memory"`     // bytes
	MaxMemory int64         `json:"max_memory"` // bytes; 0 is no limit
	Policy    string        `json:"max_memory_policy,omitempty"`

	Buffer *SubscriberBuffer `json:"subscriber_buffer,omitempty"` // nil where Redis does not tell
	Slow   []SlowSubscriber  `json:"slow_subscribers,omitempty"`
	// NotTold are the commands that Redis has refused to take.
	NotTold []string `json:"not_told,omitempty"`

	Groups  []ServerGroup `json:"groups"`
	Streams []StreamState `json:"streams"`
	// Left is how many channels were left out, as there are too many.
	Left int `json:"channels_left_out,omitempty"`
}

// SubscriberBuffer is how much may wait for a subscriber, before Redis cuts it
// off: client-output-buffer-limit pubsub. 0 is no limit.
type SubscriberBuffer struct {
	Hard    int64         `json:"hard"`
	Soft    int64         `json:"soft"`
	SoftFor time.Duration `json:"soft_for_ns"`
}

// SlowSubscriber is one for whom more than a MiB waits.
type SlowSubscriber struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	Waiting int64  `json:"waiting"` // bytes
}

// ServerGroup are the servers of an adapter in one namespace that hear one
// another.
type ServerGroup struct {
	Adapter   string        `json:"adapter"` // pubsub, sharded or streams
	Prefix    string        `json:"prefix"`  // of the names of its channels
	Namespace string        `json:"namespace"`
	Sharded   bool          `json:"sharded_channels,omitempty"`
	Servers   int           `json:"servers"`       // the subscribers that each server counts, too
	IDs       []string      `json:"ids,omitempty"` // of those with a channel of their own
	Answers   *GroupAnswers `json:"answers,omitempty"`
}

// StreamState is a stream.
type StreamState struct {
	Name   string        `json:"name"`
	Length int64         `json:"length"` // entries
	First  string        `json:"first,omitempty"`
	Last   string        `json:"last,omitempty"`
	Span   time.Duration `json:"span_ns"` // between these
}

// CensusOptions configure [Conn.Census]. The zero value works; nil is the zero
// value.
type CensusOptions struct {
	// Prefix is that of channels and streams to look for; "" is socket.io. Channels
	// of other prefixes are found, too, where they look like those of an adapter.
	Prefix string
	// Ask has the servers be asked for their sockets and rooms, as they ask one
	// another. Without it nothing is written.
	Ask bool
	// RequestTimeout is how long their answers are waited for; 0 is 5 seconds.
	RequestTimeout time.Duration
	// MaxAnswers bounds the answers that are read of each group, in bytes; 0 is
	// 32 MiB.
	MaxAnswers int
}

// mostChannels bounds how many channels are looked at.
const mostChannels = 100000

// Census counts the servers of all adapters at this Redis. Its error is a
// [*Trouble]; a command that Redis does not allow is none.
func (c *Conn) Census(ctx context.Context, options *CensusOptions) (*Census, error) {
	var o CensusOptions
	if options != nil {
		o = *options
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	o.RequestTimeout, o.MaxAnswers = orDefault(o.RequestTimeout, defaultRequestTimeout), orDefault(o.MaxAnswers, defaultMaxMessage)
	t := &taking{conn: c, options: o, Census: &Census{Groups: []ServerGroup{}, Streams: []StreamState{}}, groups: map[groupKey]*ServerGroup{}}
	if err := t.redis(ctx); err != nil {
		return nil, c.trouble(err)
	}
	if err := t.servers(ctx); err != nil {
		return nil, c.trouble(err)
	}
	if err := t.streams(ctx); err != nil {
		return nil, c.trouble(err)
	}
	if o.Ask {
		t.ask(ctx)
	}
	return t.Census, nil
}

// taking is a census being taken.
type taking struct {
	*Census
	conn    *Conn
	options CensusOptions
	groups  map[groupKey]*ServerGroup
}

type groupKey struct {
	adapter, prefix, namespace string
	sharded                    bool
}

// refused reports whether an error is Redis's refusal of a command, and notes
// that.
func (t *taking) refused(command string, err error) bool {
	if err == nil {
		return false
	}
	said := err.Error()
	if !strings.HasPrefix(said, "NOPERM") && !strings.HasPrefix(said, "ERR ") {
		return false
	}
	if !slices.Contains(t.NotTold, command) {
		t.NotTold = append(t.NotTold, command)
	}
	return true
}

// redis asks Redis for what it is. Of a cluster each server counts.
func (t *taking) redis(ctx context.Context) error {
	began := time.Now()
	if err := t.conn.client.Ping(ctx).Err(); err != nil {
		return err
	}
	t.RTT = time.Since(began)
	return t.conn.eachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		ctx, cancel := context.WithTimeout(ctx, t.conn.options.Timeout)
		defer cancel()
		t.Nodes++
		info, err := node.Info(ctx).Result()
		if err != nil && !t.refused("INFO", err) {
			return err
		}
		t.info(info)
		return t.subscribers(ctx, node)
	})
}

func (t *taking) info(info string) {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(infoField(info, name), 10, 64)
		return n
	}
	t.Version, t.Mode, t.Role = infoField(info, "redis_version"), infoField(info, "redis_mode"), infoField(info, "role")
	if v := infoField(info, "valkey_version"); v != "" { // the other version is of the Redis that it is like
		t.Product, t.Version, t.Mode = infoField(info, "server_name"), v, infoField(info, "server_mode")
	}
	t.Clients += int(number("connected_clients"))
	t.Commands += int(number("instantaneous_ops_per_sec"))
	t.Memory += number("used_memory")
	t.MaxMemory += number("maxmemory")
	t.Policy = infoField(info, "maxmemory_policy")
}

// subscribers asks how much may wait for those, and for whom much does.
func (t *taking) subscribers(ctx context.Context, node *goredis.Client) error {
	settings, err := node.ConfigGet(ctx, "client-output-buffer-limit").Result()
	if err != nil && !t.refused("CONFIG GET", err) {
		return err
	}
	t.Buffer = bufferOf(settings["client-output-buffer-limit"])
	list, err := node.Do(ctx, "CLIENT", "LIST", "TYPE", "pubsub").Text()
	if err != nil && !t.refused("CLIENT LIST", err) {
		return err
	}
	for line := range strings.Lines(list) {
		if s := subscriberOf(line); s.Waiting > 1<<20 {
			t.Slow = append(t.Slow, s)
		}
	}
	return nil
}

// bufferOf reads the setting: four words for each class of client.
func bufferOf(setting string) *SubscriberBuffer {
	words := strings.Fields(setting)
	at := slices.Index(words, "pubsub")
	if at < 0 || len(words) < at+4 {
		return nil
	}
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(words[at+1+i], 10, 64); err != nil {
			return nil
		}
	}
	return &SubscriberBuffer{Hard: n[0], Soft: n[1], SoftFor: time.Duration(n[2]) * time.Second}
}

// subscriberOf reads a line of CLIENT LIST.
func subscriberOf(line string) (s SlowSubscriber) {
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "addr":
			s.Address = value
		case "name":
			s.Name = value
		case "omem":
			s.Waiting, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return s
}

// servers finds the groups by the names of channels that somebody is subscribed
// to.
func (t *taking) servers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.conn.options.Timeout)
	defer cancel()
	names, err := t.conn.channels(ctx, "*#/*#")
	if err != nil && !t.refused("PUBSUB CHANNELS", err) {
		return err
	}
	for _, name := range t.some(names) {
		t.channel(name)
	}
	names, err = t.conn.shardChannels(ctx, "*#/*#"+uidPattern+"#")
	if err != nil && !t.refused("PUBSUB SHARDCHANNELS", err) {
		return err
	}
	for _, name := range t.some(names) {
		t.shardChannel(name)
	}
	for key, g := range t.groups {
		if err := t.count(ctx, key, g); err != nil {
			return err
		}
		slices.Sort(g.IDs)
		g.IDs = slices.Compact(g.IDs)
		if g.Servers > 0 || len(g.IDs) > 0 {
			t.Groups = append(t.Groups, *g)
		}
	}
	slices.SortFunc(t.Groups, func(a, b ServerGroup) int {
		return cmp.Or(cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Adapter, b.Adapter))
	})
	return nil
}

func (t *taking) some(names []string) []string {
	if len(names) > mostChannels {
		t.Left += len(names) - mostChannels
		names = names[:mostChannels]
	}
	return names
}

func (t *taking) group(adapter, prefix, namespace string, isSharded bool) *ServerGroup {
	key := groupKey{adapter, prefix, namespace, isSharded}
	g := t.groups[key]
	if g == nil {
		g = &ServerGroup{Adapter: adapter, Prefix: prefix, Namespace: namespace, Sharded: isSharded}
		t.groups[key] = g
	}
	return g
}

// channel notes what a channel says of the servers that are subscribed to it.
func (t *taking) channel(name string) {
	prefix, rest, _ := strings.Cut(name, "#")
	namespace, more := splitChannel(rest)
	if key, ok := strings.CutSuffix(prefix, "-request"); ok && more == "" {
		t.group(pubsubName, key, namespace, false)
		return
	}
	if key, ok := strings.CutSuffix(prefix, "-response"); ok {
		if more != "" && isClassicUID(more) {
			g := t.group(pubsubName, key, namespace, false)
			g.IDs = append(g.IDs, more)
		}
		return
	}
	switch {
	case more == "":
		t.group(streamsName, prefix, namespace, false)
	case isUID(more):
		g := t.group(streamsName, prefix, namespace, false)
		g.IDs = append(g.IDs, more)
	}
}

// shardChannel notes the server whose own channel it is. Streams may have sharded
// channels, too; by the names alone these cannot be told apart.
func (t *taking) shardChannel(name string) {
	prefix, rest, _ := strings.Cut(name, "#")
	namespace, id := splitChannel(rest)
	if isUID(id) {
		g := t.group(shardedName, prefix, namespace, true)
		g.IDs = append(g.IDs, id)
	}
}

// count counts as the servers do.
func (t *taking) count(ctx context.Context, key groupKey, g *ServerGroup) (err error) {
	switch {
	case key.sharded:
		g.Servers, err = t.conn.countSharded(ctx, g.Prefix+"#"+g.Namespace+"#")
	case key.adapter == pubsubName:
		g.Servers, err = t.conn.countSubscribers(ctx, g.Prefix+"-request#"+g.Namespace+"#")
	default:
		g.Servers, err = t.conn.countSubscribers(ctx, g.Prefix+"#"+g.Namespace+"#")
	}
	if t.refused("PUBSUB NUMSUB", err) {
		return nil
	}
	return err
}

// streams looks at those whose names begin as the channels do.
func (t *taking) streams(ctx context.Context) error {
	prefixes := []string{t.options.Prefix}
	for _, g := range t.Groups {
		if !slices.Contains(prefixes, g.Prefix) && len(prefixes) < 20 {
			prefixes = append(prefixes, g.Prefix)
		}
	}
	for _, prefix := range prefixes {
		names, err := t.conn.streamNames(ctx, prefix)
		if err != nil && !t.refused("TYPE", err) {
			return err
		}
		for _, name := range names {
			if err := t.stream(ctx, name); err != nil && !t.refused("XLEN, XRANGE", err) {
				return err
			}
		}
	}
	return nil
}

func (t *taking) stream(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, t.conn.options.Timeout)
	defer cancel()
	n, err := t.conn.client.XLen(ctx, name).Result()
	if err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") {
		return nil
	}
	if err != nil || n == 0 {
		return err
	}
	s := StreamState{Name: name, Length: n}
	first, err := t.conn.client.XRangeN(ctx, name, "-", "+", 1).Result()
	if err != nil {
		return err
	}
	if len(first) > 0 {
		s.First = first[0].ID
	}
	if s.Last, err = t.conn.lastEntry(ctx, name); err != nil {
		return err
	}
	from, _, _ := parseID(s.First)
	to, _, _ := parseID(s.Last)
	s.Span = time.Duration(min(to-min(from, to), 1<<40)) * time.Millisecond
	t.Streams = append(t.Streams, s)
	return nil
}
