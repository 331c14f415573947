package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
)

// Handshake is what a socket began with.
type Handshake struct {
	Headers http.Header
	Time    time.Time
	Address string
	XDomain bool // the request came from a page of another origin
	Secure  bool
	URL     string
	Query   url.Values
	Auth    map[string]any // what the client sent along; never nil
}

// MarshalJSON implements [json.Marshaler], with the official names.
func (h *Handshake) MarshalJSON() ([]byte, error) {
	headers, query := map[string]string{}, map[string]string{}
	for name, values := range h.Headers {
		headers[lower(name)] = values[0]
	}
	for name, values := range h.Query {
		query[name] = values[0]
	}
	return json.Marshal(struct {
		Headers map[string]string `json:"headers"`
		Time    string            `json:"time"`
		Address string            `json:"address"`
		XDomain bool              `json:"xdomain"`
		Secure  bool              `json:"secure"`
		Issued  int64             `json:"issued"`
		URL     string            `json:"url"`
		Query   map[string]string `json:"query"`
		Auth    map[string]any    `json:"auth"`
	}{headers, h.Time.Format("Mon Jan 02 2006 15:04:05 GMT-0700"), h.Address, h.XDomain, h.Secure, h.Time.UnixMilli(), h.URL, query, h.Auth})
}

// Socket is one client in one namespace, at the server. All methods may be
// called from any goroutine.
type Socket struct {
	id        string
	pid       string // the secret id of recovery; "" without
	namespace *Namespace
	conn      *conn
	handshake *Handshake
	recovered bool
	missed    []MissedPacket
	lost      *LostSession    // that it was, where it has come back
	ctx       context.Context // ends with the socket
	cancel    context.CancelFunc

	events lane // handlers, one after the other
	acks   lane // acknowledgements that functions take

	mu           sync.Mutex
	state        socketState
	data         any
	handlers     map[string][]*listener
	middlewares  []func(*Event) error
	any, anyOut  []*anyListener
	disconnected []func(reason string)
	leaving      []func(reason string)
	onError      []func(error)
	waiting      map[uint64]func(error, Args)
	lastRooms    []string // while disconnecting handlers run
}

type socketState uint8

const (
	socketConnecting socketState = iota
	socketConnected
	socketGone
)

type listener struct {
	handler *handler
	once    bool
	fn      any
}

type anyListener struct {
	f func(event string, args Args)
}

// Event is one event on its way to the handlers, for [Socket.Use].
type Event struct {
	Name string
	Args Args
	// Ack acknowledges the event; nil where the client asks for none.
	Ack func(args ...any) error
}

// ID returns the socket's id, of 20 characters: another one for each namespace,
// and after each reconnection that is no recovery.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace that the socket is in.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// Handshake returns what the socket began with.
func (s *Socket) Handshake() *Handshake { return s.handshake }

// Recovered reports whether the socket came back as it was before: with its id,
// its rooms, its data and what it had missed.
func (s *Socket) Recovered() bool { return s.recovered }

// Engine returns the session below, which all namespaces of a client share.
func (s *Socket) Engine() *engine.Session { return s.conn.session }

// Request returns the HTTP request that the client's session began with.
func (s *Socket) Request() *http.Request { return s.conn.session.Request() }

// Context ends when the socket is disconnected.
func (s *Socket) Context() context.Context { return s.ctx }

// Data returns what SetData was given last; nil before.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// SetData keeps v for the socket. FetchSockets hands it on as JSON.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = v
}

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == socketConnected
}

// Rooms returns the rooms that the socket is in: its own, named by its id, and
// those that it has joined. In an OnDisconnecting handler they are those that it
// is leaving.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	last := s.lastRooms
	s.mu.Unlock()
	if last != nil {
		return slices.Clone(last)
	}
	return s.namespace.adapter.SocketRooms(s.id)
}

// Join has the socket join rooms.
func (s *Socket) Join(rooms ...string) {
	s.mu.Lock()
	gone := s.state == socketGone
	s.mu.Unlock()
	if !gone {
		s.namespace.adapter.AddAll(s.id, rooms)
	}
}

// Leave has the socket leave a room.
func (s *Socket) Leave(room string) { s.namespace.adapter.Del(s.id, room) }

func mustHandler(event string, fn any) *handler {
	h, err := newHandler(fn)
	if err != nil {
		panic(fmt.Sprintf("socketio: the handler of %q: %v", event, err))
	}
	return h
}

// On adds a handler for an event: a function whose parameters are the arguments.
// It may take a [context.Context] first, which ends with the socket, and a
// function last, which acknowledges. On panics where fn cannot be a handler.
func (s *Socket) On(event string, fn any) { s.listen(event, fn, false) }

// Once is On for one event only.
func (s *Socket) Once(event string, fn any) { s.listen(event, fn, true) }

func (s *Socket) listen(event string, fn any, once bool) {
	if event == "disconnect" || event == "disconnecting" || event == "error" {
		if s.listenReserved(event, fn) {
			return
		}
	}
	l := &listener{mustHandler(event, fn), once, fn}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers == nil {
		s.handlers = map[string][]*listener{}
	}
	s.handlers[event] = append(s.handlers[event], l)
}

// listenReserved takes handlers of the events that the server itself makes.
func (s *Socket) listenReserved(event string, fn any) bool {
	switch f := fn.(type) {
	case func():
		s.reserved(event, func(string) { f() }, func(error) { f() })
	case func(string):
		s.reserved(event, f, func(err error) { f(err.Error()) })
	case func(error):
		s.reserved(event, nil, f)
	default:
		return false
	}
	return true
}

func (s *Socket) reserved(event string, reason func(string), failure func(error)) {
	switch event {
	case "disconnect":
		s.OnDisconnect(reason)
	case "disconnecting":
		s.OnDisconnecting(reason)
	default:
		s.OnError(failure)
	}
}

// Off removes the handlers of an event: all, or those that are fn.
func (s *Socket) Off(event string, fn ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(fn) == 0 {
		delete(s.handlers, event)
		return
	}
	s.handlers[event] = slices.DeleteFunc(s.handlers[event], func(l *listener) bool {
		return slices.ContainsFunc(fn, func(f any) bool { return reflect.ValueOf(f).Pointer() == reflect.ValueOf(l.fn).Pointer() })
	})
}

// OnDisconnect adds a handler for the end of the socket, which has left its rooms
// by then. The reason is one of the Reason constants.
func (s *Socket) OnDisconnect(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnected = append(s.disconnected, f)
}

// OnDisconnecting adds a handler that still sees the socket's rooms.
func (s *Socket) OnDisconnecting(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = append(s.leaving, f)
}

// OnError adds a handler for errors of the socket's middlewares, and for
// arguments that a handler cannot take.
func (s *Socket) OnError(f func(err error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onError = append(s.onError, f)
}

// Use adds a middleware for the events that come. An error keeps the event from
// the handlers; OnError is told.
func (s *Socket) Use(middleware func(e *Event) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.middlewares = append(s.middlewares, middleware)
}

// OnAny adds a handler for every event that comes, before its own. The function
// that it returns removes it.
func (s *Socket) OnAny(f func(event string, args Args)) (off func()) {
	return s.addAny(&s.any, f, false)
}

// PrependAny is OnAny before all others.
func (s *Socket) PrependAny(f func(event string, args Args)) (off func()) {
	return s.addAny(&s.any, f, true)
}

// OnAnyOutgoing adds a handler for every event that is sent.
func (s *Socket) OnAnyOutgoing(f func(event string, args Args)) (off func()) {
	return s.addAny(&s.anyOut, f, false)
}

// PrependAnyOutgoing is OnAnyOutgoing before all others.
func (s *Socket) PrependAnyOutgoing(f func(event string, args Args)) (off func()) {
	return s.addAny(&s.anyOut, f, true)
}

func (s *Socket) addAny(list *[]*anyListener, f func(string, Args), first bool) func() {
	l := &anyListener{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first {
		*list = append([]*anyListener{l}, *list...)
	} else {
		*list = append(slices.Clip(*list), l)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*list = slices.DeleteFunc(slices.Clone(*list), func(other *anyListener) bool { return other == l })
	}
}

// ListenersAny returns how many handlers of OnAny there are, and
// ListenersAnyOutgoing how many of OnAnyOutgoing.
func (s *Socket) ListenersAny() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.any)
}

// ListenersAnyOutgoing returns how many handlers of OnAnyOutgoing there are.
func (s *Socket) ListenersAnyOutgoing() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.anyOut)
}

// guard runs a handler, whose panic ends nothing but itself.
func (s *Socket) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			s.namespace.server.panicked(s, v)
		}
	}()
	f()
}

// panicked tells the hook of a panic in a handler.
func (s *Server) panicked(socket *Socket, v any) {
	if s.OnPanic != nil {
		s.OnPanic(socket, &tcp.PanicError{Callback: "handler", Value: v, Stack: debug.Stack()})
	}
}
