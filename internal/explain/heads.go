package explain

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
)

// Bounds of what is shown of an exchange.
const (
	mostLines    = 40  // of a head; those that are wrong are always shown
	mostColumns  = 300 // of one line
	mostForeign  = 64  // bytes of what is no HTTP
	mostBody     = 1024
	mostBodyRows = 12
)

// Heads shows both heads as curl -v does, > what the client sent and < what the
// server sent, with the number of each finding in front of the lines that it is
// about. A header that is missing has a line that says so.
func Heads(x *handshake.Exchange, findings []handshake.Finding, o Options) []string {
	p := newPage(o)
	p.heads(x, told(findings))
	return p.lines
}

func (p *page) heads(x *handshake.Exchange, findings []handshake.Finding) {
	p.head(x.Request, "> ", handshake.InRequest, findings)
	p.behind("> ", x.Early, handshake.InRequest, findings)
	p.head(x.Response, "< ", handshake.InResponse, findings)
	if x.Response != nil && x.Response.Status == 101 {
		p.behind("< ", x.Body, handshake.InResponse, findings)
	}
}

// told are the findings that have a number: all but what calls a refusal by its
// name, which is told apart.
func told(findings []handshake.Finding) (list []handshake.Finding) {
	for _, f := range findings {
		if !isName(f) {
			list = append(list, f)
		}
	}
	return list
}

// isName reports whether a finding only says what kind of refusal it is.
func isName(f handshake.Finding) bool {
	return f.Part == handshake.InRefusal && f.Level == handshake.Note
}

// head shows one head.
func (p *page) head(h *handshake.Head, sign string, part handshake.Part, findings []handshake.Finding) {
	if h == nil {
		return
	}
	b := wire(h)
	if len(b) == 0 {
		p.marked(p.numbers(part, findings, place{}.whole), sign, "(nothing came)")
		return
	}
	if h.Status == 0 && len(h.Fields()) == 0 && handshake.Sniff(b) != "" {
		p.foreign(b, sign, p.numbers(part, findings, place{}.whole))
		return
	}
	p.headLines(lines(b), sign, part, findings)
}

// whole holds of a place that is the head as a whole.
func (place) whole(at place) bool {
	return !at.first && at.fields == nil && at.form == nil && !at.end && !at.behind
}

func (p *page) headLines(head []string, sign string, part handshake.Part, findings []handshake.Finding) {
	hidden, last := 0, len(head)-1
	ends := trimEnd(head[last]) == "" && last > firstLine(head)
	for i, line := range head {
		marks := p.numbers(part, findings, func(at place) bool { return at.at(head, i) })
		if i == last && ends {
			p.missing(head, sign, part, findings)
		}
		if i >= mostLines && len(marks) == 0 && i < last {
			hidden++
			continue
		}
		p.hidden(&hidden, sign)
		p.marked(marks, sign, p.headLine(line))
	}
	if !ends {
		p.missing(head, sign, part, findings)
		if marks := p.numbers(part, findings, func(at place) bool { return at.end }); len(marks) > 0 {
			p.marked(marks, sign, "(it breaks off here)")
		}
	}
}

func (p *page) hidden(n *int, sign string) {
	if *n > 0 {
		p.marked(nil, sign, fmt.Sprintf("… %d lines more …", *n))
		*n = 0
	}
}

// headLine is a line as it is shown: its end is left out where it is the right
// one, and visible where it is not.
func (p *page) headLine(line string) string {
	text := []rune(p.safe([]byte(strings.TrimSuffix(line, "\r\n"))))
	if len(text) <= mostColumns {
		return string(text)
	}
	return fmt.Sprintf("%s… (%d characters)", string(text[:mostColumns]), len(text))
}

// missing shows a line for each header that should be there.
func (p *page) missing(head []string, sign string, part handshake.Part, findings []handshake.Finding) {
	for i, f := range findings {
		if !belongs(f, part) {
			continue
		}
		if name := placeOf(f.ID).missing(head); name != "" {
			p.marked([]string{strconv.Itoa(i + 1)}, sign, "(no "+name+" header)")
		}
	}
}

// numbers are those of the findings of a part whose place fits.
func (p *page) numbers(part handshake.Part, findings []handshake.Finding, fits func(place) bool) (list []string) {
	for i, f := range findings {
		if belongs(f, part) && fits(placeOf(f.ID)) {
			list = append(list, strconv.Itoa(i+1))
		}
	}
	return list
}

// belongs reports whether a finding is about the head of a part: a refusal is a
// response, too.
func belongs(f handshake.Finding, part handshake.Part) bool {
	return (f.Part == handshake.InRequest) == (part == handshake.InRequest)
}

// margin is the room for the numbers in front of a line.
const margin = 6

func (p *page) marked(marks []string, sign, text string) {
	if len(marks) == 0 {
		p.line(strings.Repeat(" ", margin) + sign + text)
		return
	}
	mark := "[" + strings.Join(marks, ",") + "]"
	pad := strings.Repeat(" ", max(margin-len(mark), 1))
	p.line(p.paint(red, mark) + pad + sign + p.paint(red, text))
}

// foreign shows bytes that are no HTTP.
func (p *page) foreign(b []byte, sign string, marks []string) {
	shown := b[:min(len(b), mostForeign)]
	for i, row := range render.Hex(shown) {
		if i > 0 {
			marks = nil
		}
		p.marked(marks, sign, strings.TrimPrefix(row, "  "))
	}
	if more := len(b) - len(shown); more > 0 {
		p.marked(nil, sign, fmt.Sprintf("… and %s more", bytesOf(more)))
	}
}

// behind shows what came behind a head that should be the last.
func (p *page) behind(sign string, b []byte, part handshake.Part, findings []handshake.Finding) {
	if len(b) == 0 {
		return
	}
	marks := p.numbers(part, findings, func(at place) bool { return at.behind })
	p.marked(nil, sign, fmt.Sprintf("(behind the head came %s)", bytesOf(len(b))))
	if len(marks) == 0 {
		for _, frame := range Frames(b) {
			p.marked(nil, sign, frame)
		}
		return
	}
	p.foreign(b, sign, marks)
}

func bytesOf(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}
