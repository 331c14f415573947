package handshake

import (
	"cmp"
	"slices"
)

// Exchange is one opening handshake, or what is known of it. One side is
// enough for the rules about that side.
type Exchange struct {
	Request  *Head  // nil where it is not known
	Response *Head  // nil where it is not known
	Early    []byte // what the client sent behind its request before it had a response
	Body     []byte // the beginning of what came behind the response's head

	Text    bool     // it was captured as text: what its lines ended with is not known
	Rebuilt bool     // the request is made from a command line, and not captured
	Notes   []string // what a capture says beside it, such as the lines that curl begins with "*"
}

// Verdict is a rule that was asked about an exchange. Finding is nil where it holds.
type Verdict struct {
	Rule    Rule
	Finding *Finding
}

// Judge holds an exchange against every rule that applies to it, in the order
// of the table.
func Judge(x *Exchange) (verdicts []Verdict) {
	on, all := x.scopes(), table().all
	for i := range all {
		if r := &all[i]; on[r.scope] {
			verdicts = append(verdicts, Verdict{*r, r.finding(r.check(x))})
		}
	}
	return verdicts
}

// Check returns every finding of an exchange: what breaks a MUST first, and
// then as in the table.
func Check(x *Exchange) (findings []Finding) {
	for _, v := range Judge(x) {
		if v.Finding != nil {
			findings = append(findings, *v.Finding)
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(a.Level.rank(), b.Level.rank()) })
	return findings
}

// rank orders levels, the most binding first.
func (l Level) rank() int { return slices.Index([]Level{Must, Should, Note}, l) }

// Broken reports whether one of the findings breaks a MUST.
func Broken(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Must })
}
