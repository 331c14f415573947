package replay

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/ws"
)

// Line is one line of a comparison. Sign is ' ' for what came as it was recorded,
// '-' for what was recorded and has not come, and '+' for what came instead.
type Line struct {
	Sign byte
	Text string
}

// Comparison holds what came against what was recorded.
type Comparison struct {
	Recorded, Came int // things: messages, or bytes of a stream
	Same           bool
	Lines          []Line // all of them, or those around the differences
}

// Comparer compares.
type Comparer struct {
	Layer Layer
	// Ignore are patterns of what may differ, such as times and ids: each match
	// counts as the same.
	Ignore []*regexp.Regexp
}

// unit is a piece that is compared as a whole.
type unit struct {
	key  string // what is compared
	text string // what is shown
}

// Compare compares what a script has heard with what came now. The end of the
// other side belongs to it, where that came first; the id of a socket of Socket.IO,
// which is another each time, does not.
func (c *Comparer) Compare(s *Script, o *Outcome) *Comparison {
	var recorded []Item
	for _, item := range s.Items {
		if !item.Ours && !item.End {
			recorded = append(recorded, item)
		}
	}
	a, b := c.units(recorded, s.ID), c.units(o.Came, o.ID)
	r := &Comparison{Recorded: c.count(recorded), Came: c.count(o.Came)}
	switch i := s.endsFirst(); {
	case i >= 0:
		a, b = append(a, c.endUnit(&s.Items[i])...), append(b, c.endUnit(o.End)...)
	case len(b) < len(a): // what ended too early is shown
		b = append(b, c.endUnit(o.End)...)
	}
	lines := paired(diff(a, b))
	r.Same = true
	for _, l := range lines {
		r.Same = r.Same && l.Sign == ' '
	}
	r.Lines = around(lines)
	return r
}

// endUnit is an end as it is compared.
func (c *Comparer) endUnit(end *Item) []unit {
	if end == nil {
		return nil
	}
	text := "(the end)"
	switch {
	case c.Layer == Messages && end.Code == int(ws.StatusAbnormal):
		text = "(the connection ended without a close frame)"
	case c.Layer == Messages && end.Why != "":
		text = fmt.Sprintf("(closed with %d %q)", end.Code, end.Why)
	case c.Layer == Messages:
		text = fmt.Sprintf("(closed with %d)", end.Code)
	}
	return []unit{c.keyed(unit{"\x00" + text, text})}
}

func (c *Comparer) count(items []Item) (n int) {
	if c.Layer != Stream {
		return len(items)
	}
	for _, item := range items {
		n += len(item.Data)
	}
	return n
}

// units are messages, or the lines of a stream: its pieces mean nothing. A stream
// that is no text is cut into rows. The id is that of the socket.
func (c *Comparer) units(items []Item, id string) []unit {
	var units []unit
	if c.Layer != Stream {
		for _, item := range items {
			u := c.unit(item.Data, item.Text || utf8.Valid(item.Data))
			if len(id) >= shortestID {
				u.key = strings.ReplaceAll(u.key, id, "\x00id\x00")
			}
			units = append(units, u)
		}
		return units
	}
	var all []byte
	for _, item := range items {
		all = append(all, item.Data...)
	}
	if !utf8.Valid(all) {
		for len(all) > 0 {
			n := min(len(all), rowBytes)
			units = append(units, c.unit(all[:n], false))
			all = all[n:]
		}
		return units
	}
	for line := range bytes.Lines(all) {
		units = append(units, c.unit(line, true))
	}
	return units
}

const rowBytes = 16

func (c *Comparer) unit(b []byte, text bool) unit {
	u := unit{key: string(b)}
	if c.Layer == Events { // as they are typed
		u.text = render.Printable(string(b))
	} else if text {
		u.text = `"` + render.Printable(string(b)) + `"`
	} else {
		u.text = fmt.Sprintf("% x", b)
	}
	return c.keyed(u)
}

// keyed takes out of what is compared what may differ.
func (c *Comparer) keyed(u unit) unit {
	for _, pattern := range c.Ignore {
		u.key = pattern.ReplaceAllString(u.key, "\x00…\x00")
	}
	return u
}

// mostUnits bounds what is compared in earnest: the table grows with the product.
// Beyond it pieces are compared one by one.
const mostUnits = 3000

// diff finds the longest common subsequence, and shows what is beside it.
func diff(a, b []unit) []Line {
	var head, tail []Line
	for len(a) > 0 && len(b) > 0 && a[0].key == b[0].key {
		head = append(head, Line{' ', b[0].text})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1].key == b[len(b)-1].key {
		tail = append(tail, Line{' ', b[len(b)-1].text})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) > mostUnits || len(b) > mostUnits {
		head = append(head, oneByOne(a, b)...)
	} else {
		head = append(head, common(a, b)...)
	}
	for i := len(tail) - 1; i >= 0; i-- {
		head = append(head, tail[i])
	}
	return head
}

// paired shows what came in place of something beside it: of as many lines that
// are missing as are new, each with its own.
func paired(lines []Line) []Line {
	for at := 0; at < len(lines); {
		gone := at
		for gone < len(lines) && lines[gone].Sign == '-' {
			gone++
		}
		came := gone
		for came < len(lines) && lines[came].Sign == '+' {
			came++
		}
		if n := gone - at; n > 1 && came-gone == n {
			run := slices.Clone(lines[at:came])
			for i := range n {
				lines[at+2*i], lines[at+2*i+1] = run[i], run[n+i]
			}
		}
		at = max(came, at+1)
	}
	return lines
}

func oneByOne(a, b []unit) (lines []Line) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			lines = append(lines, Line{'+', b[i].text})
		case i >= len(b):
			lines = append(lines, Line{'-', a[i].text})
		case a[i].key == b[i].key:
			lines = append(lines, Line{' ', b[i].text})
		default:
			lines = append(lines, Line{'-', a[i].text}, Line{'+', b[i].text})
		}
	}
	return lines
}

func common(a, b []unit) (lines []Line) {
	longest := make([][]int32, len(a)+1) // of a[i:] and b[j:]
	for i := range longest {
		longest[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].key == b[j].key {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i].key == b[j].key:
			lines = append(lines, Line{' ', b[j].text})
			i, j = i+1, j+1
		case j >= len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			lines = append(lines, Line{'-', a[i].text})
			i++
		default:
			lines = append(lines, Line{'+', b[j].text})
			j++
		}
	}
	return lines
}

const aroundLines = 2 // lines around a difference

// around leaves out what is far from any difference.
func around(lines []Line) []Line {
	near := make([]bool, len(lines))
	for i, l := range lines {
		if l.Sign != ' ' {
			for j := max(0, i-aroundLines); j <= min(len(lines)-1, i+aroundLines); j++ {
				near[j] = true
			}
		}
	}
	var kept []Line
	left := 0
	for i, l := range lines {
		if !near[i] {
			left++
			continue
		}
		if left > 0 {
			kept = append(kept, Line{' ', fmt.Sprintf("… %d the same …", left)})
			left = 0
		}
		kept = append(kept, l)
	}
	if left > 0 && len(kept) > 0 {
		kept = append(kept, Line{' ', fmt.Sprintf("… %d the same …", left)})
	}
	return kept
}
