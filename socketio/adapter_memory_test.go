package socketio

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRoomsModel holds the rooms against a model that knows no shortcuts: for
// sockets in the room of their own name, of others' names, and of any.
func TestRoomsModel(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := newNamespace(NewServer(nil), "/")
		n.setUp()
		a := n.adapter.(*MemoryAdapter)
		ids, rooms := modelNames(n)
		in := map[string]map[string]bool{} // room, then socket
		for range 300 {
			id, room := ids[r.IntN(len(ids))], rooms[r.IntN(len(rooms))]
			switch r.IntN(8) {
			case 0:
				a.DelAll(id)
				for _, set := range in {
					delete(set, id)
				}
			case 1, 2:
				a.Del(id, room)
				delete(in[room], id)
			default:
				a.AddAll(id, []string{room})
				if in[room] == nil {
					in[room] = map[string]bool{}
				}
				in[room][id] = true
			}
			maps.DeleteFunc(in, func(_ string, set map[string]bool) bool { return len(set) == 0 })
			compareRooms(t, a, in, ids, rooms, r)
		}
	}
}

func modelNames(n *Namespace) (ids, rooms []string) {
	for i := range 6 {
		s := &Socket{id: fmt.Sprintf("id%d", i), namespace: n}
		s.state.Store(socketConnected)
		n.sockets[s.id] = s
		ids = append(ids, s.id)
	}
	rooms = slices.Clone(ids)
	for i := range 12 {
		rooms = append(rooms, fmt.Sprintf("room%d", i))
	}
	return ids, rooms
}

func compareRooms(t *testing.T, a *MemoryAdapter, in map[string]map[string]bool, ids, rooms []string, r *rand.Rand) {
	t.Helper()
	if got, want := a.Rooms(), slices.Sorted(maps.Keys(in)); !slices.Equal(got, want) {
		t.Fatalf("the rooms are %q, not %q", got, want)
	}
	id := ids[r.IntN(len(ids))]
	var of []string
	for room, set := range in {
		if set[id] {
			of = append(of, room)
		}
	}
	slices.Sort(of)
	if got := a.SocketRooms(id); !slices.Equal(got, of) || a.countRooms(id) != len(of) {
		t.Fatalf("%s is in %q, %d of them, not in %q", id, got, a.countRooms(id), of)
	}
	s := Selection{Rooms: someOf(rooms, r, 12), Except: someOf(rooms, r, 3)}
	known := map[string]bool{}
	want := []string{}
	for _, id := range ids {
		joined := map[string]bool{}
		for room, set := range in {
			joined[room] = set[id]
		}
		known[id] = a.members[id] != nil
		if known[id] && s.Includes(joined) {
			want = append(want, id)
		}
	}
	if got := a.Sockets(s); !slices.Equal(got, want) {
		t.Fatalf("%+v selects %q, not %q", s, got, want)
	}
	for _, room := range rooms {
		if a.HasRoom(room) != (in[room] != nil) {
			t.Fatalf("HasRoom(%q) is %v", room, a.HasRoom(room))
		}
	}
}

// someOf are some names, of which some may come twice.
func someOf(names []string, r *rand.Rand, most int) (some []string) {
	for range r.IntN(most + 1) {
		some = append(some, names[r.IntN(len(names))])
	}
	return some
}
