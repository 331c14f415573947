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
	rooms     map[string]map[string]*Socket // room, then id
	members   map[string]*member            // by id
	changes   []roomChange                  // that handlers are to be told of
	telling   bool
}

// member is a socket with the rooms that it is in.
type member struct {
	socket *Socket
	rooms  map[string]struct{}
}

type roomChange struct {
	event    RoomEvent
	room, id string
}

// NewMemoryAdapter returns the adapter of a single server.
func NewMemoryAdapter(n *Namespace) *MemoryAdapter {
	return &MemoryAdapter{namespace: n, rooms: map[string]map[string]*Socket{}, members: map[string]*member{}}
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
		m = &member{socket, map[string]struct{}{}}
		a.members[id] = m
	}
	for _, room := range rooms {
		if _, in := m.rooms[room]; in {
			continue
		}
		m.rooms[room] = struct{}{}
		if a.rooms[room] == nil {
			a.rooms[room] = map[string]*Socket{}
			a.changed(RoomCreated, room, "")
		}
		a.rooms[room][id] = socket
		a.changed(RoomJoined, room, id)
	}
}

// Del implements [Adapter].
func (a *MemoryAdapter) Del(id, room string) {
	a.mu.Lock()
	a.leave(id, room)
	if m := a.members[id]; m != nil {
		delete(m.rooms, room)
	}
	a.mu.Unlock()
	a.tell()
}

// DelAll implements [Adapter].
func (a *MemoryAdapter) DelAll(id string) {
	a.mu.Lock()
	if m := a.members[id]; m != nil {
		for room := range m.rooms {
			a.leave(id, room)
		}
		delete(a.members, id)
	}
	a.mu.Unlock()
	a.tell()
}

func (a *MemoryAdapter) leave(id, room string) {
	if _, in := a.rooms[room][id]; !in {
		return
	}
	delete(a.rooms[room], id)
	a.changed(RoomLeft, room, id)
	if len(a.rooms[room]) == 0 {
		delete(a.rooms, room)
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
	return sortedKeys(a.rooms)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// HasRoom reports whether a socket of this server is in a room.
func (a *MemoryAdapter) HasRoom(room string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.rooms[room]) > 0
}

// SocketRooms implements [Adapter].
func (a *MemoryAdapter) SocketRooms(id string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if m := a.members[id]; m != nil {
		return sortedKeys(m.rooms)
	}
	return []string{}
}

func (a *MemoryAdapter) countRooms(id string) int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if m := a.members[id]; m != nil {
		return len(m.rooms)
	}
	return 0
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
func (a *MemoryAdapter) selected(s Selection) []*Socket {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var all []*Socket
	take := func(id string, socket *Socket) {
		for _, room := range s.Except {
			if _, in := a.rooms[room][id]; in {
				return
			}
		}
		if socket.Connected() {
			all = append(all, socket)
		}
	}
	switch len(s.Rooms) {
	case 0:
		all = make([]*Socket, 0, len(a.members))
		for id, m := range a.members {
			take(id, m.socket)
		}
	case 1:
		all = make([]*Socket, 0, len(a.rooms[s.Rooms[0]]))
		for id, socket := range a.rooms[s.Rooms[0]] {
			take(id, socket)
		}
	default:
		seen := map[string]bool{}
		for _, room := range s.Rooms {
			for id, socket := range a.rooms[room] {
				if !seen[id] {
					seen[id] = true
					take(id, socket)
				}
			}
		}
	}
	return all
}

// Broadcast implements [Adapter]: the packet is encoded once.
func (a *MemoryAdapter) Broadcast(p *Packet, s Selection, f Flags) error {
	frames := a.namespace.server.encodeShared(p)
	for _, socket := range a.selected(s) {
		socket.sendFrames(p, &frames, f)
	}
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
			ID: socket.id, Handshake: socket.handshake, Rooms: a.SocketRooms(socket.id), Data: json.RawMessage("{}"), namespace: a.namespace,
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
