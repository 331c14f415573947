package h2

import "time"

// inflow is what a peer may send: of a stream, or of the connection (RFC 9113
// section 5.2).
type inflow struct {
	size   int64 // the window when nothing waits
	left   int64 // of it
	unsaid int64 // was read, and the peer does not know yet
}

// take counts bytes that came. It reports false where they are more than were
// allowed.
func (f *inflow) take(n int64) bool {
	if n > f.left {
		return false
	}
	f.left -= n
	return true
}

// give counts bytes that were read. It returns by how much to open the window:
// 0 until it is worth a frame.
func (f *inflow) give(n int64) uint32 {
	f.unsaid += n
	if f.unsaid < f.size/2 || f.unsaid == 0 {
		return 0
	}
	n = f.unsaid
	f.left += n
	f.unsaid = 0
	return uint32(n)
}

// rate is a token bucket that holds one second's worth.
type rate struct {
	perSecond float64
	debt      float64
	at        time.Time
}

func (r *rate) exceeded() bool {
	now := time.Now()
	if r.at.IsZero() {
		r.debt = -r.perSecond
	} else {
		r.debt = max(r.debt-now.Sub(r.at).Seconds()*r.perSecond, -r.perSecond)
	}
	r.at = now
	r.debt++
	return r.debt > 0
}
