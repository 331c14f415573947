//go:build linux

package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
)

// figures returns a turn that gives one value after the other.
func figures(values ...float64) func() (float64, error) {
	return func() (float64, error) {
		v := values[0]
		values = values[1:]
		return v, nil
	}
}

func TestContest(t *testing.T) {
	broken := errors.New("broken")
	r := contest(row{id: "x", most: 2, contestants: []contestant{
		{name: "sockkit", turn: figures(1, 9, 3)},
		{name: "beaten", target: 0.6, turn: figures(4, 6, 5)},
		{name: "not beaten", target: 0.5, turn: figures(5, 5, 5)},
		{name: "absent", missing: "not installed"},
		{name: "wrong", check: func() error { return broken }},
		{name: "failing", turn: func() (float64, error) { return 0, broken }},
	}}, 3, func() {}, untold)

	if ours := r.Contestants[0]; ours.Value != 3 || ours.Min != 1 || ours.Max != 9 || *ours.Met {
		t.Errorf("sockkit: %+v", ours)
	}
	if f := r.Contestants[1]; f.Ratio != 0.6 || !*f.Met || f.Least != 0.25 || f.Most != 1.5 {
		t.Errorf("3 by 5 is at most 0.6, 1 by 4 the least of the rounds, 9 by 6 the most: %+v", f)
	}
	if f := r.Contestants[2]; f.Ratio != 0.6 || *f.Met {
		t.Errorf("3 by 5 is more than 0.5: %+v", f)
	}
	for i, reason := range map[int]string{3: "not installed", 4: "broken", 5: "broken"} {
		if f := r.Contestants[i]; f.Reason != reason || f.Value != 0 || f.Ratio != 0 {
			t.Errorf("no figure, and the reason %q: %+v", reason, f)
		}
	}
}

func TestBestOfAll(t *testing.T) {
	r := contest(row{best: true, most: 2, contestants: []contestant{{turn: figures(4, 2, 3)}}}, 3, func() {}, untold)
	if ours := r.Contestants[0]; ours.Value != 2 || !*ours.Met {
		t.Errorf("the best of three is 2: %+v", ours)
	}
}

// Bytes on the wire are held against those of the best of the contestants that
// have a target, and of no other.
func TestBytesOnTheWire(t *testing.T) {
	wire := func(bytes float64) *float64 { return &bytes }
	for ours, want := range map[float64]bool{105: true, 106: false} {
		r := contest(row{mostWire: 1.05, contestants: []contestant{
			{name: "sockkit", wire: wire(ours), turn: figures(1)},
			{name: "second", target: 0.9, wire: wire(50), turn: figures(5)},
			{name: "best", target: 0.9, wire: wire(100), turn: figures(4)},
			{name: "no target", wire: wire(50), turn: figures(2)},
			{name: "says nothing", turn: figures(2)},
		}}, 1, func() {}, untold)
		if f := r.Contestants[2]; *f.Met != want || f.WireRatio != ours/100 {
			t.Errorf("%v bytes against 100: %+v", ours, f)
		}
		if f := r.Contestants[1]; !*f.Met || f.WireRatio != ours/50 {
			t.Errorf("the second is not held against: %+v", f)
		}
		if f := r.Contestants[3]; f.Met != nil || f.WireRatio == 0 {
			t.Errorf("who has no target meets none: %+v", f)
		}
	}
}

// A turn that fails once is tried again: a free port can be taken meanwhile.
func TestTurnIsTriedTwice(t *testing.T) {
	tries := 0
	r := contest(row{contestants: []contestant{{turn: func() (float64, error) {
		if tries++; tries == 1 {
			return 0, errors.New("address in use")
		}
		return 1, nil
	}}}}, 1, func() {}, untold)
	if f := r.Contestants[0]; f.Reason != "" || f.Value != 1 {
		t.Errorf("%+v", f)
	}
}

func TestTable(t *testing.T) {
	met := false
	rep := report{Noise: newNoise(), Rounds: 1, Rows: []result{{ID: "x", Work: "echo", Unit: "µs", Most: 2, Contestants: []figure{
		{Name: "sockkit", Value: 3, Min: 3, Max: 3, Met: &met},
		{Name: "socat", Value: 12.34, Min: 12, Max: 120, Ratio: 0.243, Least: 0.2, Most: 0.25, Wire: 410, WireRatio: 1.1},
		{Name: "ncat", Reason: "ncat is not installed"},
	}}}}
	rep.Noise.end()
	var out strings.Builder
	rep.print(&out)
	for _, want := range []string{
		"| echo, µs | sockkit    | 3.00   | 3.00–3.00 |                  | ≤ 2.00 µs | NO  |                         |\n",
		"|          | socat      | 12.3   | 12.0–120  | 0.24 (0.20–0.25) |           |     | 410 (1.10)              |\n",
		"|          | ncat       | –      |           |                  |           |     |                         |\n",
		"\n1 targets, 0 met\nmissed: x: 3.00 µs, due ≤ 2.00 µs\n",
		"x, ncat: ncat is not installed\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
}

func untold(row, int, float64) {}

// What cannot be installed stands by what it takes of another's time.
func TestDerived(t *testing.T) {
	r := contest(row{contestants: []contestant{
		{name: "sockkit", turn: figures(3, 4)},
		{name: "gws", turn: figures(8, 10)},
		{name: "uWebSockets", like: "gws", times: 0.5, target: 1},
		{name: "another", like: "absent", times: 0.5, target: 1},
	}}, 2, func() {}, untold)
	if f := r.Contestants[2]; f.Value != 4.5 || f.Met == nil || !*f.Met || f.Least != 0.75 {
		t.Errorf("half of gws: %+v", f)
	}
	if f := r.Contestants[3]; f.Value != 0 || f.Met != nil {
		t.Errorf("like nobody: %+v", f)
	}
}

// A run says what it may take, and corrects that by what it takes.
func TestProgress(t *testing.T) {
	defer func(before map[string]float64) { roundSeconds = before }(roundSeconds)
	roundSeconds = map[string]float64{"a": 10, "b": 20}
	var said strings.Builder
	rows := []row{{id: "a"}, {id: "b"}}
	p := newProgress(&said, rows, options{rounds: 2})
	p.round(rows[0], 1, 20)
	p.round(rows[0], 2, 20)
	p.round(rows[1], 1, 20)
	want := `2 rows, 2 rounds each: about 60 s on a quiet machine
row 1 of 2, a: round 1 of 2, about 2 min left
row 1 of 2, a: round 2 of 2, about 80 s left
row 2 of 2, b: round 1 of 2, about 30 s left
`
	if said.String() != want {
		t.Errorf("%s", said.String())
	}
}

// Each row has its time and stands in README.md.
func TestRows(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{missing: map[string]string{}, work: 1}
	total, rows := 0.0, l.rows()
	for _, r := range rows {
		if roundSeconds[r.id] == 0 {
			t.Errorf("no time for %s", r.id)
		}
		if !regexp.MustCompile(`[ ,]` + r.id + `[ ,]`).Match(readme) {
			t.Errorf("README.md does not name %s", r.id)
		}
		total += 5 * roundSeconds[r.id]
	}
	if len(rows) != len(roundSeconds) || total > 25*60 {
		t.Errorf("%d rows, %d times; five rounds take %.0f s", len(rows), len(roundSeconds), total)
	}
}
