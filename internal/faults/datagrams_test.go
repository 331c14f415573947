package faults

import (
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

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
