package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/handshake"
)

// TextOptions say how a report is shown.
type TextOptions struct {
	Width int // columns; 0 is 80, and more than 100 is 100
	Color bool
	All   bool // each probe, those that passed too
}

// The ANSI codes that are used. The words say the same without them.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "90"
)

// page is what is being written.
type page struct {
	TextOptions
	lines []string
}

func (p *page) paint(code, s string) string {
	if !p.Color || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *page) gap() { p.lines = append(p.lines, "") }

// text writes a text behind its first piece, the rest of it indented below.
func (p *page) text(first, color, text string, indent int) {
	line, column, begun := first, visible(first), false
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if begun && column+1+n > p.Width {
			p.lines = append(p.lines, line)
			line, column, begun = strings.Repeat(" ", indent), indent, false
		}
		if begun {
			line, column = line+" ", column+1
		}
		line, column, begun = line+p.paint(color, word), column+n, true
	}
	p.lines = append(p.lines, strings.TrimRight(line, " "))
}

// visible is how many columns a text takes, without its colors.
func visible(s string) (n int) {
	for {
		before, after, ok := strings.Cut(s, "\x1b[")
		if n += utf8.RuneCountInString(before); !ok {
			return n
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

// Lines is the report for people.
func (r *Report) Lines(o TextOptions) []string {
	if o.Width <= 0 {
		o.Width = 80
	}
	o.Width = max(40, min(o.Width, 100))
	p := &page{TextOptions: o}
	p.heading(r)
	for i, row := range r.Findings() {
		p.gap()
		p.finding(i+1, row)
	}
	for _, part := range []struct {
		title string
		kind  Kind
	}{
		{"Asked again, and answered otherwise:", Flaky}, {"Worth knowing; nothing is broken:", Note},
		{"Not decided:", Undecided}, {"Not asked:", Skipped},
	} {
		p.section(r, part.title, part.kind)
	}
	p.known(r)
	if o.All {
		p.passed(r)
	}
	return p.lines
}

func (p *page) heading(r *Report) {
	s, color := r.Summary, green
	switch {
	case s.Weighty > 0 || !r.Survived:
		color = red
	case s.Findings > 0:
		color = yellow
	}
	p.text("", color, r.Sentence(), 0)
	if r.Peer != "" {
		p.text("", dim, "It calls itself "+r.Peer+".", 0)
	}
	if !r.Survived {
		p.text("", red, "A right request is not upgraded any more: one of the probes has harmed the server, or it turns us away by now.", 0)
	}
}

// Sentence is what the audit comes to.
func (r *Report) Sentence() string {
	s := r.Summary
	text := fmt.Sprintf("%s: %s", r.Target, plural(s.Findings, "finding"))
	if s.Findings == 0 {
		text = r.Target + ": no finding"
	} else if s.Weighty > 0 {
		text += fmt.Sprintf(" (%d of a MUST or of safety)", s.Weighty)
	}
	text += fmt.Sprintf(" from %s; %d passed", plural(s.Asked, "probe"), s.Passed)
	for _, part := range []struct {
		n    int
		what string
	}{{s.Notes, "with a note"}, {s.Known, "known"}, {s.Flaky, "flaky"}, {s.Undecided, "not decided"}, {s.Skipped, "not asked"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return text + "."
}

func (p *page) finding(n int, row *Row) {
	color := yellow
	if row.Weighty {
		color = red
	}
	mark := fmt.Sprintf("[%d] ", n)
	p.text(p.paint(color, mark), color, fmt.Sprintf("%s (%s): %s", row.ID, weight(row), row.Clause), len(mark))
	for _, part := range []struct{ label, text string }{
		{"sent", row.Sent}, {"due", row.Due}, {"came", row.Says()}, {"why", row.Why}, {"mend", row.Mend},
	} {
		if part.text != "" {
			label := "    " + p.paint(dim, part.label) + strings.Repeat(" ", 6-len(part.label))
			p.text(label, "", part.text, 10)
		}
	}
}

// weight is how binding it is, and what it is about.
func weight(row *Row) string {
	if row.Group == Safety && row.Binding != handshake.Must {
		return "safety, by " + string(row.Binding)
	}
	return string(row.Group) + ", " + string(row.Binding)
}

// Says is what came, and the word about it.
func (r *Row) Says() string {
	switch {
	case r.Text == "":
		return r.Came
	case r.Came == "" || strings.Contains(r.Text, r.Came):
		return r.Text
	}
	return r.Came + " (" + r.Text + ")"
}

func (p *page) section(r *Report, title string, kind Kind) {
	first, alike := true, map[string][]string{}
	for i := range r.Probes {
		row := &r.Probes[i]
		if row.Verdict != kind {
			continue
		}
		if first {
			p.gap()
			p.lines = append(p.lines, title)
		}
		first = false
		if kind != Skipped && kind != Undecided {
			p.text("  "+p.paint(dim, row.ID)+" ", "", row.Sent+": "+row.Says(), 4)
			continue
		}
		alike[row.Text] = append(alike[row.Text], row.ID)
	}
	for _, why := range slices.Sorted(maps.Keys(alike)) {
		p.text("  ", "", why+": "+strings.Join(alike[why], ", "), 4)
	}
}

func (p *page) known(r *Report) {
	var ids []string
	for i := range r.Probes {
		if r.Probes[i].Known {
			ids = append(ids, r.Probes[i].ID)
		}
	}
	if len(ids) > 0 {
		p.gap()
		p.text("", "", "Known by the baseline: "+strings.Join(ids, ", ")+".", 2)
	}
}

func (p *page) passed(r *Report) {
	p.gap()
	p.lines = append(p.lines, "Passed:")
	for i := range r.Probes {
		if row := &r.Probes[i]; row.Verdict == Pass {
			p.text("  "+p.paint(dim, row.ID)+" ", "", row.Sent+": "+row.Came, 4)
		}
	}
}

// List is what --dry-run prints: what would be sent, and what is due.
func List(probes []*Probe) (lines []string) {
	for _, p := range probes {
		lines = append(lines, fmt.Sprintf("%-24s %-11s %-8s %s: %s", p.ID, p.Group, p.Binding, p.Clause, p.Sends))
	}
	return lines
}

// Bytes are what the probe sends to a target, each time with another key.
func (p *Probe) Bytes(t *Target) []byte { return t.wire(p) }
