package load

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// push sends on every connection, as fast as its peer takes it.
func (r *run) push(ctx context.Context) error {
	sending, cancel := context.WithCancel(ctx)
	if r.Duration > 0 {
		sending, cancel = context.WithTimeout(ctx, r.Duration)
	}
	defer cancel()
	stop := context.AfterFunc(ctx, r.engine.expireWrites)
	defer stop()
	var all sync.WaitGroup
	for i, f := range r.senders {
		all.Go(func() { r.pushOne(sending, f, int64(i)) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// expireWrites frees whoever writes.
func (e *engine) expireWrites() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		_ = c.SetWriteDeadline(time.Unix(1, 0))
	}
}

// pushed is how much is put into one write.
const pushed = 64 << 10

func (r *run) pushOne(ctx context.Context, f *flow, i int64) {
	conn := f.link.(net.Conn)
	quota, buf := r.quota(i, int64(len(r.senders))), make([]byte, 0, pushed)
	for sent := int64(0); sent < quota && ctx.Err() == nil && f.alive.Load(); {
		until := min(quota, r.dueBy(ctx, sent, i))
		n := sent
		for buf = buf[:0]; n < until && (n == sent || !f.each && len(buf) < pushed); n++ {
			buf = f.talk.add(buf, n)
		}
		if n == sent || !f.pushes(conn, buf) {
			return
		}
		r.sentPush.Add(n - sent)
		sent = n
	}
	r.delivered(f, conn)
}

// dueBy waits until message n of a connection is due, and returns how many are.
func (r *run) dueBy(ctx context.Context, n, i int64) int64 {
	if r.every == 0 {
		return endless
	}
	of := int64(len(r.senders))
	if wait := r.due(n*of+i) - r.clock(); wait > 0 && await(ctx, nil, time.Duration(wait)) != nil {
		return n
	}
	due := int64(float64(r.clock()-r.start.Load())/r.every) - i
	return max(n+1, due/of+1)
}

// pushes writes b, and reports whether there may be more.
func (f *flow) pushes(conn net.Conn, b []byte) bool {
	_ = conn.SetWriteDeadline(time.Now().Add(f.run.Wait))
	n, err := conn.Write(b)
	f.run.out.Add(int64(n))
	if err != nil && f.run.Kind == Datagram && tcp.IsRefused(err) {
		f.ended(err)
		return false
	}
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.fail(err)
	}
	return err == nil
}

// delivered waits until the peer's system has it all.
func (r *run) delivered(f *flow, conn net.Conn) {
	if r.Kind == Datagram || !f.alive.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.Wait)
	defer cancel()
	_ = conn.SetWriteDeadline(time.Time{})
	undelivered, err := tcp.AwaitDelivered(ctx, conn)
	if err != nil && undelivered > 0 && !errors.Is(err, errors.ErrUnsupported) {
		r.failures.add(ErrLate, 1)
	}
}
