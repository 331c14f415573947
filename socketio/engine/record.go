package engine

import (
	"fmt"

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

// refused tells of a request that is refused, and what it means.
func (s *Server) refused(e *ConnectionError) {
	if s.OnConnectionError != nil {
		s.OnConnectionError(e)
	}
	if r, ok := codeRules[e.Code]; ok && s.Tracer.On(trace.Connection) {
		came := fmt.Sprintf("%s %s from %s: %s", e.Request.Method, e.Request.URL.RequestURI(), e.Request.RemoteAddr, e.Message())
		if e.Context != "" {
			came += " (" + e.Context + ")"
		}
		s.Tracer.Emit(0, r.finding(byClient, came))
	}
}
