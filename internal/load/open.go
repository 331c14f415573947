package load

import (
	"context"
	"sync"
	"time"
)

// open opens the connections: evenly over the ramp, or as many at once as is
// polite.
func (r *run) open(ctx context.Context) error {
	conns := r.Conns
	if r.Mode == Broadcast {
		conns++ // who sends
	}
	r.flows = make([]*flow, conns)
	places := make(chan struct{}, openingAtOnce)
	stopProgress := r.progress()
	defer stopProgress()
	var all sync.WaitGroup
	for i := range conns {
		if !r.rampUp(ctx, i, conns) {
			break
		}
		if r.Ramp <= 0 {
			places <- struct{}{}
		}
		all.Go(func() {
			r.flows[i] = r.openOne(ctx, uint32(i))
			if r.Ramp <= 0 {
				<-places
			}
		})
	}
	all.Wait()
	return r.opened(ctx)
}

// rampUp waits for the time of connection i.
func (r *run) rampUp(ctx context.Context, i, of int) bool {
	if r.Ramp <= 0 || i == 0 {
		return ctx.Err() == nil
	}
	due := time.Duration(float64(r.Ramp) * float64(i) / float64(of))
	return await(ctx, nil, max(due-time.Duration(r.clock()), 1)) == nil
}

// openOne opens one connection; nil where that fails.
func (r *run) openOne(ctx context.Context, index uint32) *flow {
	begun := r.clock()
	link, err := r.Dial(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.failures.add(err, 1)
		}
		return nil
	}
	f := r.newFlow(index)
	f.talk = r.newTalk(link, index)
	if r.Mode == Broadcast {
		f.from, f.deaf = uint32(r.Conns), int(index) == r.Conns
	}
	if err := r.engine.take(f, link); err != nil {
		link.Conn.Close()
		r.failures.add(err, 1)
		return nil
	}
	r.openings.add(r.clock()-begun, 0)
	return f
}

// opened says who sends.
func (r *run) opened(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	receivers := 0
	for i, f := range r.flows {
		switch {
		case f == nil:
		case r.Mode != Broadcast:
			r.senders = append(r.senders, f)
		case i < r.Conns:
			receivers++
		default:
			r.senders = []*flow{f}
		}
	}
	if len(r.senders) == 0 || r.Mode == Broadcast && receivers == 0 {
		if r.failures.first == nil {
			return errNone
		}
		return r.failures.first
	}
	if r.Mode == Broadcast {
		r.rounds = &rounds{sender: r.senders[0], receivers: receivers, left: make([]int, r.InFlight)}
	}
	return nil
}
