package explain

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// The values of [Verdict.Outcome].
const (
	Opens   = "opens"   // a WebSocket connection comes of it
	Broken  = "broken"  // a rule is broken for which one side has to end it
	Refused = "refused" // the server answered with another status than 101
	Right   = "right"   // the side that is known breaks no MUST; the other is not known
)

// Verdict is what an exchange comes to.
type Verdict struct {
	Outcome string `json:"outcome"`
	Summary string `json:"summary"` // in one sentence
	Must    int    `json:"must"`    // how many of each were broken
	Should  int    `json:"should"`
	Notes   int    `json:"notes"`
}

// Judge says what an exchange comes to, whose findings are given.
func Judge(x *handshake.Exchange, findings []handshake.Finding) Verdict {
	v := Verdict{}
	for _, f := range findings {
		switch f.Level {
		case handshake.Must:
			v.Must++
		case handshake.Should:
			v.Should++
		default:
			v.Notes++
		}
	}
	switch {
	case x.Response == nil:
		v.request(findings)
	case x.Response.Status != 101 && x.Response.Status != 0:
		v.Outcome, v.Summary = Refused, "No WebSocket: "+lowerFirst(nameOfRefusal(findings).Summary)
	default:
		v.response(x, findings)
	}
	return v
}

// request judges a request alone.
func (v *Verdict) request(findings []handshake.Finding) {
	v.Outcome, v.Summary = Right, "The request is right: a WebSocket server answers it with 101."
	for _, f := range findings {
		if f.Status != 0 {
			v.Outcome = Broken
			v.Summary = "No WebSocket comes of this: " + headline(f, len(findings)-1) + fmt.Sprintf(" A server has to refuse it with %d.", f.Status)
			return
		}
	}
	if v.Must > 0 {
		v.Summary = "Servers let it pass, though " + headline(findings[0], len(findings)-1)
	}
}

// response judges an answer that should upgrade, with its request where that is
// known.
func (v *Verdict) response(x *handshake.Exchange, findings []handshake.Finding) {
	var fails []handshake.Finding
	for _, f := range findings {
		if f.Fails && f.Part == handshake.InResponse {
			fails = append(fails, f)
		}
	}
	v.Outcome = Opens
	switch agreed, err := handshake.CheckResponse(x); {
	case len(fails) > 0:
		v.Outcome, v.Summary = Broken, "No WebSocket: "+headline(fails[0], len(findings)-1)
	case err != nil:
		v.Outcome, v.Summary = Broken, "No WebSocket: the response is not one that a client can go on with."
	case v.Must > 0:
		v.Summary = "A WebSocket opens, though " + headline(findings[0], len(findings)-1)
	case x.Request == nil:
		v.Outcome, v.Summary = Right, "The response is right, as far as that can be said without its request."
	default:
		v.Summary = "The handshake is right: a WebSocket opens" + agreement(agreed) + "."
	}
	if v.Outcome != Broken && browsersGiveUp(findings) {
		v.Summary += " Browsers give up all the same, by a rule of their own."
	}
}

func browsersGiveUp(findings []handshake.Finding) bool {
	for _, f := range findings {
		if f.Source == handshake.WHATWG && f.Part == handshake.InResponse {
			return true
		}
	}
	return false
}

// agreement words what both sides agreed on.
func agreement(a handshake.Agreement) string {
	var parts []string
	if a.Subprotocol != "" {
		parts = append(parts, "subprotocol "+a.Subprotocol)
	}
	if a.Compressed {
		parts = append(parts, a.Deflate.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return ", with " + strings.Join(parts, " and ")
}

// Verdicts lists every rule that was asked: those that hold by what was due,
// those that were broken by what is wrong.
func Verdicts(list []handshake.Verdict, o Options) []string {
	p := newPage(o)
	part := handshake.Part("")
	for _, v := range list {
		if v.Rule.Part == handshake.InRefusal && v.Rule.Level == handshake.Note && v.Finding == nil {
			continue // that a refusal is not of some kind says nothing
		}
		if v.Rule.Part != part {
			part = v.Rule.Part
			p.gap()
			p.line(p.paint(bold, "Rules of the "+string(part)))
		}
		p.verdict(v)
	}
	return p.lines
}

func (p *page) verdict(v handshake.Verdict) {
	const indent = 8
	if v.Finding == nil {
		p.text(p.paint(green, "holds")+"   ", "", v.Rule.Due+" ("+v.Rule.Clause+")", indent)
		return
	}
	p.text(p.paint(levelColor(v.Rule.Level), "BROKEN")+"  ", levelColor(v.Rule.Level), v.Rule.Summary+" ("+v.Rule.Clause+", "+string(v.Rule.Level)+")", indent)
}

// headline is a finding in one sentence, and how many more there are.
func headline(f handshake.Finding, more int) string {
	s := lowerFirst(f.Summary)
	if more > 0 {
		s = strings.TrimSuffix(s, ".") + fmt.Sprintf(" (and %d more).", more)
	}
	return s
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
