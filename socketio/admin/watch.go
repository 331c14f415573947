package admin

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
)

// In development mode the admin keeps a view of each socket of this server: what
// pages were told, and what those that come later are told at once. A change of a
// view and the word of it are one step, under the lock.

type key struct{ namespace, id string }

// entry is one socket.
type entry struct {
	key
	socket    *socketio.Socket
	session   *engine.Session
	client    string
	transport string
	handshake json.RawMessage
	data      json.RawMessage
	rooms     map[string]struct{}
}

// watch has a namespace be watched, and its sockets.
func (a *admin) watch(n *socketio.Namespace) {
	n.PrependConnection(a.enter)
	n.OnRoom(socketio.RoomJoined, func(room, id string) { a.joined(n, room, id) })
	n.OnRoom(socketio.RoomLeft, func(room, id string) { a.left(n, room, id) })
	n.OnData(func(s *socketio.Socket, data any) { a.changed(s, dataView(data)) })
	for _, s := range n.Sockets() { // who was faster than this
		a.enter(s)
	}
}

// enter takes a socket in, unless it is in already. Of two with one id the later
// counts: the other's client has come back.
func (a *admin) enter(s *socketio.Socket) {
	e := &entry{
		key: key{s.Namespace().Name(), s.ID()}, socket: s, session: s.Engine(), client: clientID(s.Engine().ID()),
		handshake: a.handshakeView(s.Handshake()), data: dataView(s.Data()), rooms: map[string]struct{}{},
	}
	if !a.add(e) {
		return
	}
	s.OnDisconnect(func(reason string) { a.leave(e, reason) })
	if !s.Connected() { // before OnDisconnect, perhaps
		reason, _ := s.Disconnection()
		a.leave(e, reason)
	}
}

// add reports false for a socket that is in already.
func (a *admin) add(e *entry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.sockets[e.key]; known != nil {
		if known.socket == e.socket {
			return false
		}
		a.forget(known)
	}
	for _, room := range e.socket.Rooms() {
		e.rooms[room] = struct{}{}
	}
	e.transport = e.session.Transport()
	a.annotate(e)
	a.remember(e)
	if e.namespace != a.namespace.Name() {
		e.socket.OnAny(func(event string, args socketio.Args) { a.event("event_received", e.key, event, args) })
		e.socket.OnAnyOutgoing(func(event string, args socketio.Args) { a.event("event_sent", e.key, event, args) })
	}
	if a.watched() {
		a.tell("socket_connected", e.view(), time.Now())
	}
	return true
}

func (a *admin) remember(e *entry) {
	a.sockets[e.key] = e
	id := e.session.ID()
	if a.sessions[id] == nil {
		a.sessions[id] = map[*entry]struct{}{}
	}
	a.sessions[id][e] = struct{}{}
}

// annotate has FetchSockets of other servers know what the page wants to, as the
// official server does.
func (a *admin) annotate(e *entry) {
	note, _ := json.Marshal(adminNote{e.client, e.transport})
	e.socket.Annotate(noteName, note)
}

// leave takes a socket out that has ended, once.
func (a *admin) leave(e *entry, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sockets[e.key] != e {
		return
	}
	a.forget(e)
	a.tell("socket_disconnected", e.namespace, e.id, reason, time.Now())
}

func (a *admin) forget(e *entry) {
	delete(a.sockets, e.key)
	id := e.session.ID()
	delete(a.sessions[id], e)
	if len(a.sessions[id]) == 0 {
		delete(a.sessions, id)
	}
}

// joined tells of a socket in a room. What a page knows from the socket's view it
// is not told again: it would count the socket twice.
func (a *admin) joined(n *socketio.Namespace, room, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.sockets[key{n.Name(), id}]; e != nil {
		if _, in := e.rooms[room]; in {
			return
		}
		e.rooms[room] = struct{}{}
	}
	a.tell("room_joined", n.Name(), room, id, time.Now())
}

func (a *admin) left(n *socketio.Namespace, room, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.sockets[key{n.Name(), id}]; e != nil {
		delete(e.rooms, room)
	}
	a.tell("room_left", n.Name(), room, id, time.Now())
}

// changed tells of a socket's new data.
func (a *admin) changed(s *socketio.Socket, data json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.sockets[key{s.Namespace().Name(), s.ID()}]
	if e == nil || e.socket != s {
		return
	}
	e.data = data
	a.tell("socket_updated", map[string]any{"id": e.id, "nsp": e.namespace, "data": data})
}

// upgraded tells of a session that has moved to another transport.
func (a *admin) upgraded(session *engine.Session, transport string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for e := range a.sessions[session.ID()] {
		e.transport = transport
		a.annotate(e)
		a.tell("socket_updated", map[string]any{"id": e.id, "nsp": e.namespace, "transport": transport})
	}
}

// event tells of an event that a socket has sent, or was sent.
func (a *admin) event(kind string, of key, name string, args socketio.Args) {
	if a.watched() {
		a.tell(kind, of.namespace, of.id, eventView(name, args, a.MaxArgs), time.Now())
	}
}

// introduce tells a new page of all sockets there are: of this server as it has
// them, of others as they say.
func (a *admin) introduce(s *socketio.Socket) {
	var far []*socketView
	if a.countServers(); a.others.Load() {
		far = a.fetch(s.Context())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*socketView, 0, len(a.sockets)+len(far))
	for _, e := range a.sockets {
		if e.socket.Connected() {
			all = append(all, e.view())
		}
	}
	for _, v := range far {
		if a.sockets[key{v.Namespace, v.ID}] == nil {
			all = append(all, v)
		}
	}
	a.outbox.add(message{to: s, event: "all_sockets", args: []any{all}})
}

// fetchTimeout bounds the wait for what other servers have.
const fetchTimeout = 5 * time.Second

// fetch returns the sockets of other servers. Where one does not answer, those of
// the others are returned.
func (a *admin) fetch(ctx context.Context) (all []*socketView) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, n := range a.io.Namespaces() {
		wait.Go(func() {
			sockets, err := n.FetchSockets(ctx)
			if err != nil {
				a.note("the sockets of %s at other servers: %v", n.Name(), err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range sockets {
				if sockets[i].Local() == nil {
					all = append(all, a.remoteView(n.Name(), &sockets[i]))
				}
			}
		})
	}
	wait.Wait()
	return all
}

// view is what a page is told of a socket.
func (e *entry) view() *socketView {
	return &socketView{
		ID: e.id, ClientID: e.client, Transport: e.transport, Namespace: e.namespace,
		Data: e.data, Handshake: e.handshake, Rooms: slices.Sorted(maps.Keys(e.rooms)),
	}
}
