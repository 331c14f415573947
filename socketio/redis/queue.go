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

// ErrQueueFull says that a message for other servers was dropped, since too many
// wait for Redis. The sockets of this server got it.
var ErrQueueFull = errors.New("redis: too many messages wait for Redis: this one was dropped")

// errClosed says that the Conn was closed.
var errClosed = errors.New("redis: closed")

// maxBatch is how many commands go to Redis at once.
const maxBatch = 256

// bigJob is from how many bytes on a command goes alone where it was not answered
// before: it may be more than Redis, or what stands before it, takes. After
// manyHangUps connections that it has cost it is given up.
const (
	bigJob      = 256 << 10
	manyHangUps = 8
)

// manyMoves is how often in a row a slot may be another server's, before that is
// trouble: two seconds, about.
const manyMoves = 6

// job is a command for Redis.
type job struct {
	key  string // says whose it is in a cluster; empty where any server may have it
	size int
	run  func(ctx context.Context, p goredis.Pipeliner) goredis.Cmder
	// done is told the end: the answer, or an error. Nil asks for nothing.
	done func(cmd goredis.Cmder, err error)
	// find looks whether a command whose answer never came has been carried out.
	// Nil gives it up: it is better lost than doubled.
	find func(ctx context.Context) (found bool, err error)

	unsure  bool
	hangUps int // connections that ended behind it, where it went alone
}

// queue sends commands to Redis one after the other, many at once, and keeps them
// while it is gone.
type queue struct {
	conn *Conn
	wake chan struct{}
	done chan struct{}

	mu      sync.Mutex
	waiting []*job
	flying  int // those that are on their way
	bytes   int
	closed  bool
	full    bool   // and that has been said
	taken   uint64 // how many were ever added
	flushes []flush
}

// flush is who waits until so many have left.
type flush struct {
	taken uint64
	done  chan struct{}
}

func newQueue(c *Conn) *queue {
	q := &queue{conn: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.work()
	return q
}

// add puts a command behind those that wait.
func (q *queue) add(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := &q.conn.options
	switch {
	case q.closed:
		return errClosed
	case len(q.waiting)+q.flying >= o.MaxQueue || q.bytes+j.size > o.MaxQueueBytes:
		q.conn.count.dropped.Add(1)
		if !q.full {
			q.full = true
			q.conn.note("%d messages wait, the next are dropped", len(q.waiting)+q.flying)
		}
		return ErrQueueFull
	}
	q.waiting = append(q.waiting, j)
	q.taken++
	q.bytes += j.size
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.flying
}

// take takes the next commands.
func (q *queue) take() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxBatch)
	batch := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	q.flying = n
	return batch
}

// landed notes how many of those that were taken are still on their way.
func (q *queue) landed(before, left []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range before {
		q.bytes -= j.size
	}
	for _, j := range left {
		q.bytes += j.size
	}
	q.flying = len(left)
	q.full = q.full && len(left) > 0
	gone := q.gone()
	for len(q.flushes) > 0 && q.flushes[0].taken <= gone {
		close(q.flushes[0].done)
		q.flushes = q.flushes[1:]
	}
}

// gone is how many have left, under the lock: they do so in order.
func (q *queue) gone() uint64 { return q.taken - uint64(len(q.waiting)+q.flying) }

// flush waits until all that was added so far has left. It gives up once ctx is
// done, and where Redis is known to be gone.
func (q *queue) flush(ctx context.Context) error {
	q.mu.Lock()
	f := flush{q.taken, make(chan struct{})}
	if q.gone() >= f.taken {
		q.mu.Unlock()
		return nil
	}
	q.flushes = append(q.flushes, f)
	q.mu.Unlock()
	for {
		changed := q.conn.change()
		if !q.conn.writable() {
			return fmt.Errorf("redis: %s is away: %d messages did not reach it", q.conn.address, q.size())
		}
		select {
		case <-f.done:
			return nil
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("redis: %s is slow: %d messages did not reach it: %w", q.conn.address, q.size(), words(context.Cause(ctx)))
		}
	}
}

// patient is how long the last messages are waited for while none of them leaves.
const patient = time.Second

// last is flush at the end: for as long as Redis takes what waits, and no longer
// than the time for an answer.
func (q *queue) last() error {
	ctx, cancel := q.conn.bounded()
	defer cancel()
	for before := q.size(); ; {
		step, stop := context.WithTimeout(ctx, patient)
		err := q.flush(step)
		stop()
		now := q.size()
		if err == nil || ctx.Err() != nil || now >= before || !q.conn.writable() {
			return err
		}
		before = now
	}
}

func (q *queue) close() {
	_ = q.last()
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}

func (q *queue) wait() { <-q.done }

// work sends what there is. Once Redis is lost it asks, again and again, whether
// it is back.
func (q *queue) work() {
	defer close(q.done)
	tries := 0
	var batch []*job
	for {
		if len(batch) == 0 {
			batch = q.take()
		}
		left, together, err := batch, len(batch), error(nil)
		if tries > 0 {
			together, err = apart(batch), q.ping(batch)
		}
		if err == nil && together > 0 {
			left, err = q.sent(batch, together)
		}
		if batch = left; err == nil {
			tries = 0
		} else {
			tries++
			if err = q.conn.foreign(err); !movedAway(err) || tries > manyMoves {
				q.conn.wrote(err)
			}
		}
		if !q.rest(len(batch), tries) {
			q.abandon(batch)
			return
		}
	}
}

// rest waits for what there is to do next. It reports false at the end.
func (q *queue) rest(left, tries int) bool {
	var again <-chan time.Time
	wake := q.wake
	if tries > 0 {
		again, wake = time.After(backoff(tries-1)), nil
	} else if left > 0 || q.waits() {
		return q.conn.ctx.Err() == nil
	}
	select {
	case <-again:
	case <-wake:
	case <-q.conn.ctx.Done():
		return false
	}
	return true
}

func (q *queue) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// abandon ends what is left at the end.
func (q *queue) abandon(batch []*job) {
	q.mu.Lock()
	batch = append(batch, q.waiting...)
	q.waiting, q.flying, q.closed = nil, 0, true
	q.mu.Unlock()
	for _, j := range batch {
		q.settle(j, nil, errClosed)
	}
	q.landed(nil, nil)
}

// ping asks whether Redis is back, before what waits goes out: by that nothing is
// lost. Where something waits it does not say so: that may not be taken.
func (q *queue) ping(batch []*job) error {
	ctx, cancel := q.conn.bounded()
	defer cancel()
	if len(batch) == 0 {
		err := q.conn.client.Ping(ctx).Err()
		if err == nil {
			q.conn.wrote(nil)
		}
		return err
	}
	node, err := q.conn.node(ctx, batch[0].key)
	if err == nil {
		err = node.Ping(ctx).Err()
	}
	if err != nil && q.conn.cluster != nil {
		q.conn.cluster.ReloadState(ctx)
	}
	return err
}

// apart is how many commands of a batch go together: a big one goes alone.
func apart(batch []*job) int {
	n := slices.IndexFunc(batch, func(j *job) bool { return j.size >= bigJob })
	if n < 0 {
		return len(batch)
	}
	return max(n, 1)
}

// sent sends the first n commands of a batch, and notes what is still on its way.
func (q *queue) sent(batch []*job, n int) (left []*job, err error) {
	left, err = q.send(batch[:n:n])
	left = append(left, batch[n:]...)
	q.landed(batch, left)
	return left, err
}

// send sends commands, in order. It returns those that Redis does not have yet,
// and why.
func (q *queue) send(batch []*job) (left []*job, err error) {
	ctx, cancel := q.conn.bounded()
	defer cancel()
	if batch, err = q.findUnsure(ctx, batch); err != nil {
		return batch, err
	}
	answers, err := q.exec(ctx, batch)
	if err != nil {
		return batch, err
	}
	for i, j := range batch {
		if again, why := q.judge(j, answers[i], len(batch) == 1); again {
			left = append(left, j)
			err = why
		} else if why != nil && !isReply(why) {
			err = why
		}
	}
	if err == nil {
		q.conn.wrote(nil)
	} else if q.conn.cluster != nil && moved(err) {
		q.conn.cluster.ReloadState(q.conn.ctx)
	}
	return left, err
}

// findUnsure takes out those whose answers never came, and which Redis has all
// the same, or will never have.
func (q *queue) findUnsure(ctx context.Context, batch []*job) (left []*job, err error) {
	for i, j := range batch {
		found := false
		if j.unsure {
			if found, err = j.find(ctx); err != nil {
				return append(left, batch[i:]...), err
			}
			j.unsure = false
		}
		switch {
		case found:
			q.conn.count.published.Add(1)
		case j.hangUps >= manyHangUps:
			q.fail(j, fmt.Errorf("redis: %d bytes at once are more than it takes: it ended the connection %d times in a row; they were dropped", j.size, j.hangUps))
		default:
			left = append(left, j)
		}
	}
	return left, nil
}

// exec sends commands to the servers that own their keys.
func (q *queue) exec(ctx context.Context, batch []*job) ([]goredis.Cmder, error) {
	pipes := map[*goredis.Client]goredis.Pipeliner{}
	answers := make([]goredis.Cmder, len(batch))
	for i, j := range batch {
		node, err := q.conn.node(ctx, j.key)
		if err != nil {
			return nil, err
		}
		if pipes[node] == nil {
			pipes[node] = node.Pipeline()
		}
		answers[i] = j.run(ctx, pipes[node])
	}
	var all sync.WaitGroup
	for _, p := range pipes {
		all.Go(func() { _, _ = p.Exec(ctx) }) // each command has its own error
	}
	all.Wait()
	return answers, nil
}

// judge ends a command, or says that it has to be sent again. Alone are those that
// nothing went along with.
func (q *queue) judge(j *job, cmd goredis.Cmder, alone bool) (again bool, why error) {
	err := cmd.Err()
	switch {
	case err == nil || errors.Is(err, goredis.Nil):
		q.conn.count.published.Add(1)
		q.settle(j, cmd, nil)
		return false, nil
	case passes(err):
		return true, err
	case unsent(err):
		return true, err
	case isReply(err): // refused for good
	case j.find != nil:
		if j.unsure = true; alone && j.size >= bigJob && hungUpOn(err) {
			j.hangUps++
		}
		return true, err
	}
	q.fail(j, fmt.Errorf("redis: %s: %w", cmd.Name(), words(err)))
	return false, err
}

// fail ends a command that Redis does not have.
func (q *queue) fail(j *job, err error) {
	q.conn.count.failed.Add(1)
	q.conn.note("%s", strings.TrimPrefix(err.Error(), "redis: "))
	q.settle(j, nil, err)
}

func (q *queue) settle(j *job, cmd goredis.Cmder, err error) {
	if j.done != nil {
		j.done(cmd, err)
	}
}
