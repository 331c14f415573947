package faults

import "time"

// pacer spreads bytes evenly over time.
type pacer struct {
	rate int64     // bytes a second; 0 is no limit
	free time.Time // when what was booked so far has left
}

const (
	// paceStep is the time whose bytes pass at once.
	paceStep = 20 * time.Millisecond
	// paceLate is how late a sleeper may wake and still catch up.
	paceLate = 2 * paceStep
)

// step is how many bytes may pass at once, between 1 and most.
func (p *pacer) step(most int) int {
	if p.rate <= 0 {
		return most
	}
	return int(min(max(p.rate*int64(paceStep)/int64(time.Second), 1), int64(most)))
}

// book takes the line for n bytes and returns when the last has left.
func (p *pacer) book(n int, now time.Time) time.Time {
	if p.rate <= 0 {
		return now
	}
	if now.Sub(p.free) > paceLate {
		p.free = now
	}
	seconds := float64(n) / float64(p.rate)
	p.free = p.free.Add(time.Duration(seconds * float64(time.Second)))
	return p.free
}
