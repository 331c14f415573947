package ws

import "time"

// rate is a token bucket that holds one second's worth.
type rate struct {
	perSecond int
	debt      float64
	at        time.Time
}

func (r *rate) exceeded() bool {
	if r.perSecond <= 0 {
		return false
	}
	now := time.Now()
	most := float64(r.perSecond)
	if r.at.IsZero() {
		r.debt = -most
	} else {
		r.debt = max(r.debt-now.Sub(r.at).Seconds()*most, -most)
	}
	r.at = now
	r.debt++
	return r.debt > 0
}

// violation is what a peer breaks that exceeds it.
func (r *rate) violation() *Violation {
	return &Violation{Rule: ruleOf(ruleMessageRate), Came: "more than " + count(int64(r.perSecond), "message") + " a second", By: ClientRole}
}
