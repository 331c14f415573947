package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// TimeoutError says that some servers of the cluster have not answered in time.
// It is a [socketio.ErrTimeout].
type TimeoutError struct {
	Operation          string // "fetchSockets", "serverSideEmit" or "broadcast with acknowledgements"
	Answered, Expected int    // servers, this one not counted
	// Missing are the ids of servers that have not answered. Where Among is set some
	// of them may have: there are answers that do not say whose they are.
	Missing []string
	Among   bool
	// Away is why Redis could not be reached, where it could not: nobody was asked,
	// or nobody's answer could come.
	Away error
}

// Error implements error.
func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("redis: timeout reached: %s: only %d responses received out of %d", e.Operation, e.Answered, e.Expected)
	if n := len(e.Missing); n > 0 {
		text += "; silent: " + trace.SilentAmong(e.Among, n, e.Expected-e.Answered) + strings.Join(e.Missing, ", ")
	}
	if e.Away != nil {
		return text + "; Redis is away: " + e.Away.Error()
	}
	if n := e.Expected - e.Answered - len(e.Missing); n > 0 && !e.Among {
		text += fmt.Sprintf("; %d have gone since, or are no servers", n)
	}
	return text
}

// Unwrap makes it a [socketio.ErrTimeout].
func (e *TimeoutError) Unwrap() error { return socketio.ErrTimeout }

// RequestTimeout implements [socketio.RequestingAdapter].
func (a *adapter) RequestTimeout() time.Duration { return a.requestTimeout }

var _ socketio.RequestingAdapter = (*adapter)(nil)

// ask registers who waits for answers, until the context ends.
func (a *adapter) ask(ctx context.Context, m *message, answer func(*message)) *question {
	q := &question{from: map[string]bool{}, answer: answer}
	m.request = `"` + newUID(16) + `"`
	id := m.request
	a.mu.Lock()
	a.asked[id] = q
	a.mu.Unlock()
	context.AfterFunc(ctx, func() {
		a.mu.Lock()
		delete(a.asked, id)
		a.mu.Unlock()
	})
	return q
}

// answered gives an answer to who waits for it.
func (a *adapter) answered(m *message) {
	a.mu.Lock()
	q := a.asked[m.request]
	a.mu.Unlock()
	if q == nil {
		return
	}
	if m.kind == kindAnswer || q.first(m.uid) { // of answers a server sends many
		q.answer(m)
	}
}

// lookTimeout bounds how long it takes to say who was silent: who has waited has
// waited long enough.
const lookTimeout = time.Second

// first counts a server that answers, once where it says who it is.
func (q *question) first(uid string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.from[uid] {
		return false
	}
	q.came++
	if uid != "" {
		q.from[uid] = true
	}
	return true
}

// unknown is an error where no other server is known, and Redis could not be asked
// whether there are any: nobody is waited for.
func (a *adapter) unknown(operation string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uncounted == nil || a.lastCount > 1 {
		return nil
	}
	return &TimeoutError{Operation: operation, Away: words(a.uncounted)}
}

// silence says who has not answered a question.
func (a *adapter) silence(operation string, q *question, expected int) *TimeoutError {
	q.mu.Lock()
	from := maps.Clone(q.from)
	e := &TimeoutError{Operation: operation, Answered: q.came, Expected: expected}
	q.mu.Unlock()
	if e.Away = a.conn.away(); e.Away != nil {
		return e
	}
	ctx, cancel := context.WithTimeout(a.conn.ctx, min(lookTimeout, a.conn.options.Timeout))
	defer cancel()
	members, err := a.wire.members(ctx)
	if err != nil {
		e.Away = words(err)
		return e
	}
	for _, uid := range members {
		if uid != a.uid && !from[uid] {
			e.Missing = append(e.Missing, uid)
		}
	}
	slices.Sort(e.Missing)
	e.Among = len(e.Missing) > 0 && e.Answered > len(from)
	return e
}

// explain has who asked, or else the hook, told who was silent once the context of a
// question has ended by its deadline.
func (a *adapter) explain(ctx context.Context, q *question, operation string) {
	a.mu.Lock()
	expected := a.lastCount - 1
	a.mu.Unlock()
	silent := func() error {
		q.mu.Lock()
		came := q.came
		q.mu.Unlock()
		if came >= expected {
			return nil
		}
		return a.silence(operation, q, expected)
	}
	if socketio.OnSilence(ctx, silent) {
		return
	}
	context.AfterFunc(ctx, func() {
		if ctx.Err() != context.DeadlineExceeded {
			return
		}
		if err := silent(); err != nil {
			a.Namespace().AdapterError(err)
		}
	})
}

// FetchSockets implements [socketio.Adapter]. Where some servers do not answer in
// time, it returns what the others have, and a [*TimeoutError].
func (a *adapter) FetchSockets(ctx context.Context, s socketio.Selection, f socketio.Flags) ([]socketio.RemoteSocket, error) {
	all, err := a.MemoryAdapter.FetchSockets(ctx, s, f)
	if f.Local || err != nil {
		return all, err
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(f.Timeout, a.requestTimeout))
	defer cancel()
	servers, err := a.ServerCount(ctx)
	if err != nil {
		return all, err
	}
	if servers <= 1 {
		return all, a.unknown("fetchSockets")
	}
	came := make(chan []socketio.RemoteSocket, min(servers, 100))
	m := a.newMessage(kindFetch, s, f)
	q := a.ask(ctx, m, func(m *message) {
		select {
		case came <- m.sockets:
		case <-ctx.Done():
		}
	})
	if err := a.wire.send(m); err != nil {
		return all, err
	}
	for range servers - 1 {
		select {
		case more := <-came:
			all = append(all, more...)
		case <-ctx.Done():
			if context.Cause(ctx) == context.Canceled {
				return all, context.Canceled
			}
			return all, a.silence("fetchSockets", q, servers-1)
		}
	}
	return all, nil
}

// ServerSideEmit implements [socketio.Adapter].
func (a *adapter) ServerSideEmit(ctx context.Context, args socketio.Args, answer func(socketio.Args)) error {
	m := a.newMessage(kindServerEvent, socketio.Selection{}, socketio.Flags{})
	m.data, m.attachments = args.Data()
	if answer != nil {
		q := a.ask(ctx, m, func(m *message) {
			if args, err := single(m.data, m.attachments); err == nil {
				answer(args)
			}
		})
		a.explain(ctx, q, "serverSideEmit")
	}
	err := a.wire.send(m)
	if err == nil && answer != nil {
		err = a.unknown("serverSideEmit")
	}
	return err
}

// BroadcastWithAck implements [socketio.Adapter]. Where nobody knows whether there
// are other servers it says so, by a [*TimeoutError]: the sockets of this one are
// asked all the same.
func (a *adapter) BroadcastWithAck(ctx context.Context, p *socketio.Packet, s socketio.Selection, f socketio.Flags, count func(int), answer func(socketio.Args)) error {
	var unknown error
	if !f.Local {
		unknown = a.unknown("broadcast with acknowledgements")
		m := a.newMessage(kindBroadcast, s, f)
		m.data, m.attachments = p.Data, p.Attachments
		if deadline, ok := ctx.Deadline(); ok {
			m.flags.Timeout = time.Until(deadline).Round(time.Millisecond)
		}
		q := a.ask(ctx, m, func(m *message) {
			if m.kind == kindCount {
				count(m.count)
				return
			}
			if args, err := single(m.data, m.attachments); err == nil {
				answer(args)
			}
		})
		a.explain(ctx, q, "broadcast with acknowledgements")
		if err := a.wire.send(m); err != nil {
			a.Namespace().AdapterError(err) // this server's sockets are asked all the same
		}
	}
	if err := a.MemoryAdapter.BroadcastWithAck(ctx, p, s, f, count, answer); err != nil {
		return err
	}
	return unknown
}

// maxAckWait bounds the wait of this server for its sockets, on behalf of
// another that does not say how long it waits.
const maxAckWait = time.Minute

// broadcastFor is a broadcast with acknowledgements on behalf of another server.
func (a *adapter) broadcastFor(m *message) {
	ctx, cancel := context.WithTimeout(a.conn.ctx, min(orDefault(m.flags.Timeout, maxAckWait), time.Hour))
	var mu sync.Mutex
	left := -1 // so that it is not 0 before all are counted
	minus := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if left += n; left == -1 {
			cancel()
		}
	}
	count := func(n int) {
		answer := a.answering(m, kindCount)
		answer.count = n
		a.reply(answer)
		minus(n)
	}
	err := a.MemoryAdapter.BroadcastWithAck(ctx, a.packet(m), m.selection, m.flags, count, func(args socketio.Args) {
		answer := a.answering(m, kindAnswer)
		answer.data, answer.attachments = answerOf(args)
		a.reply(answer)
		minus(-1)
	})
	if err != nil {
		cancel()
		a.Namespace().AdapterError(err)
	}
}
