package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
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

func TestDelay(t *testing.T) {
	for _, datagrams := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			b := begin(&Faults{Delay: 100 * ms}, 1)
			defer b.Close()
			to := b.target()
			// Far more under way than one at a time: a line, not a sleep a piece.
			if err := b.Link(trace.Out, to, b.source(every(50, ms, numbered)...), datagrams).Run(); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(b.start); got != 149*ms {
				t.Errorf("the end came after %v, want 149ms", got)
			}
			for i, a := range to.got {
				if want := time.Duration(i)*ms + 100*ms; a.at != want || a.data != numbered(i) {
					t.Fatalf("piece %d: %q at %v, want at %v", i, a.data, a.at, want)
				}
			}
			if kinds := b.kinds(); !slices.Equal(kinds, []string{"delay"}) {
				t.Errorf("reported %v, want delay once", kinds)
			}
		})
	}
}

func TestJitterKeepsAStreamInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Delay: 50 * ms, Jitter: 30 * ms, Seed: 3}, 1)
		defer b.Close()
		to := b.target()
		steps := every(200, ms, numbered)
		if err := b.Link(trace.Out, to, b.source(steps...), false).Run(); err != nil {
			t.Fatal(err)
		}
		want := ""
		for _, s := range steps {
			want += s.data
		}
		if to.text() != want {
			t.Fatal("the stream was changed")
		}
		for i, a := range to.got {
			if late := a.at - steps[i].at; late < 20*ms {
				t.Fatalf("piece %d came after %v, less than 20ms", i, late)
			}
		}
	})
}

func TestJitterSpreadsDatagrams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Delay: 50 * ms, Jitter: 30 * ms, Seed: 3}, 1)
		defer b.Close()
		to := b.target()
		steps := every(500, ms, numbered)
		if err := b.Link(trace.Out, to, b.source(steps...), true).Run(); err != nil {
			t.Fatal(err)
		}
		sent := map[string]time.Duration{}
		for _, s := range steps {
			sent[s.data] = s.at
		}
		early, late := 0, 0
		for _, a := range to.got {
			took := a.at - sent[a.data]
			if took < 20*ms || took > 80*ms {
				t.Fatalf("%q took %v, not within 20ms and 80ms", a.data, took)
			}
			if took < 35*ms {
				early++
			}
			if took > 65*ms {
				late++
			}
		}
		// A quarter of 500 each; the standard deviation is 10.
		if early < 85 || early > 165 || late < 85 || late > 165 {
			t.Errorf("%d of 500 were early and %d late, want about 125 each", early, late)
		}
		if slices.IsSortedFunc(to.got, func(a, b arrival) int { return int(sent[a.data] - sent[b.data]) }) {
			t.Error("not one datagram overtook another")
		}
	})
}

func TestJitterIsNeverBeforeItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Jitter: 10 * ms}, 1)
		defer b.Close()
		to := b.target()
		steps := every(100, 50*ms, numbered)
		if err := b.Link(trace.Out, to, b.source(steps...), true).Run(); err != nil {
			t.Fatal(err)
		}
		for i, a := range to.got {
			if took := a.at - steps[i].at; took < 0 || took > 10*ms {
				t.Fatalf("piece %d took %v", i, took)
			}
		}
	})
}

func TestBandwidth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const rate = 64 << 10
		b := begin(&Faults{Bandwidth: rate}, 1)
		defer b.Close()
		to := b.target()
		if err := b.Link(trace.In, to, b.source(step{0, strings.Repeat("x", 2*rate)}), false).Run(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(b.start); took < 1990*ms || took > 2010*ms {
			t.Errorf("128 KiB took %v at 64 KiB a second", took)
		}
		total := 0
		for _, a := range to.got {
			total += len(a.data)
			most := a.at.Seconds()*rate + 1
			if float64(total) > most || float64(total) < most-rate/50 {
				t.Fatalf("%d bytes after %v: not even", total, a.at)
			}
		}
		if total != 2*rate {
			t.Errorf("%d bytes came", total)
		}
	})
}

func TestBandwidthHasNoCreditAfterAPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Bandwidth: 1000}, 1)
		defer b.Close()
		to := b.target()
		from := b.source(step{0, strings.Repeat("a", 100)}, step{10 * time.Second, strings.Repeat("b", 1000)})
		if err := b.Link(trace.In, to, from, false).Run(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(b.start); took < 10990*ms || took > 11010*ms {
			t.Errorf("it took %v, want 11s", took)
		}
	})
}

func TestBandwidthOfDatagrams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Bandwidth: 1000, Delay: time.Second}, 1)
		defer b.Close()
		to := b.target()
		big := strings.Repeat("x", 500)
		if err := b.Link(trace.In, to, b.source(step{0, big}, step{0, big}), true).Run(); err != nil {
			t.Fatal(err)
		}
		want := []arrival{{1500 * ms, big}, {2 * time.Second, big}}
		if !slices.Equal(to.got, want) {
			t.Errorf("datagrams came at %v and %v", to.got[0].at, to.got[1].at)
		}
	})
}

// passed runs n datagrams through f and returns what came.
func passed(t *testing.T, f *Faults, number uint64, n int) []string {
	t.Helper()
	var got []string
	bubble(t, func(t *testing.T) {
		b := begin(f, number)
		defer b.Close()
		to := b.target()
		if err := b.Link(trace.Out, to, b.source(every(n, ms, numbered)...), true).Run(); err != nil {
			t.Fatal(err)
		}
		got = to.pieces()
	})
	return got
}

func TestLossDuplicateShare(t *testing.T) {
	const n = 4000
	for _, share := range []float64{0, 0.01, 0.1, 0.5, 1} {
		slack := int(4 * math.Sqrt(n*share*(1-share))) // standard deviations, and the seed is given
		want := int(float64(n) * share)
		lost := n - len(passed(t, &Faults{Loss: share, Seed: 1}, 1, n))
		if lost < want-slack || lost > want+slack {
			t.Errorf("loss %v: %d of %d lost, want %d ± %d", share, lost, n, want, slack)
		}
		doubled := len(passed(t, &Faults{Duplicate: share, Seed: 1}, 1, n)) - n
		if doubled < want-slack || doubled > want+slack {
			t.Errorf("duplicate %v: %d of %d doubled, want %d ± %d", share, doubled, n, want, slack)
		}
	}
}

func TestSeedRepeats(t *testing.T) {
	f := func(seed uint64) *Faults {
		return &Faults{Loss: 0.2, Reorder: 0.2, Duplicate: 0.2, Jitter: 3 * ms, Seed: seed}
	}
	first := passed(t, f(7), 1, 500)
	if again := passed(t, f(7), 1, 500); !slices.Equal(first, again) {
		t.Error("the same seed did something else")
	}
	if other := passed(t, f(8), 1, 500); slices.Equal(first, other) {
		t.Error("another seed did the same")
	}
	if second := passed(t, f(7), 2, 500); slices.Equal(first, second) {
		t.Error("the second connection suffered as the first did")
	}
}

func TestDuplicateComesTwice(t *testing.T) {
	got := passed(t, &Faults{Duplicate: 1}, 1, 3)
	if want := []string{"0;", "0;", "1;", "1;", "2;", "2;"}; !slices.Equal(got, want) {
		t.Errorf("came %q, want %q", got, want)
	}
}

func TestReorder(t *testing.T) {
	got := passed(t, &Faults{Reorder: 1}, 1, 6)
	if want := []string{"1;", "0;", "3;", "2;", "5;", "4;"}; !slices.Equal(got, want) {
		t.Errorf("came %q, want %q", got, want)
	}
	got = passed(t, &Faults{Reorder: 0.3, Seed: 2}, 1, 1000)
	swapped := 0
	for i := range got {
		if got[i] == numbered(i) {
			continue
		}
		if i+1 < len(got) && got[i] == numbered(i+1) && got[i+1] == numbered(i) {
			swapped++
		}
	}
	if swapped < 150 || swapped > 320 {
		t.Errorf("%d of 1000 were overtaken by the next", swapped)
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != 1000 {
		t.Error("some were lost")
	}
}

func TestReorderWaitsForTheNextOnlySoLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Reorder: 1, Delay: 10 * ms}, 1)
		defer b.Close()
		to := b.target()
		from := b.source(step{0, "alone"}, step{time.Second, "later"})
		if err := b.Link(trace.Out, to, from, true).Run(); err != nil {
			t.Fatal(err)
		}
		want := []arrival{{overtaken + 10*ms, "alone"}, {time.Second + 10*ms, "later"}}
		if !slices.Equal(to.got, want) {
			t.Errorf("came %v, want %v", to.got, want)
		}
	})
}

func TestStreamsAreNeitherLostNorReordered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Loss: 1, Reorder: 1, Duplicate: 1}, 1)
		defer b.Close()
		to := b.target()
		if err := b.Link(trace.Out, to, b.source(every(10, ms, numbered)...), false).Run(); err != nil {
			t.Fatal(err)
		}
		if want := "0;1;2;3;4;5;6;7;8;9;"; to.text() != want {
			t.Errorf("came %q", to.text())
		}
	})
}

func TestEmptyDatagramsPass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Delay: ms}, 1)
		defer b.Close()
		to := b.target()
		from := &datagramSource{"", "x", ""}
		if err := b.Link(trace.Out, to, from, true).Run(); err != nil {
			t.Fatal(err)
		}
		if got := to.pieces(); !slices.Equal(got, []string{"", "x", ""}) {
			t.Errorf("came %q", got)
		}
	})
}

// datagramSource gives a datagram a read, empty ones too.
type datagramSource []string

func (d *datagramSource) Read(p []byte) (int, error) {
	if len(*d) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*d)[0])
	*d = (*d)[1:]
	return n, nil
}

func TestBufferIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 1 << 20
		f := &Faults{Delay: ms, Buffer: limit}
		b := begin(f, 1)
		to := b.target()
		to.block = make(chan struct{})
		from := b.source(step{0, strings.Repeat("x", 8*limit)})
		done := make(chan error, 1)
		go func() { done <- b.Link(trace.Out, to, from, false).Run() }()
		time.Sleep(time.Hour)
		if read := from.read.Load(); read < limit/2 || read > limit+2*streamRead {
			t.Errorf("%d bytes were read with nobody taking them, and %d may wait", read, limit)
		}
		if held := f.held.Load(); held > limit {
			t.Errorf("%d bytes wait, over %d", held, limit)
		}
		close(to.block)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := len(to.text()); got != 8*limit {
			t.Errorf("%d bytes came in the end", got)
		}
		if held := f.held.Load(); held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
		b.Close()
	})
}

func TestAllBuffersAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 64 << 10
		f := &Faults{Delay: ms, Buffer: limit}
		block := make(chan struct{})
		var running sync.WaitGroup
		for n := range 2 * allBuffers {
			b := begin(f, uint64(n))
			to := b.target()
			to.block = block
			running.Go(func() {
				defer b.Close()
				if err := b.Link(trace.Out, to, b.source(step{0, strings.Repeat("x", 4*limit)}), false).Run(); err != nil {
					t.Error(err)
				}
				if got := len(to.text()); got != 4*limit {
					t.Errorf("connection %d: %d bytes came", n, got)
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Second)
		// Each may hold one piece whatever the others do.
		if held := f.held.Load(); held > allBuffers*limit+2*allBuffers*(streamRead+overhead) {
			t.Errorf("%d bytes wait in all", held)
		}
		close(block)
		running.Wait()
		if held := f.held.Load(); held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
	})
}

func TestErrorOfTheTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &Faults{Delay: ms}
		b := begin(f, 1)
		to, from := b.target(), b.source(step{0, "x"})
		from.stay = make(chan struct{})
		to.fail = errors.New("gone")
		if err := b.Link(trace.Out, to, from, false).Run(); err != to.fail {
			t.Errorf("Run: %v, want %v", err, to.fail)
		}
		b.Close()
		close(from.stay)
		synctest.Wait()
		if held := f.held.Load(); held != 0 {
			t.Errorf("%d bytes are still held", held)
		}
	})
}

func TestErrorOfTheSourceComesBehindItsBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Delay: 50 * ms}, 1)
		defer b.Close()
		to, from := b.target(), b.source(step{0, "last words"})
		from.end = errors.New("reset")
		err := b.Link(trace.Out, to, from, false).Run()
		if !errors.Is(err, from.end) || to.text() != "last words" {
			t.Errorf("Run: %v after %q", err, to.text())
		}
		if took := time.Since(b.start); took != 50*ms {
			t.Errorf("the error came after %v", took)
		}
	})
}

func TestCloseFrees(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &Faults{Delay: time.Hour, Bandwidth: 1, Cut: Trigger{OnTime: true, Time: 3 * time.Hour}}
		b := begin(f, 1)
		from := b.source(step{0, "held"})
		from.stay = make(chan struct{})
		done := make(chan error, 1)
		go func() { done <- b.Link(trace.Out, b.target(), from, false).Run() }()
		synctest.Wait()
		b.Close()
		if err := <-done; err == nil {
			t.Error("Run: nil for what was not passed on")
		}
		close(from.stay)
	})
}

func TestAffects(t *testing.T) {
	loss := &Faults{Loss: 0.1}
	for _, c := range []struct {
		name     string
		f        *Faults
		up, down bool
	}{
		{"nothing", &Faults{}, false, false},
		{"nothing one way", &Faults{Direction: Up}, false, false},
		{"both", loss, true, true},
		{"up", &Faults{Delay: 1, Direction: Up}, true, false},
		{"down", &Faults{Delay: 1, Direction: Down}, false, true},
		{"half-close", &Faults{HalfClose: Trigger{OnSize: true}}, false, true},
		{"half-close down", &Faults{HalfClose: Trigger{OnSize: true}, Direction: Down}, false, true},
		{"half-close up", &Faults{HalfClose: Trigger{OnTime: true}, Direction: Up}, true, false},
	} {
		if up, down := c.f.Affects(trace.Out), c.f.Affects(trace.In); up != c.up || down != c.down {
			t.Errorf("%s: up %v and down %v, want %v and %v", c.name, up, down, c.up, c.down)
		}
	}
	var none *Faults
	if none.Any() || none.Affects(trace.Out) || !loss.Any() {
		t.Error("Any is wrong")
	}
}

func TestWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Delay: 100 * ms}, 1)
		from := b.source(step{0, "x"})
		from.stay = make(chan struct{})
		l := b.Link(trace.Out, b.target(), from, false)
		done := make(chan error, 1)
		go func() { done <- l.Run() }()
		time.Sleep(50 * ms)
		if w := l.Waiting(); w != 0 {
			t.Errorf("waiting for %v with something under way", w)
		}
		time.Sleep(time.Second)
		if w := l.Waiting(); w != 1050*ms {
			t.Errorf("waiting for %v, want 1.05s", w)
		}
		if l.Moved() == 0 {
			t.Error("nothing has moved")
		}
		close(from.stay)
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestLargeStreamArrivesWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Delay: 5 * ms, Jitter: 5 * ms, Bandwidth: 10 << 20, Seed: 9}, 1)
		defer b.Close()
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		var to bytes.Buffer
		if err := b.Link(trace.Out, &to, bytes.NewReader(data), false).Run(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(to.Bytes(), data) {
			t.Error("the stream was changed")
		}
	})
}

// bubble runs f on a clock of its own, and lets what it started end.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t)
		time.Sleep(24 * time.Hour)
	})
}
