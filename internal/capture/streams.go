package capture

import "github.com/sockkit/sockkit/trace"

// streams are the WebSockets on a connection of HTTP/2 (RFC 8441): each is a
// connection in the trace and in the report, as it is while it lives.
type streams struct {
	r    *reader
	of   *Connection
	open map[trace.ID]*Connection
}

// begin makes a connection of a stream that a WebSocket is asked for on.
func (s *streams) begin(number uint32) trace.ID {
	c := &Connection{
		ID: s.r.tracer.NewID(), Network: "http2", Client: s.of.Client, Server: s.of.Server,
		Opened: s.r.now, End: EndOpen, Whole: true, On: s.of.ID, Stream: number,
	}
	s.r.report.add(c)
	s.open[c.ID] = c
	s.r.emit(c.ID, trace.Open{Side: trace.Client, Network: "http2", Local: c.Client, Remote: c.Server})
	return c.ID
}

// end writes what only the end tells. One that may go on has not ended.
func (s *streams) end(id trace.ID, e trace.Close, ended bool) {
	c := s.open[id]
	delete(s.open, id)
	if c == nil {
		return
	}
	c.Out, c.In, c.Duration = e.Out, e.In, e.Duration
	if ended {
		if c.End = EndClosed; e.Reset {
			c.End = EndReset
		}
		s.r.emit(id, e)
	}
	delete(s.r.report.byID, id)
}
