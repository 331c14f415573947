package load

import (
	"context"
	"time"
)

// A server may let a client in a moment after the client sees itself connected:
// on TCP the system connects, and the program accepts later. So what is
// broadcast first is a message that nobody waits for, again and again until each
// receiver has had one.

// warm is the number of such a message.
const warm = int64(0xffffffff)

const (
	firstWarm = 20 * time.Millisecond // between two of them; doubled each time
	lastWarm  = time.Second
)

// warmUp returns once every receiver is known to be one. Those that are none by
// then are given up.
func (r *run) warmUp(ctx context.Context) error {
	sender, each := r.senders[0], firstWarm
	over := time.Now().Add(r.Wait)
	for time.Now().Before(over) {
		sender.mu.Lock()
		sender.write(sender.talk.add(nil, warm))
		sender.mu.Unlock()
		for next := time.Now().Add(each); time.Now().Before(next); {
			if r.allMet() {
				return nil
			}
			if err := await(ctx, nil, each/20); err != nil {
				return err
			}
		}
		each = min(2*each, lastWarm)
	}
	for _, f := range r.receivers() {
		f.mu.Lock()
		if !f.met {
			f.fail(ErrLate)
		}
		f.mu.Unlock()
	}
	return nil
}

// receivers are those of Broadcast.
func (r *run) receivers() (list []*flow) {
	for _, f := range r.flows[:r.Conns] {
		if f != nil {
			list = append(list, f)
		}
	}
	return list
}

func (r *run) allMet() bool {
	for _, f := range r.receivers() {
		f.mu.Lock()
		met := f.met || f.dead
		f.mu.Unlock()
		if !met {
			return false
		}
	}
	return true
}

// greeted reports whether an answer that is not the one that is due says nothing:
// it is one that nobody waits for, or came before the first.
func (f *flow) greeted(isWarm bool) bool {
	if f.run.Mode != Broadcast {
		return false
	}
	f.met = f.met || isWarm
	return isWarm || f.run.start.Load() == 0
}
