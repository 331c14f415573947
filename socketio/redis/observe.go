package redis

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Monitoring says when an [Observer] uses MONITOR.
type Monitoring string

// MONITOR shows what goes over sharded channels. To subscribe to them is no way:
// servers count the subscribers of their channel, and would wait for the answers
// of one that gives none.
const (
	MonitorAuto   Monitoring = "auto"   // where sharded channels are in use, and Redis is not busy
	MonitorAlways Monitoring = "always" // whatever it costs Redis
	MonitorNever  Monitoring = "never"
)

// ObserverOptions configure [Conn.Observer]. The zero value works; nil is the zero
// value.
type ObserverOptions struct {
	// Prefix is what the names of channels and streams begin with; "" is socket.io.
	Prefix string
	// RequestTimeout is how long servers wait for one another; 0 is 5 seconds. A
	// broadcast with acknowledgements says so itself.
	RequestTimeout time.Duration
	// Monitor is MonitorAuto where it is "". MaxCommands is up to how many commands a
	// second Redis is not busy; 0 is 10,000. MONITOR sends each to this program.
	Monitor     Monitoring
	MaxCommands int
	// MaxQueue bounds the messages that wait to be shown; 0 is 10,000. MaxQueueBytes
	// bounds their size; 0 is 64 MiB. What is more is dropped and counted.
	MaxQueue, MaxQueueBytes int
	// MaxMessage bounds a message that is decoded; 0 is 32 MiB.
	MaxMessage int
	// Secrets has the bytes of answers recorded that hold the handshakes of clients,
	// with their cookies.
	Secrets bool
	// Tracer takes what is observed.
	Tracer *trace.Tracer
	// OnReady is told once all is subscribed to. It must not block.
	OnReady func()
}

const (
	defaultMaxCommands = 10000
	defaultMaxMessage  = 32 << 20
	lookEvery          = time.Second // for new streams and sharded channels
	tickEvery          = 100 * time.Millisecond
)

func (o *ObserverOptions) fill() {
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Monitor == "" {
		o.Monitor = MonitorAuto
	}
	o.RequestTimeout = orDefault(o.RequestTimeout, defaultRequestTimeout)
	o.MaxCommands = orDefault(o.MaxCommands, defaultMaxCommands)
	o.MaxQueue = orDefault(o.MaxQueue, defaultMaxQueue)
	o.MaxQueueBytes = orDefault(o.MaxQueueBytes, defaultMaxQueueBytes)
	o.MaxMessage = orDefault(o.MaxMessage, defaultMaxMessage)
}

// Observer reads what the servers of a cluster tell one another, of all three
// adapters. It writes nothing, and no server counts it as another.
type Observer struct {
	conn    *Conn
	options ObserverOptions
	queue   chan sight
	waiting atomic.Int64 // bytes in the queue
	dropped atomic.Int64

	mu    sync.Mutex // held while a message is looked at
	watch *watcher
	work  sync.WaitGroup
}

// sight is a message as it came from Redis.
type sight struct {
	at      time.Time
	sharded bool
	channel string
	raw     []byte
	entry   string         // of a stream
	values  map[string]any // of an entry
}

func (s *sight) size() int {
	n := len(s.raw)
	for name, v := range s.values {
		text, _ := v.(string)
		n += len(name) + len(text)
	}
	return n
}

// Observer returns an observer of what is at this Redis.
func (c *Conn) Observer(options *ObserverOptions) *Observer {
	o := &Observer{conn: c}
	if options != nil {
		o.options = *options
	}
	o.options.fill()
	o.queue = make(chan sight, o.options.MaxQueue)
	o.watch = newWatcher(&o.options, o.census)
	return o
}

// Run observes until the context ends. That Redis goes is no end: it goes on once
// that is back, with streams where it was.
func (o *Observer) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := o.subscribe()
	defer o.unsubscribe()
	begun := make(chan struct{})
	o.work.Go(func() { o.look(ctx, begun) })
	o.work.Go(func() {
		if awaitReady(ctx, append(ready, begun)) && o.options.OnReady != nil {
			o.options.OnReady()
		}
	})
	o.consume(ctx)
	cancel()
	o.work.Wait()
}

func awaitReady(ctx context.Context, all []<-chan struct{}) bool {
	for _, r := range all {
		select {
		case <-r:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// patterns are those of all channels that are not sharded. Who subscribes to a
// pattern is counted at no channel.
func (o *Observer) patterns() []string {
	prefix := escapePattern(o.options.Prefix)
	return []string{prefix + "#*", prefix + "-request#*", prefix + "-response#*"}
}

func (o *Observer) subscribe() (ready []<-chan struct{}) {
	for _, p := range o.patterns() {
		ready = append(ready, o.conn.hub.subscribe(o, toPattern, p, func(channel string, raw []byte) {
			o.see(sight{channel: channel, raw: raw})
		}))
	}
	return ready
}

func (o *Observer) unsubscribe() {
	for _, p := range o.patterns() {
		o.conn.hub.unsubscribe(o, toPattern, p)
	}
}

// see puts a message into the queue. Who reads from Redis never waits: what it
// does not take Redis has to hold.
func (o *Observer) see(s sight) {
	s.at = time.Now()
	size := int64(s.size())
	if o.waiting.Add(size) > int64(o.options.MaxQueueBytes) {
		o.waiting.Add(-size)
		o.dropped.Add(1)
		return
	}
	select {
	case o.queue <- s:
	default:
		o.waiting.Add(-size)
		o.dropped.Add(1)
	}
}

// consume looks at what has come, and at whose time is over.
func (o *Observer) consume(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case s := <-o.queue:
			o.waiting.Add(-int64(s.size()))
			o.mu.Lock()
			o.watch.take(&s)
			o.mu.Unlock()
		case now := <-tick.C:
			if len(o.queue) == 0 { // an answer may be among what waits
				o.mu.Lock()
				o.watch.expire(now)
				o.mu.Unlock()
			}
		case <-ctx.Done():
			return
		}
	}
}

// census asks Redis how many servers there are besides the one that asks, and for
// the ids of them all.
func (o *Observer) census(s *sight, adapter, uid, namespace string) (others int, ids []string) {
	ctx, cancel := o.conn.bounded()
	defer cancel()
	n, ids, err := o.conn.serversOf(ctx, o.options.Prefix, adapter, namespace, s.sharded)
	switch {
	case err != nil:
		return -1, nil
	case len(ids) > 0 && !slices.Contains(ids, uid): // who asks is no server
		return n, ids
	}
	return n - 1, slices.DeleteFunc(ids, func(id string) bool { return id == uid })
}

// serversOf counts the servers of an adapter in a namespace, and names those that
// have a channel of their own.
func (c *Conn) serversOf(ctx context.Context, prefix, adapter, namespace string, isSharded bool) (n int, ids []string, err error) {
	channel := prefix + "#" + namespace + "#"
	private, is, list, count := channel, isUID, c.channels, c.countSubscribers
	switch {
	case adapter == pubsubName:
		private, is = prefix+"-response#"+namespace+"#", isClassicUID
		channel = prefix + "-request#" + namespace + "#"
	case isSharded:
		list, count = c.shardChannels, c.countSharded
	}
	if n, err = count(ctx, channel); err != nil {
		return 0, nil, err
	}
	names, err := list(ctx, escapePattern(private)+"*#")
	return n, idsOf(names, private, is), err
}

// ObserverSummary is what an [Observer] has seen.
type ObserverSummary struct {
	Servers    []ObservedServer
	Messages   []ObservedKind
	Requests   int   // that asked for answers
	Unanswered int   // whose time ended before all answers were there
	Garbage    int64 // what came and was no message
	Dropped    int64 // what came faster than it could be shown
}

// ObservedServer is a server, as one namespace of it is known to others: each has
// an id of its own.
type ObservedServer struct {
	ID, Adapter, Namespace string
	Messages               int64
}

// ObservedKind is how many messages of a type there were.
type ObservedKind struct {
	Adapter, Type string
	Messages      int64
	Bytes         int64
}

// Summary returns what was seen so far, in the order of names.
func (o *Observer) Summary() ObserverSummary {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.watch.summary()
	s.Dropped = o.dropped.Load()
	return s
}
