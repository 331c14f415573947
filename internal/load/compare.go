package load

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// ReadReport reads a report as --json has written it.
func ReadReport(r io.Reader) (*Report, error) {
	p := &Report{}
	if err := json.NewDecoder(r).Decode(p); err != nil {
		return nil, fmt.Errorf("no report of bench --json: %w", err)
	}
	if p.Version != 1 || p.Mode == "" {
		return nil, fmt.Errorf("no report of bench --json of version 1: version %d and mode %q came", p.Version, p.Mode)
	}
	return p, nil
}

// Comparison is a report held against an earlier one.
type Comparison struct {
	Before string   `json:"before"`          // the address of the earlier one
	Other  []string `json:"other,omitempty"` // what was set differently, in words
	Rows   []Ratio  `json:"rows"`
}

// Ratio is one figure, now and before.
type Ratio struct {
	Name   string  `json:"name"`
	Before float64 `json:"before"` // a second, nanoseconds, or a count
	Now    float64 `json:"now"`
	Ratio  float64 `json:"ratio"` // now by before
	// Worse is by how many percent it is worse; less than 0 where it is better.
	Worse float64 `json:"worse"`
	// Held says that it counts for --fail-over.
	Held bool `json:"held"`
}

// Compare holds p against an earlier report.
func (p *Report) Compare(before *Report) *Comparison {
	c := &Comparison{Before: before.Address, Other: p.Setting.differs(&before.Setting)}
	c.add("throughput", before.Messages.PerSecond, p.Messages.PerSecond, true, true)
	if a, b := before.Latency, p.Latency; a != nil && b != nil {
		c.add("latency 50 %", float64(a.Percentile(50)), float64(b.Percentile(50)), false, true)
		c.add("latency 90 %", float64(a.Percentile(90)), float64(b.Percentile(90)), false, false)
		c.add("latency 99 %", float64(a.Percentile(99)), float64(b.Percentile(99)), false, true)
		c.add("latency 99.9 %", float64(a.Percentile(99.9)), float64(b.Percentile(99.9)), false, false)
		c.add("latency slowest", float64(a.Max), float64(b.Max), false, false)
	}
	c.add("bench's CPU", float64(before.CPU.PerMessage), float64(p.CPU.PerMessage), false, false)
	c.add("alive", float64(before.Connections.Alive), float64(p.Connections.Alive), true, p.Mode == Idle)
	return c
}

func (c *Comparison) add(name string, before, now float64, more, held bool) {
	if before <= 0 {
		return
	}
	r := Ratio{Name: name, Before: before, Now: now, Ratio: now / before, Held: held}
	switch {
	case !more:
		r.Worse = (r.Ratio - 1) * 100
	case now <= 0:
		r.Worse = math.MaxInt32
	default:
		r.Worse = (before/now - 1) * 100
	}
	c.Rows = append(c.Rows, r)
}

// differs names what was set differently.
func (s *Setting) differs(before *Setting) (list []string) {
	for _, one := range []struct {
		name        string
		now, before any
	}{
		{"mode", s.Mode, before.Mode}, {"-c", s.Conns, before.Conns}, {"--size", s.Size, before.Size},
		{"--in-flight", s.InFlight, before.InFlight}, {"--rate", s.Rate, before.Rate},
	} {
		if one.now != one.before {
			list = append(list, fmt.Sprintf("%s is %v and was %v", one.name, one.now, one.before))
		}
	}
	return list
}

// Over returns the figures that are worse by more than so many percent.
func (c *Comparison) Over(percent float64) (list []Ratio) {
	for _, r := range c.Rows {
		if r.Held && r.Worse > percent {
			list = append(list, r)
		}
	}
	return list
}

// Text is the comparison for people.
func (c *Comparison) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nbeside the run before, %s\n", printable(c.Before))
	for _, other := range c.Other {
		fmt.Fprintf(&b, "note: %s\n", other)
	}
	fmt.Fprintf(&b, "%-17s%-12s%-12s%s\n", "", "before", "now", "ratio")
	for _, r := range c.Rows {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%-17s%-12s%-12s%.2f  %s", r.Name, r.figure(r.Before), r.figure(r.Now), r.Ratio, r.verdict()), " "))
	}
	return b.String()
}

func (r *Ratio) figure(v float64) string {
	switch r.Name {
	case "throughput":
		return rate(v) + "/s"
	case "alive":
		return Thousands(int64(v))
	}
	return Duration(time.Duration(v))
}

func (r *Ratio) verdict() string {
	switch {
	case r.Worse > 0.5:
		return digits3(r.Worse) + " % worse"
	case r.Worse < -0.5:
		return "better"
	}
	return "the same"
}
