package ws

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// Rule is a rule about frames and messages, the closing handshake included.
type Rule struct {
	ID     string           `json:"id"`     // such as frame-masked; never changes
	Clause string           `json:"clause"` // such as "RFC 6455 5.1"
	Source handshake.Source `json:"source"`
	Level  handshake.Level  `json:"level"`

	Summary string `json:"summary"` // what is wrong when it is broken, in one sentence
	Due     string `json:"due"`
	Cause   string `json:"cause"` // the likely cause
	Mend    string `json:"mend"`  // what to change

	// Code is what an endpoint closes with when its peer breaks the rule; 0: it
	// lets it pass.
	Code StatusCode `json:"code,omitempty"`
}

// Violation is a rule that was broken. It is the error of a connection that
// ended because of it.
type Violation struct {
	*Rule
	Came string // what came, safe to print
	By   Role   // whose fault it is: who sent it
}

// Error says what is wrong, in one line.
func (v *Violation) Error() string {
	what := strings.TrimSuffix(v.Summary, ".")
	for _, article := range []string{"The ", "A "} {
		if rest, ok := strings.CutPrefix(what, article); ok {
			what = strings.ToLower(article) + rest
		}
	}
	return fmt.Sprintf("%s (%s, the %s's fault): %s; due: %s", what, v.Clause, v.By, v.Came, v.Due)
}

// The rules, in the order of the table.
const (
	ruleRSV = iota
	ruleRSV1
	ruleOpcode
	ruleMasked
	ruleUnmasked
	ruleLengthTop
	ruleLengthLong
	ruleControlFragmented
	ruleControlLong
	ruleContinuation
	ruleInterleaved
	ruleTextUTF8
	ruleCloseShort
	ruleCloseCode
	ruleCloseReason
	ruleAfterClose
	ruleNoClose
	ruleCut
	ruleDeflate
	ruleTooBig
	ruleInflated
	ruleFragments
	ruleControlRate
	ruleMessageRate
	rulePongLost
	ruleCloseLost
	numRules
)

// Rules returns the table.
func Rules() []Rule {
	all := ruleTable()
	return append([]Rule(nil), all[:]...)
}

// ruleOf is one rule of the table.
func ruleOf(i int) *Rule { return &ruleTable()[i] }

var ruleTable = onceTable()
