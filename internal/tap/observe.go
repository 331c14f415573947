package tap

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// observed is the target of a connection that speaks WebSocket at both ends.
// What passes is read along, into the trace of the target, and neither changed
// nor held back: first the heads of the opening handshake, then frames. Where
// it turns out to be something else that is said, and the pieces are shown as
// those of any stream.
type observed struct {
	net.Conn
	tracer *trace.Tracer
	id     trace.ID

	mu      sync.Mutex // the heads' alone
	opening opening
	frames  atomic.Pointer[ws.Observer]
	ends    [2]sync.Once // by role
}

// observe has what passes through the target followed, where a tracer wants to
// hear of it. Both ends' pieces are not recorded as such any more.
func observe(client, target net.Conn, limits ws.Limits) net.Conn {
	for _, conn := range []net.Conn{client, target} {
		if framed, ok := conn.(interface{ Framed() }); ok {
			framed.Framed()
		}
	}
	known, ok := target.(traced)
	if !ok || !known.Tracer().On(trace.Connection) {
		return target
	}
	o := &observed{Conn: target, tracer: known.Tracer(), id: known.TraceID()}
	o.opening = opening{tracer: o.tracer, id: o.id, limits: limits}
	return o
}

// NetConn returns the connection underneath.
func (o *observed) NetConn() net.Conn { return o.Conn }

// TraceID returns the connection's number in the trace.
func (o *observed) TraceID() trace.ID { return o.id }

// Tracer returns the tracer that the connection reports to.
func (o *observed) Tracer() *trace.Tracer { return o.tracer }

// Read implements [net.Conn]: what the server sends.
func (o *observed) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if n > 0 {
		o.feed(ws.ServerRole, p[:n])
	}
	if err == io.EOF || isEnd(err) {
		o.end(ws.ServerRole)
	}
	return n, err
}

// Write implements [net.Conn]: what the client sends. It is recorded before it
// is handed on, so that no answer is recorded before its question.
func (o *observed) Write(p []byte) (int, error) {
	o.feed(ws.ClientRole, p)
	return o.Conn.Write(p)
}

// CloseWrite passes the client's end on.
func (o *observed) CloseWrite() error {
	o.end(ws.ClientRole)
	return tcp.CloseWrite(o.Conn)
}

// isEnd reports whether an error says that a peer is gone. That we have closed
// the connection ourselves does not.
func isEnd(err error) bool { return tcp.IsReset(err) || errors.Is(err, tcp.ErrTruncated) }

// feed follows what one end sent. Once frames pass no lock is needed: each
// direction has a goroutine and a decoder of its own.
func (o *observed) feed(from ws.Role, b []byte) {
	if o.fed(from, b) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fed(from, b) {
		return
	}
	if frames := o.opening.feed(from, b); frames != nil {
		o.frames.Store(frames)
	}
}

// fed hands bytes to the decoder of frames, once there is one.
func (o *observed) fed(from ws.Role, b []byte) bool {
	frames := o.frames.Load()
	if frames != nil && !(from == ws.ClientRole && o.opening.lost) {
		frames.Feed(from, b)
	}
	return frames != nil
}

// end says that one end has sent all it will.
func (o *observed) end(from ws.Role) {
	o.ends[from].Do(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		switch frames := o.frames.Load(); {
		case frames == nil:
			o.opening.end(from)
		case o.opening.good && !(from == ws.ClientRole && o.opening.lost):
			frames.End(from)
		}
	})
}
