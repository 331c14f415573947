package load

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// connect opens connections and closes them, so many at once.
func (r *run) connect(ctx context.Context) (*Report, error) {
	r.cpu = usedCPU()
	r.start.Store(max(r.clock(), 1)) // 0 is before it
	stopProgress := r.progress()
	defer stopProgress()
	within, cancel := context.WithCancel(ctx)
	if r.Duration > 0 {
		within, cancel = context.WithTimeout(ctx, r.Duration)
	}
	defer cancel()
	var next atomic.Int64
	var all sync.WaitGroup
	for i := range r.Conns {
		all.Go(func() {
			for {
				n := next.Add(1) - 1
				if r.Count > 0 && n >= r.Count || !r.connectOne(within, ctx, uint32(i), n) {
					return
				}
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return r.report(), context.Cause(ctx)
	}
	if r.records.answered() == 0 && r.failures.first != nil {
		return nil, r.failures.first
	}
	return r.report(), nil
}

// connectOne opens connection n and closes it. It reports false once the time is
// over: what was begun by then is brought to its end, in ctx.
func (r *run) connectOne(within, ctx context.Context, i uint32, n int64) bool {
	begun := r.clock()
	if r.every > 0 {
		due := r.due(n)
		if wait := due - begun; wait > 0 && await(within, nil, time.Duration(wait)) != nil {
			return false
		}
		begun = due
	}
	if within.Err() != nil {
		return false
	}
	sent := r.clock()
	link, err := r.Dial(ctx)
	switch {
	case err == nil:
		now := r.clock()
		r.records.of(i).add(now-begun, now-sent)
		r.closeOne(link, i)
	case ctx.Err() == nil:
		r.failures.add(err, 1)
		return !r.hopeless() && (await(within, nil, pause) == nil || within.Err() != nil)
	}
	return ctx.Err() == nil
}

// pause is between a failure and the next attempt.
const pause = 10 * time.Millisecond

// hopeless reports whether there is no reason to go on.
func (r *run) hopeless() bool {
	return r.records.answered() == 0 && r.failures.total() >= int64(max(r.Conns, 3))
}

// closeOne closes a connection so that its port is free at once: by a closing
// handshake where there is one, and then by a reset.
func (r *run) closeOne(l *Link, i uint32) {
	if r.web() {
		bye := r.newTalk(l, i).bye(nil)
		_ = l.Conn.SetDeadline(time.Now().Add(lastWait))
		if _, err := l.Conn.Write(bye); err == nil {
			drain(l.Conn)
		}
	}
	below := l.Conn
	if over, ok := below.(interface{ NetConn() net.Conn }); ok {
		below = over.NetConn()
	}
	if c, ok := below.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = l.Conn.Close()
}

// drain reads until the other end closes.
func drain(conn net.Conn) {
	var junk [512]byte
	for {
		if _, err := conn.Read(junk[:]); err != nil {
			return
		}
	}
}
