package inspect

import (
	"strings"
	"unicode/utf8"
)

// TextOptions say how a report is shown to people.
type TextOptions struct {
	Width int  // columns to wrap lines to; 0: lines are not wrapped
	Color bool // with ANSI colors
}

// labelWidth is the column that the text of a section begins in.
const labelWidth = 13

// leastWidth is the narrowest page that is worth wrapping for.
const leastWidth = 40

// leastRoom is the least that a line that goes on is given.
const leastRoom = 16

// page is a report being written: sections with a label in the left column.
type page struct {
	strings.Builder
	o     TextOptions
	label string // of the section that begins with the next line

	numbered bool // the findings of the opening handshake have numbers
}

// The ANSI codes that are used.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "90"
)

// paint colors s, if there are colors.
func (p *page) paint(code, s string) string {
	if !p.o.Color || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// section begins a section. It is shown once it has a line.
func (p *page) section(label string) { p.label = label }

// line writes a line of a section; what does not fit goes on below, indented by
// hang columns more.
func (p *page) line(text string, hang int) {
	label := p.paint(bold, p.label) + strings.Repeat(" ", max(labelWidth-width(p.label), 1))
	p.label = ""
	for i, part := range wrap(text, p.room(), hang) {
		if i > 0 {
			label = strings.Repeat(" ", labelWidth+hang)
		}
		p.WriteString(strings.TrimRight(label+part, " "))
		p.WriteByte('\n')
	}
}

// lines writes lines of a section, but for empty ones.
func (p *page) lines(list ...string) {
	for _, text := range list {
		if text != "" {
			p.line(text, 2)
		}
	}
}

func (p *page) room() int {
	if p.o.Width == 0 {
		return 0
	}
	return max(p.o.Width, leastWidth) - labelWidth
}

// wrap breaks text between words so that each line has room columns, and all
// but the first hang fewer. It breaks behind a comma or a semicolon where that
// leaves half a line. A word that is longer stays whole. Room 0 is no bound.
func wrap(text string, room, hang int) []string {
	var lines []string
	for room > 0 && width(text) > room {
		at := breakAt(text, room)
		if at < 0 {
			break
		}
		lines = append(lines, text[:at])
		text = text[at+1:]
		if len(lines) == 1 {
			room = max(room-hang, leastRoom)
		}
	}
	return append(lines, text)
}

// breakAt returns the index of the space to break text at; -1 where there is
// none.
func breakAt(text string, room int) int {
	last, clause := -1, -1
	for i := range len(text) {
		if text[i] != ' ' {
			continue
		}
		used := width(text[:i])
		if used > room && last >= 0 {
			break
		}
		last = i
		if i > 0 && (text[i-1] == ',' || text[i-1] == ';') && used*2 >= room {
			clause = i
		}
		if used > room {
			break
		}
	}
	if clause >= 0 && width(text[:clause]) <= room {
		return clause
	}
	return last
}

// width is the number of columns of s, without its colors.
func width(s string) int {
	n := 0
	for {
		before, rest, ok := strings.Cut(s, "\x1b[")
		n += utf8.RuneCountInString(before)
		if !ok {
			return n
		}
		_, s, _ = strings.Cut(rest, "m")
	}
}

// pad fills s up with spaces to n columns.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(n-width(s), 0)) }

// sentence joins the parts that are not empty.
func sentence(separator string, parts ...string) string {
	kept := parts[:0]
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, separator)
}
