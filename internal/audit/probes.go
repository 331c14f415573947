package audit

import (
	"sync"

	"github.com/sockkit/sockkit/handshake"
)

// The words that stand for many probes.
const (
	dueRefusal  = "a refusal, such as 400 Bad Request"
	dueUpgrade  = "101, with the right Sec-WebSocket-Accept"
	dueEnd      = "the end of the connection, best with close 1002"
	mendRefuse  = "Check this in the server before it answers with 101, or leave the handshake to a library that does."
	mendAccept  = "Compare names and tokens without regard to case, and read lists as lists."
	mendParser  = "Refuse it in the server's HTTP parser, or put one in front that does."
	mendFrames  = "End the connection with close 1002 as soon as the header of such a frame is read."
	mendDeflate = "Answer only offers whose parameters are all known, right and there once; ignore the others."
)

// ruleByID finds a rule of the opening handshake.
var ruleByID = sync.OnceValue(func() map[string]handshake.Rule {
	m := map[string]handshake.Rule{}
	for _, r := range handshake.Rules() {
		m[r.ID] = r
	}
	return m
})

// wrong is a request that breaks a rule of the opening handshake, and has to be
// refused.
func wrong(id, rule, sends string, head func(h *handshake.Head)) Probe {
	r := ruleByID()[rule]
	return Probe{
		ID: id, Group: Conformance, Clause: r.Clause, Binding: handshake.Must, Rule: rule, Sends: sends,
		Due: dueRefusal, Why: r.Why, Mend: mendRefuse, head: head, judge: mustRefuse,
	}
}

// clause is the probe with another clause: that of the server's duty.
func (p Probe) clause(c string) Probe { p.Clause = c; return p }

// right is a request that keeps every rule, however odd it looks.
func right(id, clause, sends, why string, head func(h *handshake.Head)) Probe {
	return Probe{
		ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Sends: sends,
		Due: dueUpgrade, Why: why, Mend: mendAccept, head: head, judge: mustAccept,
	}
}

// may makes a note of a refusal in place of a finding.
func (p Probe) may() Probe {
	p.Binding, p.judge = Practice, mayAccept
	return p
}

// The ways in which a head is bent.

func set(name, value string) func(*handshake.Head) {
	return func(h *handshake.Head) { h.Set(handshake.F(name, value)) }
}

func omit(name string) func(*handshake.Head) { return func(h *handshake.Head) { h.Omit(name) } }

func add(name, value string) func(*handshake.Head) {
	return func(h *handshake.Head) { h.Add(name, value) }
}

// raw puts a line where the header of its name stands, or behind.
func raw(name, line string) func(*handshake.Head) {
	return func(h *handshake.Head) {
		f := handshake.F(name, "")
		f.Raw = []byte(line + "\r\n")
		h.Set(f)
	}
}

// line bends the first line; what is empty stays.
func line(method, target, proto string) func(*handshake.Head) {
	return func(h *handshake.Head) { (&handshake.Bend{Method: method, Target: target, Proto: proto}).Apply(h) }
}

func both(bends ...func(*handshake.Head)) func(*handshake.Head) {
	return func(h *handshake.Head) {
		for _, b := range bends {
			b(h)
		}
	}
}

func offering(extensions string) func(*handshake.Head) {
	return set("Sec-WebSocket-Extensions", extensions)
}

// foreignOrigin is of a site that no server means to let in.
const foreignOrigin = "https://foreign.example"

func foreign(h *handshake.Head) { h.Set(handshake.F("Origin", foreignOrigin)) }
