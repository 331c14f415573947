package faults

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

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
