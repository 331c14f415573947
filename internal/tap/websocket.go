package tap

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// WebSocket is an end that speaks WebSocket, where the other one does not: what
// passes are messages. Each Write sends one.
type WebSocket struct {
	net.Conn // below; what is read from it is lost
	c        *ws.Conn
	kind     ws.MessageType // of what is sent

	leaving atomic.Bool // we have closed it
	left    atomic.Bool // the peer has, in good order
	once    sync.Once
	over    chan struct{} // closed once we have
	err     error         // of closing, valid then
}

// NewWebSocket is an end on an open connection. What is sent is text, or else
// binary.
func NewWebSocket(c *ws.Conn, text bool) *WebSocket {
	w := &WebSocket{Conn: c.NetConn(), c: c, kind: ws.Binary, over: make(chan struct{})}
	if text {
		w.kind = ws.Text
	}
	return w
}

// webSocketOf is the WebSocket that an end is; nil where it is none.
func webSocketOf(e End) *WebSocket {
	w, _ := e.Conn.(*WebSocket)
	return w
}

// NetConn returns the connection underneath.
func (w *WebSocket) NetConn() net.Conn { return w.Conn }

// TraceID returns the connection's number in the trace; 0 without one.
func (w *WebSocket) TraceID() trace.ID {
	if known, ok := w.Conn.(traced); ok {
		return known.TraceID()
	}
	return 0
}

// Tracer returns the tracer that the connection reports to.
func (w *WebSocket) Tracer() *trace.Tracer {
	if known, ok := w.Conn.(traced); ok {
		return known.Tracer()
	}
	return nil
}

// ReadMessage returns the next message, valid until the next call, and whether
// it is text. [io.EOF] is an end in good order; any other end is a
// [*ws.CloseError].
func (w *WebSocket) ReadMessage() (p []byte, text bool, err error) {
	kind, p, err := w.c.Read(context.Background())
	var closed *ws.CloseError
	switch {
	case err == nil:
		return p, kind == ws.Text, nil
	case w.leaving.Load():
		return nil, false, io.EOF
	case errors.As(err, &closed) && closed.Orderly():
		w.left.Store(true)
		return nil, false, io.EOF
	}
	return nil, false, err
}

// Read is not for messages, whose size nobody knows beforehand.
func (w *WebSocket) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write sends one message.
func (w *WebSocket) Write(p []byte) (int, error) {
	if err := session.CheckText(w.kind, p); err != nil {
		return 0, err
	}
	if err := w.c.Write(context.Background(), w.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite says that no more is sent, which with a WebSocket ends both ways:
// what the peer had sent before it heard of it still comes.
func (w *WebSocket) CloseWrite() error { return w.leave(ws.StatusNormal, "") }

// Close ends the connection with 1000, unless it has ended already.
func (w *WebSocket) Close() error { return w.leave(ws.StatusNormal, "") }

// leave closes by the closing handshake, once.
func (w *WebSocket) leave(code ws.StatusCode, reason string) error {
	w.once.Do(func() {
		w.leaving.Store(true)
		w.err = w.c.Close(code, reason)
		close(w.over)
	})
	<-w.over
	return w.err
}

// abort ends the connection by a reset.
func (w *WebSocket) abort() {
	w.leaving.Store(true)
	tcp.Reset(w.Conn)
	_ = w.c.CloseNow()
	w.once.Do(func() { close(w.over) })
}

// WebSockets is a [net.Listener] that gives [*WebSocket]s: connections whose
// opening handshake is over.
type WebSockets struct {
	server  *ws.Server
	l       *tcp.Listener
	text    bool
	arrived chan *WebSocket
	done    chan struct{} // closed once none are accepted any more
	once    sync.Once
}

// ListenWebSockets serves l by server, whose limits and policy the caller has
// set. What is sent is text, or else binary.
func ListenWebSockets(server *ws.Server, l *tcp.Listener, text bool) *WebSockets {
	w := &WebSockets{server: server, l: l, text: text, arrived: make(chan *WebSocket), done: make(chan struct{})}
	server.Handler = w.handle
	for _, socket := range l.Sockets() {
		go func() {
			_ = server.Serve(socket)
			w.stop()
		}()
	}
	return w
}

// handle hands a connection to whoever accepts, and waits until it is over.
func (w *WebSockets) handle(ctx context.Context, c *ws.Conn) error {
	conn := NewWebSocket(c, w.text)
	select {
	case w.arrived <- conn:
	case <-w.done:
		return conn.leave(ws.StatusTryAgainLater, "no more connections are taken")
	case <-ctx.Done():
		return conn.Close()
	}
	<-conn.over
	return nil
}

// Accept waits for a connection.
func (w *WebSockets) Accept() (net.Conn, error) {
	select {
	case conn := <-w.arrived:
		return conn, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *WebSockets) stop() { w.once.Do(func() { close(w.done) }) }

// Close stops accepting. Connections that were accepted stay.
func (w *WebSockets) Close() error {
	w.stop()
	return w.l.Close()
}

// Shutdown ends what is left, handshakes that are under way too.
func (w *WebSockets) Shutdown() error {
	w.stop()
	return w.server.Close()
}

// Addr returns the listener's address.
func (w *WebSockets) Addr() net.Addr { return w.l.Addr() }
