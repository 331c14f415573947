package explain

import (
	"fmt"

	"github.com/sockkit/sockkit/handshake"
)

// Key shows how an accept value follows from a key, step by step. Values have a
// line of their own, so that they can be copied.
func Key(steps []handshake.Step, o Options) []string {
	p := newPage(o)
	for i, step := range steps {
		first := fmt.Sprintf("%d. ", i+1)
		p.text(first, "", step.What, len(first))
		p.line("     " + p.paint(bold, p.safe([]byte(step.Value))))
		if step.Note != "" {
			p.text("   ", dim, step.Note, len(first))
		}
	}
	return p.lines
}

// Accept says what is wrong with a value that came as the answer to a key.
func Accept(key, got string, m handshake.Mistake, o Options) []string {
	p := newPage(o)
	color := red
	if m.Right() {
		color = green
	}
	p.labelled(0, "came", p.safe([]byte(got)))
	p.labelled(0, "due", handshake.AcceptKey(key))
	p.gap()
	p.text("", color, m.What, 0)
	if m.Mend != "" {
		p.labelled(0, "mend", m.Mend)
	}
	return p.lines
}
