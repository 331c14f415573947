package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// roomsBench is the lab of the lesson on rooms: a server at which each tab of the
// visit is a client, with a name.
type roomsBench struct {
	*ioDoor
	mu       sync.Mutex
	came     int               // tabs so far
	sessions map[string]string // the names of those who have them
	said     int               // messages so far
}

// The namespaces of the lab, and what bounds it.
const (
	mainNamespace = "/"
	newsNamespace = "/news"
	mostRooms     = 8 // of one tab
	mostKnown     = 1000
	idLength      = 20 // of a socket's
)

var tabNames = [...]string{"Ann", "Bob", "Cleo", "Dan", "Eve", "Fay", "Gus", "Hal"}

func roomsLab(s *Stage) (Actions, error) {
	b := newRoomsBench(s)
	return Actions{"note": act(b.note), "arrive": act(b.arrive), "question": act(b.question)}, nil
}

func newRoomsBench(s *Stage) *roomsBench {
	b := &roomsBench{sessions: map[string]string{}}
	b.ioDoor = s.ioDoor(b.nameOf)
	b.serves(socketio.ServerOptions{MaxRooms: mostRooms + 1, MaxName: mostName, Engine: &engine.Server{GenerateID: b.newID}}, func(io *socketio.Server) {
		for _, name := range []string{mainNamespace, newsNamespace} {
			n := io.Of(name)
			n.OnConnection(b.connected)
			for event, words := range roomWords {
				n.OnRoom(event, func(room, id string) { b.roomChanged(n, room, id, words) })
			}
		}
	})
	return b
}

// arrive gives a tab its name.
func (b *roomsBench) arrive(context.Context, struct{}) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := tabNames[b.came%len(tabNames)]
	if again := b.came / len(tabNames); again > 0 {
		name = fmt.Sprintf("%s %d", name, again+1)
	}
	b.came++
	return name, nil
}

// newID makes the id of a session, and remembers whose it is.
func (b *roomsBench) newID(r *http.Request) (string, error) {
	id := strings.ToLower(rand.Text())
	name := r.URL.Query().Get("name")
	if name == "" || len(name) > mostName {
		return "", errors.New("a name is due")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sessions) >= mostKnown {
		clear(b.sessions) // their records stand under the server's name alone
	}
	b.sessions[id] = name
	return id, nil
}

func (b *roomsBench) nameOf(session string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[session]
}

// connected sets what a tab can ask for.
func (b *roomsBench) connected(c *socketio.Socket) {
	c.On("join", func(room string, ack func(string)) { ack(b.join(c, room)) })
	c.On("leave", func(room string, ack func(string)) {
		c.Leave(room)
		b.tell()
		ack(fmt.Sprintf("The server ran socket.leave(%q).", room))
	})
	c.On("say", func(m utterance, ack func(string)) { ack(b.say(c, m)) })
	c.OnDisconnect(func(string) { b.tell() })
	b.tell()
}

func (b *roomsBench) join(c *socketio.Socket, room string) string {
	if room == "" || len(room) > mostName {
		return fmt.Sprintf("A room's name has 1 to %d bytes.", mostName)
	}
	if err := c.Join(room); err != nil {
		return fmt.Sprintf("The server refused: %v.", err)
	}
	b.tell()
	return fmt.Sprintf("The server ran socket.join(%q).", room)
}

// utterance is what a tab wants said, and to whom.
type utterance struct {
	To    string `json:"to"`   // all, others, room, room-others or except
	Room  string `json:"room"` // of the last three
	Text  string `json:"text"`
	Check bool   `json:"check"` // the server looks whether the sender is in the room
}

// heardMessage is what those who are meant get.
type heardMessage struct {
	N    int    `json:"n"`
	From string `json:"from"`
	Text string `json:"text"`
}

// say has the server emit, and says how.
func (b *roomsBench) say(c *socketio.Socket, m utterance) string {
	if len(m.Text) > mostText || len(m.Room) > mostName {
		return "That is too long."
	}
	if m.Check && !slices.Contains(c.Rooms(), m.Room) {
		b.stage.Note("server", "%s is not in the room %q, so nothing is emitted", b.nameOf(c.Engine().ID()), m.Room)
		return fmt.Sprintf("Refused: you are not in the room %q.", m.Room)
	}
	operator, code := addressed(c, m)
	if operator == nil {
		return "Nobody is meant by that."
	}
	b.mu.Lock()
	b.said++
	message := heardMessage{b.said, b.sessions[c.Engine().ID()], m.Text}
	b.mu.Unlock()
	if err := operator.Emit("said", message); err != nil {
		return err.Error()
	}
	return "The server ran " + code + ".emit(\"said\", …)."
}

// addressed is who is meant, and how that is written in JavaScript.
func addressed(c *socketio.Socket, m utterance) (*socketio.BroadcastOperator, string) {
	n := c.Namespace()
	io := "io"
	if n.Name() != mainNamespace {
		io = fmt.Sprintf("io.of(%q)", n.Name())
	}
	switch m.To {
	case "all":
		return n.Except(), io
	case "others":
		return c.Broadcast(), "socket.broadcast"
	case "room":
		return n.To(m.Room), fmt.Sprintf("%s.to(%q)", io, m.Room)
	case "room-others":
		return c.To(m.Room), fmt.Sprintf("socket.to(%q)", m.Room)
	case "except":
		return n.Except(m.Room), fmt.Sprintf("%s.except(%q)", io, m.Room)
	}
	return nil, ""
}

// present is a tab in a namespace, and where it is.
type present struct {
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	Namespace string   `json:"namespace"`
	Rooms     []string `json:"rooms"` // but for its own, which is named by its id
}

// tell shows all tabs who is where.
func (b *roomsBench) tell() {
	list := []present{}
	for _, name := range []string{mainNamespace, newsNamespace} {
		for _, c := range b.server().Of(name).Sockets() {
			rooms := slices.DeleteFunc(c.Rooms(), func(room string) bool { return room == c.ID() })
			slices.Sort(rooms)
			list = append(list, present{b.nameOf(c.Engine().ID()), c.ID(), name, rooms})
		}
	}
	slices.SortFunc(list, func(x, y present) int {
		return cmp.Or(strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name), strings.Compare(x.ID, y.ID))
	})
	b.stage.Push("present", list)
}

// roomWords say what becomes of rooms.
var roomWords = map[socketio.RoomEvent]string{
	socketio.RoomCreated: "the room %q of %s is there",
	socketio.RoomDeleted: "nobody is left in the room %q of %s: it is gone",
}

// roomChanged notes it. The room that each socket has for itself is not worth a
// word.
func (b *roomsBench) roomChanged(n *socketio.Namespace, room, _, words string) {
	if len(room) == idLength {
		return
	}
	b.stage.Note("server", words, room, n.Name())
}

// packetsAnswer is the reader's to the question: how many packets did the server
// send for the last message?
type packetsAnswer struct {
	Count int `json:"count"`
}

// question counts the packets that hold the last message.
func (b *roomsBench) question(_ context.Context, a packetsAnswer) (any, error) {
	b.mu.Lock()
	last := b.said
	b.mu.Unlock()
	if last == 0 {
		return nil, errors.New("nobody has said anything yet: say something first")
	}
	var asked entry
	rows := []int{}
	for _, e := range b.records() {
		p, ok := e.Event.(trace.SIOPacket)
		switch {
		case ok && p.Dir == trace.In && p.EventName == "say" && len(rows) == 0:
			asked = e
		case ok && p.Dir == trace.Out && p.EventName == "said" && numberOf(p) == last:
			rows = append(rows, e.number)
		}
	}
	said := fmt.Sprintf("%d, one for each client that is meant. A room is a list in the server's memory: nothing on the wire says that there is one.", len(rows))
	return Verdict{a.Count == len(rows), said, append(rows, asked.number)}, nil
}

// numberOf is the number of a message that somebody has said.
func numberOf(p trace.SIOPacket) int {
	var args []json.RawMessage
	var m heardMessage
	if json.Unmarshal(p.Payload, &args) != nil || len(args) < 2 || json.Unmarshal(args[1], &m) != nil {
		return 0
	}
	return m.N
}
