package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// ServerOptions configure a [Server]. The zero value has the official server's
// defaults; nil is the zero value.
type ServerOptions struct {
	// Path is what requests begin with; "" is /socket.io/.
	Path string
	// CORS says which pages of other origins may connect; nil is none.
	CORS *engine.CORS
	// Engine has the options of Engine.IO: transports, heartbeat, sizes, cookies,
	// AllowRequest. Path and CORS here count before its own; its callbacks are the
	// server's. Nil is the zero value.
	Engine *engine.Server

	// Adapter makes the adapter of each namespace; nil makes memory adapters.
	Adapter AdapterFactory
	// Parser puts packets on the wire; nil is [TextParser].
	Parser Parser
	// ConnectTimeout bounds the time until a client has joined a namespace; 0 is
	// 45 seconds.
	ConnectTimeout time.Duration
	// Recovery lets clients that were lost for a short time come back as they
	// were; nil does not.
	Recovery *Recovery
	// CleanupEmptyChildNamespaces drops children of dynamic namespaces when their
	// last socket leaves.
	CleanupEmptyChildNamespaces bool

	// MaxPending bounds the events of one socket that wait for its handlers; 0 is
	// 4,096, less than 0 no bound. MaxPendingBytes bounds their size; 0 is 16 MiB.
	// Beyond either the client is disconnected.
	MaxPending, MaxPendingBytes int
	// MaxNamespaces bounds how often one client may join a namespace; 0 is 1,000,
	// less than 0 no bound.
	MaxNamespaces int

	// OnHandlerError is told of events whose arguments a handler cannot take. The
	// socket is nil for events of other servers.
	OnHandlerError func(s *Socket, event string, err error)
	// OnPanic is told of panics in handlers and middlewares. The socket goes on.
	OnPanic func(s *Socket, err *tcp.PanicError)
	// Tracer takes the records; nil costs nothing.
	Tracer *trace.Tracer
}

// Recovery says how clients may come back (connection-state recovery).
type Recovery struct {
	// MaxDisconnection is for how long a client may be away; 0 is 2 minutes.
	MaxDisconnection time.Duration
	// RunMiddlewares has middlewares run for those that come back, too.
	RunMiddlewares bool
	// MaxPackets bounds the events that are kept for a namespace; 0 is 100,000.
	MaxPackets int
}

// Server is a Socket.IO server: an [http.Handler] on any server, or one with
// listeners of its own.
type Server struct {
	ServerOptions

	engine  *engine.Server
	encoder Encoder

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	dynamic    []*Namespace
	onNew      []func(*Namespace)
	closed     bool
}

const (
	defaultConnectTimeout  = 45 * time.Second
	defaultMaxPending      = 4096
	defaultMaxPendingBytes = 16 << 20
	defaultMaxNamespaces   = 1000
)

// NewServer returns a server. Options may be nil.
func NewServer(options *ServerOptions) *Server {
	s := &Server{namespaces: map[string]*Namespace{}}
	if options != nil {
		s.ServerOptions = *options
	}
	s.encoder = s.parser().NewEncoder()
	if s.engine = s.Engine; s.engine == nil {
		s.engine = &engine.Server{}
	}
	if s.Path != "" || s.engine.Path == "" {
		s.engine.Path = "/" + strings.Trim(orString(s.Path, "/socket.io/"), "/") + "/"
	}
	if s.CORS != nil {
		s.engine.CORS = s.CORS
	}
	if s.engine.Tracer == nil {
		s.engine.Tracer = s.Tracer
	}
	s.engine.OnConnection = s.connected
	s.Of("/")
	return s
}

func orString(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

func (s *Server) parser() Parser {
	if s.Parser == nil {
		return TextParser{}
	}
	return s.Parser
}

func (s *Server) newAdapter(n *Namespace) Adapter {
	switch {
	case s.Adapter != nil:
		return s.Adapter(n)
	case s.Recovery != nil:
		return newSessionAdapter(n)
	}
	return NewMemoryAdapter(n)
}

func (s *Server) connectTimeout() time.Duration {
	if s.ConnectTimeout > 0 {
		return s.ConnectTimeout
	}
	return defaultConnectTimeout
}

func (s *Server) maxPending() int      { return orInt(s.MaxPending, defaultMaxPending) }
func (s *Server) maxPendingBytes() int { return orInt(s.MaxPendingBytes, defaultMaxPendingBytes) }
func (s *Server) maxNamespaces() int   { return orInt(s.MaxNamespaces, defaultMaxNamespaces) }

func orInt(v, byDefault int) int {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

func (s *Server) skipsMiddlewares() bool { return s.Recovery != nil && !s.Recovery.RunMiddlewares }

func (s *Server) handlerError(socket *Socket, event string, err error) {
	s.note(socket, fmt.Sprintf("the event %q: %v", event, err))
	if s.OnHandlerError != nil {
		s.OnHandlerError(socket, event, err)
	}
}

// note puts something that went wrong into the trace.
func (s *Server) note(socket *Socket, text string) {
	if socket != nil {
		text = "socket " + socket.id + ": " + text
	}
	s.Tracer.Emit(0, trace.Note{Text: text})
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Serve accepts connections on l until it fails, or Close is called.
func (s *Server) Serve(l net.Listener) error { return s.engine.Serve(l) }

// EngineServer returns the Engine.IO server below.
func (s *Server) EngineServer() *engine.Server { return s.engine }

// Of returns the namespace of that name, and makes it where there is none yet.
func (s *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	s.mu.Lock()
	n := s.namespaces[name]
	if n != nil {
		s.mu.Unlock()
		return n
	}
	n = newNamespace(s, name)
	s.namespaces[name] = n
	hooks := slices.Clone(s.onNew)
	s.mu.Unlock()
	_ = n.adapter.Init()
	for _, f := range hooks {
		f(n)
	}
	return n
}

// OfPattern returns a dynamic namespace: clients may join every name that the
// pattern matches. Its middlewares and handlers are those of each of them.
func (s *Server) OfPattern(pattern *regexp.Regexp) *Namespace { return s.OfFunc(matches(pattern)) }

// OfFunc is OfPattern for a function, which gets what the client sent along.
func (s *Server) OfFunc(match func(name string, auth map[string]any) bool) *Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := newNamespace(s, fmt.Sprintf("/_%d", len(s.dynamic)))
	n.match = match
	s.dynamic = append(s.dynamic, n)
	return n
}

// OnNewNamespace adds a handler for namespaces that are made.
func (s *Server) OnNewNamespace(f func(*Namespace)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onNew = append(s.onNew, f)
}

// namespaceFor returns the namespace that a client may join under a name; nil
// where there is none.
func (s *Server) namespaceFor(name string, auth map[string]any) *Namespace {
	s.mu.RLock()
	n, dynamic := s.namespaces[name], slices.Clone(s.dynamic)
	s.mu.RUnlock()
	if n != nil {
		return n
	}
	for _, parent := range dynamic {
		if parent.match(name, auth) {
			return s.childOf(parent, name)
		}
	}
	return nil
}

func (s *Server) childOf(parent *Namespace, name string) *Namespace {
	s.mu.Lock()
	if n := s.namespaces[name]; n != nil {
		s.mu.Unlock()
		return n
	}
	n := parent.child(name)
	s.namespaces[name] = n
	hooks := slices.Clone(s.onNew)
	s.mu.Unlock()
	_ = n.adapter.Init()
	for _, f := range hooks {
		f(n)
	}
	return n
}

// drop forgets a child of a dynamic namespace that has no sockets any more.
func (s *Server) drop(n *Namespace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.mu.Lock()
	empty := len(n.sockets) == 0
	n.mu.Unlock()
	if !empty || s.namespaces[n.name] != n {
		return
	}
	delete(s.namespaces, n.name)
	n.parent.mu.Lock()
	n.parent.children = slices.DeleteFunc(n.parent.children, func(c *Namespace) bool { return c == n })
	n.parent.mu.Unlock()
	_ = n.adapter.Close()
}

// Namespaces returns the namespaces there are, in the order of their names.
func (s *Server) Namespaces() []*Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Namespace, 0, len(s.namespaces))
	for _, n := range s.namespaces {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *Namespace) int { return strings.Compare(a.name, b.name) })
	return all
}

// Close disconnects all sockets ("server shutting down"), and closes the
// adapters, the engine and the listeners of Serve. It waits until ctx is done.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	var errs []error
	for _, n := range s.Namespaces() {
		for _, socket := range n.Sockets() {
			socket.end(ReasonServerShuttingDown, "")
		}
		errs = append(errs, n.adapter.Close())
	}
	errs = append(errs, s.engine.Close(ctx))
	return errors.Join(errs...)
}

// newID makes an id as the official server does: 15 bytes in base64.
func newID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

// The methods of the main namespace.

func (s *Server) main() *Namespace { return s.Of("/") }

// Use is that of the main namespace; so are the methods that follow.
func (s *Server) Use(middleware func(*Socket) error)        { s.main().Use(middleware) }
func (s *Server) OnConnection(f func(*Socket))              { s.main().OnConnection(f) }
func (s *Server) OnServer(event string, fn any)             { s.main().OnServer(event, fn) }
func (s *Server) Emit(event string, args ...any) error      { return s.main().Emit(event, args...) }
func (s *Server) Send(args ...any) error                    { return s.main().Send(args...) }
func (s *Server) To(rooms ...string) *BroadcastOperator     { return s.main().To(rooms...) }
func (s *Server) In(rooms ...string) *BroadcastOperator     { return s.main().In(rooms...) }
func (s *Server) Except(rooms ...string) *BroadcastOperator { return s.main().Except(rooms...) }
func (s *Server) Local() *BroadcastOperator                 { return s.main().Local() }
func (s *Server) Volatile() *BroadcastOperator              { return s.main().Volatile() }
func (s *Server) Compress(on bool) *BroadcastOperator       { return s.main().Compress(on) }
func (s *Server) Timeout(d time.Duration) *BroadcastOperator {
	return s.main().Timeout(d)
}
func (s *Server) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return s.main().EmitWithAck(ctx, event, args...)
}
func (s *Server) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return s.main().FetchSockets(ctx)
}
func (s *Server) SocketsJoin(rooms ...string) error  { return s.main().SocketsJoin(rooms...) }
func (s *Server) SocketsLeave(rooms ...string) error { return s.main().SocketsLeave(rooms...) }
func (s *Server) DisconnectSockets(close bool) error { return s.main().DisconnectSockets(close) }
func (s *Server) ServerSideEmit(event string, args ...any) error {
	return s.main().ServerSideEmit(event, args...)
}
func (s *Server) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return s.main().ServerSideEmitWithAck(ctx, event, args...)
}
