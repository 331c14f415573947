package redis

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// wireSession is a socket that may come back, as Redis keeps it. Its namespace is
// written by this package alone.
type wireSession struct {
	SID   string          `json:"sid"`
	PID   string          `json:"pid"`
	Rooms roomNames       `json:"rooms"`
	Data  json.RawMessage `json:"data"`
	NSP   string          `json:"nsp,omitempty"`
}

const (
	defaultMaxAway = 2 * time.Minute
	// lateSession is how long after Redis has come back a session may still be on
	// its way there: other servers find out at their own pace.
	lateSession = 5 * time.Second
	// lateMove is how long a client may be faster than the server that it has left.
	lateMove = 3 * time.Second
	latePoll = 50 * time.Millisecond
)

// PersistSession implements [socketio.Adapter]. The session stands behind what the
// socket was sent.
func (a *stream) PersistSession(s *socketio.LostSession) {
	value, err := encodeSession(s, a.Namespace().Name())
	if err != nil {
		a.Namespace().AdapterError(fmt.Errorf("redis: keeping the session of %s: %w", s.SID, err))
		return
	}
	away := a.Namespace().Server().Recovery.MaxDisconnection
	key := a.all.options.SessionKeyPrefix + s.PID
	err = a.conn.queue.add(&job{
		key: key, size: len(key) + len(value),
		run: func(ctx context.Context, p goredis.Pipeliner) goredis.Cmder {
			return p.Set(ctx, key, value, orDefault(away, defaultMaxAway))
		},
		done: failed(a.Namespace().AdapterError),
		find: func(context.Context) (bool, error) { return false, nil }, // twice is as good as once
	})
	if err != nil {
		a.Namespace().AdapterError(err)
	}
}

func encodeSession(s *socketio.LostSession, namespace string) (string, error) {
	data, err := socketio.NewServerEvent("data", s.Data) // with what is binary as that, as the official server has it
	if err != nil {
		return "", err
	}
	value := data.JSON(1)
	if string(value) == "null" {
		value = []byte("{}") // as the official server has it
	}
	_, attachments := data.Data()
	document, err := marshal(wireSession{s.SID, s.PID, list(s.Rooms), value, namespace})
	if err != nil {
		return "", err
	}
	raw, err := socketio.EncodeMsgpack(document, attachments)
	return base64.StdEncoding.EncodeToString(raw), err
}

func decodeSession(value string) (s *socketio.LostSession, namespace string, err error) {
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, "", err
	}
	document, attachments, err := socketio.DecodeMsgpack(raw)
	if err != nil {
		return nil, "", err
	}
	var w wireSession
	if err := json.Unmarshal(document, &w); err != nil {
		return nil, "", err
	}
	if w.SID == "" || w.PID == "" {
		return nil, "", errMessage("a session without ids")
	}
	s = &socketio.LostSession{SID: w.SID, PID: w.PID, Rooms: w.Rooms.named()}
	s.Data, err = valueOf(w.Data, attachments)
	return s, w.NSP, err
}

// RestoreSession implements [socketio.Adapter]. While Redis is away it waits for
// it, for a session that another server has had no time to write, and until what the
// client has got was read here. Who takes a session removes it.
func (a *stream) RestoreSession(pid, offset string) (*socketio.LostSession, error) {
	if _, _, ok := parseID(offset); !ok {
		return nil, nil // of another adapter
	}
	ctx, cancel := context.WithTimeout(a.reader.ctx, a.all.options.RestoreTimeout)
	defer cancel()
	var why error // what stood in the way last
	for began := time.Now(); ; {
		var lost *socketio.LostSession
		err := errors.New("what it was sent has not reached Redis yet")
		if a.settled() {
			lost, err = a.restore(ctx, pid, offset)
		}
		if ctx.Err() == nil {
			why = err
		}
		switch {
		case lost != nil:
			return lost, nil
		case err != nil && isAnswer(err) && !passes(err):
			return nil, fmt.Errorf("redis: no session of %.40q: %w", pid, err)
		case ctx.Err() != nil:
			err = cmp.Or(why, err, ctx.Err())
			return nil, worded{fmt.Sprintf("redis: no session of %.40q: Redis is away, or slow: %v", pid, words(err)), errors.Join(err, ctx.Err())}
		case err == nil && !a.mayComeLate() && time.Since(began) > lateMove:
			return nil, nil
		}
		select {
		case <-time.After(latePoll):
		case <-ctx.Done():
		}
	}
}

// settled reports whether Redis has all that was done here before it had it: who
// comes back before that would get it behind what is sent later.
func (a *stream) settled() bool {
	if !a.conn.up() {
		return false
	}
	a.pendingMu.Lock()
	defer a.pendingMu.Unlock()
	return !slices.ContainsFunc(a.pending, func(e *entry) bool { return e.early })
}

// mayComeLate reports whether a session that is not there may be in a moment.
func (a *stream) mayComeLate() bool {
	back, was := a.conn.backFor()
	return was && back < lateSession
}

// errAhead is that a client has got more than was read here: it would get that again.
var errAhead = errors.New("this server has not read yet what it was sent")

// restore tries once. It returns nil where there is no such session, or its
// offset is not in the stream any more.
func (a *stream) restore(ctx context.Context, pid, offset string) (*socketio.LostSession, error) {
	ctx, cancel := context.WithTimeout(ctx, a.conn.options.Timeout)
	defer cancel()
	client, key := a.conn.client, a.all.options.SessionKeyPrefix+pid
	value, err := client.Get(ctx, key).Result()
	if errors.Is(err, goredis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lost, namespace, err := decodeSession(value)
	if err != nil {
		a.conn.garbage(key, err)
		return nil, nil
	}
	at, err := client.XRange(ctx, a.name, offset, offset).Result()
	if err != nil || len(at) == 0 || !a.ours(namespace, at[0]) {
		return nil, err
	}
	if behind(offset, a.reader.position()) {
		return nil, errAhead
	}
	if lost.Missed, lost.Offset, err = a.since(ctx, offset, "+", lost.Rooms); err != nil {
		return nil, err
	}
	taken, err := client.Del(ctx, key).Result()
	if err == nil && taken == 0 { // another server was faster
		return nil, nil
	}
	return lost, err
}

// ours reports whether a session is one of this namespace: who is in one may not come
// into another by it, past the middlewares. Official servers do not write whose it is;
// but what the client has got was an event of its namespace.
func (a *stream) ours(namespace string, got goredis.XMessage) bool {
	name := a.Namespace().Name()
	if of, _ := got.Values["nsp"].(string); of != name {
		return false
	}
	return namespace == "" || namespace == name
}

// since returns the events behind an id, up to another, that are for a socket
// with these rooms, and the last id that was looked at.
func (a *stream) since(ctx context.Context, from, to string, rooms []string) (missed []socketio.MissedPacket, last string, err error) {
	in := make(map[string]bool, len(rooms))
	for _, room := range rooms {
		in[room] = true
	}
	for last = from; ; {
		page, err := a.conn.client.XRangeN(ctx, a.name, after(last), to, 1000).Result()
		if err != nil || len(page) == 0 {
			return missed, last, err
		}
		for _, x := range page {
			last = x.ID
			m, err := readEntry(x.Values, a.Namespace().Name())
			if err == nil && m != nil && m.kind == kindBroadcast && !m.flags.Volatile && m.selection.Includes(in) {
				missed = append(missed, socketio.MissedPacket{Data: withOffset(m.data, x.ID), Attachments: m.attachments, Offset: x.ID})
			}
		}
	}
}

// Enter implements [socketio.RecoveringAdapter]: what the reader has still to hand
// out is not missed, and what it has handed out since the session was restored is.
func (a *stream) Enter(id string, rooms []string, lost *socketio.LostSession, become func() bool) (missed []socketio.MissedPacket, ok bool) {
	r := a.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if !become() {
		return nil, false
	}
	a.AddAll(id, rooms)
	if lost == nil {
		return nil, true
	}
	a.lag(id)
	for _, p := range lost.Missed {
		if !behind(p.Offset, r.last) {
			missed = append(missed, p)
		}
	}
	if !behind(r.last, lost.Offset) {
		return missed, true
	}
	ctx, cancel := a.conn.bounded()
	defer cancel()
	more, _, err := a.since(ctx, lost.Offset, r.last, lost.Rooms)
	if err != nil {
		a.Namespace().AdapterError(fmt.Errorf("redis: what %s has missed: %w", id, err))
	}
	return append(missed, more...), true
}

var _ socketio.RecoveringAdapter = (*stream)(nil)
