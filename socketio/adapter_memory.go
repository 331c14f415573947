package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// MemoryAdapter is the adapter of a single server.
type MemoryAdapter struct {
	// OnCreateRoom and OnDeleteRoom are called when a room gets its first socket
	// and loses its last; OnJoinRoom and OnLeaveRoom for each socket. They must
	// not call the adapter's methods that change rooms. Set them before the first
	// socket connects.
	OnCreateRoom, OnDeleteRoom func(room string)
	OnJoinRoom, OnLeaveRoom    func(room, id string)

	namespace *Namespace
	mu        sync.RWMutex
	rooms     map[string]map[string]*Socket // room, then id
	ids       map[string]map[string]bool    // id, then room
}

// NewMemoryAdapter returns the adapter of a single server.
func NewMemoryAdapter(n *Namespace) *MemoryAdapter {
	return &MemoryAdapter{namespace: n, rooms: map[string]map[string]*Socket{}, ids: map[string]map[string]bool{}}
}

// Namespace returns the namespace that the adapter is for.
func (a *MemoryAdapter) Namespace() *Namespace { return a.namespace }

// Init implements [Adapter].
func (a *MemoryAdapter) Init() error { return nil }

// Close implements [Adapter].
func (a *MemoryAdapter) Close() error { return nil }

// ServerCount implements [Adapter]: there is one.
func (a *MemoryAdapter) ServerCount(context.Context) (int, error) { return 1, nil }

// AddAll implements [Adapter].
func (a *MemoryAdapter) AddAll(id string, rooms []string) {
	socket := a.namespace.socket(id)
	if socket == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids[id] == nil {
		a.ids[id] = map[string]bool{}
	}
	for _, room := range rooms {
		if a.ids[id][room] {
			continue
		}
		a.ids[id][room] = true
		if a.rooms[room] == nil {
			a.rooms[room] = map[string]*Socket{}
			tell(a.OnCreateRoom, room)
		}
		a.rooms[room][id] = socket
		if a.OnJoinRoom != nil {
			a.OnJoinRoom(room, id)
		}
	}
}

func tell(f func(string), room string) {
	if f != nil {
		f(room)
	}
}

// Del implements [Adapter].
func (a *MemoryAdapter) Del(id, room string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave(id, room)
	delete(a.ids[id], room)
}

// DelAll implements [Adapter].
func (a *MemoryAdapter) DelAll(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for room := range a.ids[id] {
		a.leave(id, room)
	}
	delete(a.ids, id)
}

func (a *MemoryAdapter) leave(id, room string) {
	if _, in := a.rooms[room][id]; !in {
		return
	}
	delete(a.rooms[room], id)
	if a.OnLeaveRoom != nil {
		a.OnLeaveRoom(room, id)
	}
	if len(a.rooms[room]) == 0 {
		delete(a.rooms, room)
		tell(a.OnDeleteRoom, room)
	}
}

// Rooms returns the rooms there are, each socket's own included.
func (a *MemoryAdapter) Rooms() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	rooms := make([]string, 0, len(a.rooms))
	for room := range a.rooms {
		rooms = append(rooms, room)
	}
	slices.Sort(rooms)
	return rooms
}

// SocketRooms implements [Adapter].
func (a *MemoryAdapter) SocketRooms(id string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	rooms := make([]string, 0, len(a.ids[id]))
	for room := range a.ids[id] {
		rooms = append(rooms, room)
	}
	slices.Sort(rooms)
	return rooms
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

// selected are the sockets of a selection, each once.
func (a *MemoryAdapter) selected(s Selection) []*Socket {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var all []*Socket
	take := func(id string, socket *Socket) {
		for _, room := range s.Except {
			if a.ids[id][room] {
				return
			}
		}
		all = append(all, socket)
	}
	switch len(s.Rooms) {
	case 0:
		for id := range a.ids {
			if socket := a.rooms[id][id]; socket != nil { // its own room
				take(id, socket)
			}
		}
	case 1:
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
	frames := a.namespace.server.encode(p)
	for _, socket := range a.selected(s) {
		socket.sendFrames(frames, f)
	}
	return nil
}

// BroadcastWithAck implements [Adapter].
func (a *MemoryAdapter) BroadcastWithAck(ctx context.Context, p *Packet, s Selection, f Flags, count func(int), answer func(Args)) error {
	id := a.namespace.nextAck()
	p.ID, p.HasID = id, true
	frames := a.namespace.server.encode(p)
	sockets := a.selected(s)
	for _, socket := range sockets {
		socket.expect(id, func(_ error, args Args) { answer(args) })
	}
	count(len(sockets))
	for _, socket := range sockets {
		socket.sendFrames(frames, f)
	}
	context.AfterFunc(ctx, func() {
		for _, socket := range sockets {
			socket.forget(id)
		}
	})
	return nil
}

// FetchSockets implements [Adapter].
func (a *MemoryAdapter) FetchSockets(_ context.Context, s Selection, _ Flags) ([]RemoteSocket, error) {
	var all []RemoteSocket
	for _, socket := range a.selected(s) {
		data, _ := json.Marshal(socket.Data())
		all = append(all, RemoteSocket{
			ID: socket.id, Handshake: socket.handshake, Rooms: a.SocketRooms(socket.id), Data: data, namespace: a.namespace,
		})
	}
	slices.SortFunc(all, func(x, y RemoteSocket) int { return strings.Compare(x.ID, y.ID) })
	return all, nil
}

// AddSockets implements [Adapter].
func (a *MemoryAdapter) AddSockets(s Selection, _ Flags, rooms []string) error {
	for _, socket := range a.selected(s) {
		socket.Join(rooms...)
	}
	return nil
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
func (a *MemoryAdapter) ServerSideEmit(context.Context, string, []any, func(Args)) error { return nil }

// PersistSession implements [Adapter]: nothing is kept.
func (a *MemoryAdapter) PersistSession(*LostSession) {}

// RestoreSession implements [Adapter]: nothing was kept.
func (a *MemoryAdapter) RestoreSession(string, string) (*LostSession, error) { return nil, nil }
