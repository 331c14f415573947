package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// entry is a message of this server's own on its way through the stream: it is
// done here when it is read, in its turn, or when that takes too long.
type entry struct {
	message *message
	at      time.Time
	id      string   // once Redis has told it
	early   bool     // it was done here before it was read
	reached []string // the sockets that got it early
}

// Broadcast implements [socketio.Adapter].
func (a *stream) Broadcast(p *socketio.Packet, s socketio.Selection, f socketio.Flags) error {
	if f.Local {
		return a.MemoryAdapter.Broadcast(p, s, f)
	}
	m := a.newMessage(kindBroadcast, s, f)
	m.data, m.attachments = p.Data, p.Attachments
	return a.send(m)
}

// AddSockets implements [socketio.Adapter].
func (a *stream) AddSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.change(a.changing(kindJoin, s, f, rooms, false))
}

// DelSockets implements [socketio.Adapter].
func (a *stream) DelSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.change(a.changing(kindLeave, s, f, rooms, false))
}

// DisconnectSockets implements [socketio.Adapter].
func (a *stream) DisconnectSockets(s socketio.Selection, f socketio.Flags, close bool) error {
	return a.change(a.changing(kindDisconnect, s, f, nil, close))
}

// change goes through the stream too, so that it stays behind what was sent
// before.
func (a *stream) change(m *message) error {
	if m.flags.Local {
		return a.local(m)
	}
	return a.send(m)
}

// append puts an entry into the queue.
func (a *stream) append(e *entry, c *clusterMessage) error {
	values, err := fields(c, e.message.attachments)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	e.at = time.Now()
	a.pendingMu.Lock()
	err = a.conn.queue.add(a.job(e, values))
	a.pending = append(a.pending, e)
	if err != nil { // Redis will never have it
		e.at = time.Time{}
	}
	a.pendingMu.Unlock()
	d := a.hold()
	if err != nil || a.conn.downFor() >= a.patience() {
		d = 0
	}
	a.wait(d)
	return err
}

// hold is how long an entry waits for Redis before it is done here.
func (a *stream) hold() time.Duration {
	byDefault := defaultHold
	if a.recovers {
		byDefault = defaultRecoveryHold
	}
	return orDefault(a.all.options.Hold, byDefault)
}

// patience is for how long Redis may be known to be gone before entries wait for
// it no more. Where clients can come back it is given time: what they got before
// it was in the stream is what may be lost, or doubled.
func (a *stream) patience() time.Duration {
	if a.recovers {
		return a.hold()
	}
	return 1
}

func (a *stream) job(e *entry, values []any) *job {
	return &job{
		key: a.name, size: sizeOf(values),
		run: func(ctx context.Context, p goredis.Pipeliner) goredis.Cmder {
			return a.command(ctx, p, a.current(e, values))
		},
		done: func(cmd goredis.Cmder, err error) { a.written(e, cmd, err) },
		find: func(ctx context.Context) (bool, error) { return a.find(ctx, e) },
	}
}

func sizeOf(values []any) int {
	n := 100
	for _, v := range values {
		n += len(v.(string))
	}
	return n
}

// current are the fields as they are due now: who got the event early is left
// out, wherever it will be by then.
func (a *stream) current(e *entry, values []any) []any {
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	if len(e.reached) == 0 || e.message.kind != kindBroadcast {
		return values
	}
	m := *e.message
	m.selection.Except = append(append([]string{}, m.selection.Except...), e.reached...)
	c, err := clusterOf(&m, a.Namespace().Name())
	if err != nil {
		return values
	}
	if with, err := fields(c, m.attachments); err == nil {
		return with
	}
	return values
}

// written notes the end of an entry's way to Redis.
func (a *stream) written(e *entry, cmd goredis.Cmder, err error) {
	if err == nil {
		if added, ok := cmd.(*goredis.StringCmd); ok {
			a.pendingMu.Lock()
			a.confirmed, e.id = added.Val(), added.Val()
			a.pendingMu.Unlock()
		}
		return
	}
	a.pendingMu.Lock()
	e.at = time.Time{} // it will never be read
	a.pendingMu.Unlock()
	a.wait(0)
	if !errors.Is(err, errClosed) {
		a.Namespace().AdapterError(err)
	}
}

// find looks whether an entry is in the stream: the first of this server's behind
// the last that Redis has told of.
func (a *stream) find(ctx context.Context, e *entry) (bool, error) {
	node, err := a.conn.node(ctx, a.name)
	if err != nil {
		return false, err
	}
	a.pendingMu.Lock()
	from := a.confirmed
	a.pendingMu.Unlock()
	for {
		page, err := node.XRangeN(ctx, a.name, after(from), "+", 1000).Result()
		if err != nil || len(page) == 0 {
			return false, err
		}
		for _, x := range page {
			from = x.ID
			m, err := readEntry(x.Values, a.Namespace().Name())
			if err == nil && m != nil && m.uid == a.uid && same(m, e.message) {
				a.pendingMu.Lock()
				a.confirmed, e.id = x.ID, x.ID
				a.pendingMu.Unlock()
				return true, nil
			}
		}
	}
}

// same reports whether two messages say the same: as far as that is needed to
// tell those of one server apart, which come in order. What was left out of one
// since does not count, nor how MessagePack has written numbers.
func same(a, b *message) bool {
	if a.kind != b.kind || len(a.attachments) != len(b.attachments) {
		return false
	}
	if len(a.attachments) == 0 {
		return string(a.data) == string(b.data)
	}
	return slices.EqualFunc(a.attachments, b.attachments, bytes.Equal)
}

// wait has those entries done that take longer than d, once that is over.
func (a *stream) wait(d time.Duration) {
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	a.hasten(d)
}

// hasten is wait under the lock.
func (a *stream) hasten(d time.Duration) {
	switch {
	case a.timer == nil:
		a.timer = time.AfterFunc(d, a.overdue)
	case d == 0:
		a.timer.Reset(0)
	}
}

// overdue does early what has waited for too long. Where Redis is gone it is all.
func (a *stream) overdue() {
	a.reader.mu.Lock()
	defer a.reader.mu.Unlock()
	limit := time.Now().Add(-a.hold())
	if a.conn.downFor() >= a.patience() {
		limit = time.Now()
	}
	a.pendingMu.Lock()
	var due []*entry
	rest := a.pending[:0:0]
	next := time.Duration(-1)
	for _, e := range a.pending {
		switch {
		case e.early:
		case !e.at.After(limit):
			due = append(due, e)
		case next < 0:
			next = max(time.Until(e.at.Add(a.hold())), time.Millisecond)
		}
		if !e.at.IsZero() { // it may still be read
			rest = append(rest, e)
		}
	}
	// Redis may take entries, and give none: only so many are remembered.
	a.pending = rest[max(0, len(rest)-a.conn.options.MaxQueue):]
	a.timer = nil
	if next >= 0 {
		a.timer = time.AfterFunc(next, a.overdue)
	}
	a.pendingMu.Unlock()
	for _, e := range due {
		a.early(e)
	}
	a.caughtUp()
}

// early does an entry here before it is read.
func (a *stream) early(e *entry) {
	m := *e.message
	a.pendingMu.Lock()
	e.early = true
	if m.kind == kindBroadcast && a.recovers {
		if !e.at.IsZero() {
			m.selection.Except = append(slices.Clip(m.selection.Except), slices.Collect(maps.Keys(a.late))...)
		}
		e.reached = a.Sockets(m.selection)
	}
	a.pendingMu.Unlock()
	a.perform(&m, "")
}

// A socket that comes back while entries that were done early have not been read is
// late: it gets those in their turn, when they are read, and what is done early
// meanwhile too, so that nothing overtakes. All others that are here when such an
// entry is read have got it, or have come behind it.

// lag notes a socket that comes back. It is called under the lock of the reader.
func (a *stream) lag(id string) {
	if !a.unread() {
		return
	}
	if a.late == nil {
		a.late = map[string]bool{}
	}
	a.late[id] = true
}

// unread reports whether entries that were done early have still to be read.
func (a *stream) unread() bool {
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	return slices.ContainsFunc(a.pending, func(e *entry) bool { return e.early })
}

// caughtUp has nobody be late once there are none.
func (a *stream) caughtUp() {
	if len(a.late) > 0 && !a.unread() {
		a.late = nil
	}
}

// forLate narrows a selection to those who are late, by the room that is each one's
// own.
func (a *stream) forLate(s socketio.Selection) (late socketio.Selection) {
	if len(a.late) == 0 {
		return late
	}
	for _, id := range a.Sockets(s) {
		if a.late[id] {
			late.Rooms = append(late.Rooms, id)
		}
	}
	return late
}

// perform does what a message says to the sockets of this server. An event that
// can be missed carries its offset as its last argument.
func (a *stream) perform(m *message, offset string) {
	if m.kind != kindBroadcast {
		if err := a.local(m); err != nil {
			a.Namespace().AdapterError(err)
		}
		return
	}
	p := a.packet(m)
	if a.recovers && offset != "" && !m.flags.Volatile {
		p.Data = withOffset(p.Data, offset)
	}
	_ = a.MemoryAdapter.Broadcast(p, m.selection, m.flags)
}

// withOffset appends an argument to an event's data.
func withOffset(data []byte, offset string) []byte {
	end := len(data) - 1
	with := append(make([]byte, 0, len(data)+len(offset)+3), data[:end]...)
	return append(append(append(with, ',', '"'), offset...), '"', ']')
}
