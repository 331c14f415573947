package socketio

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Namespace is a part of a server with sockets, rooms, middlewares and handlers
// of its own.
type Namespace struct {
	server  *Server
	name    string
	adapter Adapter
	acks    atomic.Uint64
	match   func(name string, auth map[string]any) bool // of a dynamic one: it has no sockets itself
	parent  *Namespace

	mu          sync.RWMutex
	sockets     map[string]*Socket
	middlewares []func(*Socket) error
	onConnect   []func(*Socket)
	onServer    map[string][]*handler // events of other servers
	children    []*Namespace          // of a dynamic one
}

func newNamespace(s *Server, name string) *Namespace {
	n := &Namespace{server: s, name: name, sockets: map[string]*Socket{}, onServer: map[string][]*handler{}}
	n.adapter = s.newAdapter(n)
	return n
}

// Name returns the namespace's name, which begins with a slash.
func (n *Namespace) Name() string { return n.name }

// Server returns the server that the namespace is of.
func (n *Namespace) Server() *Server { return n.server }

// Adapter returns what knows the rooms.
func (n *Namespace) Adapter() Adapter { return n.adapter }

// Use adds a middleware: it runs for each socket that connects, before it is
// connected, in the order of the calls. An error refuses the socket; the client
// gets its message, and the data of an [*Error]. It may block.
func (n *Namespace) Use(middleware func(*Socket) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.middlewares = append(n.middlewares, middleware)
}

// OnConnection adds a handler for sockets that are connected. No event of a
// socket is handled before it has returned.
func (n *Namespace) OnConnection(f func(*Socket)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onConnect = append(n.onConnect, f)
}

// OnServer adds a handler for events that other servers send by ServerSideEmit.
func (n *Namespace) OnServer(event string, fn any) {
	h := mustHandler(event, fn)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onServer[event] = append(n.onServer[event], h)
}

// Sockets returns this server's sockets in the namespace, in no order.
func (n *Namespace) Sockets() []*Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	all := make([]*Socket, 0, len(n.sockets))
	for _, s := range n.sockets {
		if s.Connected() {
			all = append(all, s)
		}
	}
	return all
}

// Socket returns this server's socket of that id, or nil.
func (n *Namespace) Socket(id string) *Socket { return n.socket(id) }

func (n *Namespace) socket(id string) *Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets[id]
}

func (n *Namespace) nextAck() uint64 { return n.acks.Add(1) - 1 }

func (n *Namespace) all() *BroadcastOperator { return &BroadcastOperator{namespace: n} }

// To selects the sockets of rooms; so does In.
func (n *Namespace) To(rooms ...string) *BroadcastOperator { return n.all().To(rooms...) }

// In is To.
func (n *Namespace) In(rooms ...string) *BroadcastOperator { return n.To(rooms...) }

// Except selects all but the sockets of rooms.
func (n *Namespace) Except(rooms ...string) *BroadcastOperator { return n.all().Except(rooms...) }

// Local selects the sockets of this server.
func (n *Namespace) Local() *BroadcastOperator { return n.all().Local() }

// Volatile selects all, and drops what one cannot take at once.
func (n *Namespace) Volatile() *BroadcastOperator { return n.all().Volatile() }

// Compress says whether what is sent may be compressed.
func (n *Namespace) Compress(on bool) *BroadcastOperator { return n.all().Compress(on) }

// Timeout bounds the wait for acknowledgements.
func (n *Namespace) Timeout(d time.Duration) *BroadcastOperator { return n.all().Timeout(d) }

// Emit sends an event to all sockets of the namespace; of a dynamic one, to those
// of its children.
func (n *Namespace) Emit(event string, args ...any) error {
	if n.match == nil {
		return n.all().Emit(event, args...)
	}
	for _, child := range n.Children() {
		if err := child.Emit(event, args...); err != nil {
			return err
		}
	}
	return nil
}

// Send emits "message".
func (n *Namespace) Send(args ...any) error { return n.Emit("message", args...) }

// EmitWithAck sends an event to all and waits for their acknowledgements.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return n.all().EmitWithAck(ctx, event, args...)
}

// FetchSockets returns the sockets of the namespace, on all servers.
func (n *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return n.all().FetchSockets(ctx)
}

// SocketsJoin has all sockets join rooms.
func (n *Namespace) SocketsJoin(rooms ...string) error { return n.all().SocketsJoin(rooms...) }

// SocketsLeave has all sockets leave rooms.
func (n *Namespace) SocketsLeave(rooms ...string) error { return n.all().SocketsLeave(rooms...) }

// DisconnectSockets disconnects all sockets.
func (n *Namespace) DisconnectSockets(close bool) error { return n.all().DisconnectSockets(close) }

// ServerSideEmit sends an event to the other servers of the cluster.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	if err := serverSideName(event); err != nil {
		return err
	}
	return n.adapter.ServerSideEmit(context.Background(), event, args, nil)
}

// ServerSideEmitWithAck sends an event to the other servers and waits for their
// acknowledgements.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	if err := serverSideName(event); err != nil {
		return nil, err
	}
	servers, err := n.adapter.ServerCount(ctx)
	if err != nil {
		return nil, err
	}
	c := &collector{done: make(chan struct{}), servers: 1}
	if err := n.adapter.ServerSideEmit(ctx, event, args, c.answer); err != nil {
		return nil, err
	}
	c.count(servers - 1)
	select {
	case <-c.done:
		return c.all(), nil
	case <-ctx.Done():
		return c.all(), context.Cause(ctx)
	}
}

func serverSideName(event string) error {
	switch event {
	case "connect", "connection", "new_namespace":
		return &ReservedEventError{event}
	}
	return nil
}

// ServerEvent has the handlers of an event that another server sent run, for
// adapters.
func (n *Namespace) ServerEvent(args Args, attachments [][]byte, ack func(args ...any) error) {
	var event string
	if args.Len() == 0 || json.Unmarshal(args.raw[0], &event) != nil {
		return
	}
	n.mu.RLock()
	handlers := slices.Clone(n.onServer[event])
	n.mu.RUnlock()
	for _, h := range handlers {
		go func() {
			if err := h.call(context.Background(), args.raw[1:], attachments, ack); err != nil {
				n.server.handlerError(nil, event, err)
			}
		}()
	}
}

// Children returns the namespaces that a dynamic one has made.
func (n *Namespace) Children() []*Namespace {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Clone(n.children)
}

// child makes a namespace of a dynamic one, with its middlewares and handlers.
func (n *Namespace) child(name string) *Namespace {
	c := newNamespace(n.server, name)
	c.parent = n
	n.mu.Lock()
	defer n.mu.Unlock()
	c.middlewares = slices.Clone(n.middlewares)
	c.onConnect = slices.Clone(n.onConnect)
	for event, handlers := range n.onServer {
		c.onServer[event] = slices.Clone(handlers)
	}
	n.children = append(n.children, c)
	return c
}

// matches is a rule for dynamic namespaces by a regular expression.
func matches(pattern *regexp.Regexp) func(string, map[string]any) bool {
	return func(name string, _ map[string]any) bool { return pattern.MatchString(name) }
}

// admit runs the middlewares and connects a socket. It may block.
func (n *Namespace) admit(s *Socket) {
	n.mu.RLock()
	middlewares := n.middlewares
	n.mu.RUnlock()
	if !s.recovered || !n.server.skipsMiddlewares() {
		for _, m := range middlewares {
			if err := guardMiddleware(m, s); err != nil {
				n.refuse(s, err)
				return
			}
		}
	}
	if !s.conn.join(s) {
		n.forget(s) // the client has left meanwhile
		return
	}
	n.welcome(s)
}

// guardMiddleware runs a middleware, whose panic refuses the socket.
func guardMiddleware(m func(*Socket) error, s *Socket) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.namespace.server.panicked(s, v)
			err = &Error{Message: "internal error"}
		}
	}()
	return m(s)
}

func (n *Namespace) refuse(s *Socket, err error) {
	s.refused()
	n.forget(s)
	e, ok := err.(*Error)
	if !ok {
		e = &Error{Message: err.Error()}
	}
	s.conn.refuse(n.name, e)
}

// welcome answers a client that is connected, and has its handlers run before
// any of its events.
func (n *Namespace) welcome(s *Socket) {
	s.connected()
	s.replay()
	n.mu.RLock()
	handlers := slices.Clone(n.onConnect)
	n.mu.RUnlock()
	s.guard(func() {
		for _, f := range handlers {
			f(s)
		}
	})
	s.events.release()
}

// forget takes a socket off the namespace.
func (n *Namespace) forget(s *Socket) {
	n.mu.Lock()
	if n.sockets[s.id] == s {
		delete(n.sockets, s.id)
	}
	empty := len(n.sockets) == 0
	n.mu.Unlock()
	n.adapter.DelAll(s.id)
	if empty && n.parent != nil && n.server.CleanupEmptyChildNamespaces {
		n.server.drop(n)
	}
}
