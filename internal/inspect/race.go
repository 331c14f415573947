package inspect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

const (
	// attemptDelay is the time that an attempt is given before the next address
	// is tried beside it (RFC 8305 section 5), as dial has it.
	attemptDelay = 250 * time.Millisecond
	// atOnce is how many attempts may be under way.
	atOnce = 32
)

// race is the attempts to connect.
type race struct {
	in      *Inspection
	targets []netip.AddrPort
	results chan tried
	slots   chan struct{}
	begun   int
	ended   int
}

type tried struct {
	index int
	Attempt
	conn net.Conn
	took time.Duration
}

// race connects as dial does: the next address is tried when the last one
// failed or is slow, and the first connection wins. The addresses that are left
// are tried then, beside what follows; in.rest is closed once all is known.
func (in *Inspection) race(ctx context.Context, targets []netip.AddrPort) net.Conn {
	in.rest = make(chan struct{})
	in.Report.Attempts = make([]Attempt, len(targets))
	for i, to := range targets {
		in.Report.Attempts[i] = Attempt{Network: "tcp", Address: to.String(), Result: NotTried}
	}
	ctx, in.stop = context.WithCancel(ctx)
	r := &race{in: in, targets: targets, results: make(chan tried, len(targets)), slots: make(chan struct{}, atOnce)}
	winner := r.first(ctx)
	if winner != nil && !in.o.First {
		for r.begun < len(targets) {
			r.start(ctx)
		}
	}
	if in.o.First {
		in.stop()
	}
	go r.collect()
	if winner == nil {
		return nil
	}
	in.Report.Connection = &Connection{
		Network: "tcp", Local: winner.conn.LocalAddr().String(), Remote: winner.Address, Duration: winner.took,
	}
	return winner.conn
}

// first waits for the first connection; nil if there is none.
func (r *race) first(ctx context.Context) *tried {
	next := time.NewTicker(attemptDelay)
	defer next.Stop()
	r.start(ctx)
	for r.ended < r.begun {
		select {
		case t := <-r.results:
			r.ended++
			t.Used = t.conn != nil
			r.in.Report.Attempts[t.index] = t.Attempt
			if t.Used {
				return &t
			}
			if r.begun < len(r.targets) {
				r.start(ctx)
				next.Reset(attemptDelay)
			}
		case <-next.C:
			if r.begun < len(r.targets) {
				r.start(ctx)
			}
		}
	}
	return nil
}

func (r *race) start(ctx context.Context) {
	index := r.begun
	r.begun++
	go func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		r.results <- r.attempt(ctx, index)
	}()
}

func (r *race) attempt(ctx context.Context, index int) tried {
	t := tried{index: index, Attempt: Attempt{Network: "tcp", Address: r.targets[index].String()}}
	d := &tcp.Dialer{Timeout: r.in.o.Timeout, LocalAddr: r.in.o.Source, Tracer: r.in.o.Tracer}
	started := time.Now()
	conn, err := d.DialContext(ctx, "tcp", t.Address)
	t.took = time.Since(started)
	t.Duration = t.took
	switch {
	case err == nil:
		t.conn, t.Result = conn, Connected
	case ctx.Err() != nil && !errors.As(context.Cause(ctx), new(*tcp.TimeoutError)):
		t.Result = GivenUp
	default:
		t.failed(cause(err))
	}
	return t
}

// collect takes the results that are still due.
func (r *race) collect() {
	defer close(r.in.rest)
	for ; r.ended < r.begun; r.ended++ {
		t := <-r.results
		if t.conn != nil {
			t.conn.Close()
		}
		r.in.Report.Attempts[t.index] = t.Attempt
	}
}

// awaitRest waits until every attempt is over.
func (in *Inspection) awaitRest() {
	<-in.rest
	in.stop()
}

// addressFindings holds the attempts against each other.
func (in *Inspection) addressFindings() {
	used := false
	for _, a := range in.Report.Attempts {
		used = used || a.Used
	}
	if !used {
		return // that nothing connects is the error
	}
	for _, a := range in.Report.Attempts {
		if a.err == nil {
			continue
		}
		f := Finding{
			ID: AddressFailed, Severity: Warning, What: fmt.Sprintf("%s does not answer: %s", a.Address, a.Error),
			Due:  "each address of the name leads to the server",
			Hint: "clients that try it first lose time there; --first stops at the first address that connects",
		}
		if noRoute(a.err) {
			f.Severity, f.Due = Note, ""
			f.Hint = "this machine has no route there; that says nothing of the server"
		} else if isLoopback(a.Address) {
			f.Severity, f.Due = Note, ""
			f.Hint = "many servers listen on one of the loopback addresses only"
		}
		in.Report.add(f)
	}
}

func isLoopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().IsLoopback()
}
