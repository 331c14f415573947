package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/internal/faults"
)

// udpBench is the lab of the lesson on UDP: the same messages by UDP and by TCP,
// under the same conditions, and a few experiments with datagrams.
type udpBench struct {
	stage *Stage
	drop  func(net.Conn, float64) error // has the kernel drop segments

	racing sync.Mutex
	mu     sync.Mutex
	last   *tracks // of the race that is over
}

func udpLab(s *Stage) (Actions, error) {
	b := &udpBench{stage: s, drop: faults.DropSegments}
	return b.actions(), nil
}

func (b *udpBench) actions() Actions {
	return Actions{
		"race":     act(b.race),
		"pieces":   act(b.pieces),
		"size":     act(b.size),
		"nobody":   act(b.nobody),
		"room":     act(b.room),
		"question": act(b.question),
	}
}

// part is a stage for one experiment: what it keeps is closed at its end, and
// its records are in the timeline of the lab.
func (b *udpBench) part(ctx context.Context) *Stage {
	s := newStageOf(ctx, silent{}, nil, b.stage.cast)
	s.visit, s.tracer = b.stage.visit, b.stage.tracer
	s.begin()
	return s
}

// conditions are those under which the messages are sent.
type conditions struct {
	Loss     float64 `json:"loss"`    // percent
	Reorder  float64 `json:"reorder"` // percent of the datagrams
	Delay    int     `json:"delay"`   // milliseconds; so are the next two
	Jitter   int     `json:"jitter"`
	Gap      int     `json:"gap"` // between two messages
	Messages int     `json:"messages"`
	Seed     uint64  `json:"seed"`
}

// The bounds keep a race within the time that a call is given.
func (c conditions) check() error {
	for _, is := range []struct {
		what             string
		value, low, most float64
	}{
		{"loss, in percent,", c.Loss, 0, 50},
		{"reordering, in percent,", c.Reorder, 0, 100},
		{"the delay, in milliseconds,", float64(c.Delay), 0, 500},
		{"the jitter, in milliseconds,", float64(c.Jitter), 0, 500},
		{"the time between two messages, in milliseconds,", float64(c.Gap), 1, 200},
		{"the number of messages", float64(c.Messages), 2, 40},
	} {
		if !(is.value >= is.low && is.value <= is.most) {
			return fmt.Errorf("%s is %v to %v, not %v", is.what, is.low, is.most, is.value)
		}
	}
	return nil
}

// faults are those that tap is asked for. What only datagrams know does nothing
// to a stream.
func (c conditions) faults() *faults.Faults {
	return &faults.Faults{
		Delay: ms(c.Delay), Jitter: ms(c.Jitter), Loss: c.Loss / 100, Reorder: c.Reorder / 100,
		Direction: faults.Up, Seed: c.Seed,
	}
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// command does the same to somebody else's datagrams.
func (c conditions) command() string {
	return fmt.Sprintf("sockkit tap udp://localhost:9001 udp://localhost:9002 --loss %v --reorder %v --delay %dms --jitter %dms --direction up --seed %d",
		c.Loss, c.Reorder, c.Delay, c.Jitter, c.Seed)
}

// udpAnswer is the reader's to the question: which message was overtaken.
type udpAnswer struct {
	Message int `json:"message"`
}

// question looks for the answer in the records of the last race.
func (b *udpBench) question(_ context.Context, a udpAnswer) (any, error) {
	b.mu.Lock()
	t := b.last
	b.mu.Unlock()
	switch {
	case t == nil:
		return nil, errors.New("nothing was sent yet: send the messages by both first")
	case len(t.udp.overtaken()) == 0:
		return nil, errors.New("no datagram was overtaken this time: choose more reordering, or a jitter longer than the time between two messages, and send again")
	case a.Message < 1 || a.Message > len(t.udp.list):
		return nil, fmt.Errorf("the messages have the numbers 1 to %d", len(t.udp.list))
	}
	m := &t.udp.list[a.Message-1]
	switch by := t.udp.overtakes(m); {
	case m.came.IsZero():
		return Verdict{false, fmt.Sprintf("Message %d was lost: it came neither before nor after another one.", m.N), m.Rows}, nil
	case by == nil:
		return Verdict{false, fmt.Sprintf("Message %d came before all that were sent after it. Look for two lines of the upper picture that cross.", m.N), m.Rows}, nil
	default:
		return Verdict{true, fmt.Sprintf("Message %d was sent before message %d and came after it. %s", m.N, by.N, t.tcp.order()),
			append(append([]int{}, m.Rows...), by.Rows...)}, nil
	}
}
