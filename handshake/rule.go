package handshake

import (
	"fmt"
	"slices"
	"sync"
)

// Level says how binding a rule is.
type Level string

// The levels, the most binding first.
const (
	Must   Level = "MUST"   // breaking it breaks the specification
	Should Level = "SHOULD" // there may be a reason, and it may bite
	Note   Level = "note"   // worth knowing; nothing is broken
)

// Source is where a rule comes from.
type Source string

// The sources.
const (
	WebSocket Source = "RFC 6455" // the WebSocket Protocol
	HTTP      Source = "HTTP"     // RFC 9110, 9112 and those they stand on
	PMDeflate Source = "RFC 7692" // compression
	WHATWG    Source = "WHATWG"   // what browsers do, beyond the RFC
	Practice  Source = "practice" // what experience says
)

// Party is who stands at one end, or between the ends.
type Party string

// The parties.
const (
	Client Party = "client"
	Server Party = "server"
	Proxy  Party = "proxy"
)

// Duty says whose duty a rule states.
type Duty string

// The duties.
const (
	Sender    Duty = "sender"    // not to send it
	Recipient Duty = "recipient" // not to let it pass
)

// Part is the part of an exchange that a rule looks at.
type Part string

// The parts.
const (
	InRequest  Part = "request"
	InResponse Part = "response" // one that upgrades, or whose form is wrong
	InRefusal  Part = "refusal"  // a response with a status other than 101
)

// Rule is one rule of the opening handshake.
type Rule struct {
	ID     string `json:"id"`     // such as request-host-missing; never changes
	Clause string `json:"clause"` // such as "RFC 9112 3.2"
	Source Source `json:"source"`
	Level  Level  `json:"level"`
	Duty   Duty   `json:"duty"`
	Part   Part   `json:"part"`
	Fault  Party  `json:"fault"` // whose fault it is when it is broken

	Summary string `json:"summary"` // what is wrong when it is broken, in one sentence
	Why     string `json:"why"`     // what the rule is for
	Due     string `json:"due"`     // what was due
	Cause   string `json:"cause"`   // the likely cause
	Mend    string `json:"mend"`    // what to change, and where

	Status int  `json:"status,omitempty"` // with which status a server refuses for it; 0: it lets it pass
	Fails  bool `json:"fails,omitempty"`  // a client gives up for it

	scope scope
	check func(*Exchange) *hit
}

// hit is what a check found. What is empty is taken from the rule.
type hit struct {
	came, due, cause, mend string
	fault                  Party
}

// scope is what has to be there before a rule can be asked.
type scope uint8

const (
	requestBytes  scope = iota // a request in whatever state
	responseBytes              // a response in whatever state
	wholeRequest               // a request that was read to its end
	wholeResponse              // a response that was read to its end
	upgrade                    // one whose status is 101
	refusal                    // one whose status is another
	numScopes
)

// scopes tells which rules an exchange can be held against.
func (x *Exchange) scopes() (on [numScopes]bool) {
	on[requestBytes], on[responseBytes] = x.Request != nil, x.Response != nil
	on[wholeRequest] = x.Request.whole()
	if x.Response.whole() {
		on[wholeResponse] = true
		on[upgrade] = x.Response.Status == 101
		on[refusal] = x.Response.Status != 101 && x.Response.Status != 0
	}
	return on
}

// whole reports whether a head was read to its end, so that what it does not
// hold is missing.
func (h *Head) whole() bool {
	return h != nil && !h.unreadable() && h.faults&(1<<tooLarge|1<<tooManyFields|1<<unfinished) == 0
}

// Finding is a rule that was broken, and how.
type Finding struct {
	Rule
	Came  string `json:"came"` // what came, safe to print
	Due   string `json:"due"`
	Fault Party  `json:"fault"`
	Cause string `json:"cause"`
	Mend  string `json:"mend"`
}

// Error says what is wrong in one line: a finding is the error of whoever
// stopped because of it.
func (f *Finding) Error() string {
	s := fmt.Sprintf("handshake: %s (%s)", withoutDot(f.Summary), f.Clause)
	if f.Came != "" {
		s += ": " + f.Came
	}
	return s
}

func withoutDot(s string) string {
	if n := len(s); n > 0 && s[n-1] == '.' {
		return s[:n-1]
	}
	return s
}

// Holds asks the rule about an exchange: nil where it holds, or where there is
// nothing that it could be held against.
func (r *Rule) Holds(x *Exchange) *Finding {
	if !r.Applies(x) {
		return nil
	}
	return r.finding(r.check(x))
}

// Applies reports whether the exchange has what the rule is about.
func (r *Rule) Applies(x *Exchange) bool { return x.scopes()[r.scope] }

// finding makes one of a hit; nil of nil.
func (r *Rule) finding(h *hit) *Finding {
	if h == nil {
		return nil
	}
	f := &Finding{Rule: *r, Came: h.came, Due: or(h.due, r.Due), Fault: r.Fault, Cause: or(h.cause, r.Cause), Mend: or(h.mend, r.Mend)}
	if h.fault != "" {
		f.Fault = h.fault
	}
	return f
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Rules returns the table: the requests' rules, the responses', the refusals',
// each in the order in which they are asked.
func Rules() []Rule { return slices.Clone(table().all) }

// rules is the table, and what each of its readers needs of it.
type rules struct {
	all           []Rule
	refuse, abort [numScopes][]*Rule // for which a server refuses, a client gives up
	told          []*Rule            // how a client calls a refusal
}

// table is made once, when it is first read, and never changes.
var table = sync.OnceValue(func() *rules {
	t := &rules{all: slices.Concat(
		byteRules(requestSide), lineRules(), requestRules(),
		byteRules(responseSide), statusLineRules(), responseRules(), refusalRules())}
	for i := range t.all {
		r := &t.all[i]
		if r.Status != 0 {
			t.refuse[r.scope] = append(t.refuse[r.scope], r)
		}
		if r.Fails {
			t.abort[r.scope] = append(t.abort[r.scope], r)
		}
		if r.scope == refusal && r.Level == Note {
			t.told = append(t.told, r)
		}
	}
	return t
})

// within fills in what the rules of one group have in common.
func within(s scope, part Part, fault Party, rules ...Rule) []Rule {
	for i := range rules {
		r := &rules[i]
		r.scope, r.Part = s, part
		if r.Fault == "" {
			r.Fault = fault
		}
		if r.Duty == "" {
			r.Duty = Sender
		}
	}
	return rules
}
