package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/trace"
)

// page is what a lesson is written on. It keeps the first error of its writer,
// after which it writes no more.
type page struct {
	w      io.Writer
	color  bool
	width  int
	height int          // of the screen; 0 where there is none
	full   func() error // gives the reader time before the screen is scrolled
	lines  int          // on the screen since the reader had time
	normal func(string) string
	err    error
}

// The widths of a page. Longer lines are harder to read, not easier.
const (
	mostColumns  = 80
	leastColumns = 40
)

func newPage(w io.Writer, o Options) *page {
	p := &page{w: w, color: o.Color, width: o.Width, height: o.Height, normal: o.normal}
	if p.width == 0 {
		p.width = mostColumns
	}
	p.width = max(leastColumns, min(p.width, mostColumns))
	if p.normal == nil {
		p.normal = func(s string) string { return s }
	}
	return p
}

// print writes what belongs together. Where the screen has no room left for it
// the reader is given time first; a line is left for the question.
func (p *page) print(s string) {
	n := strings.Count(s, "\n")
	if p.err == nil && p.full != nil && p.height > 0 && p.lines > 0 && p.lines+n >= p.height {
		p.err = p.full()
	}
	if p.err == nil {
		p.lines += n
		_, p.err = io.WriteString(p.w, s)
	}
}

// rested implements [teller].
func (p *page) rested() { p.lines = 0 }

// failure implements [teller].
func (p *page) failure() error { return p.err }

const (
	bold  = "\x1b[1m"
	dim   = "\x1b[90m"
	plain = "\x1b[0m"
)

func (p *page) paint(style, s string) string {
	if !p.color {
		return s
	}
	return style + s + plain
}

// title begins a part of the lesson: a line across the page.
func (p *page) title(s string) {
	lines := wrap(s, p.width-5)
	rest := max(0, p.width-utf8.RuneCountInString(lines[len(lines)-1])-4)
	for i := range lines {
		lines[i] = p.paint(bold, lines[i])
	}
	p.print(p.paint(dim, "──") + " " + strings.Join(lines, "\n   ") + " " + p.paint(dim, strings.Repeat("─", rest)) + "\n\n")
}

// text writes paragraphs, each with an empty line behind it.
func (p *page) text(s string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		lines := wrap(p.normal(strings.Join(strings.Fields(paragraph), " ")), p.width)
		p.print(p.terms(strings.Join(lines, "\n")) + "\n\n")
	}
}

// terms sets what stands in braces in bold.
func (p *page) terms(s string) string {
	on, off := "", ""
	if p.color {
		on, off = bold, plain
	}
	return strings.NewReplacer("{", on, "}", off).Replace(s)
}

// commands writes command lines as they are, however long.
func (p *page) commands(lines []string) {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("  " + p.paint(bold, line) + "\n")
	}
	p.print(b.String() + "\n")
}

// wrap breaks s between words into lines of at most width columns, in which
// braces take no room. A longer word has a line of its own.
func wrap(s string, width int) []string {
	var lines []string
	var line strings.Builder
	used := 0
	for word := range strings.FieldsSeq(s) {
		n := utf8.RuneCountInString(word) - strings.Count(word, "{") - strings.Count(word, "}")
		if used > 0 && used+1+n > width {
			lines = append(lines, line.String())
			line.Reset()
			used = 0
		}
		if used > 0 {
			line.WriteByte(' ')
			used++
		}
		line.WriteString(word)
		used += n
	}
	return append(lines, line.String())
}

// indent stands in front of the trace.
const indent = "  "

// records shows a piece of the trace, with an empty line behind it.
func (p *page) records(list []entry) {
	names := 0
	list = slices.DeleteFunc(slices.Clone(list), func(e entry) bool { return isOpening(e, list) })
	for _, e := range list {
		names = max(names, utf8.RuneCountInString(e.who))
	}
	b := &block{page: p, names: names}
	for len(list) > 0 {
		n := alike(list)
		if n <= mostAlike {
			n = 1
			b.record(list[0])
		} else {
			b.many(list[:n])
		}
		list = list[n:]
	}
	p.print(b.String() + "\n")
}

// block is a piece of the trace as text.
type block struct {
	strings.Builder
	page  *page
	names int // the columns that the longest name takes
}

// isOpening reports whether e is an attempt to connect that has come to
// something: the line that says so says it all.
func isOpening(e entry, list []entry) bool {
	attempt, ok := e.Event.(trace.Attempt)
	return ok && slices.ContainsFunc(list, func(other entry) bool {
		open, ok := other.Event.(trace.Open)
		return ok && other.who == e.who && open.Remote == attempt.Address
	})
}

// mostAlike is how many sendings, or receivings, in a row are shown each.
const mostAlike = 4

// alike counts the entries at the beginning of list in which one side sends, or
// receives, one piece after the other.
func alike(list []entry) int {
	first, _, ok := moved(list[0])
	for i, e := range list {
		if way, _, also := moved(e); i > 0 && (!ok || !also || way != first || e.who != list[0].who) {
			return i
		}
	}
	return len(list)
}

// moved returns the way of an entry that is bytes sent or received, and how
// many.
func moved(e entry) (way trace.Dir, size int, ok bool) {
	switch e := e.Event.(type) {
	case trace.Data:
		return e.Dir, e.Size, true
	case trace.Datagram:
		return e.Dir, e.Size, true
	}
	return trace.None, 0, false
}

// many shows the first and the last of a long row of entries, and counts those
// between them.
func (b *block) many(list []entry) {
	b.record(list[0])
	between := list[1 : len(list)-1]
	total := 0
	way, _, _ := moved(list[0])
	for _, e := range between {
		_, size, _ := moved(e)
		total += size
	}
	b.line(list[0].who, way, fmt.Sprintf("… %d more of these lines, %d bytes …", len(between), total))
	b.record(list[len(list)-1])
}

func (b *block) record(e entry) {
	dir, lines := linesOf(clipped(e.Event))
	for _, line := range lines {
		if isClipped(e.Event) {
			line += "…"
		}
		b.line(e.who, dir, line)
	}
}

// linesOf is an event as text. Bytes of the wire stand in a row, which can be
// folded anywhere.
func linesOf(e trace.Event) (trace.Dir, []string) {
	if wire, ok := e.(trace.Bytes); ok {
		return wire.Dir, []string{fmt.Sprintf("on the wire: % x", wire.Payload)}
	}
	return render.Lines(e)
}

// line writes one line of the trace; what does not fit goes on below, behind
// the mark.
func (b *block) line(who string, dir trace.Dir, text string) {
	p := b.page
	pad := strings.Repeat(" ", b.names-utf8.RuneCountInString(who))
	head := indent + who + pad + " " + render.Mark(dir) + " "
	room := max(p.width-utf8.RuneCountInString(head), leastColumns/2)
	for i, part := range fold(p.normal(text), room) {
		if i > 0 {
			head = strings.Repeat(" ", utf8.RuneCountInString(head))
		}
		if p.color && part != "" {
			part = render.Paint(dir, part)
		}
		b.WriteString(strings.TrimRight(head+part, " ") + "\n")
	}
}

// fold breaks a line of the trace, in which every space counts.
func fold(s string, width int) []string {
	var lines []string
	for utf8.RuneCountInString(s) > width {
		cut := len(string([]rune(s)[:width+1]))
		at := strings.LastIndexByte(s[:cut], ' ')
		if at <= 0 {
			at = cut - 1
			for !utf8.RuneStart(s[at]) {
				at--
			}
			lines, s = append(lines, s[:at]), s[at:]
			continue
		}
		lines, s = append(lines, s[:at]), s[at+1:]
	}
	return append(lines, s)
}

// mostPayload is how many bytes of a payload are shown, and clipPayload how
// many of a longer one.
const (
	mostPayload = 48
	clipPayload = 10
)

func payloadOf(e trace.Event) []byte {
	switch e := e.(type) {
	case trace.Data:
		return e.Payload
	case trace.Datagram:
		return e.Payload
	}
	return nil
}

// isClipped reports whether more passed than is shown. What a truncated
// datagram has left is shown whole.
func isClipped(e trace.Event) bool { return len(payloadOf(e)) > mostPayload }

// clipped is e with no more of its payload than is shown.
func clipped(e trace.Event) trace.Event {
	if !isClipped(e) {
		return e
	}
	switch e := e.(type) {
	case trace.Data:
		e.Payload = e.Payload[:clipPayload]
		return e
	case trace.Datagram:
		e.Payload = e.Payload[:clipPayload]
		return e
	}
	return e
}
