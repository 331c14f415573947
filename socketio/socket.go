package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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
	auth      map[string]any // what the client sent along; nil where that is nothing
	made      int64          // when, in nanoseconds since 1970
	recovered bool
	lost      *LostSession // that it was, where it has come back

	events lane         // handlers, one after the other
	state  atomic.Int32 // changes under mu
	drops  atomic.Bool  // the server has ended it: events that wait are dropped

	forgotten   atomic.Bool // its namespace knows it no more
	hasOutgoing atomic.Bool // there are handlers of OnAnyOutgoing

	// What most sockets never need is made when it is needed: a thousand idle ones
	// take as little as they can.

	mu           sync.Mutex
	handshake    *Handshake
	ctx          *socketContext
	acks         *lane      // acknowledgements that functions take
	opening      bool       // the answer to CONNECT is on its way
	outbox       []outgoing // what goes behind it
	data         any
	version      int                        // of data
	kept         *keptState                 // as it was kept for its return before its end; nil where it was not
	notes        map[string]json.RawMessage // of Annotate; another map after each call
	handlers     []*listener                // in their order; what is behind its end is nobody's
	hooks        *socketHooks
	disconnected []func(reason string)
	waiting      map[uint64]waitingAck
	over         *socketEnd
}

// socketHooks are handlers that few sockets have.
type socketHooks struct {
	middlewares []func(*Event) error
	any, anyOut []*anyListener
	leaving     []func(reason string)
	onError     []func(error)
}

// hooked are the hooks, to add some, under the lock.
func (s *Socket) hooked() *socketHooks {
	if s.hooks == nil {
		s.hooks = &socketHooks{}
	}
	return s.hooks
}

// allHooks are those that there are.
func (s *Socket) allHooks() socketHooks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hooks == nil {
		return socketHooks{}
	}
	return *s.hooks
}

// socketEnd is what is known of the end of a socket.
type socketEnd struct {
	rooms               []string // those that it was in, until it is disconnected
	reason, description string
}

// socketContext ends with the socket.
type socketContext struct {
	context.Context
	cancel context.CancelFunc
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
func (s *Socket) Handshake() *Handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handshake == nil {
		s.handshake = newHandshake(s.conn.session, time.Unix(0, s.made), orEmpty(s.auth))
	}
	return s.handshake
}

// Recovered reports whether the socket came back as it was before: with its id,
// its rooms, its data and what it had missed.
func (s *Socket) Recovered() bool { return s.recovered }

// Engine returns the session below, which all namespaces of a client share.
func (s *Socket) Engine() *engine.Session { return s.conn.session }

// Request returns the HTTP request that the client's session began with.
func (s *Socket) Request() *http.Request { return s.conn.session.Request() }

// Context ends when the socket is disconnected. It is what handlers get; events
// that came before the end and are handled behind it get one that has ended.
func (s *Socket) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		ctx, cancel := context.WithCancel(context.Background())
		if s.ctx = (&socketContext{ctx, cancel}); s.state.Load() == socketGone {
			cancel()
		}
	}
	return s.ctx.Context
}

// cancel ends the context of a socket that is gone.
func (s *Socket) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil {
		s.ctx.cancel()
	}
}

// ackLane is where functions take acknowledgements.
func (s *Socket) ackLane() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks == nil {
		s.acks = &lane{crew: s.events.crew}
	}
	return s.acks
}

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
	if s.over == nil {
		return "", ""
	}
	return s.over.reason, s.over.description
}

// Rooms returns the rooms that the socket is in: its own, named by its id, and
// those that it has joined. In an OnDisconnecting handler they are those that it
// is leaving.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	over := s.over
	var last []string
	if over != nil {
		last = slices.Clone(over.rooms)
	}
	s.mu.Unlock()
	if last != nil {
		return last
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
