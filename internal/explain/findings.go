package explain

import (
	"fmt"

	"github.com/sockkit/sockkit/handshake"
)

// Findings puts each rule that was broken into words: in which program, how
// binding it is, what came, what was due, why, the likely cause and what to
// change. They have the numbers that [Heads] marks lines with. What calls a
// refusal by its name is left to [Refusal].
func Findings(findings []handshake.Finding, o Options) []string {
	p := newPage(o)
	p.findings(told(findings))
	return p.lines
}

// mostWhys is up to how many findings each says what its rule is for. With more
// there is no room for it on one screen.
const mostWhys = 2

func (p *page) findings(list []handshake.Finding) {
	for i, f := range list {
		p.gap()
		if len(list) > mostWhys {
			f.Why = ""
		}
		for before, g := range list[:i] {
			if again := fmt.Sprintf("as in [%d]", before+1); g.Mend == f.Mend && len(f.Mend) > len(again) {
				f.Mend = again
			}
		}
		p.finding(i+1, f)
	}
}

func (p *page) finding(n int, f handshake.Finding) {
	mark := fmt.Sprintf("[%d]", n)
	color := levelColor(f.Level)
	const indent = 4
	title := fmt.Sprintf("In the %s (%s): %s", f.Fault, weight(f.Rule), f.Summary)
	p.text(p.paint(color, mark)+" ", color, title, indent)
	for _, part := range []struct{ label, text string }{
		{"came", p.quoted(f.Came)}, {"due", f.Due}, {"why", f.Why}, {"cause", f.Cause}, {"mend", f.Mend}, {"rule", ruleWords(f.Rule)},
	} {
		if part.text != "" {
			p.labelled(indent, part.label, part.text)
		}
	}
}

// weight is how much a finding weighs, in a word.
func weight(r handshake.Rule) string {
	if r.Source == handshake.WHATWG {
		return "browsers only"
	}
	return string(r.Level)
}

func levelColor(l handshake.Level) string {
	switch l {
	case handshake.Must:
		return red
	case handshake.Should:
		return yellow
	}
	return ""
}

// ruleWords names a rule: where it stands, whose it is, and what follows.
func ruleWords(r handshake.Rule) string {
	s := r.ID + ", " + r.Clause + ": " + Binding(r)
	if then := consequence(r); then != "" {
		s += "; " + then
	}
	return s
}

// Binding says how binding a rule is, and who says so.
func Binding(r handshake.Rule) string {
	switch r.Source {
	case handshake.WHATWG:
		return "only a browser's rule (WHATWG), not one of the RFC"
	case handshake.Practice:
		return "no rule of a specification, but practice"
	}
	source := map[handshake.Source]string{
		handshake.WebSocket: "RFC 6455 (WebSocket)", handshake.HTTP: "HTTP", handshake.PMDeflate: "RFC 7692 (compression)",
		"RFC 8441": "RFC 8441 (WebSockets over HTTP/2)",
	}[r.Source]
	if r.Level == handshake.Note {
		return "worth knowing, from " + source
	}
	return "a " + string(r.Level) + " of " + source
}

// consequence is what comes of breaking a rule.
func consequence(r handshake.Rule) string {
	switch {
	case r.Part == handshake.InRequest && r.Status != 0:
		return fmt.Sprintf("a server refuses it with %d", r.Status)
	case r.Part == handshake.InRequest && r.Level == handshake.Must:
		return "most servers let it pass"
	case r.ID == "response-no-frame":
		return "a client ends the connection when it reads it"
	case r.Part == handshake.InResponse && r.Fails:
		return "a client has to give up"
	case r.Part == handshake.InResponse && r.Source == handshake.WHATWG:
		return "browsers give up, other clients go on"
	case r.Part == handshake.InResponse && r.Level == handshake.Must:
		return "most clients let it pass"
	}
	return ""
}
