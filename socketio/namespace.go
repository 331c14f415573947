package socketio

import (
	"errors"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sockkit/sockkit/tcp"
)

// Namespace is a part of a server with sockets, rooms, middlewares and handlers
// of its own.
type Namespace struct {
	server *Server
	name   string
	acks   atomic.Uint64
	parent *Namespace

	// Of a dynamic one, which has no sockets itself.
	match   func(name string, auth map[string]any) bool
	pattern *regexp.Regexp // nil where a function decides

	once    sync.Once
	adapter Adapter
	peers   lane // events of other servers

	mu          sync.RWMutex
	sockets     map[string]*Socket // those that wait for middlewares, too
	retired     bool               // dropped: no socket may come any more
	middlewares []func(*Socket) error
	onConnect   []func(*Socket)
	onData      []func(*Socket, any)
	onServer    map[string][]handler // events of other servers
	children    []*Namespace         // of a dynamic one
	onRoom      map[RoomEvent][]func(room, id string)
}

func newNamespace(s *Server, name string) *Namespace {
	return &Namespace{server: s, name: name, sockets: map[string]*Socket{}, onServer: map[string][]handler{}}
}

// setUp makes the adapter. Whoever gets a namespace waits for that.
func (n *Namespace) setUp() {
	n.once.Do(func() {
		n.adapter = n.server.newAdapter(n)
		if err := n.adapter.Init(); err != nil {
			n.AdapterError(err)
		}
	})
}

// Name returns the namespace's name, which begins with a slash.
func (n *Namespace) Name() string { return n.name }

// Server returns the server that the namespace is of.
func (n *Namespace) Server() *Server { return n.server }

// Adapter returns what knows the rooms.
func (n *Namespace) Adapter() Adapter { return n.adapter }

// Use adds a middleware: it runs for each socket that connects, before it is
// connected, in the order of the calls. An error refuses the socket; the client
// gets its message, and the data of an [*Error]. It may block, and it may have
// the socket join rooms and keep data.
func (n *Namespace) Use(middleware func(*Socket) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.middlewares = append(n.middlewares, middleware)
}

// OnConnection adds a handler for sockets that are connected. No event of a
// socket is handled before it has returned. The children of a dynamic namespace
// have the handlers that it had when they were made.
func (n *Namespace) OnConnection(f func(*Socket)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onConnect = append(n.onConnect, f)
}

// PrependConnection is OnConnection before all others.
func (n *Namespace) PrependConnection(f func(*Socket)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onConnect = append([]func(*Socket){f}, n.onConnect...)
}

// OnData adds a handler for data that [Socket.SetData] is given, which it may read
// while SetData runs. The children of a dynamic namespace have none of its own.
func (n *Namespace) OnData(f func(s *Socket, data any)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onData = append(slices.Clip(n.onData), f)
}

// tellData has the handlers of OnData run.
func (n *Namespace) tellData(s *Socket, data any) {
	n.mu.RLock()
	handlers := n.onData
	n.mu.RUnlock()
	for _, f := range handlers {
		n.server.guard(func() { f(s, data) })
	}
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
func (n *Namespace) Socket(id string) *Socket {
	if s := n.socket(id); s != nil && s.Connected() {
		return s
	}
	return nil
}

func (n *Namespace) socket(id string) *Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets[id]
}

func (n *Namespace) nextAck() uint64 { return n.acks.Add(1) - 1 }

// Children returns the namespaces that a dynamic one has made.
func (n *Namespace) Children() []*Namespace {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Clone(n.children)
}

// inherit makes a namespace the child of a dynamic one, with its middlewares and
// handlers.
func (n *Namespace) inherit(parent *Namespace) {
	n.parent = parent
	parent.mu.Lock()
	defer parent.mu.Unlock()
	n.middlewares = slices.Clone(parent.middlewares)
	n.onConnect = slices.Clone(parent.onConnect)
	for event, handlers := range parent.onServer {
		n.onServer[event] = slices.Clone(handlers)
	}
	parent.children = append(parent.children, n)
}

func (n *Namespace) disown(child *Namespace) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.children = slices.DeleteFunc(n.children, func(c *Namespace) bool { return c == child })
}

// retire has no socket come any more. It reports false where there are some.
func (n *Namespace) retire() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.retired = len(n.sockets) == 0
	return n.retired
}

// add takes a socket that is about to connect. It reports false where the
// namespace has been dropped meanwhile. A socket that came back under an id
// that is still in use gets another one, and has not come back.
func (n *Namespace) add(s *Socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.retired {
		return false
	}
	if n.sockets[s.id] != nil {
		s.id, s.recovered, s.lost, s.data = newID(), false, nil, nil
		if s.pid != "" {
			s.pid = newID()
		}
	}
	n.sockets[s.id] = s
	return true
}

// admit runs the middlewares and connects a socket. It may block.
func (n *Namespace) admit(s *Socket) {
	n.mu.RLock()
	middlewares := n.middlewares
	n.mu.RUnlock()
	if !s.recovered || !n.server.skipsMiddlewares() {
		for _, m := range middlewares {
			if err := s.try(func() error { return m(s) }); err != nil {
				n.refuse(s, err)
				return
			}
		}
	}
	if !s.conn.join(s) || !s.connected() {
		s.left()
		return
	}
	n.mu.RLock()
	handlers := n.onConnect
	n.mu.RUnlock()
	for _, f := range handlers {
		s.guard(func() { f(s) })
	}
	s.events.release()
}

// refuse answers a client that a middleware turns away.
func (n *Namespace) refuse(s *Socket, err error) {
	s.refused()
	var panicked *tcp.PanicError
	var e *Error
	switch {
	case errors.As(err, &panicked):
		e = &Error{Message: "internal error"} // what it was is nobody's business
	case errors.As(err, &e):
	default:
		e = &Error{Message: err.Error()}
	}
	s.conn.refuse(n.name, e, false)
}

// forget takes a socket that is gone off the namespace, once: another may have
// its id then.
func (n *Namespace) forget(s *Socket) {
	if !s.forgotten.CompareAndSwap(false, true) {
		return
	}
	n.adapter.DelAll(s.id)
	n.mu.Lock()
	if n.sockets[s.id] == s {
		delete(n.sockets, s.id)
	}
	empty := len(n.sockets) == 0
	n.mu.Unlock()
	if empty && n.parent != nil && n.server.CleanupEmptyChildNamespaces {
		n.server.drop(n)
	}
}
