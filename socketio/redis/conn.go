package redis

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/trace"
)

// ConnOptions configure a [Conn]. The zero value works; nil is the zero value.
type ConnOptions struct {
	// Username and Password count where the URL has none.
	Username, Password string
	// Credentials, where it is set, is asked for both before each connection, in
	// place of those: for passwords that change.
	Credentials func(ctx context.Context) (username, password string, err error)
	// TLS is for rediss; nil checks the server's certificate as browsers do.
	TLS *tls.Config
	// Timeout bounds connecting, and the wait for each answer; 0 is 5 seconds. Beyond
	// it Redis counts as gone.
	Timeout time.Duration
	// MaxQueue bounds the messages that wait while Redis is slow or gone; 0 is
	// 10,000. MaxQueueBytes bounds their size; 0 is 64 MiB. What is more is dropped
	// ([ErrQueueFull]); this server's sockets get it all the same.
	MaxQueue, MaxQueueBytes int
	// OnState is told when Redis is lost, when it says why, and when it is back. It
	// must not block.
	OnState func(State)
	// OnDrop is told of what came over a channel and is no message: garbage, which
	// is dropped. It must not block.
	OnDrop func(channel string, err error)
	// Tracer takes notes of both; nil costs nothing.
	Tracer *trace.Tracer
}

const (
	defaultTimeout       = 5 * time.Second
	defaultMaxQueue      = 10000
	defaultMaxQueueBytes = 64 << 20
)

// Conn is the way to one Redis server or cluster. All adapters of a server share it;
// another server wants one of its own. It connects when it is needed, and again when
// it was lost.
type Conn struct {
	options ConnOptions
	address string // for people: without a password
	client  goredis.UniversalClient
	cluster *goredis.ClusterClient // nil without one
	dialer  *dialer

	status status
	count  counters
	queue  *queue
	hub    *hub
	ctx    context.Context // ends with the Conn
	cancel context.CancelFunc
	work   sync.WaitGroup // of those who read streams
}

// Open makes a Conn for a URL: redis://user:password@host:port/database, rediss://
// for TLS, or unix:///path?db=database. Several hosts with commas between them, or
// one with ?cluster=true, are a Redis Cluster. With redis-sentinel:// or
// rediss-sentinel:// the hosts are sentinels, which say where the master is. Open
// does not connect: Redis may be away.
//
// These parameters stand behind the question mark: ca_file (PEM; in place of the
// system's authorities), cert_file and key_file (this side's certificate),
// server_name (that the server's certificate is for; by default its host),
// password_file (read before each connection), and of sentinels master_name
// (mymaster by default), sentinel_username and sentinel_password. A file that
// cannot be read is an error.
//
// It silences what go-redis writes to standard error, for the whole program: the
// state is told of by OnState and the trace.
func Open(address string, options *ConnOptions) (*Conn, error) {
	goredis.SetLogger(silence{})
	c := &Conn{}
	if options != nil {
		c.options = *options
	}
	c.options.Timeout = orDefault(c.options.Timeout, defaultTimeout)
	c.options.MaxQueue = orDefault(c.options.MaxQueue, defaultMaxQueue)
	c.options.MaxQueueBytes = orDefault(c.options.MaxQueueBytes, defaultMaxQueueBytes)
	if err := c.open(address); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.queue, c.hub = newQueue(c), newHub(c)
	return c, nil
}

// silence is a logger that says nothing.
type silence struct{}

// Printf implements the logger of go-redis.
func (silence) Printf(context.Context, string, ...any) {}

func orDefault[T int | time.Duration](v, other T) T {
	if v > 0 {
		return v
	}
	return other
}

// Address returns what the Conn leads to, without a password.
func (c *Conn) Address() string { return c.address }

// Close sends what waits, for as long as Redis takes it, at most for Timeout, and
// closes the connections. Where Redis is away or stuck it does not wait for it. The
// adapters have to be closed first, by their servers.
func (c *Conn) Close() error {
	c.queue.close()
	c.cancel()
	err := c.client.Close() // what waits for an answer of Redis gets none
	c.dialer.close()
	c.hub.close()
	c.queue.wait()
	c.work.Wait()
	return err
}

// Ping asks Redis whether it is there.
func (c *Conn) Ping(ctx context.Context) error {
	if err := c.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %s: %w", c.address, at(c.address, err))
	}
	return nil
}

// anywhere is whose server takes what belongs to no slot of a cluster: all of it
// goes one way, so that what was said first comes first.
const anywhere = "socket.io#/#"

// node is the server that owns a key or a channel.
func (c *Conn) node(ctx context.Context, key string) (*goredis.Client, error) {
	if c.cluster == nil {
		return c.client.(*goredis.Client), nil
	}
	if key == "" { // go-redis would take another one each time
		key = anywhere
	}
	return c.cluster.MasterForKey(ctx, key)
}

// bounded is a context for one answer.
func (c *Conn) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.options.Timeout)
}

// backoff is the wait before the next try: it doubles, up to two seconds.
func backoff(tries int) time.Duration {
	d := min(50*time.Millisecond<<min(tries, 10), 2*time.Second)
	return d/2 + rand.N(d/2)
}

// note puts something into the trace.
func (c *Conn) note(format string, args ...any) {
	if c.options.Tracer.On(trace.Connection) {
		c.options.Tracer.Emit(0, trace.Note{Text: "redis " + c.address + ": " + fmt.Sprintf(format, args...)})
	}
}
