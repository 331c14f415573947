package udp

import "time"

// rate lets a number of datagrams a second pass, and as many at once after a
// pause (the generic cell rate algorithm). Times are nanoseconds of one clock.
type rate struct{ due int64 }

// take reports whether one more may pass at now, where perSecond may in a
// second.
func (r *rate) take(now int64, perSecond int) bool {
	interval := max(int64(time.Second)/int64(perSecond), 1)
	due := max(r.due, now)
	if due-now > int64(time.Second)-interval {
		return false
	}
	r.due = due + interval
	return true
}
