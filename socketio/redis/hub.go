package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// kind is a kind of subscription.
type kind string

const (
	toChannel kind = "subscribe"
	toPattern kind = "psubscribe"
	toShard   kind = "ssubscribe"
)

type subKey struct {
	kind kind
	name string
}

// subscription is one channel, or one pattern of channels, that somebody listens
// to.
type subscription struct {
	subKey
	owner  any
	handle func(channel string, message []byte)
	ready  chan struct{} // closed once Redis has confirmed it for the first time

	line    *line // nil where it has none now
	stands  bool  // Redis has confirmed it on that line
	waits   bool  // it had not at the last check
	started bool  // ready is closed
}

// hub holds the subscriptions of a Conn, and has them stand again where they
// fell. Sharded channels belong to the server that owns their slot: there is one
// line to each.
type hub struct {
	conn *Conn
	wake chan struct{}
	done chan struct{}

	mu    sync.Mutex
	subs  map[subKey]*subscription
	lines map[string]*line    // by the server's address
	gone  []*subscription     // to be unsubscribed
	heads map[subKey]*adapter // by the channels by which servers are counted
	err   error               // why some do not stand
	stale bool                // the cluster is not as it was
	all   sync.WaitGroup      // of the lines
}

func newHub(c *Conn) *hub {
	h := &hub{conn: c, wake: make(chan struct{}, 1), done: make(chan struct{}), subs: map[subKey]*subscription{}, lines: map[string]*line{}, heads: map[subKey]*adapter{}}
	go h.work()
	return h
}

// subscribe has handle called with what comes over a channel, by one goroutine, in
// place of who was subscribed to it before. The channel that it returns is closed once
// the subscription stands.
func (h *hub) subscribe(owner any, k kind, name string, handle func(channel string, message []byte)) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &subscription{subKey: subKey{k, name}, owner: owner, handle: handle, ready: make(chan struct{})}
	if old := h.subs[s.subKey]; old != nil { // it was to be unsubscribed, perhaps
		s.line, s.stands = old.line, old.stands
		s.confirm()
	}
	h.subs[s.subKey] = s // the one before it is not there any more to be unsubscribed
	h.poke()
	return s.ready
}

// unsubscribe ends a subscription, unless it is another's by now: the namespace that
// takes the place of one may begin before that has ended.
func (h *hub) unsubscribe(owner any, k kind, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.subs[subKey{k, name}]; s != nil && s.owner == owner {
		h.gone = append(h.gone, s)
		h.poke()
	}
}

// claim has a namespace of a server go by this Conn. Another server has to have one of
// its own: here it would be counted as the same, and take its messages.
func (h *hub) claim(k kind, name string, a *adapter) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := subKey{k, name}
	if old := h.heads[key]; old != nil && old.Namespace().Server() != a.Namespace().Server() {
		return fmt.Errorf("redis: the namespace %s of another server is at this Conn; open one for each server", a.Namespace().Name())
	}
	h.heads[key] = a
	return nil
}

// release is the end of a claim.
func (h *hub) release(k kind, name string, a *adapter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if key := (subKey{k, name}); h.heads[key] == a {
		delete(h.heads, key)
	}
}

func (h *hub) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) confirm() {
	if s.stands && !s.started {
		s.started = true
		close(s.ready)
	}
}

// work places subscriptions: those that are new, and those whose line was lost.
func (h *hub) work() {
	defer close(h.done)
	tries := 0
	ping := time.NewTicker(h.conn.options.Timeout)
	defer ping.Stop()
	for {
		err := h.place()
		var again <-chan time.Time
		if err != nil {
			again = time.After(backoff(tries))
			tries++
		} else {
			tries = 0
		}
		select {
		case <-again:
		case <-h.wakeUnless(err):
		case <-ping.C:
			h.check()
		case <-h.conn.ctx.Done():
			return
		}
	}
}

// wakeUnless is what wakes it up: not while it waits for its next try.
func (h *hub) wakeUnless(err error) <-chan struct{} {
	if err != nil {
		return nil
	}
	return h.wake
}

// place sends what has to be sent. The error says why some subscriptions have no
// line.
func (h *hub) place() error {
	ctx, cancel := h.conn.bounded()
	defer cancel()
	h.mu.Lock()
	gone, stale := h.gone, h.stale
	h.gone, h.stale = nil, false
	h.mu.Unlock()
	if stale && h.conn.cluster != nil {
		h.conn.cluster.ReloadState(ctx)
	}
	h.drop(ctx, gone)
	err := h.why()
	if err != nil && !movedAway(err) { // before any stands again, which says that all is well
		h.conn.heard(h, err)
	}
	for _, batch := range h.homeless() {
		if e := h.settle(ctx, batch); e != nil {
			h.conn.heard(h, e)
			err = e
		}
	}
	if err == nil && h.allStand() {
		h.conn.heard(h, nil)
	}
	return err
}

// allStand reports whether every subscription does, and that was not known.
func (h *hub) allStand() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || !h.conn.lacks(h) {
		return false
	}
	for _, s := range h.subs {
		if !s.stands {
			return false
		}
	}
	return true
}

// why takes why a line was lost since it was asked last.
func (h *hub) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.err
	h.err = nil
	return err
}

// drop unsubscribes. What has been subscribed to anew meanwhile stays.
func (h *hub) drop(ctx context.Context, gone []*subscription) {
	for _, s := range gone {
		h.mu.Lock()
		if h.subs[s.subKey] != s {
			h.mu.Unlock()
			continue
		}
		delete(h.subs, s.subKey)
		l := s.line
		h.mu.Unlock()
		if l == nil {
			continue
		}
		switch s.kind { // where it fails, the line is lost, and that says so itself
		case toChannel:
			_ = l.ps.Unsubscribe(ctx, s.name)
		case toPattern:
			_ = l.ps.PUnsubscribe(ctx, s.name)
		case toShard:
			_ = l.ps.SUnsubscribe(ctx, s.name)
		}
	}
}

// homeless are the subscriptions without a line, those of one kind together: but
// sharded ones, which may be of different slots.
func (h *hub) homeless() (batches [][]*subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	many := map[kind][]*subscription{}
	for _, s := range h.subs {
		switch {
		case s.line != nil:
		case s.kind == toShard:
			batches = append(batches, []*subscription{s})
		default:
			many[s.kind] = append(many[s.kind], s)
		}
	}
	for _, batch := range many {
		batches = append(batches, batch)
	}
	return batches
}

// settle puts subscriptions on the line to their server.
func (h *hub) settle(ctx context.Context, batch []*subscription) error {
	key := "" // what is no sharded channel could stand anywhere
	if batch[0].kind == toShard {
		key = batch[0].name
	}
	node, err := h.conn.node(ctx, key)
	if err != nil {
		return err
	}
	l := h.line(node)
	names := make([]string, len(batch))
	for i, s := range batch {
		names[i] = s.name
	}
	if !h.assign(l, batch) {
		return errLost
	}
	if err := l.subscribe(ctx, batch[0].kind, names); err != nil {
		l.end(err)
		return err
	}
	return nil
}

// assign puts subscriptions on a line. It reports false where that was lost since it
// was chosen: nobody would take them off again.
func (h *hub) assign(l *line, batch []*subscription) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.lost {
		return false
	}
	for _, s := range batch {
		s.line = l
	}
	return true
}

// refused notes that Redis does not want a subscription; it does not say which. So
// all are placed anew that have not been confirmed. The others stay.
func (h *hub) refused(l *line, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subs {
		if s.line == l && !s.stands {
			s.line, h.stale = nil, true
			h.err = fmt.Errorf("subscriptions at %s: %w", l.address, err)
		}
	}
	h.poke()
}

// told takes what Redis says of a subscription.
func (h *hub) told(l *line, m *goredis.Subscription) {
	h.mu.Lock()
	if strings.HasSuffix(m.Kind, "unsubscribe") {
		// Unasked for, it means that the slot has moved to another server.
		if s := h.subs[subKey{toShard, m.Channel}]; m.Kind == "sunsubscribe" && s != nil && s.line == l && s.stands && !slices.Contains(h.gone, s) {
			s.line, s.stands, h.stale = nil, false, true
			h.poke()
		}
		h.mu.Unlock()
		return
	}
	if s := h.subs[subKey{kind(m.Kind), m.Channel}]; s != nil && s.line == l {
		s.stands = true
		s.confirm()
	}
	h.mu.Unlock()
	if h.allStand() {
		h.conn.heard(h, nil)
	}
}

// came hands a message to who listens.
func (h *hub) came(m *goredis.Message) {
	h.mu.Lock()
	s := h.subs[subKey{toPattern, m.Pattern}]
	if m.Pattern == "" {
		if s = h.subs[subKey{toChannel, m.Channel}]; s == nil {
			s = h.subs[subKey{toShard, m.Channel}]
		}
	}
	h.mu.Unlock()
	if s == nil {
		return
	}
	h.conn.count.received.Add(1)
	s.handle(m.Channel, []byte(m.Payload))
}

var (
	errSilent  = errors.New(noAnswer)
	errLost    = errors.New("the connection was lost at once")
	errDemoted = errors.New("it is no master of the cluster any more")

	errMalformed = errors.New("what came is no message of a channel")
)

// masters are those of a cluster, and nil where that is not known. Who listens at
// another server is not counted by those who ask how many servers there are.
func (h *hub) masters(ctx context.Context) map[string]bool {
	if h.conn.cluster == nil {
		return nil
	}
	h.conn.cluster.ReloadState(ctx)
	var mu sync.Mutex
	all := map[string]bool{}
	err := h.conn.cluster.ForEachMaster(ctx, func(_ context.Context, node *goredis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		all[node.Options().Addr] = true
		return nil
	})
	if err != nil || len(all) == 0 {
		return nil
	}
	return all
}

// unconfirmed has those subscriptions be placed anew that Redis has not confirmed from
// one check to the next. It is called under the lock.
func (h *hub) unconfirmed() {
	for _, s := range h.subs {
		due := s.line != nil && !s.stands
		if due && s.waits {
			h.err = fmt.Errorf("subscriptions at %s: %w", s.line.address, errSilent)
			s.line, due = nil, false
		}
		s.waits = due
	}
}

// check asks each line whether it lives, and gives up those that have not said a
// word since they were asked.
func (h *hub) check() {
	ctx, cancel := h.conn.bounded()
	defer cancel()
	h.mu.Lock()
	h.unconfirmed()
	lines := make([]*line, 0, len(h.lines))
	for _, l := range h.lines {
		lines = append(lines, l)
	}
	h.mu.Unlock()
	masters := h.masters(ctx)
	for _, l := range lines {
		if l.demoted(masters) {
			l.end(errDemoted)
			continue
		}
		if time.Since(time.Unix(0, l.seen.Load())) > 3*h.conn.options.Timeout {
			l.end(errSilent)
			continue
		}
		if err := l.ps.Ping(ctx); err != nil {
			l.end(err)
		}
	}
}

func (h *hub) close() {
	<-h.done
	h.mu.Lock()
	lines := make([]*line, 0, len(h.lines))
	for _, l := range h.lines {
		lines = append(lines, l)
	}
	h.mu.Unlock()
	for _, l := range lines {
		l.end(errClosed)
	}
	h.all.Wait()
}
