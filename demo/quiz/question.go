// Package quiz is servers that each break one rule, of the opening handshake, of
// frames, or of Socket.IO, for a reader who has to find out which.
//
// Each is a real server on a free port of the loopback address, right in all but
// that rule. What it does wrong is known by a symptom only, as a colleague would
// report it.
package quiz

import (
	"slices"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// Group is the part of a protocol that a rule belongs to.
type Group string

// The groups, in the order of the questions.
const (
	Upgrade  Group = "The opening handshake"
	Frames   Group = "Frames and messages"
	SocketIO Group = "Socket.IO"
)

// Question is a broken server, and what there is to know about it.
type Question struct {
	Group   Group
	Symptom string // as a colleague reports it
	Hint    string // where to look

	Rule   string   // the identifier that sockkit prints
	Clause string   // of the specification
	Words  []string // an answer in plain words is right where it holds all words of one of these

	Broken string // what the server does
	Why    string // what the rule is for
	Mend   string // what to change in such a server
	Shown  []Look // how it can be seen, the best first

	start starter
}

// starter starts a server and returns its address.
type starter func(*house) (address string, err error)

// Look is a command that shows what is wrong, with {} where the address stands,
// and what it prints, as a regular expression: a right server has none of it.
type Look struct{ Command, Prints string }

// At is the command for a server at address.
func (l Look) At(address string) string {
	if strings.HasPrefix(l.Command, "curl") || strings.HasPrefix(l.Command, "sockkit inspect") {
		address = strings.TrimSuffix(address, "/")
	}
	return strings.ReplaceAll(l.Command, "{}", address)
}

// Questions returns all of them, in an order that goes from the easy to the
// hard in each group. They are numbered from 1 in this order.
func Questions() []Question {
	list := slices.Concat(upgradeQuestions(), frameQuestions(), socketIOQuestions())
	for i := range list {
		list[i].fill()
	}
	return list
}

// fill takes from the tables of rules what the question leaves to them.
func (q *Question) fill() {
	for _, r := range handshake.Rules() {
		if r.ID == q.Rule {
			q.say(r.Clause, r.Why, r.Mend)
		}
	}
	for _, r := range ws.Rules() {
		if r.ID == q.Rule {
			q.say(r.Clause, "Due: "+r.Due+".", r.Mend)
		}
	}
}

func (q *Question) say(clause, why, mend string) {
	for _, s := range []struct {
		own   *string
		table string
	}{{&q.Clause, clause}, {&q.Why, why}, {&q.Mend, mend}} {
		if *s.own == "" {
			*s.own = s.table
		}
	}
}

// summary is what a rule's being broken means, of any rule that is known.
func summary(id string) string {
	for _, r := range handshake.Rules() {
		if r.ID == id {
			return r.Summary
		}
	}
	for _, r := range ws.Rules() {
		if r.ID == id {
			return r.Summary
		}
	}
	for _, q := range socketIOQuestions() {
		if q.Rule == id {
			return q.Broken
		}
	}
	return ""
}
