package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// reader reads one stream for all namespaces that it is of.
type reader struct {
	all    *streams
	name   string
	begun  chan struct{} // closed once it is known where to read from
	ctx    context.Context
	cancel context.CancelFunc

	conn *goredis.Conn // of its own goroutine; nil where there is none
	lost bool          // there was one, and it was lost: of its own goroutine

	mu       sync.Mutex // held while an entry is handed out
	last     string     // the last that was
	adapters []*stream
}

// open has a reader read for an adapter.
func (s *streams) open(a *stream) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.readers[a.name]
	if r == nil {
		r = &reader{all: s, name: a.name, begun: make(chan struct{})}
		r.ctx, r.cancel = context.WithCancel(s.conn.ctx)
		s.readers[a.name] = r
		s.conn.work.Go(r.work)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.adapters = append(r.adapters, a)
	return r
}

// close ends it with its last adapter. The reader may still wait for an answer of
// Redis, which nobody gets.
func (s *streams) close(a *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.readers[a.name]
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.adapters = slices.DeleteFunc(r.adapters, func(other *stream) bool { return other == a })
	if len(r.adapters) == 0 {
		delete(s.readers, a.name)
		r.cancel()
	}
}

// work reads on, whatever happens to Redis.
func (r *reader) work() {
	conn := r.all.conn
	defer conn.heard(r, nil)
	defer r.hangUp()
	refused := false // to read, and not to say where the stream ends
	for tries := 0; r.ctx.Err() == nil; {
		err := r.begin()
		began := err == nil
		if began {
			if !refused {
				conn.heard(r, nil)
			}
			err = r.read()
		}
		if err == nil || r.ctx.Err() != nil {
			conn.heard(r, nil)
			tries, refused = 0, false
			continue
		}
		refused = began && (isReply(err) || errors.As(err, new(orderError)))
		r.lost = true
		r.hangUp()
		conn.heard(r, fmt.Errorf("reading the stream %s: %w", r.name, words(conn.foreign(err))))
		select {
		case <-time.After(backoff(tries)):
			tries++
		case <-r.ctx.Done():
		}
	}
}

// over is the connection that it reads over: one of its own, of which it learns
// when it is lost. From among those of the client another one may be taken for the
// next command, to another Redis perhaps, and nothing said.
func (r *reader) over(ctx context.Context) (*goredis.Conn, error) {
	if r.conn == nil {
		node, err := r.all.conn.node(ctx, r.name)
		if err != nil {
			return nil, err
		}
		r.conn = node.EphemeralConn()
	}
	return r.conn, nil
}

func (r *reader) hangUp() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}

// begin finds where to read from: behind what is there when the server begins. It
// looks again where Redis was lost: what comes back may be another one, whose
// stream does not reach as far as what was read. What is in that is taken as read.
func (r *reader) begin() error {
	if r.position() != "" && !r.lost {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.all.conn.options.Timeout)
	defer cancel()
	conn, err := r.over(ctx)
	if err != nil {
		return err
	}
	page, err := conn.XRevRangeN(ctx, r.name, "+", "-", 1).Result()
	if elsewhere(err) {
		page, err = r.all.conn.client.XRevRangeN(ctx, r.name, "+", "-", 1).Result()
		r.hangUp()
	}
	if err != nil {
		return err
	}
	top := "0-0"
	if len(page) > 0 {
		top = page[0].ID
	}
	r.lost = false
	r.beginAt(top)
	return nil
}

// beginAt has a reader begin at the end of its stream.
func (r *reader) beginAt(top string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.last == ""
	switch {
	case first:
		r.last = top
		close(r.begun)
	case behind(r.last, top):
		r.all.conn.note("the stream %s ends at %s, and was read up to %s: it is another one", r.name, top, r.last)
		r.last = top
	default:
		return
	}
	for _, a := range r.adapters {
		a.beginAt(r.last, !first)
	}
}

// beginAt is where entries of this server are looked for, until Redis has told of
// one, or where the stream is another one.
func (a *stream) beginAt(id string, again bool) {
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	if a.confirmed == "" || again && behind(a.confirmed, id) {
		a.confirmed = id
	}
	for _, e := range a.pending {
		if e.id != "" && !behind(e.id, id) { // it will not be read
			e.at = time.Time{}
		}
	}
	if again {
		a.hasten(0)
	}
}

func (r *reader) position() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// read reads what is new, or waits for it.
func (r *reader) read() error {
	ctx, cancel := context.WithTimeout(r.ctx, r.all.options.BlockTime+r.all.conn.options.Timeout)
	defer cancel()
	conn, err := r.over(ctx)
	if err != nil {
		return err
	}
	args := &goredis.XReadArgs{
		Streams: []string{r.name}, ID: r.position(), Count: int64(r.all.options.ReadCount), Block: r.all.options.BlockTime,
	}
	began := time.Now()
	found, err := conn.XRead(ctx, args).Result()
	if elsewhere(err) { // the client knows the way, and learns it
		found, err = r.all.conn.client.XRead(ctx, args).Result()
		r.hangUp()
	}
	if errors.Is(err, goredis.Nil) {
		err = nil
	}
	if err == nil && len(found) == 0 {
		idle(r.ctx, r.all.options.BlockTime, began)
	}
	for _, s := range found {
		for _, x := range s.Messages {
			if err := r.handOut(x); err != nil {
				return err
			}
		}
	}
	return err
}

// breath is the least that nothing takes: Redis was asked to wait for an entry, but
// one that does not, or something between, may say at once that there is none.
const breath = 100 * time.Millisecond

// idle waits where that was said too soon.
func idle(ctx context.Context, block time.Duration, began time.Time) {
	select {
	case <-time.After(min(block, breath) - time.Since(began)):
	case <-ctx.Done():
	}
}

// orderError is an entry that comes where another one is due.
type orderError struct{ id, last string }

func (e orderError) Error() string {
	return fmt.Sprintf("an entry came with the id %.40q, where one behind %s is due", e.id, e.last)
}

// inOrder holds that an entry comes behind another one: from its id on is read next.
func inOrder(id, last string) error {
	if _, _, ok := parseID(id); !ok || !behind(id, last) {
		return orderError{id, last}
	}
	return nil
}

// handOut gives an entry to the namespace that it is for.
func (r *reader) handOut(x goredis.XMessage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := inOrder(x.ID, r.last); err != nil {
		return err
	}
	namespace, _ := x.Values["nsp"].(string)
	for _, a := range r.adapters {
		if a.Namespace().Name() == namespace {
			a.came(x)
		}
	}
	r.last = x.ID
	return nil
}

// came takes an entry.
func (a *stream) came(x goredis.XMessage) {
	a.conn.count.received.Add(1)
	m, err := readEntry(x.Values, a.Namespace().Name())
	switch {
	case err != nil:
		a.conn.garbage(a.name+" "+x.ID, err)
	case m == nil:
	case m.uid == a.uid:
		a.cameBack(m, x.ID)
	case m.kind == kindBroadcast, m.kind == kindJoin, m.kind == kindLeave, m.kind == kindDisconnect:
		a.perform(m, x.ID)
	default:
		a.took(m)
	}
}

// cameBack takes an entry of this server's own: in the order in which they were
// written. Of those that were done early, what is left to do is who is late.
func (a *stream) cameBack(m *message, id string) {
	e, passed := a.pick(m, id)
	for _, old := range passed {
		if !old.early {
			a.perform(old.message, "")
		}
	}
	switch {
	case e == nil:
	case !e.early:
		a.perform(m, id)
	case m.kind == kindBroadcast && a.recovers:
		if m.selection = a.forLate(m.selection); len(m.selection.Rooms) > 0 {
			a.perform(m, id)
		}
		a.caughtUp()
	}
}

// pick takes the entry with an id from those that are due, and what stood before
// it in the stream: that will not be read, since Redis has dropped it meanwhile.
func (a *stream) pick(m *message, id string) (e *entry, passed []*entry) {
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	rest := a.pending[:0:0]
	for _, one := range a.pending {
		switch {
		case e == nil && (one.id == id || one.id == "" && same(m, one.message)):
			e = one
		case one.id != "" && behind(id, one.id):
			passed = append(passed, one)
		default:
			rest = append(rest, one)
		}
	}
	a.pending = rest
	return e, passed
}

// The ids of entries are two numbers: milliseconds, and a count.

func parseID(id string) (ms, n uint64, ok bool) {
	left, right, cut := strings.Cut(id, "-")
	ms, err := strconv.ParseUint(left, 10, 64)
	n, err2 := strconv.ParseUint(right, 10, 64)
	return ms, n, cut && err == nil && err2 == nil
}

// behind reports whether one id comes later than another.
func behind(id, other string) bool {
	ms, n, _ := parseID(id)
	otherMS, otherN, _ := parseID(other)
	return ms > otherMS || ms == otherMS && n > otherN
}

// after is the first id behind another: older versions of Redis know no other way
// to leave that out.
func after(id string) string {
	ms, n, ok := parseID(id)
	if !ok {
		return "-"
	}
	return strconv.FormatUint(ms, 10) + "-" + strconv.FormatUint(n+1, 10)
}
