//go:build linux

package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/sockkit/sockkit/bench/internal/load"
	"github.com/sockkit/sockkit/bench/internal/proc"
)

// starts is how many starts make a turn, of which the best counts.
const starts = 6

// start is wall time: the best of all is what a quiet machine would show.
func (l *lab) start() row {
	r := row{id: "start", work: "start to end, sockkit --help, wall, at best", unit: "ms", most: 5, best: true}
	for _, c := range []struct {
		name   string
		target float64
		words  []string
	}{
		{"sockkit", 0, []string{"sockkit", "--help"}},
		{"empty Go program", 1.5, []string{"empty"}},
		{"nc -h", 0, []string{"nc", "-h"}},
		{"socat -V", 0, []string{"socat", "-V"}},
		{"curl --version", 0, []string{"curl", "--version"}},
	} {
		r.contestants = append(r.contestants, contestant{
			name:    c.name,
			missing: l.lacking(c.words[0]),
			target:  c.target,
			turn:    func() (float64, error) { return l.started(c.words) },
		})
	}
	return r
}

// started returns the milliseconds that the quickest of a few starts took.
func (l *lab) started(words []string) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return l.quickest(ctx, words, l.server)
}

// quickest runs a program a few times, and returns the fewest milliseconds.
func (l *lab) quickest(ctx context.Context, words []string, cores []int) (float64, error) {
	best := patience
	for range starts {
		p, err := l.command(words, cores).Start()
		if err != nil {
			return 0, err
		}
		took, err := p.Took(ctx)
		p.Stop()
		if err != nil {
			return 0, err
		}
		best = min(best, took)
	}
	return float64(best.Nanoseconds()) / 1e6, nil
}

// idle is the memory of a connection that says nothing, or nothing more.
func (l *lab) idle(id, work string, after bool) row {
	servers := tcpEchoers()
	servers = append(servers[:2], servers[3:]...) // ncat is two processes a connection
	for i := range servers {
		servers[i].target = 0
	}
	measure := func(p *proc.Process, at netip.AddrPort) (float64, error) { return idling(p, at, after) }
	return row{id: id, work: work, unit: "bytes", most: 4096, contestants: l.contestants(l.server, servers, measure)}
}

// idling returns the bytes of each of 1000 connections from 200 addresses, over
// what a server has in memory that has already served one.
func idling(p *proc.Process, at netip.AddrPort, after bool) (float64, error) {
	const conns, size = 1000, 1024
	first, err := load.Dialer{Network: "tcp", Server: at, Conns: 1, Greet: size}.Dial()
	if err != nil {
		return 0, err
	}
	first.Close()
	before, err := settled(p)
	if err != nil {
		return 0, err
	}
	pool, err := load.Dialer{Network: "tcp", Server: at, Conns: conns, Sources: 200}.Dial()
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	if after {
		if err := pool.Run(size, 1); err != nil {
			return 0, err
		}
	}
	now, err := settled(p)
	return float64(now-before) / conns, err
}

// settled returns the memory of p once it has stopped growing: a server accepts
// after the connection is open for its peer.
func settled(p *proc.Process) (int64, error) {
	const pause, quiet = 50 * time.Millisecond, 4
	last, err := p.Memory()
	for end, same := time.Now().Add(10*time.Second), 0; err == nil && same < quiet && time.Now().Before(end); same++ {
		time.Sleep(pause)
		var now int64
		if now, err = p.Memory(); max(now-last, last-now) > 16<<10 {
			same = -1
		}
		last = now
	}
	return last, err
}
