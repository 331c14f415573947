package tap

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// NewCaptured returns one that reads what somebody else has recorded. Where bytes
// of a session are missing, what would be a finding about its packets is none.
func NewCaptured(t *trace.Tracer) *SocketIO {
	s := &SocketIO{sessions: map[string]*decoders{}, captured: &captured{tracer: t, of: map[trace.ID]string{}, torn: map[string]bool{}}}
	s.tracer = t.View(s.captured, t.Level)
	s.engine.Tracer, s.engine.OnPacket = s.tracer, s.packet
	return s
}

// captured holds back findings on what is not whole.
type captured struct {
	tracer *trace.Tracer
	of     map[trace.ID]string // the session that a connection's last request was of
	torn   map[string]bool     // sessions of which bytes are missing
}

// Record implements [trace.Sink].
func (c *captured) Record(r trace.Record) {
	if e, ok := r.Event.(trace.Finding); ok && (c.torn[c.of[r.Conn]] || c.torn[connName(r.Conn)]) {
		r.Event = trace.Note{Text: "bytes are missing in this session, so this is not sure: " + e.Summary}
	}
	c.tracer.Sink.Record(r)
}

// connName names a connection that is of no session yet.
func connName(id trace.ID) string { return "\x00" + strconv.FormatUint(uint64(id), 10) }

// belongs notes whose session a request is of.
func (c *captured) belongs(id trace.ID, target string) {
	if c == nil {
		return
	}
	if len(c.of) >= maxSessions {
		clear(c.of)
	}
	if u, err := url.ParseRequestURI(target); err == nil {
		c.of[id] = u.Query().Get("sid")
	}
}

// tear notes that bytes are missing, and forgets what a packet was to be put
// together of.
func (s *SocketIO) tear(id trace.ID) {
	if len(s.captured.torn) >= maxSessions {
		clear(s.captured.torn)
	}
	session := s.captured.of[id]
	s.captured.torn[connName(id)] = true
	if session != "" {
		s.captured.torn[session] = true
		s.drop(session)
	}
}

// Request takes a request that was read whole somewhere else, such as in a HAR
// export. What it returns takes the answer; it is nil where the request is not
// for an engine.
func (s *SocketIO) Request(id trace.ID, method, target string, header http.Header, body []byte) *engine.ObservedExchange {
	if !ofEngine(target) {
		return nil
	}
	s.captured.belongs(id, target)
	return s.engine.Request(id, method, target, header, body)
}

// WebSocket takes an upgrade that was read somewhere else. What it returns takes
// the messages; it is nil where the request was not for an engine.
func (s *SocketIO) WebSocket(id trace.ID, target string) *engine.ObservedSocket {
	if !ofEngine(target) {
		return nil
	}
	s.captured.belongs(id, target)
	return s.engine.WebSocket(id, target)
}

// Judge reports what came of an opening handshake whose heads were read
// somewhere else, and what is wrong with it. Nothing is reported where the
// request does not ask for a WebSocket.
func (s *SocketIO) Judge(id trace.ID, x *handshake.Exchange) {
	if !asks(x.Request) && (x.Response == nil || x.Response.Status != http.StatusSwitchingProtocols) {
		return
	}
	o := &opening{tracer: s.tracer, id: id, x: *x}
	o.findings()
	agreed, err := handshake.CheckResponse(x)
	switch {
	case x.Response == nil || x.Request == nil:
	case err != nil:
		o.failed()
		o.cause()
	default:
		o.emit(trace.Upgrade{Side: trace.Client, Target: string(x.Request.Target), Subprotocol: agreed.Subprotocol, Extensions: x.Response.Get("Sec-WebSocket-Extensions")})
	}
}
