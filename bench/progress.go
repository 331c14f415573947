//go:build linux

package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// progress says how far a run is, and how long it will take.
type progress struct {
	w            io.Writer
	rows, rounds int
	row          int
	id           string
	quick        bool
	left, known  float64 // seconds as of a quiet machine: of what is left, and of what is done
	taken        float64 // seconds of what is done
}

func newProgress(w io.Writer, rows []row, o options) *progress {
	p := &progress{w: w, rows: len(rows), rounds: o.rounds, quick: o.quick}
	for _, r := range rows {
		p.left += p.due(r) * float64(o.rounds)
	}
	fmt.Fprintf(w, "%d rows, %d rounds each: about %s on a quiet machine\n", p.rows, o.rounds, clock(p.left))
	return p
}

// due is how long a round of a row takes on a quiet machine.
func (p *progress) due(r row) float64 {
	seconds, known := roundSeconds[r.id]
	if !known {
		seconds = float64(len(r.contestants))
	}
	if p.quick {
		seconds = min(seconds, float64(len(r.contestants))/2)
	}
	return seconds
}

// round is told of each that is over.
func (p *progress) round(r row, round int, took float64) {
	if r.id != p.id {
		p.id, p.row = r.id, p.row+1
	}
	due := p.due(r)
	p.left, p.known, p.taken = p.left-due, p.known+due, p.taken+took
	fmt.Fprintf(p.w, "row %d of %d, %s: round %d of %d, about %s left\n",
		p.row, p.rows, r.id, round, p.rounds, clock(max(0, p.left)*p.taken/p.known))
}

// clock writes seconds as 5 min or 40 s.
func clock(seconds float64) string {
	if seconds < 90 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	return fmt.Sprintf("%.0f min", seconds/60)
}

// list prints the rows and their targets, and measures nothing.
func list(w io.Writer, o options) {
	l := &lab{missing: map[string]string{}, work: 1, node: func() error { return nil }}
	lines := [][]string{{"row", "work", "unit", "targets"}}
	for _, r := range l.asked(o) {
		lines = append(lines, []string{r.id, r.work, r.unit, strings.Join(r.targets(), ", ")})
	}
	table(w, lines)
}

var derived = regexp.MustCompile(", as .*")

// targets are those of a row in words.
func (r *row) targets() (all []string) {
	if r.most > 0 {
		all = append(all, "≤ "+number(r.most)+" "+r.unit)
	}
	for _, c := range r.contestants {
		if c.target > 0 {
			all = append(all, "≤ "+strconv.FormatFloat(c.target, 'f', 2, 64)+" × "+derived.ReplaceAllString(c.name, ""))
		}
	}
	if r.mostWire > 0 {
		all = append(all, "≤ "+strconv.FormatFloat(r.mostWire, 'f', 2, 64)+" × the bytes of the best of them")
	}
	if len(all) == 0 {
		all = []string{"none: measured and said"}
	}
	return all
}

// roundSeconds is how long a round of each row took on a quiet machine of two
// cores. The report as JSON says how long each row did take.
var roundSeconds = map[string]float64{
	"tcp-pipe": 8.9, "tcp-relay": 2.8, "tcp-echo-100": 4.7, "tcp-echo-1000": 9.9, "tcp-echo-all-cores": 1.9, "udp-echo": 3.7, "udp-bursts": 7,
	"start": 0.1, "idle-fresh": 3.2, "idle-after": 3.2,
	"ws-echo-1": 3.2, "ws-echo-100": 4.7, "ws-echo-100-1k": 5, "ws-echo-100-64k": 4.3, "ws-echo-1000-1k": 7.9,
	"ws-echo-16-in-flight": 5.8, "ws-echo-100-1m": 7.3, "ws-echo-all-cores": 4.3, "ws-deflate-1k": 3.5, "ws-deflate-64k": 5.1,
	"ws-openings": 5.2, "ws-idle-fresh": 15.8, "ws-idle-after": 16.4, "ws-idle-goroutine": 4.1, "ws-idle-tls": 2.6,
	"no-trace": 0.9, "ws-broadcast-1000": 3.3, "ws-broadcast-10000": 11.8, "sio-room-10000": 21.3,
	"ws-exchange": 0.9, "client-tcp": 1.3, "client-udp": 0.9, "client-ws": 6.2,
	"sio-echo-1": 1.5, "sio-echo-100": 1.9, "sio-echo-1000": 3.5, "sio-echo-16-in-flight": 1.6,
	"sio-room-1000": 5.3, "sio-polling": 1.9, "sio-idle": 8.7, "sio-redis-1000": 3.7,
}
