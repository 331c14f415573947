package demo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/socketio"
)

// handlers are those of the lesson's server.
func (f *roomsStory) handlers(io *socketio.Server) {
	io.OnConnection(func(c *socketio.Socket) {
		c.On("join", func(room string, ack func()) {
			_ = c.Join(room)
			ack()
		})
		c.On("leave", func(room string, ack func()) {
			c.Leave(room)
			ack()
		})
		c.On("shout", func(text string) { _ = c.Broadcast().Emit("message", text) })
	})
	for _, event := range []socketio.RoomEvent{socketio.RoomCreated, socketio.RoomJoined, socketio.RoomLeft, socketio.RoomDeleted} {
		io.Of("/").OnRoom(event, func(room, _ string) { f.changed(string(event) + " " + room) })
	}
	io.Of("/admin").OnConnection(func(*socketio.Socket) {})
}

// changed tells of a change, where somebody still wants to know.
func (f *roomsStory) changed(what string) {
	select {
	case f.changes <- what:
	default:
	}
}

// three brings in Ann, Bob and Eve.
func (f *roomsStory) three(s *Stage) (ann, bob, eve *guest, err error) {
	if ann, _, err = f.enters(s, "Ann"); err != nil {
		return nil, nil, nil, err
	}
	if bob, _, err = f.enters(s, "Bob"); err != nil {
		return nil, nil, nil, err
	}
	eve, _, err = f.enters(s, "Eve")
	return ann, bob, eve, err
}

func message(text string) string { return fmt.Sprintf(`42["message",%q]`, text) }

func (f *roomsStory) broadcast(s *Stage) error {
	if err := f.serve(s, "server", nil, f.handlers); err != nil {
		return err
	}
	ann, bob, eve, err := f.three(s)
	if err != nil {
		return err
	}
	hello, dinner := message("hello, all of you"), message("dinner")
	if err := inTurn(ann.toSay(`42["shout","hello, all of you"]`), bob.toHear(hello), eve.toHear(hello)); err != nil {
		return err
	}
	s.Note("server", `emits to all: "dinner"`)
	if err := f.io.Emit("message", "dinner"); err != nil {
		return err
	}
	if err := inTurn(ann.toHear(dinner), bob.toHear(dinner), eve.toHear(dinner)); err != nil {
		return err
	}
	s.Show()
	list := s.entries()
	s.Tell(`
Ann's words reached all but her: that is a {broadcast}, socket.broadcast.emit(…). She heard %s, Bob %s and Eve %s. What
goes to all is io.emit(…).`, count(heard(list, "Ann", "message"), "message"), count(heard(list, "Bob", "message"), "message"),
		count(heard(list, "Eve", "message"), "message"))
	s.Tell(`
It is always the server that sends. Clients do not reach one another: Ann's event is called "shout", and that it goes on
to the others as "message" is a line in the server's handler.`)
	return f.gone(s, ann, bob, eve)
}

func (f *roomsStory) rooms(s *Stage) error {
	ann, bob, eve, err := f.three(s)
	if err != nil {
		return err
	}
	err = inTurn(ann.toSay(`420["join","kitchen"]`), ann.toHear("430"), bob.toSay(`420["join","kitchen"]`), bob.toHear("430"),
		f.says(s, "dinner", "kitchen"), ann.toHear(message("dinner")), bob.toHear(message("dinner")),
		bob.toSay(`421["leave","kitchen"]`), bob.toHear("431"),
		f.says(s, "the dishes", "kitchen"), ann.toHear(message("the dishes")),
		f.says(s, "good night"), ann.toHear(message("good night")), bob.toHear(message("good night")), eve.toHear(message("good night")))
	if err != nil {
		return err
	}
	s.Show()
	s.Tell(`
Of the room Eve heard nothing, and of the dishes Bob did not. The server's io.to("kitchen").emit(…) is one call; it sends
to whoever is in the room at that moment.`)
	s.Tell(`
A client does not know which rooms there are, or who is in them. Rooms are the server's, and a client can only ask to be
put into one, by an event like any other: "join" and "leave" are names that this server has chosen.`)
	return f.gone(s, ann, bob, eve)
}

// says has the server say something to rooms, or to all.
func (f *roomsStory) says(s *Stage, text string, rooms ...string) func() error {
	return func() error {
		if len(rooms) == 0 {
			s.Note("server", "emits to all: %q", text)
			return f.io.Emit("message", text)
		}
		s.Note("server", "emits to %s: %q", strings.Join(rooms, " and "), text)
		return f.io.To(rooms...).Emit("message", text)
	}
}

func (f *roomsStory) life(s *Stage) error {
	c, socket, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	if err := f.tells(s, socket, 2); err != nil {
		return err
	}
	if err := inTurn(c.toSay(`420["join","garden"]`), c.toHear("430"), func() error { return f.tells(s, socket, 2) }); err != nil {
		return err
	}
	s.Note("client", "vanishes: its connection just ends")
	if err := c.conn.CloseNow(); err != nil {
		return err
	}
	reason, err := within(s, "the end", f.told)
	if err != nil {
		return err
	}
	s.Note("server", "disconnect: %s", reason)
	if err := f.tells(s, socket, 4); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
Each socket is in a room from the beginning, which is named by its id: so io.to(id).emit(…) addresses one client like any
room. A room comes to be when the first one joins, and is gone when the last one leaves; nobody has to make it, and nobody
has to clear it away. Who vanishes leaves all rooms.`)
	return nil
}

// tells notes the next n changes of the rooms, which come in any order where a
// socket leaves several.
func (f *roomsStory) tells(s *Stage, socket *socketio.Socket, n int) error {
	var list []string
	for len(list) < n {
		change, err := within(s, "a change of the rooms", f.changes)
		if err != nil {
			return err
		}
		_, room, _ := strings.Cut(change, " ")
		if room == socket.ID() || room == "garden" { // others may still be leaving
			list = append(list, strings.Replace(change, socket.ID(), "(the socket's id)", 1))
		}
	}
	if n > 2 {
		slices.SortStableFunc(list, func(a, b string) int {
			_, a, _ = strings.Cut(a, " ")
			_, b, _ = strings.Cut(b, " ")
			return strings.Compare(a, b)
		})
	}
	for _, change := range list {
		s.Note("server", "%s", change)
	}
	return nil
}

func (f *roomsStory) namespaces(s *Stage) error {
	c, _, err := f.enters(s, "Ann")
	if err != nil {
		return err
	}
	if err := inTurn(
		c.toSay(`40/admin,`), c.toHear("40/admin,{"),
		func() error { return f.admin(s) }, c.toHear("42/admin,"),
		c.toSay(`40/cellar,`), c.toHear("44/cellar,"),
	); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The namespace stands in each packet, unless it is the main one, which is called /. 40 joins, and the answer brings an id
that is another one than in the main namespace: for the server these are two sockets. One connection carries both.`)
	s.Tell(`
{44} is a {connect_error}: a namespace that the server does not have is refused as "Invalid namespace". The connection goes
on, and so do the others.`)
	s.Tell(`
A namespace is asked for by the path of the client's URL, as in io("http://localhost:3000/admin"). It has nothing to do
with the path of the requests, which is /socket.io/ for all of them: to mix these two up is the commonest mistake.`)
	return f.gone(s, c)
}

// admin has the namespace say something.
func (f *roomsStory) admin(s *Stage) error {
	s.Note("server", `emits to all of /admin: "the figures"`)
	return f.io.Of("/admin").Emit("message", "the figures")
}

func (f *roomsStory) question(s *Stage) error {
	if err := s.Ask(`
{The server emits "tea" to both rooms at once, by io.to("kitchen").to("garden"). How often does each of the three hear it?}`); err != nil {
		return err
	}
	ann, bob, eve, err := f.three(s)
	if err != nil {
		return err
	}
	if err := inTurn(ann.toSay(`420["join","kitchen"]`), ann.toHear("430"), ann.toSay(`421["join","garden"]`), ann.toHear("431"),
		bob.toSay(`420["join","garden"]`), bob.toHear("430")); err != nil {
		return err
	}
	tea, end := message("tea"), message("the end")
	before := len(s.entries())
	if err := inTurn(f.says(s, "tea", "kitchen", "garden"), f.says(s, "the end"), ann.toHear(tea), ann.toHear(end),
		bob.toHear(tea), bob.toHear(end), eve.toHear(end)); err != nil {
		return err
	}
	s.Show()
	teas := func(who string) string {
		return count(heard(s.entries()[before:], who, "message")-1, "message") // the last is for all
	}
	s.Tell(`
{Ann hears it once, and so does Bob.} Several rooms are one set of clients, not one sending each. Behind "the end", which
is for all, nothing else can come: before it Ann got %s, Bob %s and Eve %s.`, teas("Ann"), teas("Bob"), teas("Eve"))
	return f.gone(s, ann, bob, eve)
}
