package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// run is one load.
type run struct {
	Plan
	body   *body
	events *events // of Socket.IO
	engine *engine
	bufs   sync.Pool

	flows   []*flow // in the order of their index; nil where opening failed
	senders []*flow
	rounds  *rounds // of Broadcast
	every   float64 // nanoseconds between two messages; 0 without a rate

	began    time.Time
	start    atomic.Int64 // of the measurement, after began
	records  records
	openings *record
	lag      *record // how late the messages were let go
	failures failures
	left     sync.WaitGroup // flows that are not done

	in, out, lost, unsent, late atomic.Int64
	sentPush                    atomic.Int64
	cpu                         cpuTime // at the start of the measurement
}

// Run puts the load on, and returns what it has measured: also where ctx ends it
// early, with the cause of that. Where nothing could connect there is no report,
// and the error is that of the first connection.
func (p Plan) Run(ctx context.Context) (*Report, error) { return p.newRun().do(ctx) }

func (p Plan) newRun() *run {
	p = p.withDefaults()
	r := &run{
		Plan: p, body: newBody(p.Size, p.Kind == Stream), every: p.interval(), began: time.Now(),
		records: newRecords(p.Conns, p.Rate > 0), openings: &record{latency: newHistogram()},
		lag: &record{latency: newHistogram()},
	}
	if p.Kind == SocketIO {
		r.events = newEvents(p.Namespace, p.Event, p.Ack)
	}
	r.bufs.New = func() any { return new([]byte) }
	r.engine = newEngine(r)
	return r
}

func (r *run) do(ctx context.Context) (*Report, error) {
	defer r.engine.close()
	if r.Mode == Connect {
		return r.connect(ctx)
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if r.Mode == Broadcast {
		if err := r.warmUp(ctx); err != nil {
			return nil, err
		}
	}
	r.prepare()
	return r.measure(ctx)
}

// prepare says who sends how much. What came by then is passed over: servers
// may greet.
func (r *run) prepare() {
	if r.Mode == Echo || r.Mode == Broadcast {
		r.left.Add(len(r.senders))
		for i, f := range r.senders {
			f.sends(r.quota(int64(i), int64(len(r.senders))))
		}
	}
	r.cpu = usedCPU()
	r.start.Store(max(r.clock(), 1)) // 0 is before it
}

// web reports whether a WebSocket is below.
func (r *run) web() bool { return r.Kind == WebSocket || r.Kind == SocketIO }

// clock is the time since the run began, in nanoseconds.
func (r *run) clock() int64 { return int64(time.Since(r.began)) }

// due is when message n of all should be sent.
func (r *run) due(n int64) int64 { return r.start.Load() + int64(float64(n)*r.every) }

// measure is what follows once the connections are open.
func (r *run) measure(ctx context.Context) (*Report, error) {
	stopProgress := r.progress()
	defer stopProgress()
	var err error
	switch r.Mode {
	case Idle:
		err = r.idle(ctx)
	case Push:
		err = r.push(ctx)
	default:
		err = r.talk(ctx)
	}
	report := r.report()
	r.bye(ctx)
	return report, err
}

// talk sends, until the time is over or all is answered.
func (r *run) talk(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finished := make(chan struct{})
	go func() { r.left.Wait(); close(finished) }()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	helpers.Go(func() { r.sweep(ctx) })
	for _, f := range r.senders {
		f.start()
	}
	pacing, stopPacing := context.WithCancel(ctx)
	defer stopPacing()
	paced := make(chan struct{})
	go func() { defer close(paced); r.pace(pacing) }()
	err := await(ctx, finished, r.Duration)
	stopPacing()
	<-paced
	for _, f := range r.senders {
		f.stop()
	}
	if err == nil {
		err = await(ctx, finished, r.Wait)
	}
	for _, f := range r.senders {
		f.giveUp(err)
	}
	return err
}

// quota is the share of Count of one of several.
func (r *run) quota(i, of int64) int64 {
	if r.Count <= 0 {
		return endless
	}
	share := r.Count / of
	if i < r.Count%of {
		share++
	}
	return share
}

// await waits for the end, no longer than limit; 0 is no bound.
func await(ctx context.Context, finished <-chan struct{}, limit time.Duration) error {
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-finished:
	case <-over:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// pace lets the connections send in turn, each message at its time.
func (r *run) pace(ctx context.Context) {
	if r.every == 0 {
		return
	}
	waiter := r.newWaiter(ctx)
	defer waiter.close()
	for n := int64(0); r.Count <= 0 || n < r.Count; n++ {
		if wait := r.due(n) - r.clock(); wait > 0 {
			if !waiter.wait(time.Duration(wait)) {
				return
			}
		} else if n&63 == 0 && ctx.Err() != nil {
			return
		}
		r.lag.add(r.clock()-r.due(n), 0)
		r.senders[n%int64(len(r.senders))].allow()
	}
}

func (r *run) newWaiter(ctx context.Context) waiter {
	if r.bubble {
		return newTimed(ctx)
	}
	return newWaiter(ctx)
}

// sweep gives up on what is not answered.
func (r *run) sweep(ctx context.Context) {
	ticker := time.NewTicker(min(max(r.Wait/20, time.Millisecond), 500*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := r.clock()
		for _, f := range r.senders {
			f.expire(now, r.Wait)
		}
	}
}

// idle holds the connections open.
func (r *run) idle(ctx context.Context) error {
	gone := make(chan struct{})
	go func() { r.engine.gone.Wait(); close(gone) }()
	return await(ctx, gone, r.Duration)
}

// lose counts a connection that was lost, with what it had under way.
func (r *run) lose(f *flow, err error) {
	r.failures.add(err, 1)
	if f.times != nil && !f.done {
		r.lost.Add(f.sent - f.back)
	}
	if r.rounds != nil {
		r.rounds.gone(f)
	}
}

// bye closes what is open.
func (r *run) bye(ctx context.Context) {
	for _, f := range r.flows {
		if f != nil {
			f.mu.Lock()
			f.ending = true
			f.mu.Unlock()
		}
	}
	r.engine.bye(ctx)
}

// alive is how many connections are open.
func (r *run) alive() (n int) {
	for _, f := range r.flows {
		if f != nil && f.alive.Load() {
			n++
		}
	}
	return n
}

// errNone says that there is nobody to talk to.
var errNone = errors.New("no connection was opened")
