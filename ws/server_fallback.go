package ws

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/sockkit/sockkit/tcp"
)

// toHTTP hands a peer that asks for no WebSocket to the HTTP server, with all
// that it has sent.
func (p *Peer) toHTTP(read []byte) {
	read = bytes.Clone(read)
	p.waiting = nil
	secure := p.tcp.TLS()
	conn, more, err := p.tcp.Detach()
	if err != nil {
		return
	}
	p.srv.web.serve(p.srv, &prefixed{Conn: conn, read: append(read, more...), tls: secure})
}

// prefixed is a connection of which something was read already.
type prefixed struct {
	net.Conn
	read []byte
	tls  *tls.ConnectionState
}

// Read implements [net.Conn].
func (c *prefixed) Read(b []byte) (int, error) {
	if len(c.read) > 0 {
		n := copy(b, c.read)
		c.read = c.read[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// NetConn returns the connection underneath.
func (c *prefixed) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the sending half.
func (c *prefixed) CloseWrite() error { return tcp.CloseWrite(c.Conn) }

// webServer is the HTTP server for what asks for no WebSocket. It is a listener
// of its own connections.
type webServer struct {
	mu    sync.Mutex
	http  *http.Server
	conns chan net.Conn
	done  chan struct{}
	over  bool
}

func (w *webServer) serve(s *Server, conn net.Conn) {
	if !w.begin(s, conn.LocalAddr()) {
		conn.Close()
		return
	}
	go func() { // the caller is a callback, and must not wait
		select {
		case w.conns <- conn:
		case <-w.done:
			conn.Close()
		}
	}()
}

// begin starts the HTTP server when it is first needed. It reports false behind
// the end.
func (w *webServer) begin(s *Server, local net.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.http == nil && !w.over {
		w.conns, w.done = make(chan net.Conn), make(chan struct{})
		w.http = &http.Server{
			ReadHeaderTimeout: s.handshakeTimeout(), IdleTimeout: idleHTTP, Handler: http.HandlerFunc(s.both),
			ErrorLog: log.New(io.Discard, "", 0), ConnContext: withConn, // panics reach OnPanic
		}
		go func() { _ = w.http.Serve(webListener{w, local}) }()
	}
	return !w.over
}

type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// both upgrades what a kept connection asks for later.
func (s *Server) both(w http.ResponseWriter, r *http.Request) {
	conn, _ := r.Context().Value(connKey{}).(*prefixed)
	defer s.webPanic(conn)
	if r.TLS == nil && conn != nil {
		r.TLS = conn.tls
	}
	if slices.ContainsFunc(r.Header.Values("Upgrade"), func(v string) bool { return containsToken(v, "websocket") }) {
		s.ServeHTTP(w, r)
		return
	}
	s.HTTP.ServeHTTP(w, r)
}

// webPanic tells the hook of a panic in HTTP, and lets net/http end the
// connection. It is deferred.
func (s *Server) webPanic(conn *prefixed) {
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler && conn != nil {
		s.panicked(conn.RemoteAddr(), &tcp.PanicError{Callback: "HTTP", Value: v, Stack: debug.Stack()})
	}
	panic(http.ErrAbortHandler)
}

func (w *webServer) stop() *http.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.http == nil {
		return nil
	}
	select {
	case <-w.done:
	default:
		close(w.done)
	}
	return w.http
}

func (w *webServer) shutdown(ctx context.Context) error {
	if h := w.stop(); h != nil {
		if err := h.Shutdown(ctx); err != nil {
			return errors.Join(err, h.Close())
		}
	}
	return nil
}

func (w *webServer) close() {
	if h := w.stop(); h != nil {
		_ = h.Close()
	}
}

type webListener struct {
	*webServer
	addr net.Addr
}

// Accept implements [net.Listener].
func (l webListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l webListener) Close() error {
	l.stop()
	return nil
}

// Addr implements [net.Listener].
func (l webListener) Addr() net.Addr { return l.addr }
