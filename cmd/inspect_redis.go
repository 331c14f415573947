package cmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/inspect"
	"github.com/sockkit/sockkit/socketio/redis"
)

// clusterFlags are those of inspect that concern the servers at a Redis.
type clusterFlags struct {
	url            string // of --redis, or the address
	prefix         string
	ask            bool
	requestTimeout duration
}

func (f *clusterFlags) add(set *pflag.FlagSet) {
	f.requestTimeout = duration(5 * time.Second)
	set.StringVar(&f.url, "redis", "", "with a sio:// address: look at the Redis that joins its servers, too; `URL` is redis://… or rediss://…, with ?ca_file=PEM and what else TLS wants; or @FILE")
	set.BoolVar(&f.ask, "ask", false, "ask the servers for their sockets and rooms, as they ask one another; without it nothing is written")
	set.StringVar(&f.prefix, "prefix", "socket.io", "what the names of the streams begin with; channels are found whatever their `PREFIX`")
	set.Var(&f.requestTimeout, "request-timeout", "how long answers to --ask are waited for")
}

// completeRedis reads the words of inspect where they name a Redis.
func (o *inspectOptions) completeRedis(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(fmt.Sprintf("inspect looks at one address, and %d words came", len(args)), "sockkit inspect redis://localhost:6379")
	}
	for _, name := range []string{"watch", "count", "interval", "send", "send-hex", "banner-wait", "doctor", "idle", "redis"} {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			return usagef(fmt.Sprintf("--%s says nothing to a Redis", name), "")
		}
	}
	o.cluster.url = args[0]
	if err := o.cluster.check("inspect", &o.common); err != nil {
		return err
	}
	scheme := endpoint.TCP
	if redis.Secure(args[0]) {
		scheme = endpoint.TLS
		o.tls.fromRedis(args[0])
	}
	var err error
	if o.address, err = o.parse([]string{string(scheme) + "://" + inspect.RedisHostPort(args[0])}); err != nil {
		return err
	}
	o.hosts, err = (&dialOptions{resolve: o.resolve}).hosts()
	return err
}

// fromRedis takes what a Redis's URL says of TLS, for the connection that inspect
// makes itself.
func (t *tlsFlags) fromRedis(url string) {
	of := t.options(nil)
	redis.TLSParameters(url, &of)
	t.cert, t.key, t.ca, t.serverName, t.insecure = of.Cert, of.Key, of.CA, of.ServerName, of.Insecure
}

// checkCluster checks these flags with another address.
func (o *inspectOptions) checkCluster(c *cobra.Command) error {
	f := &o.cluster
	switch {
	case f.url == "":
		for _, name := range []string{"ask", "prefix", "request-timeout"} {
			if c.Flags().Changed(name) {
				return usagef(fmt.Sprintf("--%s is for a Redis, and none is named", name), "sockkit inspect redis://localhost:6379, or --redis URL with a sio:// address")
			}
		}
		return nil
	case !o.address.SocketIO():
		return usagef(fmt.Sprintf("--redis joins servers of Socket.IO, and %s is none", o.address), "sockkit inspect redis://localhost:6379")
	}
	var err error
	if f.url, err = secretValue("--redis", f.url); err != nil {
		return &usageError{err, ""}
	}
	if !isRedis(f.url) {
		return usagef("--redis takes a URL that begins with redis://, rediss:// or redis-sentinel://", "write redis://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	return f.check("--redis", nil)
}

// check refuses a URL that is none. The flags of TLS are the Redis's where o is
// not nil.
func (f *clusterFlags) check(op string, o *common) error {
	if f.requestTimeout <= 0 {
		return usagef("--request-timeout wants more than nothing", "the servers' default is 5s")
	}
	if o == nil {
		o = &common{}
	}
	_, err := checkRedis(f.url, op, o)
	return err
}

func (f *clusterFlags) options(o *common) *inspect.RedisOptions {
	if f.url == "" {
		return nil
	}
	return &inspect.RedisOptions{URL: f.url, Prefix: f.prefix, Ask: f.ask, RequestTimeout: time.Duration(f.requestTimeout), MaxAnswers: int(o.maxMessage)}
}
