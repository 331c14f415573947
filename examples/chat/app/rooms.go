package app

import (
	"fmt"
	"slices"
	"strings"
)

// message is one that was said.
type message struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	Text string `json:"text"`
	Time int64  `json:"time"` // milliseconds since 1970
}

// room is who is in it, and what was said last.
type room struct {
	people   map[string]string // names by the id of the socket
	messages []message
	stays    bool // also without people
}

func newRoom() *room { return &room{people: map[string]string{}, messages: []message{}} }

// mayEnter reports why a room cannot be entered.
func (a *App) mayEnter(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.full(name)
}

func (a *App) full(name string) error {
	r := a.rooms[name]
	switch {
	case r == nil && len(a.rooms) >= maxRooms:
		return fmt.Errorf("there are %d rooms already; join one of them", maxRooms)
	case r != nil && len(r.people) >= maxPeople:
		return fmt.Errorf("%d people are in %s; no more fit in", maxPeople, name)
	}
	return nil
}

// add puts somebody into a room, which is made if there is none, under a name
// that nobody has there yet.
func (a *App) add(id, name, as string) (named string, messages []message, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.full(name); err != nil {
		return "", nil, err
	}
	r := a.rooms[name]
	if r == nil {
		r = newRoom()
		a.rooms[name] = r
	}
	named = r.free(as)
	r.people[id] = named
	return named, slices.Clone(r.messages), nil
}

func (r *room) free(name string) string {
	taken := map[string]bool{}
	for _, other := range r.people {
		taken[strings.ToLower(other)] = true
	}
	free := name
	for n := 2; taken[strings.ToLower(free)]; n++ {
		free = fmt.Sprintf("%s (%d)", name, n)
	}
	return free
}

// remove takes somebody out of a room, which is forgotten with its last guest.
func (a *App) remove(id, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rooms[name]
	if r == nil {
		return
	}
	delete(r.people, id)
	if len(r.people) == 0 && !r.stays {
		delete(a.rooms, name)
	}
}

// keep gives a message its number, and keeps it for who comes later.
func (a *App) keep(name string, m message) message {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	m.ID = a.last
	if r := a.rooms[name]; r != nil {
		r.messages = append(r.messages, m)
		r.messages = r.messages[max(0, len(r.messages)-maxMessages):]
	}
	return m
}

// people are the names in a room.
func (a *App) people(name string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := []string{}
	if r := a.rooms[name]; r != nil {
		for _, n := range r.people {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

type listed struct {
	Name   string `json:"name"`
	People int    `json:"people"`
}

// list are all rooms, those first that stay.
func (a *App) list() []listed {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []listed{}
	for name, r := range a.rooms {
		all = append(all, listed{name, len(r.people)})
	}
	slices.SortFunc(all, func(x, y listed) int {
		if stays := a.rooms[x.Name].stays; stays != a.rooms[y.Name].stays {
			return map[bool]int{true: -1, false: 1}[stays]
		}
		return strings.Compare(x.Name, y.Name)
	})
	return all
}
