package socketio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// FlushingAdapter is an adapter that keeps sessions somewhere else.
type FlushingAdapter interface {
	Adapter
	// Flush waits until what was sent and kept so far is there, or ctx is done.
	Flush(ctx context.Context) error
}

// keptState is what was kept of a socket while it was still connected.
type keptState struct {
	rooms   []string
	version int // of its data
}

// Drain closes the server so that its clients find another one and lose nothing
// that recovery promises: a rolling restart. New sessions are refused (503) from
// the beginning; the clients that there are get everything, and are sent away one
// after the other, evenly over a time, so that the others are not stormed. With
// over 0 all are sent away at once.
//
// A client is sent away when none of its handlers runs. Its sockets are kept for
// its return ([ServerOptions.Recovery]), where the adapter keeps such things
// before the client hears of it, and then its transport is closed: clients take
// that for a lost connection, and come back by themselves.
//
// Whoever is left once ctx is done is sent away at once; Drain ends as Close does,
// which still has a second beyond it. The first error is returned.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	s.engine.Refuse()
	if n := s.engine.ClientsCount(); n > 0 {
		s.note(nil, "draining: %d clients leave within %v", n, max(over, 0))
	}
	began, gone := time.Now(), map[*conn]bool{}
	for {
		batch := slices.DeleteFunc(s.conns(), func(c *conn) bool { return gone[c] })
		if len(batch) == 0 || ctx.Err() != nil {
			break
		}
		s.sendAway(ctx, batch, over-time.Since(began))
		for _, c := range batch {
			gone[c] = true
		}
	}
	left := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		left, cancel = context.WithDeadline(left, deadline.Add(time.Second))
		defer cancel()
	}
	return errors.Join(context.Cause(ctx), s.Close(left))
}

// conns are the clients that are in a namespace, or on their way into one.
func (s *Server) conns() []*conn {
	seen := map[*conn]bool{}
	var all []*conn
	for _, n := range s.Namespaces() {
		n.mu.RLock()
		for _, socket := range n.sockets {
			if !seen[socket.conn] {
				seen[socket.conn] = true
				all = append(all, socket.conn)
			}
		}
		n.mu.RUnlock()
	}
	return all
}

// sendAway sends clients away, evenly over a time, and waits until it has.
func (s *Server) sendAway(ctx context.Context, all []*conn, over time.Duration) {
	var leaving sync.WaitGroup
	defer leaving.Wait()
	began := time.Now()
	for i, c := range all {
		due := began.Add(over / time.Duration(len(all)) * time.Duration(i))
		if over > 0 && !sleepUntil(ctx, due) {
			return
		}
		leaving.Go(func() { c.sendAway(ctx) })
	}
}

// sleepUntil reports false where ctx is done first.
func sleepUntil(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// sendAway ends a client, which may come back elsewhere as it was.
func (c *conn) sendAway(ctx context.Context) {
	sockets := c.all()
	for _, s := range sockets {
		if s.events.wait(ctx) != nil || s.ackLane().wait(ctx) != nil {
			break
		}
	}
	for _, s := range sockets {
		s.keep()
	}
	for _, s := range sockets {
		if a, ok := s.namespace.adapter.(FlushingAdapter); ok {
			if err := a.Flush(ctx); err != nil {
				s.namespace.AdapterError(err)
			}
		}
	}
	c.end(ReasonServerShuttingDown, "")
	select {
	case <-c.isOver(): // a client that polls has taken what waited for it
	case <-ctx.Done():
	}
	for _, s := range sockets { // the handlers of its end may broadcast
		_ = s.events.wait(ctx)
	}
}

// keep keeps the socket for its return while it is still connected: what it is
// sent from then on it has missed, unless it tells that it got it.
func (s *Socket) keep() {
	if s.pid == "" || !s.Connected() {
		return
	}
	rooms := s.namespace.adapter.SocketRooms(s.id)
	s.mu.Lock()
	data := s.data
	s.kept = &keptState{rooms, s.version}
	s.mu.Unlock()
	s.namespace.adapter.PersistSession(&LostSession{SID: s.id, PID: s.pid, Rooms: rooms, Data: data})
}
