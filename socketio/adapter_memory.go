package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// MemoryAdapter is the adapter of a single server, and what adapters for several
// stand on.
type MemoryAdapter struct {
	namespace *Namespace
	mu        sync.RWMutex
	rooms     map[string]map[*member]struct{} // without the sockets that are in the rooms of their own names
	members   map[string]*member              // by id
	changes   []roomChange                    // that handlers are to be told of
	telling   bool
}

// member is a socket with the rooms that it is in. Most are in no other than the
// one of their own name, and that takes no map.
type member struct {
	socket *Socket
	own    bool                // it is in the room of its own name
	rooms  map[string]struct{} // the others; nil where there were none
}

type roomChange struct {
	event    RoomEvent
	room, id string
}

// NewMemoryAdapter returns the adapter of a single server.
func NewMemoryAdapter(n *Namespace) *MemoryAdapter {
	return &MemoryAdapter{namespace: n, rooms: map[string]map[*member]struct{}{}, members: map[string]*member{}}
}

// Namespace returns the namespace that the adapter is for.
func (a *MemoryAdapter) Namespace() *Namespace { return a.namespace }

// Init implements [Adapter].
func (a *MemoryAdapter) Init() error { return nil }

// Close implements [Adapter].
func (a *MemoryAdapter) Close() error { return nil }

// ServerCount implements [Adapter]: there is one.
func (a *MemoryAdapter) ServerCount(context.Context) (int, error) { return 1, nil }

// AddAll implements [Adapter]. A socket that has gone joins no rooms.
func (a *MemoryAdapter) AddAll(id string, rooms []string) {
	a.add(id, rooms)
	a.tell()
}

func (a *MemoryAdapter) add(id string, rooms []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	socket := a.namespace.socket(id)
	if socket == nil || socket.state.Load() == socketGone { // under the lock: DelAll comes later, or came before
		return
	}
	m := a.members[id]
	if m == nil {
		m = &member{socket: socket}
		a.members[id] = m
	}
	for _, room := range rooms {
		if !m.in(room) {
			a.enter(m, room)
		}
	}
}

// enter has a socket join a room that it is not in.
func (a *MemoryAdapter) enter(m *member, room string) {
	if a.size(room) == 0 {
		a.changed(RoomCreated, room, "")
	}
	a.changed(RoomJoined, room, m.socket.id)
	if room == m.socket.id {
		m.own = true
		return
	}
	if m.rooms == nil {
		m.rooms = map[string]struct{}{}
	}
	m.rooms[room] = struct{}{}
	if a.rooms[room] == nil {
		a.rooms[room] = map[*member]struct{}{}
	}
	a.rooms[room][m] = struct{}{}
}

// in reports whether a socket is in a room.
func (m *member) in(room string) bool {
	if room == m.socket.id {
		return m.own
	}
	_, in := m.rooms[room]
	return in
}

// inAny reports whether a socket is in one of some rooms.
func (m *member) inAny(rooms []string) bool {
	for _, room := range rooms {
		if m.in(room) {
			return true
		}
	}
	return false
}

// size is how many sockets are in a room.
func (a *MemoryAdapter) size(room string) int {
	n := len(a.rooms[room])
	if m := a.members[room]; m != nil && m.own {
		n++
	}
	return n
}

// Del implements [Adapter].
func (a *MemoryAdapter) Del(id, room string) {
	a.mu.Lock()
	if m := a.members[id]; m != nil && m.in(room) {
		a.leave(m, room)
	}
	a.mu.Unlock()
	a.tell()
}

// DelAll implements [Adapter].
func (a *MemoryAdapter) DelAll(id string) {
	a.mu.Lock()
	if m := a.members[id]; m != nil {
		for room := range m.rooms {
			a.leave(m, room)
		}
		if m.own {
			a.leave(m, id)
		}
		delete(a.members, id)
	}
	a.mu.Unlock()
	a.tell()
}

// leave has a socket leave a room that it is in.
func (a *MemoryAdapter) leave(m *member, room string) {
	if room == m.socket.id {
		m.own = false
	} else {
		delete(m.rooms, room)
		if delete(a.rooms[room], m); len(a.rooms[room]) == 0 {
			delete(a.rooms, room)
		}
	}
	a.changed(RoomLeft, room, m.socket.id)
	if a.size(room) == 0 {
		a.changed(RoomDeleted, room, "")
	}
}

// changed notes what handlers are to be told of, under the lock.
func (a *MemoryAdapter) changed(event RoomEvent, room, id string) {
	if a.namespace.hearsRooms() {
		a.changes = append(a.changes, roomChange{event, room, id})
	}
}

// tell tells them, without the lock and in order: what changes meanwhile is told
// by who tells already.
func (a *MemoryAdapter) tell() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.telling {
		return
	}
	a.telling = true
	for len(a.changes) > 0 {
		batch := a.changes
		a.changes = nil
		a.mu.Unlock()
		for _, c := range batch {
			a.namespace.TellRoom(c.event, c.room, c.id)
		}
		a.mu.Lock()
	}
	a.telling = false
}

// Rooms returns the rooms there are, each socket's own included.
func (a *MemoryAdapter) Rooms() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := make([]string, 0, len(a.rooms)+len(a.members))
	for room := range a.rooms {
		all = append(all, room)
	}
	for id, m := range a.members {
		if m.own && a.rooms[id] == nil {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// HasRoom reports whether a socket of this server is in a room.
func (a *MemoryAdapter) HasRoom(room string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.size(room) > 0
}

// SocketRooms implements [Adapter].
func (a *MemoryAdapter) SocketRooms(id string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := []string{}
	if m := a.members[id]; m != nil {
		all = make([]string, 0, m.count())
		for room := range m.rooms {
			all = append(all, room)
		}
		if m.own {
			all = append(all, id)
		}
		slices.Sort(all)
	}
	return all
}

func (a *MemoryAdapter) countRooms(id string) int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if m := a.members[id]; m != nil {
		return m.count()
	}
	return 0
}

// count is how many rooms a socket is in.
func (m *member) count() int {
	if m.own {
		return len(m.rooms) + 1
	}
	return len(m.rooms)
}

// Sockets implements [Adapter].
func (a *MemoryAdapter) Sockets(s Selection) []string {
	var ids []string
	for _, socket := range a.selected(s) {
		ids = append(ids, socket.id)
	}
	slices.Sort(ids)
	return ids
}

// selected are the sockets of a selection that are connected, each once.
func (a *MemoryAdapter) selected(s Selection) []*Socket { return a.appendSelected(nil, s) }

func (a *MemoryAdapter) appendSelected(to []*Socket, s Selection) []*Socket {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(s.Rooms) == 0 {
		to = slices.Grow(to, len(a.members))
		for _, m := range a.members {
			to = m.appendTo(to, s.Except)
		}
		return to
	}
	seen := seenMembers{rooms: s.Rooms}
	for i, room := range s.Rooms {
		to = slices.Grow(to, a.size(room))
		if m := a.members[room]; m != nil && m.own && !seen.before(m, i) {
			to = m.appendTo(to, s.Except)
		}
		for m := range a.rooms[room] {
			if !seen.before(m, i) {
				to = m.appendTo(to, s.Except)
			}
		}
	}
	return to
}

// seenMembers tells of sockets that are in several of some rooms.
type seenMembers struct {
	rooms []string
	all   map[*member]struct{} // of many rooms: those that were seen
}

// fewRooms is up to how many rooms a socket is asked whether it is in them.
const fewRooms = 8

// before reports whether a socket was seen in a room before the one at i.
func (s *seenMembers) before(m *member, i int) bool {
	if len(s.rooms) <= fewRooms {
		return m.inAny(s.rooms[:i])
	}
	if s.all == nil {
		s.all = map[*member]struct{}{}
	}
	_, seen := s.all[m]
	s.all[m] = struct{}{}
	return seen
}

// appendTo appends a socket that is connected, and in none of some rooms.
func (m *member) appendTo(to []*Socket, except []string) []*Socket {
	if m.inAny(except) || !m.socket.Connected() {
		return to
	}
	return append(to, m.socket)
}

// lists are what selected sockets stand in while they are sent something.
var lists = sync.Pool{New: func() any { return new([]*Socket) }}

// each calls f with the sockets of a selection that are connected, without the
// lock: what f does may change rooms.
func (a *MemoryAdapter) each(s Selection, f func(*Socket)) {
	list := lists.Get().(*[]*Socket)
	all := a.appendSelected((*list)[:0], s)
	for _, socket := range all {
		f(socket)
	}
	clear(all) // they may end meanwhile
	*list = all
	lists.Put(list)
}

// Broadcast implements [Adapter]: the packet is encoded once.
func (a *MemoryAdapter) Broadcast(p *Packet, s Selection, f Flags) error {
	frames := a.namespace.server.encodeShared(p)
	a.each(s, func(socket *Socket) { socket.sendFrames(p, &frames, f) })
	return nil
}

// BroadcastWithAck implements [Adapter].
func (a *MemoryAdapter) BroadcastWithAck(ctx context.Context, p *Packet, s Selection, f Flags, count func(int), answer func(Args)) error {
	id := a.namespace.nextAck()
	with := *p
	with.ID, with.HasID = id, true
	frames := a.namespace.server.encodeShared(&with)
	sockets := a.selected(s)
	for _, socket := range sockets {
		_ = socket.expect(id, func(err error, args Args) {
			if err == nil {
				answer(args)
			}
		}, 0, 0)
	}
	context.AfterFunc(ctx, func() {
		for _, socket := range sockets {
			socket.forget(id)
		}
	})
	count(len(sockets))
	for _, socket := range sockets {
		socket.sendFrames(&with, &frames, f)
	}
	return nil
}

// FetchSockets implements [Adapter].
func (a *MemoryAdapter) FetchSockets(_ context.Context, s Selection, _ Flags) ([]RemoteSocket, error) {
	var all []RemoteSocket
	for _, socket := range a.selected(s) {
		r := RemoteSocket{
			ID: socket.id, Handshake: socket.Handshake(), Rooms: a.SocketRooms(socket.id), Data: json.RawMessage("{}"), namespace: a.namespace,
		}
		if data, err := json.Marshal(socket.Data()); err == nil && string(data) != "null" {
			r.Data = data
		}
		r.Data = socket.annotated(r.Data)
		all = append(all, r)
	}
	slices.SortFunc(all, func(x, y RemoteSocket) int { return strings.Compare(x.ID, y.ID) })
	return all, nil
}

// AddSockets implements [Adapter].
func (a *MemoryAdapter) AddSockets(s Selection, _ Flags, rooms []string) error {
	var first error
	for _, socket := range a.selected(s) {
		if err := socket.Join(rooms...); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// DelSockets implements [Adapter].
func (a *MemoryAdapter) DelSockets(s Selection, _ Flags, rooms []string) error {
	for _, socket := range a.selected(s) {
		for _, room := range rooms {
			socket.Leave(room)
		}
	}
	return nil
}

// DisconnectSockets implements [Adapter].
func (a *MemoryAdapter) DisconnectSockets(s Selection, _ Flags, close bool) error {
	for _, socket := range a.selected(s) {
		socket.Disconnect(close)
	}
	return nil
}

// ServerSideEmit implements [Adapter]: there is no other server.
func (a *MemoryAdapter) ServerSideEmit(context.Context, Args, func(Args)) error { return nil }

// PersistSession implements [Adapter]: nothing is kept.
func (a *MemoryAdapter) PersistSession(*LostSession) {}

// RestoreSession implements [Adapter]: nothing was kept.
func (a *MemoryAdapter) RestoreSession(string, string) (*LostSession, error) { return nil, nil }
