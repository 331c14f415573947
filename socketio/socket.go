package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// Socket is one client in one namespace, at the server. All methods may be
// called from any goroutine.
type Socket struct {
	id        string
	pid       string // the secret id of recovery; "" without
	namespace *Namespace
	conn      *conn
	handshake *Handshake
	recovered bool
	lost      *LostSession    // that it was, where it has come back
	ctx       context.Context // ends with the socket
	cancel    context.CancelFunc

	events lane         // handlers, one after the other
	acks   lane         // acknowledgements that functions take
	state  atomic.Int32 // changes under mu
	drops  atomic.Bool  // the server has ended it: events that wait are dropped

	forgotten   atomic.Bool // its namespace knows it no more
	hasOutgoing atomic.Bool // there are handlers of OnAnyOutgoing

	mu           sync.Mutex
	opening      bool       // the answer to CONNECT is on its way
	outbox       []outgoing // what goes behind it
	data         any
	version      int                        // of data
	kept         *keptState                 // as it was kept for its return before its end; nil where it was not
	notes        map[string]json.RawMessage // of Annotate; another map after each call
	handlers     []*listener                // in their order; what is behind its end is nobody's
	middlewares  []func(*Event) error
	any, anyOut  []*anyListener
	disconnected []func(reason string)
	leaving      []func(reason string)
	onError      []func(error)
	waiting      map[uint64]waitingAck
	lastRooms    []string // those that it was in, until it is disconnected
	reason       string   // why it is
	description  string
}

// The states of a socket, in their order.
const (
	socketConnecting int32 = iota
	socketConnected
	socketGone
)

// outgoing is a packet that waits until the socket is connected.
type outgoing struct {
	packet Packet
	frames encoded
	flags  Flags
}

// waitingAck is who waits for an acknowledgement.
type waitingAck struct {
	f     func(error, Args)
	timer *time.Timer // nil without a time limit
}

type listener struct {
	event   string
	handler handler
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

// Context ends when the socket is disconnected. It is what handlers get; events
// that came before the end and are handled behind it get one that has ended.
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
	s.data = v
	s.version++
	s.mu.Unlock()
	s.namespace.tellData(s, v)
}

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool { return s.state.Load() == socketConnected }

// Disconnection returns why the socket is disconnected: the reason, one of the
// Reason constants, and what is known beyond that. Both are "" before.
func (s *Socket) Disconnection() (reason, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason, s.description
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

// ErrLimit is what would go beyond a limit of [ServerOptions].
var ErrLimit = errors.New("socketio: a limit is reached")

// Join has the socket join rooms. One that is disconnected joins none. It is an
// [ErrLimit] where a name is too long, or the socket would be in too many rooms;
// it joins none of them then.
func (s *Socket) Join(rooms ...string) error {
	if s.state.Load() == socketGone {
		return nil
	}
	server := s.namespace.server
	for _, room := range rooms {
		if most := server.maxName(); beyond(len(room), most) {
			return fmt.Errorf("%w: the name of a room has %d bytes, and %d at most (MaxName)", ErrLimit, len(room), most)
		}
	}
	if most := server.maxRooms(); most > 0 && s.countRooms()+len(rooms) > most && s.newRooms(rooms) > most {
		return fmt.Errorf("%w: a socket may be in %d rooms (MaxRooms)", ErrLimit, most)
	}
	s.namespace.adapter.AddAll(s.id, rooms)
	return nil
}

// countRooms is how many rooms the socket is in.
func (s *Socket) countRooms() int {
	if a, ok := s.namespace.adapter.(interface{ countRooms(id string) int }); ok {
		return a.countRooms(s.id)
	}
	return len(s.namespace.adapter.SocketRooms(s.id))
}

// newRooms is how many it would be in.
func (s *Socket) newRooms(rooms []string) int {
	all := map[string]bool{}
	for _, room := range s.namespace.adapter.SocketRooms(s.id) {
		all[room] = true
	}
	for _, room := range rooms {
		all[room] = true
	}
	return len(all)
}

// Leave has the socket leave a room.
func (s *Socket) Leave(room string) { s.namespace.adapter.Del(s.id, room) }

func mustHandler(event string, fn any) handler {
	h, err := newHandler(fn)
	if err != nil {
		panic(fmt.Sprintf("socketio: the handler of %q: %v", event, err))
	}
	return h
}

// On adds a handler for an event: a function whose parameters are the arguments.
// It may take a [context.Context] first, which ends with the socket, and a
// function last, which acknowledges. On panics where fn cannot be a handler.
//
// Of "disconnect" and "disconnecting" the arguments are the reason and a
// description, both strings; of "error" it is an error.
func (s *Socket) On(event string, fn any) { s.listen(event, fn, false) }

// Once is On for one event only.
func (s *Socket) Once(event string, fn any) { s.listen(event, fn, true) }

func (s *Socket) listen(event string, fn any, once bool) {
	if s.listenReserved(event, fn) {
		return
	}
	l := &listener{event, mustHandler(event, fn), once, fn}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = append(s.handlers, l)
}

// listenReserved takes handlers of the events that the server itself makes. A
// client may send an "error", which other functions take.
func (s *Socket) listenReserved(event string, fn any) bool {
	switch event {
	case "disconnect":
		s.OnDisconnect(s.reasonHandler(event, fn))
	case "disconnecting":
		s.OnDisconnecting(s.reasonHandler(event, fn))
	case "error":
		f, ok := fn.(func(error))
		if ok {
			s.OnError(f)
		}
		return ok
	default:
		return false
	}
	return true
}

func (s *Socket) reasonHandler(event string, fn any) func(reason string) {
	switch f := fn.(type) {
	case func():
		return func(string) { f() }
	case func(string):
		return f
	case func(string, string):
		return func(reason string) {
			_, description := s.Disconnection()
			f(reason, description)
		}
	}
	panic(fmt.Sprintf("socketio: the handler of %q is %T, want a func(reason, description string)", event, fn))
}

// Off removes the handlers of an event: all, or those that are fn. Closures of
// one function literal are the same here.
func (s *Socket) Off(event string, fn ...any) {
	s.removeHandlers(func(l *listener) bool {
		return l.event == event && (len(fn) == 0 || slices.ContainsFunc(fn, func(f any) bool {
			return reflect.ValueOf(f).Pointer() == reflect.ValueOf(l.fn).Pointer()
		}))
	})
}

// removeHandlers makes another list, for the one that there is may be read.
func (s *Socket) removeHandlers(is func(*listener) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = slices.DeleteFunc(slices.Clone(s.handlers), is)
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

// OnError adds a handler for errors of the socket's middlewares, for arguments
// that a handler cannot take, and for a packet of the client that is none, behind
// which the connection is closed.
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

// ListenerCount returns how many handlers of an event there are.
func (s *Socket) ListenerCount(event string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.handlers {
		if l.event == event {
			n++
		}
	}
	return n
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
	s.hasOutgoing.Store(len(s.anyOut) > 0)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*list = slices.DeleteFunc(slices.Clone(*list), func(other *anyListener) bool { return other == l })
	}
}

// OffAny removes all handlers of OnAny.
func (s *Socket) OffAny() { s.removeAny(&s.any) }

// OffAnyOutgoing removes all handlers of OnAnyOutgoing.
func (s *Socket) OffAnyOutgoing() { s.removeAny(&s.anyOut) }

func (s *Socket) removeAny(list *[]*anyListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = nil
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
	defer s.caught()
	f()
}

// caught is deferred.
func (s *Socket) caught() {
	if v := recover(); v != nil {
		_ = s.namespace.server.panicked(s, v)
	}
}

// try runs a middleware, whose panic is an error.
func (s *Socket) try(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.namespace.server.panicked(s, v)
		}
	}()
	return f()
}
