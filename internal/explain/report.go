package explain

import (
	"unicode/utf8"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/render"
)

// Version is the version of the report's form. Fields are added, never changed.
const Version = 1

// Kind is what the report calls itself.
const Kind = "handshake_check"

// Report is what was found out about opening handshakes: the JSON object of
// handshake check --json. [Judgement.Lines] is the same for people.
type Report struct {
	Version   int         `json:"version"`
	Kind      string      `json:"kind"`
	Exchanges []Judgement `json:"exchanges"`
}

// Judgement is one opening handshake, held against the rules.
type Judgement struct {
	Exchange Exchange            `json:"exchange"`
	Findings []handshake.Finding `json:"findings"` // what breaks a MUST first
	Verdict  Verdict             `json:"verdict"`
	Causes   []handshake.Likely  `json:"causes,omitempty"` // of a refusal, the likeliest first

	x *handshake.Exchange
}

// Exchange is both heads, or what is known of them.
type Exchange struct {
	Request  *Head    `json:"request,omitempty"`
	Response *Head    `json:"response,omitempty"`
	Early    *Bytes   `json:"early,omitempty"`   // what the client sent before it had a response
	Body     *Bytes   `json:"body,omitempty"`    // the beginning of what came behind the response's head
	Text     bool     `json:"text,omitempty"`    // captured as text: what its lines ended with is not known
	Rebuilt  bool     `json:"rebuilt,omitempty"` // the request is made from a command line
	Notes    []string `json:"notes,omitempty"`   // what the capture says beside it
}

// Head is the head of a request or a response.
type Head struct {
	Method  string  `json:"method,omitempty"`
	Target  string  `json:"target,omitempty"`
	Version string  `json:"http_version,omitempty"`
	Status  int     `json:"status,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Fields  []Field `json:"fields"` // in their order and spelling
	Bytes
}

// Field is one header.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Bytes are bytes as they passed, and text where they are UTF-8.
type Bytes struct {
	Size    int     `json:"size"`
	Payload []byte  `json:"base64"`
	Text    *string `json:"text,omitempty"`
}

// New holds an exchange against every rule. Credentials are hidden in what it
// says, unless they are to be shown.
func New(x *handshake.Exchange, showSecrets bool) *Judgement {
	return With(x, handshake.Check(x), showSecrets)
}

// With is [New] with the findings that there are.
func With(x *handshake.Exchange, findings []handshake.Finding, showSecrets bool) *Judgement {
	j := &Judgement{Findings: findings, Verdict: Judge(x, findings), Causes: handshake.ExplainRefusal(x), x: x}
	if j.Findings == nil {
		j.Findings = []handshake.Finding{}
	}
	mask := maskers(showSecrets)
	for i := range j.Findings {
		j.Findings[i].Came = mask.text(j.Findings[i].Came)
	}
	j.Exchange = Exchange{
		Request: mask.head(x.Request), Response: mask.head(x.Response), Early: mask.some(x.Early), Body: mask.some(x.Body),
		Text: x.Text, Rebuilt: x.Rebuilt, Notes: x.Notes,
	}
	return j
}

// maskers hides credentials, unless it is told to show them.
type maskers bool

func (show maskers) text(s string) string {
	if show {
		return s
	}
	return render.MaskText(s)
}

func (show maskers) some(b []byte) *Bytes {
	if len(b) == 0 {
		return nil
	}
	if !show {
		b = render.Mask(b)
	}
	some := &Bytes{Size: len(b), Payload: b}
	if text := string(b); utf8.ValidString(text) {
		some.Text = &text
	}
	return some
}

func (show maskers) head(h *handshake.Head) *Head {
	if h == nil {
		return nil
	}
	out := &Head{
		Method: string(h.Method), Target: string(h.Target), Version: string(h.Proto),
		Status: h.Status, Reason: string(h.Reason), Fields: []Field{},
	}
	if b := show.some(wire(h)); b != nil {
		out.Bytes = *b
	}
	for _, f := range h.Fields() {
		line := string(f.Name) + ": " + string(f.Value)
		if !show {
			line = string(render.Mask([]byte(line)))
		}
		out.Fields = append(out.Fields, Field{string(f.Name), line[len(f.Name)+2:]})
	}
	return out
}

// Lines is the judgement for people, on one screen where it can be: what it
// comes to, both heads with what is wrong marked, and then what to change.
func (j *Judgement) Lines(o Options) []string {
	p := newPage(o)
	p.text("", verdictColor(j.Verdict), j.Verdict.Summary, 0)
	p.about(j.x)
	p.gap()
	list := told(j.Findings)
	p.heads(j.x, list)
	p.body(j.x)
	p.refusal(j.x, j.Findings)
	p.findings(list)
	return p.lines
}

// Served is the judgement for people who have answered the request themselves:
// it is about the request, and shows the answer.
func (j *Judgement) Served(o Options) []string {
	p := newPage(o)
	request := Judge(&handshake.Exchange{Request: j.x.Request}, ofRequest(j.Findings))
	p.text("", verdictColor(request), request.Summary, 0)
	p.gap()
	list := told(j.Findings)
	p.heads(j.x, list)
	p.findings(list)
	return p.lines
}

// ofRequest are the findings about the request.
func ofRequest(findings []handshake.Finding) (list []handshake.Finding) {
	for _, f := range findings {
		if f.Part == handshake.InRequest {
			list = append(list, f)
		}
	}
	return list
}

func verdictColor(v Verdict) string {
	switch {
	case v.Outcome == Broken || v.Outcome == Refused:
		return red
	case v.Must > 0:
		return yellow
	}
	return green
}

// about says what has to be known about where an exchange comes from.
func (p *page) about(x *handshake.Exchange) {
	if x.Rebuilt {
		p.text("", dim, "The request is rebuilt from a command line of curl; its headers may have gone in another order.", 0)
	}
	if x.Text {
		p.text("", dim, "What the lines ended with is not known: it was captured as text.", 0)
	}
	if x.Response != nil && x.Request == nil {
		p.text("", dim, "The request is not known, so rules about both sides were not asked.", 0)
	}
}
