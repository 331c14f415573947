package ws

import (
	"encoding/hex"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// reporter makes the records of one connection. With a nil tracer it costs
// nothing.
type reporter struct {
	tracer *trace.Tracer
	id     trace.ID
}

func (r reporter) on(l trace.Level) bool { return r.tracer.On(l) }

func (r reporter) emit(e trace.Event) { r.tracer.Emit(r.id, e) }

func (r reporter) frame(dir trace.Dir, h *Header, compressed bool) {
	if !r.on(trace.Frame) {
		return
	}
	e := trace.WSFrame{
		Dir: dir, Opcode: int(h.Opcode), Type: h.Opcode.String(), Fin: h.Fin, RSV: int(h.RSV),
		Size: h.Length, Head: h.Size, Compressed: compressed,
	}
	if h.Masked {
		e.Mask = hex.EncodeToString(h.Key[:])
	}
	r.emit(e)
}

func (r reporter) message(dir trace.Dir, ev *Event) {
	if r.on(trace.Message) {
		r.emit(trace.WSMessage{
			Dir: dir, Type: ev.Type.String(), Size: len(ev.Payload), Wire: ev.Wire, Frames: ev.Frames,
			Compressed: ev.Compressed, Payload: ev.Payload,
		})
	}
}

func (r reporter) ping(dir trace.Dir, pong bool, payload []byte, rtt time.Duration) {
	if r.on(trace.Frame) {
		r.emit(trace.WSPing{Dir: dir, Pong: pong, RTT: rtt, Payload: payload})
	}
}

func (r reporter) close(dir trace.Dir, code StatusCode, reason string) {
	if r.on(trace.Connection) {
		r.emit(trace.WSClose{Dir: dir, Code: int(code), Title: code.Name(), Reason: reason})
	}
}

func (r reporter) finding(v *Violation) {
	if r.on(trace.Connection) {
		r.emit(v.Event())
	}
}

// Event is the violation as a trace record.
func (v *Violation) Event() trace.Finding {
	return trace.Finding{
		Rule: v.ID, Clause: v.Clause, Binding: string(v.Level), Fault: v.By.String(),
		Summary: v.Summary, Came: v.Came, Due: v.Due, Mend: v.Mend,
	}
}

// FindingEvent is a finding of the opening handshake as a trace record.
func FindingEvent(f *handshake.Finding) trace.Finding {
	return trace.Finding{
		Rule: f.ID, Clause: f.Clause, Binding: string(f.Level), Fault: string(f.Fault),
		Summary: f.Summary, Came: f.Came, Due: f.Due, Mend: f.Mend,
	}
}

// head reports a head of the opening handshake.
func (r reporter) head(dir trace.Dir, h *handshake.Head) {
	if !r.on(trace.Message) || h == nil {
		return
	}
	raw := h.AppendTo(nil)
	r.emit(trace.HTTPHead{Dir: dir, Line: string(h.AppendLine(nil)), Size: len(raw), Payload: raw})
}

// tracedConn is a connection that reports to a tracer.
type tracedConn interface {
	TraceID() trace.ID
	Tracer() *trace.Tracer
}
