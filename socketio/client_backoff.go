package socketio

import (
	"math"
	"math/rand/v2"
	"time"
)

// backoff is the wait before each attempt to reconnect, by the official client's
// formula: twice as long each time, then shorter or longer at random by up to a
// share of it, and never above the bound, which also cuts the randomness off.
type backoff struct {
	delay, most time.Duration
	jitter      float64
	attempts    int
	random      func() float64 // in [0, 1); nil is the usual one
}

func newBackoff(o *ClientOptions) *backoff {
	b := &backoff{delay: defaultReconnectionDelay, most: defaultReconnectionDelayMax, jitter: defaultRandomization}
	if o.ReconnectionDelay > 0 {
		b.delay = o.ReconnectionDelay
	}
	if o.ReconnectionDelayMax > 0 {
		b.most = o.ReconnectionDelayMax
	}
	if o.RandomizationFactor != 0 {
		b.jitter = o.RandomizationFactor
	}
	if b.jitter < 0 || b.jitter > 1 { // as the official client
		b.jitter = 0
	}
	return b
}

// next counts an attempt, and returns the wait before it.
func (b *backoff) next() time.Duration {
	wait := float64(b.delay) * math.Pow(2, float64(min(b.attempts, 100))) // beyond, a float has no use
	b.attempts++
	if b.jitter > 0 {
		wait += b.deviation(wait)
	}
	return time.Duration(min(wait, float64(b.most)))
}

func (b *backoff) deviation(wait float64) float64 {
	random := rand.Float64
	if b.random != nil {
		random = b.random
	}
	r := random()
	if int(r*10)&1 == 0 {
		return -r * b.jitter * wait
	}
	return r * b.jitter * wait
}

func (b *backoff) reset() { b.attempts = 0 }
