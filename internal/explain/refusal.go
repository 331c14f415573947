package explain

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// Refusal says what a response other than 101 means: what kind of refusal it is,
// and the likely causes with what to change, the likeliest first. Of an exchange that was not refused it says nothing.
func Refusal(x *handshake.Exchange, findings []handshake.Finding, o Options) []string {
	p := newPage(o)
	p.refusal(x, findings)
	return p.lines
}

func (p *page) refusal(x *handshake.Exchange, findings []handshake.Finding) {
	causes := handshake.ExplainRefusal(x)
	if len(causes) == 0 {
		return
	}
	p.gap()
	name := nameOfRefusal(findings)
	p.text("", bold, "What the status says: "+name.Summary, 0)
	if name.ID != "" {
		p.labelled(4, "rule", name.ID+", "+name.Clause)
	}
	title := "Likely causes, the likeliest first:"
	if len(causes) == 1 {
		title = "The likely cause:"
	}
	p.line(title)
	for i, c := range causes {
		p.cause(i+1, c, findings)
	}
}

// cause is one likely cause. One that only says that the request is wrong points
// to the finding, which says more.
func (p *page) cause(n int, c handshake.Likely, findings []handshake.Finding) {
	const indent = 4
	for i, f := range told(findings) {
		if f.Mend == c.Mend && strings.Contains(c.Cause, strings.TrimSuffix(f.Summary, ".")) {
			p.text(fmt.Sprintf("%2d. ", n), "", fmt.Sprintf("The request itself breaks a rule: see [%d].", i+1), indent)
			return
		}
	}
	p.text(fmt.Sprintf("%2d. ", n), "", c.Cause, indent)
	p.labelled(indent, "mend", c.Mend)
	p.labelled(indent, "fault", string(c.Fault))
}

// nameOfRefusal is the rule that calls a refusal by its name.
func nameOfRefusal(findings []handshake.Finding) handshake.Rule {
	for _, f := range findings {
		if isName(f) {
			return f.Rule
		}
	}
	return handshake.Rule{Summary: "this is no answer that opens a WebSocket."}
}

// body shows the beginning of what came with a refusal.
func (p *page) body(x *handshake.Exchange) {
	b := x.Body
	if len(b) == 0 || x.Response == nil || x.Response.Status == 101 {
		return
	}
	shown := b[:min(len(b), mostBody)]
	rows := strings.Split(strings.TrimRight(string(shown), "\r\n"), "\n")
	for _, row := range rows[:min(len(rows), mostBodyRows)] {
		p.marked(nil, "| ", p.headLine(strings.TrimSuffix(row, "\r")))
	}
	if len(rows) > mostBodyRows || len(shown) < len(b) {
		p.marked(nil, "| ", "…")
	}
}
