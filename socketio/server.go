package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Server is a Socket.IO server: an [http.Handler] on any server, or one with
// listeners of its own.
type Server struct {
	ServerOptions

	engine  *engine.Server
	encoder Encoder
	text    bool     // it is that of TextParser
	files   sync.Map // of ServeClient, compressed
	crew    crew
	misfits misfits

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	dynamic    []*Namespace
	children   int // of all dynamic ones
	onNew      []func(*Namespace)
	onClose    []func()
	attached   []*http.Server
	closed     bool
}

// NewServer returns a server. Options may be nil.
func NewServer(options *ServerOptions) *Server {
	s := &Server{namespaces: map[string]*Namespace{}}
	if options != nil {
		s.ServerOptions = *options
	}
	s.encoder = s.parser().NewEncoder()
	_, s.text = s.encoder.(textEncoder)
	e := s.Engine
	if e == nil {
		e = &engine.Server{}
	}
	if s.Path != "" || e.Path == "" {
		e.Path = "/" + strings.Trim(orString(s.Path, "/socket.io/"), "/") + "/"
	}
	if s.CORS != nil {
		e.CORS = s.CORS
	}
	if e.Tracer == nil {
		e.Tracer = s.Tracer
	}
	if s.Tracer == nil {
		s.Tracer = e.Tracer
	}
	if s.ServeClient != nil {
		e.Use(s.clientFiles)
	}
	s.Bind(e)
	s.Of("/")
	return s
}

// Bind has the server serve the sessions of another engine, which must not serve
// yet. ServeHTTP, Serve and Close are about that one from then on.
func (s *Server) Bind(e *engine.Server) {
	e.OnConnection = s.HandleSession
	s.engine = e
}

// HandleSession takes a new session of an engine: it sets its callbacks, and has
// to be called in [engine.Server.OnConnection].
func (s *Server) HandleSession(session *engine.Session) { s.connected(session) }

// EngineServer returns the Engine.IO server below.
func (s *Server) EngineServer() *engine.Server { return s.engine }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Serve accepts connections on l until it fails, or Close is called.
func (s *Server) Serve(l net.Listener) error { return s.engine.Serve(l) }

// ListenAndServe is Serve on a TCP address, such as ":3000".
func (s *Server) ListenAndServe(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// Attach puts the server before the handler of an HTTP server, which goes on
// getting the requests for other paths. It must not serve yet. Close shuts it
// down, too.
func (s *Server) Attach(server *http.Server) {
	next := server.Handler
	if next == nil {
		next = http.DefaultServeMux
	}
	path := s.enginePath()
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path) {
			s.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attached = append(s.attached, server)
}

// enginePath is what the paths of requests for the engine begin with.
func (s *Server) enginePath() string {
	if s.engine.NoTrailingSlash {
		return strings.TrimSuffix(s.engine.Path, "/")
	}
	return strings.TrimSuffix(s.engine.Path, "/") + "/"
}

// OnClose adds a function that Close calls before all else.
func (s *Server) OnClose(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onClose = append(s.onClose, f)
}

// Close disconnects all sockets ("server shutting down"), closes the adapters,
// the engine, the listeners of Serve and the servers of Attach, and waits until
// the sockets' handlers have returned, or ctx is done. A handler that calls it
// waits for itself.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	again, attached, hooks := s.closed, s.attached, s.onClose
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	for _, f := range hooks {
		s.guard(f)
	}
	var ended []*Socket
	var errs []error
	for _, n := range s.Namespaces() {
		sockets := n.Sockets()
		for _, socket := range sockets {
			socket.end(ReasonServerShuttingDown, "")
		}
		ended = append(ended, sockets...)
		errs = append(errs, n.adapter.Close())
	}
	errs = append(errs, s.engine.Close(ctx))
	for _, server := range attached {
		errs = append(errs, server.Shutdown(ctx))
	}
	for _, socket := range ended {
		errs = append(errs, socket.events.wait(ctx))
	}
	s.crew.end()
	return errors.Join(errs...)
}

func (s *Server) closing() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

func (s *Server) handlerError(socket *Socket, event string, err error) {
	s.note(socket, "the event %q: %v", event, err)
	if s.OnHandlerError != nil {
		s.OnHandlerError(socket, event, err)
	} else {
		s.misfits.log(event, err)
	}
}

// AdapterError reports what an adapter could not do when nobody waited for it.
// It is for adapters.
func (n *Namespace) AdapterError(err error) {
	n.server.note(nil, "the adapter of %s: %v", n.name, err)
	if n.server.OnAdapterError != nil {
		n.server.OnAdapterError(n, err)
	}
}

// note puts something that went wrong into the trace.
func (s *Server) note(socket *Socket, format string, args ...any) {
	if !s.Tracer.On(trace.Connection) {
		return
	}
	text := fmt.Sprintf(format, args...)
	if socket != nil {
		text = "socket " + socket.id + ": " + text
	}
	s.Tracer.Emit(0, trace.Note{Text: text})
}

// panicked tells of a panic in a handler, and makes an error of it. The socket is
// nil where the handler is of none.
func (s *Server) panicked(socket *Socket, v any) error {
	err := &tcp.PanicError{Callback: "handler", Value: v, Stack: debug.Stack()}
	s.note(socket, "%v", err)
	if s.OnPanic != nil {
		s.OnPanic(socket, err)
	} else {
		logPanic(err)
	}
	return err
}

// guard runs a handler of no socket, whose panic ends nothing but itself.
func (s *Server) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			_ = s.panicked(nil, v)
		}
	}()
	f()
}

// newID makes an id as the official server does: 15 bytes in base64.
func newID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}
