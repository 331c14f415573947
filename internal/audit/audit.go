// Package audit holds a WebSocket server, or a client, against the rules of the
// opening handshake and of the first frames behind it. It sends right and wrong
// handshakes, one on each connection, and says what came of each: which rule
// was kept, which was broken, and what could not be told.
//
// A finding is never a guess. A refusal, the end of the connection, a reset,
// silence and an upgrade are five outcomes; a connection that was not made is
// none of them. What looks like a finding is asked again, and an answer that
// changes is called flaky.
package audit

import (
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
)

// Group is what a probe is about.
type Group string

// The groups.
const (
	Conformance Group = "conformance" // what a specification demands
	Safety      Group = "safety"      // what an attacker would try
)

// Practice is the binding of what no specification demands and experience does.
// The others are [handshake.Must] and [handshake.Should].
const Practice handshake.Level = "practice"

// Probe is one question to a server: a request, right or wrong, and frames
// behind it where it is about those.
type Probe struct {
	ID      string // never changes
	Group   Group
	Clause  string // such as "RFC 6455 4.2.1 item 6"
	Rule    string // of package handshake, that the request breaks; "" where there is none
	Binding handshake.Level
	Sends   string // what is sent, in words
	Due     string // what is due
	Why     string // why it matters
	Mend    string // what to change where it is a finding

	head   func(h *handshake.Head)           // bends a right request
	edit   func(wire []byte) []byte          // changes its bytes then
	tail   []byte                            // sent behind the request, with it
	parts  int                               // the request goes in so many pieces; 0: in one
	slow   slowness                          // the request never comes to its end
	frames [][]byte                          // sent once it is upgraded
	wait   waiting                           // what is waited for behind the frames
	only   func(f *Facts) string             // why it cannot be asked, "" where it can
	pong   string                            // the data of that ping
	judge  func(a *Answer, f *Facts) Verdict // what the answer means
}

// slowness is how a request is kept from its end.
type slowness int

const (
	atOnce  slowness = iota
	stalled          // half of it, and then nothing
	dripped          // and then a byte now and then
)

// waiting is what is waited for behind the frames of a probe.
type waiting int

const (
	forProof waiting = iota // a sign of life, or the end; frames that are wrong have a moment to take effect first
	forLife                 // a sign of life, asked for at once
	forEnd                  // the end of the connection
	forPong                 // the pong to the probe's own ping; a later ping might be answered in its place (RFC 6455 5.5.3)
)

// Facts are what is known of a server before it is probed.
type Facts struct {
	Compresses   bool     // it agrees to permessage-deflate
	Pongs        bool     // it answers a ping
	Leaves       bool     // it ends connections by itself, at once
	Subprotocols []string // those that the user asks for
	Foreign      bool     // it lets a page of a foreign origin in
}

// Kind is what an answer means.
type Kind string

// The kinds of verdict.
const (
	Pass      Kind = "pass"
	Finding   Kind = "finding"   // a rule is broken
	Note      Kind = "note"      // worth knowing; nothing is broken
	Flaky     Kind = "flaky"     // it was asked again, and the answer was another one
	Undecided Kind = "undecided" // it cannot be told
	Skipped   Kind = "skipped"   // it cannot be asked here
)

// Verdict is what an answer means, and a word about it where there is more to
// say than what came.
type Verdict struct {
	Kind Kind
	Text string
}

// Weighty reports whether a finding of this probe is one that must not be: a
// MUST is broken, or the server is not safe.
func (p *Probe) Weighty() bool { return p.Binding == handshake.Must || p.Group == Safety }

// matches reports whether a word of --only picks the probe: its identifier, its
// group, or the number of a clause with all below it.
func (p *Probe) matches(word string) bool {
	word = strings.ToLower(strings.TrimSpace(word))
	return word == p.ID || word == string(p.Group) || inClause(strings.ToLower(p.Clause), word)
}

// inClause reports whether a clause, such as "RFC 6455 4.2.1 item 3", is the
// one that a word names, or stands below it. The word may leave out the RFC.
func inClause(clause, word string) bool {
	if !strings.ContainsAny(word, "0123456789") {
		return false
	}
	for _, start := range []string{word, "rfc " + word, "rfc" + word} {
		start = strings.Replace(start, "rfc", "rfc ", 1)
		start = strings.Join(strings.Fields(start), " ")
		if below(clause, start) {
			return true
		}
	}
	_, number, ok := cutRFC(clause)
	return ok && below(number, word)
}

// cutRFC parts "rfc 6455 4.2.1" into its two.
func cutRFC(clause string) (rfc, number string, ok bool) {
	fields := strings.SplitN(clause, " ", 3)
	if len(fields) < 3 || fields[0] != "rfc" {
		return "", "", false
	}
	return fields[1], fields[2], true
}

// below reports whether a clause is outer, or one of its own.
func below(clause, outer string) bool {
	rest, ok := strings.CutPrefix(clause, outer)
	return ok && outer != "" && (rest == "" || rest[0] == '.' || rest[0] == ' ' || rest[0] == ',')
}

// Pick returns the probes that the words pick, all where there are none. The
// error names a word that picks nothing.
func Pick(words []string) ([]*Probe, error) {
	all := Probes()
	if len(words) == 0 {
		return all, nil
	}
	for _, word := range words {
		if !picksAny(all, word) {
			return nil, fmt.Errorf("%q is neither a probe nor a group nor a clause of one", word)
		}
	}
	var picked []*Probe
	for _, p := range all {
		for _, word := range words {
			if p.matches(word) {
				picked = append(picked, p)
				break
			}
		}
	}
	return picked, nil
}

func picksAny(all []*Probe, word string) bool {
	for _, p := range all {
		if p.matches(word) {
			return true
		}
	}
	return false
}

// Probes returns the table, in its order.
func Probes() []*Probe {
	var all []*Probe
	for _, part := range [][]Probe{
		answerProbes(), lineProbes(), fieldProbes(), keyProbes(), versionProbes(), acceptProbes(),
		negotiationProbes(), deflateProbes(), frameProbes(), closeProbes(), livelyProbes(), safetyProbes(), framingProbes(), limitProbes(),
	} {
		for i := range part {
			all = append(all, &part[i])
		}
	}
	return all
}
