package engine

import (
	"net/http"

	"github.com/sockkit/sockkit/trace"
)

// record reports packets that pass. Without a tracer it costs nothing.
func (s *Session) record(conn trace.ID, dir trace.Dir, transport string, packets ...Packet) {
	if s.srv.Tracer.On(trace.Frame) {
		record(s.srv.Tracer, conn, dir, s.id, transport, packets)
	}
}

func record(t *trace.Tracer, conn trace.ID, dir trace.Dir, session, transport string, packets []Packet) {
	for i := range packets {
		p := &packets[i]
		t.Emit(conn, trace.EIOPacket{
			Dir: dir, Session: session, Transport: transport, Type: p.Type.String(), Size: len(p.Data), Binary: p.Binary, Payload: p.Data,
		})
	}
}

// refused tells of a request that is refused.
func (s *Server) refused(e *ConnectionError) {
	if s.OnConnectionError != nil {
		s.OnConnectionError(e)
	}
	if s.Tracer.On(trace.Connection) {
		s.Tracer.Emit(0, trace.TurnedAway{Remote: e.Request.RemoteAddr, Rule: "engine.io code " + string('0'+rune(e.Code)), Reason: e.explained()})
	}
}

// explained is what a refusal means, for the one who has to mend it.
func (e *ConnectionError) explained() string {
	s := e.Message()
	if e.Context != "" {
		s += " (" + e.Context + ")"
	}
	switch {
	case e.Code == UnsupportedProtocolVersion:
		s += ": the client speaks Engine.IO 3, which is Socket.IO 2; update it, or allow EIO3"
	case e.Code == UnknownSID:
		s += ": the session has ended, or was begun on another server (no sticky sessions?)"
	case e.Context == ContextProtocolMismatch:
		s += ": the session was begun with another EIO"
	case e.Context == ContextTransportHandshake:
		s += ": the request has no Upgrade header; a proxy may have taken it away"
	case e.Context == ContextTransportMismatch && e.Request.Method == http.MethodGet:
		s += ": the session uses another transport by now"
	}
	return s
}
