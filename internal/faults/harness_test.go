package faults

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// step is a piece that a source gives at a time.
type step struct {
	at   time.Duration
	data string
}

// source gives its steps at their times, and then its end.
type source struct {
	start time.Time
	steps []step
	end   error         // nil: io.EOF
	stay  chan struct{} // not nil: the end comes once it is closed
	read  atomic.Int64
	rest  string
}

func (s *source) Read(p []byte) (int, error) {
	if s.rest == "" {
		if len(s.steps) == 0 {
			return 0, s.ended()
		}
		time.Sleep(s.steps[0].at - time.Since(s.start))
		s.rest, s.steps = s.steps[0].data, s.steps[1:]
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	s.read.Add(int64(n))
	return n, nil
}

func (s *source) ended() error {
	if s.stay != nil {
		<-s.stay
	}
	if s.end != nil {
		return s.end
	}
	return io.EOF
}

// arrival is a piece that came.
type arrival struct {
	at   time.Duration
	data string
}

// target notes what comes and when.
type target struct {
	start time.Time
	mu    sync.Mutex
	got   []arrival
	fail  error
	block chan struct{} // not nil: writing waits for it
}

func (t *target) Write(p []byte) (int, error) {
	if t.block != nil {
		<-t.block
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		return 0, t.fail
	}
	t.got = append(t.got, arrival{time.Since(t.start), string(p)})
	return len(p), nil
}

func (t *target) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, a := range t.got {
		b.WriteString(a.data)
	}
	return b.String()
}

func (t *target) pieces() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for _, a := range t.got {
		list = append(list, a.data)
	}
	return list
}

// bench is a connection under test.
type bench struct {
	*Connection
	start    time.Time
	mu       sync.Mutex
	reported []trace.Fault
}

func begin(f *Faults, number uint64) *bench {
	b := &bench{start: time.Now()}
	b.Connection = f.Connection(number, func(e trace.Fault) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.reported = append(b.reported, e)
	})
	return b
}

func (b *bench) source(steps ...step) *source { return &source{start: b.start, steps: steps} }
func (b *bench) target() *target              { return &target{start: b.start} }

func (b *bench) kinds() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var kinds []string
	for _, e := range b.reported {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// every is n pieces of a text, so far apart, the first at once.
func every(n int, apart time.Duration, text func(int) string) []step {
	var steps []step
	for i := range n {
		steps = append(steps, step{time.Duration(i) * apart, text(i)})
	}
	return steps
}

func numbered(i int) string { return fmt.Sprintf("%d;", i) }

const ms = time.Millisecond

// bubble runs f on a clock of its own, and lets what it started end.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t)
		time.Sleep(24 * time.Hour)
	})
}
