package redis

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// line is a connection that subscriptions stand on.
type line struct {
	hub     *hub
	address string
	ps      *goredis.PubSub
	seen    atomic.Int64 // when something came last, in nanoseconds
	lost    bool         // under the lock of the hub
	doubts  int          // how often it was not among the masters: of the hub's goroutine
}

// line returns the one to a server, and makes it.
func (h *hub) line(node *goredis.Client) *line {
	address := node.Options().Addr
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.lines[address]; l != nil {
		return l
	}
	l := &line{hub: h, address: address, ps: node.Subscribe(h.conn.ctx)}
	l.seen.Store(time.Now().UnixNano())
	h.lines[address] = l
	h.all.Add(1)
	go l.read()
	return l
}

func (l *line) subscribe(ctx context.Context, k kind, names []string) error {
	switch k {
	case toPattern:
		return l.ps.PSubscribe(ctx, names...)
	case toShard:
		return l.ps.SSubscribe(ctx, names...)
	}
	return l.ps.Subscribe(ctx, names...)
}

// read hands on what comes.
func (l *line) read() {
	defer l.hub.all.Done()
	for {
		m, err := l.receive()
		if err != nil && (!isAnswer(err) || unknown(err) || l.hungUp(err)) {
			l.end(l.hub.conn.foreign(err))
			return
		}
		l.seen.Store(time.Now().UnixNano())
		if err != nil {
			l.hub.refused(l, l.hub.conn.foreign(err))
			continue
		}
		switch m := m.(type) {
		case *goredis.Subscription:
			l.hub.told(l, m)
		case *goredis.Message:
			l.hub.came(m)
		}
	}
}

// receive waits for what comes. Where the parts of a message are not what they are
// due to be go-redis panics: to who listens that is a line that was lost.
func (l *line) receive() (m any, err error) {
	defer func() {
		switch wrong := recover().(type) {
		case nil:
		case runtime.Error:
			m, err = nil, errMalformed
		default:
			panic(wrong)
		}
	}()
	return l.ps.Receive(l.hub.conn.ctx)
}

// hungUp reports whether go-redis has hung up because of an answer: it would subscribe
// anew at once, and be answered the same.
func (l *line) hungUp(err error) bool {
	return goredis.HasErrorPrefix(err, "READONLY ") || movedAway(err) && strings.HasSuffix(err.Error(), " "+l.address)
}

// end gives up a line: what stood on it is placed anew.
func (l *line) end(err error) {
	h := l.hub
	h.mu.Lock()
	if l.lost {
		h.mu.Unlock()
		return
	}
	l.lost = true
	delete(h.lines, l.address)
	for _, s := range h.subs {
		if s.line == l {
			s.line, s.stands = nil, false
		}
	}
	h.stale = true
	if h.err == nil && h.conn.ctx.Err() == nil {
		h.err = fmt.Errorf("subscriptions at %s: %w", l.address, at(l.address, err))
	}
	h.poke()
	h.mu.Unlock()
	_ = l.ps.Close()
}

// demoted reports whether a line's server is no master any more. A server of the
// cluster that says so may not have heard the news yet: so it has to be said twice.
func (l *line) demoted(masters map[string]bool) bool {
	if masters == nil || masters[l.address] {
		l.doubts = 0
		return false
	}
	l.doubts++
	return l.doubts > 1
}
