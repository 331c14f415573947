package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/trace"
)

// mostStreams is up to which number streams are looked for, where namespaces are
// divided among several.
const mostStreams = 63

// look finds what is to be read besides channels, now and again.
func (o *Observer) look(ctx context.Context, begun chan<- struct{}) {
	l := &looking{Observer: o, streams: map[string]bool{}, monitors: map[string]bool{}}
	for first := true; ctx.Err() == nil; {
		err := l.round(ctx, first)
		if first && err == nil {
			close(begun)
			first = false
		}
		wait := lookEvery
		if first {
			wait = backoff(3)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// looking is what is being read.
type looking struct {
	*Observer
	streams  map[string]bool
	monitors map[string]bool // by the server's address
	said     sync.Map        // notes why something is not read, each said once
}

// sayOnce notes what is not seen, and why.
func (l *looking) sayOnce(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if _, old := l.said.LoadOrStore(text, true); !old {
		l.note("%s", text)
	}
}

// forbidden reports whether Redis does not allow something, and says so: the rest can
// be seen all the same.
func (l *looking) forbidden(what string, err error) bool {
	if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		return false
	}
	l.sayOnce("%s: %v", what, err)
	return true
}

func (l *looking) round(ctx context.Context, first bool) error {
	names, err := l.conn.streamNames(ctx, l.options.Prefix)
	if err != nil && !l.forbidden("streams with a number are not looked for", err) {
		return err
	}
	for _, name := range names {
		if l.streams[name] {
			continue
		}
		from := "0-0" // it was not there the last time
		if first {
			if from, err = l.conn.lastEntry(ctx, name); l.forbidden("what the stream "+name+" has is not known", err) {
				from = "$" // what comes from now on
			} else if err != nil {
				return err
			}
		}
		l.streams[name] = true
		l.work.Go(func() { l.read(ctx, name, from) })
	}
	return l.monitor(ctx)
}

// streamNames are the streams with a name, with a number behind it too; the one
// without is among them always.
func (c *Conn) streamNames(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	types := map[string]*goredis.StatusCmd{}
	var order []string
	_, err := c.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i := -mostStreams; i <= mostStreams; i++ {
			one := name + "-" + strconv.Itoa(i)
			types[one], order = p.Type(ctx, one), append(order, one)
		}
		return nil
	})
	found := []string{name}
	for _, one := range order {
		if types[one].Val() == "stream" {
			found = append(found, one)
		}
	}
	return found, err
}

// lastEntry is the id of the last entry of a stream.
func (c *Conn) lastEntry(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	page, err := c.client.XRevRangeN(ctx, name, "+", "-", 1).Result()
	if len(page) == 0 {
		return "0-0", err
	}
	return page[0].ID, err
}

// read reads a stream on, whatever happens to Redis.
func (l *looking) read(ctx context.Context, name, from string) {
	for tries := 0; ctx.Err() == nil; {
		page, err := l.conn.entriesAfter(ctx, name, from)
		for _, x := range page {
			if err = inOrder(x.ID, from); err != nil {
				break
			}
			from = x.ID
			l.see(sight{channel: name, entry: x.ID, values: x.Values})
		}
		if err == nil {
			tries = 0
			continue
		}
		l.forbidden("the stream "+name+" is not read", err)
		select {
		case <-time.After(backoff(tries)):
			tries++
		case <-ctx.Done():
		}
	}
}

func (c *Conn) entriesAfter(ctx context.Context, name, from string) ([]goredis.XMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, readBlock+c.options.Timeout)
	defer cancel()
	began := time.Now()
	found, err := c.client.XRead(ctx, &goredis.XReadArgs{Streams: []string{name, from}, Count: 100, Block: readBlock}).Result()
	if errors.Is(err, goredis.Nil) || len(found) == 0 {
		if errors.Is(err, goredis.Nil) {
			err = nil
		}
		if err == nil {
			idle(ctx, readBlock, began)
		}
		return nil, err
	}
	return found[0].Messages, err
}

// monitor has sharded channels be read, where there are any.
func (l *looking) monitor(ctx context.Context) error {
	if l.options.Monitor == MonitorNever {
		return nil
	}
	ctx2, cancel := context.WithTimeout(ctx, l.conn.options.Timeout)
	defer cancel()
	if l.options.Monitor == MonitorAuto && len(l.monitors) == 0 {
		names, err := l.conn.shardChannels(ctx2, escapePattern(l.options.Prefix)+"#*#"+uidPattern+"#")
		if l.forbidden("sharded channels are not looked for", err) || err != nil || len(names) == 0 {
			return nil // Redis before 7 has none
		}
	}
	return l.conn.eachMaster(ctx2, func(ctx2 context.Context, node *goredis.Client) error {
		address := node.Options().Addr
		if l.monitors[address] || !l.mayMonitor(ctx2, node) {
			return nil
		}
		l.monitors[address] = true
		l.note("sharded channels are read by MONITOR at %s: each of its commands comes here; a subscriber would be counted as a server", address)
		started := make(chan struct{})
		l.work.Go(func() { l.follow(ctx, node, started) })
		select {
		case <-started:
		case <-ctx2.Done():
		}
		return nil
	})
}

// uidPattern matches the id of a server that is no pubsub one.
const uidPattern = "[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"

// mayMonitor reports whether a server of Redis is to be asked for each of its
// commands.
func (l *looking) mayMonitor(ctx context.Context, node *goredis.Client) bool {
	if l.options.Monitor == MonitorAlways {
		return true
	}
	info, err := node.Info(ctx, "stats").Result()
	rate, _ := strconv.Atoi(infoField(info, "instantaneous_ops_per_sec"))
	if err != nil || rate <= l.options.MaxCommands {
		return true
	}
	l.sayOnce("sharded channels are not read: it would take MONITOR, and %s does more than %d commands a second", node.Options().Addr, l.options.MaxCommands)
	return false
}

func (o *Observer) note(format string, args ...any) {
	if t := o.options.Tracer; t.On(trace.Connection) {
		t.Emit(0, trace.Note{Text: fmt.Sprintf(format, args...)})
	}
}
