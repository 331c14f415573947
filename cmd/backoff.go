package cmd

import (
	"math/rand/v2"
	"time"
)

// The waits before connecting again.
const (
	firstWait = 500 * time.Millisecond
	lastWait  = 30 * time.Second
)

// backOff is how long to wait before an attempt, numbered from 0: doubled each
// time, and somewhere between half of that and all of it.
func backOff(attempt int) time.Duration {
	wait := lastWait
	if attempt < 6 {
		wait = min(firstWait<<attempt, lastWait)
	}
	return wait/2 + rand.N(wait/2+1)
}
