package ws

import (
	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// Observer follows a connection whose bytes somebody else passes on: it answers
// nothing, changes nothing, inflates both directions and turns what is wrong
// into findings. Where the borders of frames are lost it says so, and says
// nothing more about that direction. Each direction may be fed by a goroutine
// of its own.
type Observer struct {
	// Tracer and ID are where the records go. A record's direction is out where
	// the client sends and in where the server does.
	Tracer *trace.Tracer
	ID     trace.ID

	sides [2]Decoder // by role
}

// NewObserver returns an observer of a connection whose opening handshake agreed
// on this.
func NewObserver(t *trace.Tracer, id trace.ID, agreed handshake.Agreement, limits Limits) *Observer {
	o := &Observer{Tracer: t, ID: id}
	for role := range o.sides {
		d := &o.sides[role]
		d.init(Role(role), agreed, limits)
		d.Observe, d.Frames = true, t.On(trace.Frame)
	}
	return o
}

// Feed takes bytes that one end sent, and reports what they come to.
func (o *Observer) Feed(from Role, b []byte) {
	dir, d := direction(from), &o.sides[from]
	for {
		n, ev := d.Next(b)
		b = b[n:]
		if ev.Kind == EventNone {
			return
		}
		o.report(dir, d, &ev)
	}
}

// direction is that of what a role sends, seen as the client sees it.
func direction(from Role) trace.Dir {
	if from == ClientRole {
		return trace.Out
	}
	return trace.In
}

func (o *Observer) report(dir trace.Dir, d *Decoder, ev *Event) {
	r := reporter{o.Tracer, o.ID}
	if ev.Header != nil {
		r.frame(dir, ev.Header, d.packed && !ev.Header.Opcode.Control())
	}
	if ev.Violation != nil {
		r.finding(ev.Violation)
	}
	switch ev.Kind {
	case EventMessage:
		o.message(r, dir, d, ev)
	case EventPing, EventPong:
		r.ping(dir, ev.Kind == EventPong, ev.Payload, 0)
	case EventClose:
		r.close(dir, ev.Code, ev.Reason)
	case EventBroken:
		r.emit(trace.Note{Text: "where frames begin and end is lost: what the " + d.From.String() + " sends from here on is not decoded"})
	}
}

// message reports a message. Once the context of the compressed ones is lost it
// says so, and goes on with their sizes.
func (o *Observer) message(r reporter, dir trace.Dir, d *Decoder, ev *Event) {
	if ev.Opaque && !d.toldLost {
		d.toldLost = true
		r.emit(trace.Note{Text: "the context went with a message that was not inflated: what the " + d.From.String() + " compresses from here on is not shown"})
	}
	r.message(dir, ev)
}

// Held is how many bytes are kept: of messages that are not complete, and to
// inflate those that come.
func (o *Observer) Held() (n int) {
	for role := range o.sides {
		d := &o.sides[role]
		n += cap(d.buf)
		if d.inflate != nil {
			n += cap(d.inflate.window)
		}
	}
	return n
}

// End says that one end has sent all it will: a connection that ends within a
// frame, or without a close frame, is a finding.
func (o *Observer) End(from Role) {
	if v := o.sides[from].End(); v != nil {
		reporter{o.Tracer, o.ID}.finding(v)
	}
}

// End is the end of the bytes. It returns the rule that this breaks, or nil
// behind a close frame.
func (d *Decoder) End() *Violation {
	switch {
	case d.closed || d.dead:
		return nil
	case d.inFrame:
		return d.violation(ruleCut, "%d of %s of a %s frame are missing", d.left, count(d.hdr.Length, "byte"), d.hdr.Opcode)
	case d.headLen > 0:
		return d.violation(ruleCut, "%s of a header", count(int64(d.headLen), "byte"))
	}
	return d.violation(ruleNoClose, "the end of the connection")
}
