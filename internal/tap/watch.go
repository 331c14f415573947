package tap

import (
	"errors"
	"io"
	"net"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// watched is the target of a connection whose bytes are read along, neither
// changed nor held back.
type watched struct {
	net.Conn
	tracer *trace.Tracer
	id     trace.ID
	by     follower
}

// follower reads along what each end sends, and hears once or more that it has
// sent all it will.
type follower interface {
	feed(from ws.Role, b []byte)
	end(from ws.Role)
}

// watch has the pieces of both ends not recorded as such any more. It reports
// false where no tracer wants to hear of the target.
func watch(client, target net.Conn) (watched, bool) {
	for _, conn := range []net.Conn{client, target} {
		if framed, ok := conn.(interface{ Framed() }); ok {
			framed.Framed()
		}
	}
	known, ok := target.(traced)
	if !ok || !known.Tracer().On(trace.Connection) {
		return watched{}, false
	}
	return watched{Conn: target, tracer: known.Tracer(), id: known.TraceID()}, true
}

// NetConn returns the connection underneath.
func (w *watched) NetConn() net.Conn { return w.Conn }

// TraceID returns the connection's number in the trace.
func (w *watched) TraceID() trace.ID { return w.id }

// Tracer returns the tracer that the connection reports to.
func (w *watched) Tracer() *trace.Tracer { return w.tracer }

// Read implements [net.Conn]: what the server sends.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.by.feed(ws.ServerRole, p[:n])
	}
	if err == io.EOF || isEnd(err) {
		w.by.end(ws.ServerRole)
	}
	return n, err
}

// Write implements [net.Conn]: what the client sends. It is recorded before it
// is handed on, so that no answer is recorded before its question.
func (w *watched) Write(p []byte) (int, error) {
	w.by.feed(ws.ClientRole, p)
	return w.Conn.Write(p)
}

// CloseWrite passes the client's end on.
func (w *watched) CloseWrite() error {
	w.by.end(ws.ClientRole)
	return tcp.CloseWrite(w.Conn)
}

// isEnd reports whether an error says that a peer is gone. That we have closed
// the connection ourselves does not.
func isEnd(err error) bool { return tcp.IsReset(err) || errors.Is(err, tcp.ErrTruncated) }
