package faults

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

func bytesOf(n int64) Trigger       { return Trigger{OnSize: true, Size: n} }
func after(d time.Duration) Trigger { return Trigger{OnTime: true, Time: d} }
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestCutAfterBytesOfBothDirections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Cut: bytesOf(1000)}, 1)
		defer b.Close()
		up, down := b.target(), b.target()
		tick := func(int) string { return strings.Repeat("x", 7) }
		ends := make(chan error, 2)
		go func() { ends <- b.Link(trace.Out, up, b.source(every(500, ms, tick)...), false).Run() }()
		go func() { ends <- b.Link(trace.In, down, b.source(every(500, ms, tick)...), false).Run() }()
		for range 2 {
			if err := <-ends; !errors.Is(err, ErrCut) {
				t.Errorf("Run: %v, want ErrCut", err)
			}
		}
		if got := len(up.text()) + len(down.text()); got != 1000 {
			t.Errorf("%d bytes passed before the cut, want 1000", got)
		}
		if !isClosed(b.Cut()) || !b.CutBySize() {
			t.Error("the cut is not known")
		}
		if kinds := b.kinds(); !slices.Equal(kinds, []string{"cut-after"}) {
			t.Errorf("reported %v", kinds)
		}
	})
}

func TestCutCountsOnlyWhatSuffers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Cut: bytesOf(10), Direction: Up}, 1)
		defer b.Close()
		down, up := b.target(), b.target()
		if err := b.Link(trace.In, down, b.source(step{0, strings.Repeat("x", 100)}), false).Run(); err != nil {
			t.Error(err)
		}
		if isClosed(b.Cut()) {
			t.Fatal("it was cut by bytes of the other direction")
		}
		if err := b.Link(trace.Out, up, b.source(step{0, strings.Repeat("x", 100)}), false).Run(); err != ErrCut {
			t.Errorf("Run: %v", err)
		}
		if len(up.text()) != 10 || len(down.text()) != 100 {
			t.Errorf("%d bytes up and %d down", len(up.text()), len(down.text()))
		}
	})
}

func TestCutAfterTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Cut: after(2 * time.Second), Delay: 500 * ms}, 1)
		defer b.Close()
		to := b.target()
		err := b.Link(trace.Out, to, b.source(every(10, 400*ms, numbered)...), false).Run()
		if err != ErrCut || time.Since(b.start) != 2*time.Second {
			t.Errorf("Run: %v after %v", err, time.Since(b.start))
		}
		if want := "0;1;2;3;"; to.text() != want { // 0.5, 0.9, 1.3 and 1.7 s
			t.Errorf("passed %q, want %q", to.text(), want)
		}
		if b.CutBySize() {
			t.Error("said to be cut by size")
		}
	})
}

func TestCutAtOnce(t *testing.T) {
	for _, trigger := range []Trigger{bytesOf(0), after(0)} {
		bubble(t, func(t *testing.T) {
			b := begin(&Faults{Cut: trigger}, 1)
			defer b.Close()
			synctest.Wait()
			if !isClosed(b.Cut()) {
				t.Error("not cut")
			}
			to := b.target()
			if err := b.Link(trace.Out, to, b.source(step{0, "x"}), false).Run(); err != ErrCut || to.text() != "" {
				t.Errorf("Run: %v with %q", err, to.text())
			}
		})
	}
}

func TestTriggerOfBothIsTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Cut: Trigger{OnSize: true, Size: 3, OnTime: true, Time: time.Minute}}, 1)
		defer b.Close()
		to := b.target()
		if err := b.Link(trace.Out, to, b.source(step{0, "abcdef"}), false).Run(); err != ErrCut || to.text() != "abc" {
			t.Errorf("Run: %v with %q", err, to.text())
		}
		time.Sleep(time.Hour)
		if kinds := b.kinds(); len(kinds) != 1 {
			t.Errorf("reported %v", kinds)
		}
	})
}

func TestCutOfDatagramsIsBetweenThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Cut: bytesOf(10)}, 1)
		defer b.Close()
		to := b.target()
		from := b.source(step{0, "1234"}, step{0, "5678"}, step{0, "9abc"})
		if err := b.Link(trace.Out, to, from, true).Run(); err != ErrCut {
			t.Errorf("Run: %v", err)
		}
		if got := to.pieces(); !slices.Equal(got, []string{"1234", "5678"}) {
			t.Errorf("passed %q", got)
		}
	})
}

func TestStall(t *testing.T) {
	for name, c := range map[string]struct {
		trigger Trigger
		want    string
	}{
		"size": {bytesOf(5), "0;1;2"},
		"time": {after(25 * ms), "0;1;2;"},
	} {
		bubble(t, func(t *testing.T) {
			b := begin(&Faults{Stall: c.trigger}, 1)
			defer b.Close()
			to, from := b.target(), b.source(every(20, 10*ms, numbered)...)
			from.stay = make(chan struct{})
			done := make(chan error, 1)
			go func() { done <- b.Link(trace.Out, to, from, false).Run() }()
			time.Sleep(time.Hour)
			select {
			case err := <-done:
				t.Fatalf("%s: Run ended: %v", name, err)
			default:
			}
			if to.text() != c.want {
				t.Errorf("%s: passed %q, want %q", name, to.text(), c.want)
			}
			close(from.stay)
			if err := <-done; err != ErrStalled {
				t.Errorf("%s: Run: %v, want ErrStalled", name, err)
			}
			if kinds := b.kinds(); !slices.Equal(kinds, []string{"stall-after"}) {
				t.Errorf("%s: reported %v", name, kinds)
			}
		})
	}
}

func TestStalledSourceThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Stall: bytesOf(0)}, 1)
		defer b.Close()
		from := b.source(step{time.Second, "x"})
		from.end = errors.New("reset")
		if err := b.Link(trace.Out, b.target(), from, false).Run(); !errors.Is(err, from.end) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestStalledIsCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{Stall: bytesOf(1), Cut: after(time.Minute)}, 1)
		defer b.Close()
		from := b.source(step{0, "xy"})
		from.stay = make(chan struct{})
		if err := b.Link(trace.Out, b.target(), from, false).Run(); err != ErrCut || time.Since(b.start) != time.Minute {
			t.Errorf("Run: %v after %v", err, time.Since(b.start))
		}
		close(from.stay)
	})
}

func TestHalfClose(t *testing.T) {
	for name, c := range map[string]struct {
		trigger Trigger
		want    string
		at      time.Duration
	}{
		"size": {bytesOf(5), "0;1;2", 20 * ms},
		"time": {after(25 * ms), "0;1;2;", 25 * ms},
	} {
		bubble(t, func(t *testing.T) {
			b := begin(&Faults{HalfClose: c.trigger}, 1)
			defer b.Close()
			to, from := b.target(), b.source(every(20, 10*ms, numbered)...)
			l := b.Link(trace.In, to, from, false)
			if err := l.Run(); err != nil {
				t.Fatalf("%s: Run: %v", name, err)
			}
			if at := time.Since(b.start); at != c.at || to.text() != c.want {
				t.Errorf("%s: %q after %v, want %q after %v", name, to.text(), at, c.want, c.at)
			}
			if err := l.Drain(); err != nil || time.Since(b.start) != 190*ms {
				t.Errorf("%s: Drain: %v after %v", name, err, time.Since(b.start))
			}
			if to.text() != c.want {
				t.Errorf("%s: bytes came after the end", name)
			}
			// The other direction is whole.
			up := b.target()
			if err := b.Link(trace.Out, up, &source{steps: []step{{0, "still here"}}}, false).Run(); err != nil || up.text() != "still here" {
				t.Errorf("%s: the other way: %v, %q", name, err, up.text())
			}
		})
	}
}

func TestHalfCloseAfterTheEndDoesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(&Faults{HalfClose: bytesOf(100)}, 1)
		defer b.Close()
		to := b.target()
		l := b.Link(trace.In, to, b.source(step{0, "short"}), false)
		if err := errors.Join(l.Run(), l.Drain()); err != nil || to.text() != "short" {
			t.Errorf("%v with %q", err, to.text())
		}
	})
}
