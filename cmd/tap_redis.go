package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/socketio/redis"
	"github.com/sockkit/sockkit/trace"
)

// observeFlags are those of tap redis://.
type observeFlags struct {
	prefix         string
	requestTimeout duration
	count          int
	monitor        string

	url  string // "" where something else is tapped
	name string // the same without a password
}

// observing are the names of these flags.
var observing = []string{"prefix", "request-timeout", "count", "monitor"}

func (f *observeFlags) add(set *pflag.FlagSet) {
	f.requestTimeout = duration(5 * time.Second)
	set.StringVar(&f.prefix, "prefix", "socket.io", "what the names of channels and streams begin with: the servers' `KEY` or channelPrefix")
	set.Var(&f.requestTimeout, "request-timeout", "how long servers wait for one another's answers")
	set.IntVar(&f.count, "count", 0, "leave after `N` messages; 0: go on until a signal or --deadline")
	set.StringVar(&f.monitor, "monitor", "auto", "read sharded channels by MONITOR, `WHEN` is auto (Redis does up to 10,000 commands a second), always or never")
}

// isRedis reports whether an address is that of a Redis.
func isRedis(word string) bool {
	scheme, _, ok := strings.Cut(strings.ToLower(word), "://")
	scheme = strings.TrimSuffix(scheme, "-sentinel")
	return ok && (scheme == "redis" || scheme == "rediss")
}

// completeRedis reads the words of tap where they name a Redis.
func (o *tapOptions) completeRedis(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(fmt.Sprintf("tap of a Redis takes its address alone, and %d words came", len(args)), "sockkit tap redis://localhost:6379 shows what Socket.IO servers say to one another there; tap :7000 localhost:6379 relays the bytes")
	}
	if err := o.check(c); err != nil {
		return err
	}
	if err := o.redisFlags(c.Flags()); err != nil {
		return err
	}
	if !o.quiet && o.verbose == 0 {
		o.verbose = int(trace.Message)
	}
	o.observe.url = args[0]
	name, err := checkRedis(o.observe.url, "tap", &o.common)
	o.observe.name = name
	return err
}

// checkRedis refuses a URL that is none, and returns it without its password.
func checkRedis(url, op string, o *common) (name string, err error) {
	conn, err := redis.Open(url, nil)
	if err != nil {
		return "", usagef(op+": "+strings.TrimPrefix(err.Error(), "redis: "), "write redis://USER:PASSWORD@HOST:PORT/DATABASE; several hosts with commas between them are a cluster")
	}
	secure := redis.Secure(url)
	if !secure && o.tls.given() {
		err = usagef(conn.Address()+" speaks no TLS, so there is nothing to check", "did you mean "+strings.Replace(conn.Address(), "redis://", "rediss://", 1)+"?")
	}
	return conn.Address(), errors.Join(err, conn.Close())
}

// redisFlags refuses flags that say nothing to a Redis.
func (o *tapOptions) redisFlags(set *pflag.FlagSet) error {
	allowed := map[string]bool{
		"verbose": true, "quiet": true, "trace": true, "json": true, "show-secrets": true, "color": true, "timeout": true, "deadline": true,
		"max-message": true, "cert": true, "key": true, "ca": true, "server-name": true, "insecure": true, "pin": true, "alpn": true, "ui": true, "ui-allow-host": true,
	}
	for _, name := range observing {
		allowed[name] = true
	}
	var err error
	set.Visit(func(f *pflag.Flag) {
		if !allowed[f.Name] && err == nil {
			err = usagef(fmt.Sprintf("--%s is for what tap passes on, and at a Redis it only looks", f.Name), "")
		}
	})
	f := &o.observe
	switch {
	case err != nil:
		return err
	case f.prefix == "":
		return usagef("--prefix wants at least a letter", "the servers' default is socket.io")
	case f.count < 0:
		return usagef(fmt.Sprintf("--count %d is negative", f.count), "")
	case f.requestTimeout <= 0:
		return usagef("--request-timeout wants more than nothing", "the servers' default is 5s")
	case f.monitor != "auto" && f.monitor != "always" && f.monitor != "never":
		return usagef(fmt.Sprintf("--monitor takes auto, always or never; %q came", f.monitor), "")
	}
	for _, name := range o.traceFiles {
		if !strings.HasSuffix(name, ".jsonl") {
			return usagef(fmt.Sprintf("--trace %q: what is seen at a Redis has no packets", name), "a file whose name ends in .jsonl takes it")
		}
	}
	return nil
}

// notObserving refuses flags of a Redis for what is none.
func notObserving(set *pflag.FlagSet) error {
	for _, name := range observing {
		if set.Changed(name) {
			return usagef(fmt.Sprintf("--%s is for a Redis, and none is tapped", name), "sockkit tap redis://localhost:6379")
		}
	}
	return nil
}

// runTapRedis shows what Socket.IO servers say to one another by a Redis.
func runTapRedis(ctx context.Context, s *Streams, o *tapOptions) (err error) {
	ctx, cancel := o.within(ctx)
	defer cancel()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	v := o.view(s, leave)
	v.tags, v.times = false, true
	closeUI, err := o.serveUI(ctx, s, &v)
	if err != nil {
		return err
	}
	defer closeUI()
	t, err := o.newTracing(s, v)
	if err != nil {
		return err
	}
	defer t.closeInto(&err)
	conn, err := openRedis(ctx, o.observe.url, &o.common, t.tracer)
	if err != nil {
		return err
	}
	defer conn.Close()
	observer := conn.Observer(o.observerOptions(s, conn, t, leave))
	observer.Run(ctx)
	if err := o.summary(s, observer.Summary()); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errCounted) {
		return cause
	}
	return nil
}

// errCounted is the end by --count.
var errCounted = errors.New("counted")

// openRedis opens the way to a Redis that is there.
func openRedis(ctx context.Context, url string, o *common, t *trace.Tracer) (*redis.Conn, error) {
	options := &redis.ConnOptions{Timeout: time.Duration(o.timeout), Tracer: t}
	if redis.Secure(url) {
		config, err := redis.TLSConfig(url, o.tls.options(nil))
		if err != nil {
			return nil, err
		}
		options.TLS = config
	}
	conn, err := redis.Reach(ctx, url, options)
	return conn, stoppedBy(ctx, err)
}

func (o *tapOptions) observerOptions(s *Streams, conn *redis.Conn, t *tracing, leave context.CancelCauseFunc) *redis.ObserverOptions {
	tracer := t.tracer
	if o.observe.count > 0 {
		var sink trace.Sink = trace.Tee{}
		level := trace.Message
		if tracer != nil {
			sink, level = tracer.Sink, max(level, tracer.Level)
		}
		c := &countdown{sink: sink, leave: func() { leave(errCounted) }}
		c.left.Store(int64(o.observe.count))
		tracer = trace.New(c, level)
	}
	return &redis.ObserverOptions{
		Prefix: o.observe.prefix, RequestTimeout: time.Duration(o.observe.requestTimeout), Monitor: redis.Monitoring(o.observe.monitor),
		MaxMessage: int(o.maxMessage), Secrets: o.showSecrets, Tracer: tracer, OnReady: func() {
			if !o.quiet {
				fmt.Fprintf(s.Err, "observing %s\n", conn.Address())
			}
		},
	}
}

// countdown leaves after so many messages.
type countdown struct {
	sink  trace.Sink
	left  atomic.Int64
	leave func()
}

// Record implements [trace.Sink].
func (c *countdown) Record(r trace.Record) {
	_, message := r.Event.(trace.AdapterMessage)
	if message && c.left.Add(-1) < 0 {
		return
	}
	c.sink.Record(r)
	if message && c.left.Load() == 0 {
		c.leave()
	}
}

// summary says at the end what was seen: with the view, or beside JSON on
// standard error.
func (o *tapOptions) summary(s *Streams, seen redis.ObserverSummary) error {
	if o.quiet {
		return nil
	}
	out := io.Writer(s.Out)
	if o.json {
		out = s.Err
	}
	_, err := io.WriteString(out, strings.Join(summaryLines(seen), "\n")+"\n")
	return outputError(err)
}

func summaryLines(seen redis.ObserverSummary) []string {
	lines := []string{"", "servers seen (each namespace of a server has an id of its own): " + fmt.Sprint(len(seen.Servers))}
	for _, one := range seen.Servers {
		lines = append(lines, fmt.Sprintf("  %-8s %-18s in %s: %s", one.Adapter, render.Printable(one.ID), render.Printable(one.Namespace), counted(one.Messages, "message")))
	}
	if len(seen.Messages) > 0 {
		lines = append(lines, "messages:")
	}
	for _, k := range seen.Messages {
		lines = append(lines, fmt.Sprintf("  %-8s %-26s %8d, %s", k.Adapter, k.Type, k.Messages, render.Size(k.Bytes)))
	}
	lines = append(lines, fmt.Sprintf("requests to other servers: %d, not answered in time by all: %d", seen.Requests, seen.Unanswered))
	if seen.Garbage > 0 {
		lines = append(lines, fmt.Sprintf("garbage: %d", seen.Garbage))
	}
	if seen.Dropped > 0 {
		lines = append(lines, fmt.Sprintf("came faster than it could be shown, and was left out: %d", seen.Dropped))
	}
	return lines
}

// counted is a number of things.
func counted(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
