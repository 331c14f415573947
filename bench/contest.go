//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// A row is one kind of work, done by each contestant in turn. The first
// contestant is sockkit.
type row struct {
	id          string // what -only matches
	work        string
	unit        string
	most        float64 // the target of sockkit itself, in the unit; 0: none
	best        bool    // the best turn counts, not the median
	mostWire    float64 // the most bytes on the wire that sockkit may need of those of the best with a target; 0: no target
	contestants []contestant
}

// A contestant does the work of its row.
type contestant struct {
	name    string
	missing string  // why it cannot; "" where it can
	target  float64 // the most that sockkit may take of its figure; 0: no target
	check   func() error
	turn    func() (float64, error) // returns its figure in the row's unit
	like    string                  // it has no turn: its figure is that of this contestant,
	times   float64                 // so many times
	wire    *float64                // where a turn leaves the bytes on the wire of a message; nil: it does not
}

// A result is a row as it is reported.
type result struct {
	ID          string   `json:"id"`
	Work        string   `json:"work"`
	Unit        string   `json:"unit"`
	Most        float64  `json:"most,omitempty"`
	Best        bool     `json:"best,omitempty"`
	MostWire    float64  `json:"most_wire,omitempty"`
	Seconds     float64  `json:"seconds"` // all rounds
	Contestants []figure `json:"contestants"`
}

// A figure is what one contestant took.
type figure struct {
	Name   string    `json:"name"`
	Turns  []float64 `json:"turns,omitempty"`
	Value  float64   `json:"value,omitempty"` // the median; of a start, the best
	Min    float64   `json:"min,omitempty"`
	Max    float64   `json:"max,omitempty"`
	Ratio  float64   `json:"ratio,omitempty"`     // sockkit's value by this one
	Least  float64   `json:"ratio_min,omitempty"` // of the rounds, each by itself
	Most   float64   `json:"ratio_max,omitempty"`
	Target float64   `json:"target,omitempty"`
	Met    *bool     `json:"met,omitempty"`
	Reason string    `json:"reason,omitempty"` // why there is no value

	Wire      float64 `json:"wire,omitempty"`       // bytes that came back for a message
	WireRatio float64 `json:"wire_ratio,omitempty"` // sockkit's by those of this one
}

// contest gives each contestant its turn, in an order drawn for each round, and
// tells how long each took.
func contest(r row, rounds int, between func(), told func(row, int, float64)) result {
	res := result{ID: r.id, Work: r.work, Unit: r.unit, Most: r.most, Best: r.best, MostWire: r.mostWire}
	for _, c := range r.contestants {
		f := figure{Name: c.name, Target: c.target, Reason: c.missing}
		if f.Reason == "" && c.check != nil {
			f.Reason = reason(c.check())
		}
		res.Contestants = append(res.Contestants, f)
	}
	for round := range rounds {
		between()
		began := time.Now()
		for _, i := range rand.Perm(len(r.contestants)) {
			takeTurn(r.contestants[i], &res.Contestants[i])
		}
		took := time.Since(began).Seconds()
		res.Seconds += took
		told(r, round+1, took)
	}
	res.derive(r.contestants)
	res.settle()
	return res
}

// derive works out the figures of contestants that have no turn.
func (r *result) derive(contestants []contestant) {
	for i, c := range contestants {
		for _, other := range r.Contestants {
			if c.like == "" || c.like != other.Name {
				continue
			}
			r.Contestants[i].Reason = other.Reason
			for _, turn := range other.Turns {
				r.Contestants[i].Turns = append(r.Contestants[i].Turns, turn*c.times)
			}
		}
	}
}

// takeTurn tries twice: on a busy machine a free port may be taken by another.
func takeTurn(c contestant, f *figure) {
	if f.Reason != "" || c.turn == nil {
		return
	}
	value, err := c.turn()
	if err != nil {
		value, err = c.turn()
	}
	if f.Reason = reason(err); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
		return
	}
	f.Turns = append(f.Turns, value)
	if c.wire != nil {
		f.Wire = *c.wire
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// settle works the figures and the ratios out of the turns.
func (r *result) settle() {
	for i := range r.Contestants {
		f := &r.Contestants[i]
		if f.Reason == "" {
			f.settle(r.Best)
		}
	}
	ours := &r.Contestants[0]
	if ours.Value > 0 && r.Most > 0 {
		ours.Met = new(ours.Value <= r.Most)
	}
	for i := range r.Contestants[1:] {
		f := &r.Contestants[i+1]
		if ours.Value == 0 || f.Value == 0 {
			continue
		}
		f.Ratio = ours.Value / f.Value
		f.Least, f.Most = paired(ours.Turns, f.Turns)
		if f.Target > 0 {
			f.Met = new(f.Ratio <= f.Target)
		}
	}
	r.settleWire()
}

// settleWire holds the bytes on the wire against those of the contestant that
// took the least CPU of all that have a target: with less of one it is easy to
// take less of the other.
func (r *result) settleWire() {
	ours, best := r.Contestants[0], (*figure)(nil)
	for i := range r.Contestants[1:] {
		f := &r.Contestants[i+1]
		if ours.Wire == 0 || f.Wire == 0 {
			continue
		}
		f.WireRatio = ours.Wire / f.Wire
		if f.Met != nil && (best == nil || f.Value < best.Value) {
			best = f
		}
	}
	if best != nil && r.MostWire > 0 {
		best.Met = new(*best.Met && best.WireRatio <= r.MostWire)
	}
}

// paired returns the least and the most of the ratios of the rounds, in each of which
// both had their turns one soon after the other.
func paired(ours, theirs []float64) (least, most float64) {
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		ratios = append(ratios, ours[i]/theirs[i])
	}
	_, least, most = spread(ratios)
	return least, most
}

func (f *figure) settle(best bool) {
	f.Value, f.Min, f.Max = spread(f.Turns)
	if best {
		f.Value = f.Min
	}
}
