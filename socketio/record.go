package socketio

import (
	"strconv"

	"github.com/sockkit/sockkit/trace"
)

// record reports a packet that passes. Without a tracer it costs nothing.
func (c *conn) record(dir trace.Dir, p *Packet) {
	if c.server.Tracer.On(trace.Message) {
		recordPacket(c.server.Tracer, dir, c.session.ID(), p)
	}
}

// recordPacket reports a packet of a session.
func recordPacket(t *trace.Tracer, dir trace.Dir, session string, p *Packet) {
	e := trace.SIOPacket{
		Dir: dir, Session: session, Namespace: orString(p.Namespace, "/"), Type: p.Type.String(), Attachments: len(p.Attachments),
		Size: len(p.Data), Payload: p.Data,
	}
	if p.Type == PacketEvent {
		if first := firstElement(p.Data); len(first) > 0 {
			e.EventName = eventName(first)
		}
	}
	if p.HasID {
		e.AckID = strconv.FormatUint(p.ID, 10)
	}
	for _, b := range p.Attachments {
		e.Size += len(b)
	}
	t.Emit(0, e)
}
