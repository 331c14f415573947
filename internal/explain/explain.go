// Package explain puts an opening handshake into words: both heads with the
// lines that are wrong marked, each rule that was broken, whose fault it is and
// what to change, and the likely causes of a refusal. It is written for people
// who have never read the RFC.
//
// All of it is pure: an exchange goes in, and lines of text come out. Nothing
// of what a peer said can do harm to a terminal, and credentials are hidden
// unless they are asked for.
package explain

import (
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
)

// Options say how it is shown.
type Options struct {
	Width       int // columns; 0 is 80, and more than 100 is 100
	Color       bool
	ShowSecrets bool
}

// The widths of a page. Longer lines are harder to read, not easier.
const (
	usualWidth = 80
	mostWidth  = 100
	leastWidth = 40
)

// page is what is being written.
type page struct {
	Options
	lines []string
}

func newPage(o Options) *page {
	if o.Width == 0 {
		o.Width = usualWidth
	}
	o.Width = max(leastWidth, min(o.Width, mostWidth))
	return &page{Options: o}
}

// The ANSI codes that are used. The words say the same without them.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "90"
)

func (p *page) paint(code, s string) string {
	if !p.Color || s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *page) line(s string) { p.lines = append(p.lines, strings.TrimRight(s, " ")) }

// gap parts what stands above from what comes.
func (p *page) gap() {
	if n := len(p.lines); n > 0 && p.lines[n-1] != "" {
		p.lines = append(p.lines, "")
	}
}

// text writes a text behind a first piece; what does not fit goes on below,
// indented so far. The color is that of the text.
func (p *page) text(first, color, text string, indent int) {
	room := max(p.Width-indent, leastWidth/2)
	for i, part := range wrap(text, room) {
		if i > 0 {
			first = strings.Repeat(" ", indent)
		}
		p.line(first + p.paint(color, part))
	}
}

// labelled writes a text behind its label, inside a block that is indented so
// far.
func (p *page) labelled(indent int, label, text string) {
	const column = 8
	first := strings.Repeat(" ", indent) + p.paint(dim, label) + strings.Repeat(" ", column-len(label))
	p.text(first, "", text, indent+column)
}

// wrap breaks text between words. A longer word has a line of its own.
func wrap(text string, room int) (lines []string) {
	line, used := "", 0
	for _, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > room {
			lines = append(lines, line)
			line, used = "", 0
		}
		if line != "" || used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}

// safe is what a peer said, fit to be shown.
func (p *page) safe(b []byte) string {
	if !p.ShowSecrets {
		b = render.Mask(b)
	}
	return render.Printable(string(b))
}

// quoted hides credentials in words that quote a peer.
func (p *page) quoted(s string) string {
	if p.ShowSecrets {
		return s
	}
	return render.MaskText(s)
}
