package audit

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
)

// Target is the server that is asked. Dial and Request have to be given.
type Target struct {
	URL     string
	Dial    func(ctx context.Context) (net.Conn, error)
	Request *handshake.Head // a right request, which every probe bends
	Ask     []string        // the subprotocols in it

	Wait        time.Duration // for each answer; 0 is 3 s
	DialWait    time.Duration // for each connection; 0 is 10 s
	Slow        time.Duration // how long a request that never ends is kept up; 0 is 15 s
	Concurrency int           // questions at once; 0 is 4
	Rate        float64       // questions a second; 0 is no bound

	// Progress is told after each probe how many are done; nil is not told. It
	// is never called twice at once.
	Progress func(done, of, findings int)
}

// The defaults.
const (
	DefaultWait        = 3 * time.Second
	DefaultSlow        = 15 * time.Second
	DefaultConcurrency = 4
	defaultDialWait    = 10 * time.Second
	timesAsked         = 3 // what looks like a finding
)

func orDefault[T ~int | ~int64](v, byDefault T) T {
	if v <= 0 {
		return byDefault
	}
	return v
}

func (t *Target) wait() time.Duration     { return orDefault(t.Wait, DefaultWait) }
func (t *Target) slow() time.Duration     { return orDefault(t.Slow, DefaultSlow) }
func (t *Target) dialWait() time.Duration { return orDefault(t.DialWait, defaultDialWait) }

// Result is what came of a probe.
type Result struct {
	*Probe
	Verdict
	Answer  *Answer   // the last one; nil where it was not asked
	Answers []*Answer // all, where it was asked again
	Known   bool      // a finding that the baseline accepts
}

// Baseline is a failure of the first request of all, which is right: without an
// answer to it there is nothing to compare with.
type Baseline struct {
	Answer *Answer
	Err    error // why a response is no right one, where it is an upgrade; else nil
}

// Error says what came.
func (b *Baseline) Error() string {
	if b.Err != nil {
		return "a right request was not rightly answered: " + b.Err.Error()
	}
	return "a right request was not upgraded: " + b.Answer.String()
}

// Unwrap returns why there was no connection, or the rule that the answer
// breaks.
func (b *Baseline) Unwrap() error {
	if b.Err != nil {
		return b.Err
	}
	return b.Answer.Err
}

// Run asks a server all the probes. The error is a [*Baseline], or that of ctx;
// with the latter the report has what was known by then.
func Run(ctx context.Context, t *Target, probes []*Probe) (*Report, error) {
	began := time.Now()
	facts, first, err := t.learn(ctx)
	if err != nil {
		return nil, err
	}
	r := &runner{t: t, facts: facts, results: make([]Result, len(probes)), gate: newGate(ctx, t.Rate)}
	r.all(ctx, probes)
	report := newReport(t, first, r.results, time.Since(began))
	if ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	report.Survived = t.survives(ctx)
	return report, nil
}

// learn sends the first requests, which are right.
func (t *Target) learn(ctx context.Context) (*Facts, *Answer, error) {
	f := &Facts{Subprotocols: t.Ask}
	ping := &Probe{frames: [][]byte{frame(fin|opPing, "")}, wait: forLife}
	first := t.ask(ctx, ping)
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if first.Outcome != Upgraded {
		return nil, nil, &Baseline{Answer: first}
	}
	f.Pongs, f.Leaves = first.pong(marker), first.Ended() && !first.pong(marker)
	f.Compresses = t.ask(ctx, &Probe{head: offering("permessage-deflate")}).compressed()
	f.Foreign = t.ask(ctx, &Probe{head: foreign}).Outcome == Upgraded
	return f, first, nil
}

// compressed reports whether the server has agreed to compress, rightly or
// not.
func (a *Answer) compressed() bool { return a.Outcome == Upgraded && agrees(a) }

// survives asks the first request once more: none of the probes may have
// harmed the server.
func (t *Target) survives(ctx context.Context) bool {
	for range timesAsked {
		if t.ask(ctx, &Probe{}).Outcome == Upgraded || ctx.Err() != nil {
			return true
		}
	}
	return false
}

// runner asks probes, several at once.
type runner struct {
	t       *Target
	facts   *Facts
	results []Result
	gate    *gate

	mu             sync.Mutex
	done, findings int
}

func (r *runner) all(ctx context.Context, probes []*Probe) {
	jobs := make(chan int)
	var workers sync.WaitGroup
	for range orDefault(r.t.Concurrency, DefaultConcurrency) {
		workers.Go(func() {
			for i := range jobs {
				r.one(ctx, i, len(probes))
			}
		})
	}
	for _, i := range slowFirst(probes) {
		r.results[i] = Result{Probe: probes[i], Verdict: Verdict{Kind: Undecided, Text: "not asked any more"}}
		jobs <- i
	}
	close(jobs)
	workers.Wait()
}

// slowFirst is an order in which what takes long begins first.
func slowFirst(probes []*Probe) (order []int) {
	for _, slow := range []bool{true, false} {
		for i, p := range probes {
			if (p.slow != atOnce) == slow {
				order = append(order, i)
			}
		}
	}
	return order
}

// one asks one probe, again where the answer looks like a finding.
func (r *runner) one(ctx context.Context, i, of int) {
	p, result := r.results[i].Probe, &r.results[i]
	if ctx.Err() != nil {
		return
	}
	if why := r.skip(p); why != "" {
		result.Verdict = Verdict{Skipped, why}
	} else {
		r.repeat(ctx, result)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if result.Kind == Finding {
		r.findings++
	}
	if r.t.Progress != nil {
		r.t.Progress(r.done, of, r.findings)
	}
}

func (r *runner) skip(p *Probe) string {
	if p.only == nil {
		return ""
	}
	return p.only(r.facts)
}

func (r *runner) repeat(ctx context.Context, result *Result) {
	for n := range timesAsked {
		if !r.gate.wait(ctx) {
			return
		}
		a := r.t.ask(ctx, result.Probe)
		if ctx.Err() != nil {
			return
		}
		v := result.Probe.verdict(a, r.facts)
		again := v.Kind == Finding || v.Kind == Undecided
		if n > 0 && (a.key() != result.Answer.key() || v.Kind != result.Kind) {
			result.Answers = append(result.Answers, a)
			result.Verdict = flaky(result.Answers)
			return
		}
		result.Verdict, result.Answer, result.Answers = v, a, append(result.Answers, a)
		if !again {
			return
		}
	}
}

func flaky(answers []*Answer) Verdict {
	text := "asked again, the answer was another one: "
	for i, a := range answers {
		if i > 0 {
			text += "; then "
		}
		text += a.String()
	}
	return Verdict{Flaky, text}
}

// verdict judges an answer. What says nothing about the rule is told first.
func (p *Probe) verdict(a *Answer, f *Facts) Verdict {
	switch {
	case a.Outcome == Unreachable:
		return Verdict{Undecided, a.String()}
	case a.Outcome == Refused && (a.Status() == 429 || a.Status() == 503):
		return Verdict{Undecided, fmt.Sprintf("the server turns requests away (%s), this one or any", a.Exchange.Response.Text())}
	case a.Flood:
		return Verdict{Undecided, "the server sends more than is looked at"}
	}
	return p.judge(a, f)
}

// gate bounds how many questions are asked in a second.
type gate struct {
	ticks *time.Ticker
}

func newGate(ctx context.Context, rate float64) *gate {
	if rate <= 0 {
		return &gate{}
	}
	g := &gate{ticks: time.NewTicker(max(time.Duration(float64(time.Second)/rate), time.Microsecond))}
	context.AfterFunc(ctx, g.ticks.Stop)
	return g
}

// wait waits for one's turn, and reports whether it came.
func (g *gate) wait(ctx context.Context) bool {
	if g.ticks == nil {
		return true
	}
	select {
	case <-g.ticks.C:
		return true
	case <-ctx.Done():
		return false
	}
}
