package inspect

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/internal/render"
)

// doctor shows what was tried, and at the end what all of it comes to.
func (p *page) doctor(r *Report) {
	d := r.Doctor
	if d == nil {
		return
	}
	p.tries(d.Tries)
	if d.Idle != nil {
		p.section("silence")
		for _, r := range d.Idle.Runs {
			p.lines(printable(r.words()))
		}
	}
	p.section("verdict")
	switch {
	case len(d.Verdicts) == 0 && r.Error != "":
		p.lines("none of what was tried says why; the findings and the trace (-vvvv) are what there is")
	case len(d.Verdicts) == 0:
		p.lines(p.paint(green, "no fault was found") + ", in " + render.Duration(d.Duration))
	}
	for i, v := range d.Verdicts {
		p.verdict(i+1, v)
	}
}

func (p *page) tries(list []Try) {
	p.section("tried")
	wide := 0
	for _, t := range list {
		wide = max(wide, width(printable(t.What)))
	}
	for _, t := range list {
		said := printable(t.Said)
		if t.Opens {
			said = p.paint(green, said)
		}
		p.line(pad(printable(t.What), min(wide, widestTry))+"  "+said, min(wide, widestTry)+2)
	}
}

var whereWords = map[string]string{WhereClient: "at the client", WhereProxy: "at a proxy", WhereServer: "at the server", WhereNetwork: "in the network"}

const widestTry = 36

// verdict shows one: where the fault is, what it is, what to change, and what
// proves it.
func (p *page) verdict(number int, v Verdict) {
	const indent = 3
	p.line(fmt.Sprintf("%d. %s", number, p.paint(red, whereWords[v.Where])+": "+printable(v.What)), indent)
	put := func(label, text string) {
		p.line(strings.Repeat(" ", indent)+p.paint(bold, label)+printable(text), indent+2)
	}
	if v.Change != "" {
		put("change: ", v.Change)
	}
	for _, b := range v.Because {
		put("seen: ", b)
	}
}
