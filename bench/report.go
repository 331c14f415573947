//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// report is all that a run found. Fields are added, never renamed.
type report struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Rounds  int       `json:"rounds"`
	Quick   bool      `json:"quick"`
	Machine machine   `json:"machine"`
	Noise   *noise    `json:"noise"`
	Rows    []result  `json:"rows"`
	Seconds float64   `json:"seconds"` // the whole run
}

// measure runs the rows that were asked for.
func (l *lab) measure(o options) (*report, error) {
	rows := l.asked(o)
	if len(rows) == 0 {
		return nil, errors.New("no row has such a name: " + strings.Join(l.names(), " "))
	}
	rep := &report{Version: 1, Time: time.Now(), Rounds: o.rounds, Quick: o.quick, Machine: l.machine(), Noise: newNoise()}
	progress := newProgress(os.Stderr, rows, o)
	for _, r := range rows {
		rep.Rows = append(rep.Rows, contest(r, o.rounds, func() { rep.Noise.measure(l.server) }, progress.round))
	}
	rep.Noise.end()
	rep.Seconds = time.Since(rep.Time).Seconds()
	return rep, nil
}

// asked are the rows that were asked for.
func (l *lab) asked(o options) (rows []row) {
	for _, r := range l.rows() {
		if o.only.MatchString(r.id) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (l *lab) names() (names []string) {
	for _, r := range l.rows() {
		names = append(names, r.id)
	}
	return names
}

func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s · %s · %s · %s\n%s\n", r.Time.Format(time.DateOnly), r.Machine.CPU, r.Machine.Kernel, r.Machine.Go, r.Machine.Where)
	for _, name := range slices.Sorted(maps.Keys(r.Machine.Programs)) {
		fmt.Fprintf(w, "%-8s %s\n", name, r.Machine.Programs[name])
	}
	fmt.Fprintf(w, "%s\n%d rounds in %s, order drawn for each; median, and the least and the most\n", r.Noise, r.Rounds, clock(r.Seconds))
	if r.Quick {
		fmt.Fprintln(w, "quick: a sixteenth of the work, so these figures are worth little")
	}
	fmt.Fprintln(w)
	lines := [][]string{{"work", "contestant", "median", "min–max", "sockkit/it", "target", "met", "bytes back (sockkit/it)"}}
	for _, row := range r.Rows {
		lines = append(lines, row.lines()...)
	}
	table(w, lines)
	r.targets(w)
	r.reasons(w)
}

// targets says how many were met, and which were not.
func (r *report) targets(w io.Writer) {
	met, missed := 0, []string(nil)
	for _, row := range r.Rows {
		for i, f := range row.Contestants {
			switch {
			case f.Met == nil:
			case *f.Met:
				met++
			case f.Ratio == 0:
				missed = append(missed, fmt.Sprintf("%s: %s %s, due %s", row.ID, number(f.Value), row.Unit, row.aim(i)))
			default:
				missed = append(missed, fmt.Sprintf("%s: %.2f (%.2f–%.2f) of %s, due %s", row.ID, f.Ratio, f.Least, f.Most, f.Name, row.aim(i)))
			}
		}
	}
	fmt.Fprintf(w, "\n%d targets, %d met\n", met+len(missed), met)
	for _, line := range missed {
		fmt.Fprintln(w, "missed:", line)
	}
}

// reasons says why a contestant has no figure.
func (r *report) reasons(w io.Writer) {
	fmt.Fprintln(w)
	for _, row := range r.Rows {
		for _, f := range row.Contestants {
			if f.Reason != "" {
				fmt.Fprintf(w, "%s, %s: %s\n", row.ID, f.Name, f.Reason)
			}
		}
	}
}

func (r *result) lines() (lines [][]string) {
	for i, f := range r.Contestants {
		line := []string{"", f.Name, "–", "", "", "", "", f.wire()}
		if i == 0 {
			line[0] = r.Work + ", " + r.Unit
		}
		if f.Reason == "" {
			line[2], line[3] = number(f.Value), number(f.Min)+"–"+number(f.Max)
		}
		if f.Ratio > 0 {
			line[4] = fmt.Sprintf("%.2f (%.2f–%.2f)", f.Ratio, f.Least, f.Most)
		}
		line[5], line[6] = r.aim(i), verdict(f.Met)
		lines = append(lines, line)
	}
	return lines
}

// wire is the bytes that came back for a message, in rows that count them.
func (f *figure) wire() string {
	switch {
	case f.Wire == 0:
		return ""
	case f.WireRatio == 0:
		return number(f.Wire)
	}
	return number(f.Wire) + " (" + strconv.FormatFloat(f.WireRatio, 'f', 2, 64) + ")"
}

// aim is the target that stands beside a contestant.
func (r *result) aim(i int) string {
	switch f := r.Contestants[i]; {
	case i == 0 && r.Most > 0:
		return "≤ " + number(r.Most) + " " + r.Unit
	case f.Target > 0:
		return "≤ " + strconv.FormatFloat(f.Target, 'f', 2, 64)
	}
	return ""
}

func verdict(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "yes"
	}
	return "NO"
}

// number writes three figures, and no part of a byte.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// table writes Markdown that reads as well unrendered.
func table(w io.Writer, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	for _, line := range slices.Insert(lines, 1, rule) {
		for i, cell := range line {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
	}
}
