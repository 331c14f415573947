// Package app is a chat with rooms: a page, and the server behind it.
//
// Events of a client, each acknowledged, with {"error": "…"} where it is refused:
//
//	join {name, room}   answers {name, room, messages}; one room at a time
//	say text            to all in the room
//	typing yes          to the others in the room
//
// Events of the server: message {id, name, text, time}, people [name, …],
// typing {name, on}, rooms [{name, people}, …].
package app

import (
	"embed"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/guard"
	"github.com/sockkit/sockkit/socketio"
)

//go:embed page.html page.js style.css
var files embed.FS

// What is kept, and what is let in.
const (
	maxName     = 20  // characters
	maxText     = 500 // characters
	maxRooms    = 50
	maxMessages = 50  // of a room that are kept for who comes later
	maxPeople   = 100 // in a room
)

// App is the chat: an http.Handler for its page and its sockets.
type App struct {
	io   *socketio.Server
	site http.Handler

	mu    sync.Mutex
	rooms map[string]*room
	last  int // the id of the last message
}

// New makes the chat on a server that has no handlers yet.
func New(io *socketio.Server) *App {
	a := &App{io: io, site: browser.Site(files, io), rooms: map[string]*room{}}
	for _, name := range []string{"lobby", "kitchen", "garden"} {
		a.rooms[name] = newRoom()
		a.rooms[name].stays = true
	}
	io.OnConnection(a.connected)
	return a
}

// ServeHTTP implements [http.Handler].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.site.ServeHTTP(w, r) }

// Close has nothing to stop.
func (a *App) Close() {}

// guest is one client: it is in one room, or in none yet.
type guest struct {
	*App
	socket *socketio.Socket
	room   string // "" before the first join
	name   string
}

func (a *App) connected(s *socketio.Socket) {
	g := &guest{App: a, socket: s}
	rate := &guard.Rate{PerSecond: 2, AtOnce: 10}
	s.On("join", rate.Answer(g.join))
	s.On("say", rate.Answer(g.say))
	s.On("typing", (&guard.Rate{PerSecond: 2, AtOnce: 10}).Answer(g.typing))
	s.OnDisconnect(func(string) { g.leave() })
	_ = s.Emit("rooms", a.list())
}

// The handlers of one socket run one after the other, so a guest needs no lock.

func (g *guest) join(v any) (any, error) {
	wish, err := guard.Object("what to join", v)
	if err != nil {
		return nil, err
	}
	name, err := guard.Text("the name", wish["name"], maxName)
	if err != nil {
		return nil, err
	}
	room, err := guard.Text("the room's name", wish["room"], maxName)
	if err != nil {
		return nil, err
	}
	if room == g.room && name == g.name {
		return nil, errors.New("you are in " + room + " already")
	}
	if err := g.mayEnter(room); err != nil {
		return nil, err
	}
	g.leave()
	return g.enter(room, name)
}

// enter joins before it looks at what was said: so nothing falls between the two.
// What comes by both ways has one id.
func (g *guest) enter(room, name string) (any, error) {
	if err := g.socket.Join(inRoom(room)); err != nil {
		return nil, err
	}
	named, messages, err := g.add(g.socket.ID(), room, name)
	if err != nil {
		g.socket.Leave(inRoom(room))
		return nil, err
	}
	g.room, g.name = room, named
	g.tell(room)
	return map[string]any{"room": room, "name": named, "messages": messages}, nil
}

func (g *guest) leave() {
	if g.room == "" {
		return
	}
	left := g.room
	g.room = ""
	g.socket.Leave(inRoom(left))
	g.remove(g.socket.ID(), left)
	g.tell(left)
}

func (g *guest) say(v any) (any, error) {
	if g.room == "" {
		return nil, errNowhere
	}
	text, err := guard.Text("the message", v, maxText)
	if err != nil {
		return nil, err
	}
	m := g.keep(g.room, message{Name: g.name, Text: text, Time: time.Now().UnixMilli()})
	return map[string]any{"id": m.ID}, g.io.To(inRoom(g.room)).Emit("message", m)
}

// typing is volatile: who cannot take it now has no use for it later.
func (g *guest) typing(v any) (any, error) {
	on, ok := v.(bool)
	if !ok {
		return nil, errors.New("typing is true or false")
	}
	if g.room == "" {
		return nil, errNowhere
	}
	note := map[string]any{"name": g.name, "on": on}
	return map[string]any{}, g.socket.Volatile().Broadcast().To(inRoom(g.room)).Emit("typing", note)
}

var errNowhere = errors.New("you are in no room yet; join one")

// inRoom keeps the rooms of the chat apart from those of the adapter that are
// named by the id of a socket: nobody can join somebody else's.
func inRoom(name string) string { return "room:" + name }

// tell tells who is in a room now, and all how many are in which.
func (a *App) tell(room string) {
	_ = a.io.To(inRoom(room)).Emit("people", a.people(room))
	_ = a.io.Emit("rooms", a.list())
}
