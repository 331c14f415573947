package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sockkit/sockkit/internal/render"
	broker "github.com/sockkit/sockkit/socketio/redis"
	"github.com/sockkit/sockkit/tcp"
)

// RedisOptions say which Redis joins the servers of a cluster.
type RedisOptions struct {
	URL            string
	Prefix         string // of channels and streams; "" is socket.io
	Ask            bool   // have the servers asked for their sockets and rooms
	RequestTimeout time.Duration
	MaxAnswers     int // bytes; 0 is 32 MiB
}

// Cluster is what was found out about the servers at a Redis.
type Cluster struct {
	Redis string `json:"redis"` // its address
	broker.Census
}

// ReachedRedis is the value of [Report.Reached] where a Redis has answered.
const ReachedRedis = "redis"

// The identifiers of findings about a cluster.
const (
	RedisTrouble    = "redis"             // it cannot be used, or a part of it
	NoServers       = "no_servers"        // nobody is connected by an adapter
	MixedAdapters   = "mixed_adapters"    // half of the servers is deaf to the other
	MixedPrefixes   = "mixed_prefixes"    //
	NotAmong        = "not_in_cluster"    // no server of the namespace is at this Redis
	ClassicSpread   = "pubsub_on_cluster" // each message goes to all servers of Redis
	Evicts          = "eviction"          // Redis may remove streams and sessions
	MemoryFull      = "memory"            //
	ShortStream     = "short_stream"      // shorter than recovery's time
	UnreadStream    = "unread_stream"     // one that official servers do not read
	StrangeCount    = "subscriber_count"  // more subscribers than servers
	SilentServers   = "silent_servers"    // they do not answer
	CutOff          = "subscriber_buffer" // Redis cuts subscribers off, or never does
	SlowSubscribers = "slow_subscriber"   //
	OldRedis        = "old_redis"         //
	TooMuch         = "answers_left_out"  //
)

// name is the address without its password.
func (o *RedisOptions) name() string {
	conn, err := broker.Open(o.URL, nil)
	if err != nil {
		return "redis://" + RedisHostPort(o.URL)
	}
	defer conn.Close()
	return conn.Address()
}

// brokerError is trouble with a Redis, without its address, which the error around
// it has.
type brokerError struct{ trouble *broker.Trouble }

func (e *brokerError) Error() string { return e.trouble.Text }
func (e *brokerError) Unwrap() error { return e.trouble }

// redis inspects the servers at a Redis, which is what the address names.
func (in *Inspection) redis(ctx context.Context) error {
	in.Report.Reached = ReachedConnection
	if in.Report.TLS != nil {
		in.Report.Reached = ReachedTLS
	}
	err := in.census(ctx, in.o.TLS)
	var t *broker.Trouble
	if errors.As(err, &t) {
		return &brokerError{t}
	}
	if err == nil {
		in.Report.Reached = ReachedRedis
	}
	return err
}

// census opens the Redis, and looks who is there. How TLS is spoken is the URL's to
// say, where secure does not.
func (in *Inspection) census(ctx context.Context, secure tcp.TLSOptions) error {
	o := in.o.Redis
	options := &broker.ConnOptions{Timeout: in.o.Timeout}
	if broker.Secure(o.URL) {
		config, err := broker.TLSConfig(o.URL, secure)
		if err != nil {
			return err
		}
		options.TLS = config
	}
	conn, err := broker.Reach(ctx, o.URL, options)
	if err != nil {
		return overdue(ctx, err)
	}
	defer conn.Close()
	found, err := conn.Census(ctx, &broker.CensusOptions{Prefix: o.Prefix, Ask: o.Ask, RequestTimeout: o.RequestTimeout, MaxAnswers: o.MaxAnswers})
	if err != nil {
		return overdue(ctx, err)
	}
	in.Report.Cluster = &Cluster{conn.Address(), *found}
	in.clusterFindings()
	return nil
}

// beside inspects the Redis that a server is said to be connected to. That it
// cannot be used is a finding. The options of TLS are those of the server: the Redis
// has its own, in its URL.
func (in *Inspection) beside(ctx context.Context) {
	err := in.census(ctx, tcp.TLSOptions{KeyLog: in.o.TLS.KeyLog})
	if err == nil {
		in.amongFinding()
		return
	}
	f := Finding{ID: RedisTrouble, Severity: Error, What: "the Redis cannot be used: " + tcp.Reason(err)}
	var t *broker.Trouble
	if errors.As(err, &t) {
		f.What, f.Hint = "the Redis at "+t.Address+" cannot be used: "+t.Text, t.Hint
		if t.Kind == broker.Untrusted {
			f.Hint = "the URL of --redis says what is trusted, and what is shown: ?ca_file=PEM, &cert_file=PEM&key_file=PEM, &server_name=NAME"
		}
	}
	in.Report.add(f)
}

// redisText shows what Redis tells of itself.
func (p *page) redis(c *Cluster) {
	if c == nil {
		return
	}
	p.section("redis")
	limit := "no limit"
	if c.MaxMemory > 0 {
		limit = render.Size(c.MaxMemory)
	}
	nodes := ""
	if c.Mode == "cluster" {
		nodes = plural(c.Nodes, "master") + " asked"
	}
	p.lines(
		sentence(", ", printable(c.Redis), when(c.Version != "", sentence(" ", printable(c.Product), "version "+printable(c.Version))), printable(c.Mode), nodes, printable(c.Role), "answers in "+render.Duration(c.RTT)),
		when(!slices.Contains(c.NotTold, "INFO"), fmt.Sprintf("%s, %s a second, memory %s of %s%s", plural(c.Clients, "client"), plural(c.Commands, "command"), render.Size(c.Memory), limit,
			when(c.Policy != "", ", "+printable(c.Policy)))),
		when(c.Buffer != nil, bufferText(c.Buffer)),
		when(len(c.NotTold) > 0, "does not allow "+listed(c.NotTold)),
		when(c.Left > 0, fmt.Sprintf("%d channels were not looked at", c.Left)),
	)
	p.cluster(c)
}

func bufferText(b *broker.SubscriberBuffer) string {
	if b == nil {
		return ""
	}
	size := func(n int64) string {
		if n == 0 {
			return "no limit"
		}
		return render.Size(n)
	}
	return fmt.Sprintf("a subscriber is cut off when %s waits for it, or %s for %s", size(b.Hard), size(b.Soft), span(b.SoftFor))
}

// cluster shows the groups of servers and the streams.
func (p *page) cluster(c *Cluster) {
	p.section("cluster")
	if len(c.Groups) == 0 {
		p.lines(p.paint(red, "no server is connected by an adapter of Socket.IO"))
	}
	for _, g := range c.Groups {
		channels := "channels "
		if g.Sharded {
			channels = "sharded channels "
		}
		p.lines(fmt.Sprintf("%s by %s in namespace %s, %s%s#…%s", p.paint(green, plural(g.Servers, "server")), g.Adapter, printable(g.Namespace),
			channels, printable(g.Prefix), when(len(g.IDs) > 0, ": "+listed(g.IDs))))
		p.answers(g.Answers)
	}
	p.section("streams")
	for _, s := range c.Streams {
		p.lines(fmt.Sprintf("%s has %s of the last %s", printable(s.Name), entries(s.Length), span(s.Span)))
	}
}

func entries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func (p *page) answers(a *broker.GroupAnswers) {
	switch {
	case a == nil:
		return
	case a.Error != "":
		p.lines("  " + p.paint(red, "could not be asked") + ": " + printable(a.Error))
		return
	}
	color := green
	if a.Came < a.Expected {
		color = red
	}
	p.lines(fmt.Sprintf("  %s of %d answered, in %s: %s, %s", p.paint(color, fmt.Sprint(a.Came)), a.Expected, render.Duration(a.Duration),
		plural(a.Sockets, "socket"), plural(a.Rooms, "room")))
	for _, s := range a.Servers[:min(len(a.Servers), namesShown)] {
		p.lines(fmt.Sprintf("  %s: %s, after %s", or(printable(s.ID), "a server without a name"), plural(s.Sockets, "socket"), render.Duration(s.After)))
	}
	if more := len(a.Servers) - namesShown; more > 0 {
		p.lines(fmt.Sprintf("  and %s more", plural(more, "server")))
	}
}
