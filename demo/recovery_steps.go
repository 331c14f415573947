package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// handlers are those of the lesson's servers.
func (f *recoveryStory) handlers(io *socketio.Server) {
	io.OnConnection(func(c *socketio.Socket) {
		c.On("join", func(room string, ack func()) {
			_ = c.Join(room)
			ack()
		})
		c.On("note", func(text string) { f.notes <- text })
		c.On("cursor", func(place string) { f.notes <- "a cursor at " + place })
	})
}

func (f *recoveryStory) goodBye(s *Stage) error {
	if err := f.serve(s, "server", nil, f.handlers); err != nil {
		return err
	}
	ways := []struct {
		what string
		do   func(*guest, *socketio.Socket) error
	}{
		{"says that it leaves", func(g *guest, _ *socketio.Socket) error { return g.says("41") }},
		{"vanishes: its connection just ends", func(g *guest, _ *socketio.Socket) error { return g.conn.CloseNow() }},
		{"is put out by the server", func(g *guest, c *socketio.Socket) error { c.Disconnect(false); return g.hears("41") }},
	}
	for i, way := range ways {
		g, socket, err := f.enters(s, fmt.Sprintf("client %d", i+1))
		if err != nil {
			return err
		}
		s.Note(g.who, "%s", way.what)
		if err := way.do(g, socket); err != nil {
			return err
		}
		if err := f.ended(s); err != nil {
			return err
		}
	}
	if err := f.silent(s); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
These words are the same in every implementation. What a client is told is worded from its side: {io server disconnect}
where it was put out, and then it stays away; after {transport close} and {ping timeout} it comes back by itself.`)
	s.Tell(`
Only the last client could not be missed at once. From a machine that has lost its power, or a network that swallows
everything, comes no FIN and no reset; that nobody is there any more only shows when an answer is due.`)
	return nil
}

func (f *recoveryStory) ended(s *Stage) error {
	reason, err := within(s, "the end", f.told)
	if err == nil {
		s.Note("server", "disconnect: %s", reason)
	}
	return err
}

// silent has a client that answers no pings, at a server that is impatient.
func (f *recoveryStory) silent(s *Stage) error {
	impatient := &socketIO{told: f.told, came: f.came}
	options := &socketio.ServerOptions{Engine: &engine.Server{PingInterval: 100 * time.Millisecond, PingTimeout: 100 * time.Millisecond}}
	if err := impatient.serve(s, "server", options, f.handlers); err != nil {
		return err
	}
	g, _, err := impatient.enters(s, "client 4")
	if err != nil {
		return err
	}
	s.Note(g.who, "says nothing any more, not even to a ping")
	if err := g.hears("2"); err != nil {
		return err
	}
	return f.ended(s)
}

func (f *recoveryStory) cut(s *Stage) (err error) {
	if f.network, err = s.network(f.url); err != nil {
		return err
	}
	if f.client, err = f.travels(s, "client"); err != nil {
		return err
	}
	if _, err = within(s, "the socket", f.came); err != nil {
		return err
	}
	id := f.client.ID()
	if err := inTurn(func() error { return f.cuts(s, f.client) }, func() error { return f.fails(s, f.client, 3) }); err != nil {
		return err
	}
	if _, err := f.mends(s, f.client, f.network.to); err != nil {
		return err
	}
	f.states(s, f.client, id)
	s.Show()
	s.Tell(`
The client waits before each attempt, and twice as long as the time before, up to a bound. That is {exponential back-off}.
The waits are short here, %d ms to %d ms; by default they are 1 second to 5, each made longer or shorter by up to a half
at random, so that the thousand clients of a server that was restarted do not all come at the same moment.`,
		firstWait.Milliseconds(), mostWait.Milliseconds())
	s.Tell(`
For the server this is a new client. It has another id, it is in no rooms, and the middlewares have run again. Whatever the
server knew about the old one it has to find again by what the client sends along.`)
	return nil
}

// states notes whether the client is the same as before, for the server.
func (f *recoveryStory) states(s *Stage, t *traveller, id string) {
	same := "another id than before"
	if t.ID() == id {
		same = "the id that it had"
	}
	s.Note(t.who, "recovered: %v; it has %s", t.Recovered(), same)
}

func (f *recoveryStory) buffered(s *Stage) error {
	c := f.client
	if err := f.cuts(s, c); err != nil {
		return err
	}
	s.Note(c.who, `emits note "one", then cursor "3:14", volatile, then note "two"`)
	err := errors.Join(c.Emit("note", "one"), c.Volatile().Emit("cursor", "3:14"), c.Emit("note", "two"))
	if err != nil {
		return err
	}
	if err := f.fails(s, c, 1); err != nil {
		return err
	}
	if _, err := f.mends(s, c, f.network.to); err != nil {
		return err
	}
	if err := s.Await("both notes", func(list []entry) bool { return len(outgoing(list, c.who)) >= 2 }); err != nil {
		return err
	}
	for range 2 {
		text, err := within(s, "a note", f.notes)
		if err != nil {
			return err
		}
		s.Note("server", "got: %s", text)
	}
	s.Show()
	s.Tell(`
%s went out, in the order in which they were emitted: what is said while there is no connection is kept, and sent when there
is one. The volatile one was dropped. That is for what is of no use when it comes late, such as the place of a cursor.`,
		upper(count(len(outgoing(s.entries(), c.who)), "event")))
	s.Tell(`
Kept does not mean certain. What had been sent just before the cut is not sent again: nobody knows whether it has arrived.
For that there are acknowledgements, and the client's option retries (sockkit demo events). And a page that is closed
forgets what it has kept.`)
	if err := c.Close(); err != nil {
		return err
	}
	_, err = within(s, "the end of the client", f.told)
	return err
}

// remembers brings up a server that keeps what it sends.
func (f *recoveryStory) remembers(s *Stage, who string) error {
	return f.serve(s, who, &socketio.ServerOptions{Recovery: &socketio.Recovery{}}, f.handlers)
}

// toRoom has the server say something to the room.
func (f *recoveryStory) toRoom(s *Stage, text string) error {
	s.Note("server", "emits to the room kitchen: %q", text)
	return f.io.To("kitchen").Emit("message", text)
}

func (f *recoveryStory) recovered(s *Stage) error {
	if err := f.remembers(s, "server"); err != nil {
		return err
	}
	f.network.turn(up, f.url[len("http://"):])
	t, err := f.travels(s, "client")
	if err != nil {
		return err
	}
	f.client = t
	if _, err := within(s, "the socket", f.came); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if _, err := t.EmitWithAck(ctx, "join", "kitchen"); err != nil {
		return err
	}
	if err := inTurn(func() error { return f.toRoom(s, "soup") }, f.hears(s, 1)); err != nil {
		return err
	}
	s.Show()
	id := t.ID()
	if err := inTurn(func() error { return f.cuts(s, t) }, func() error { return f.toRoom(s, "fish") },
		func() error { return f.toRoom(s, "cake") }, func() error { return f.fails(s, t, 1) }); err != nil {
		return err
	}
	socket, err := f.mends(s, t, f.network.to)
	if err != nil {
		return err
	}
	if err := f.hears(s, 3)(); err != nil {
		return err
	}
	f.states(s, t, id)
	s.Note("server", "the socket is in the room kitchen: %v", isIn(socket, "kitchen"))
	s.Show()
	f.explain(s, t)
	return nil
}

// explain says how the client has come back.
func (f *recoveryStory) explain(s *Stage, t *traveller) {
	missed := incoming(s.entries(), t.who)[1:]
	s.Tell(`
In such a server the answer to CONNECT brings a second, secret id, the {pid}, and each event has an {offset} behind its
arguments, which the client remembers. When it came back it showed both. The server gave it the id and the rooms that it
had, and sent what it had missed: %s, in order. They come even before the answer, and the client holds them back until it
is there.`, count(len(missed), "event"))
	s.Tell(`
Not everybody comes back like that: by default a server remembers for 2 minutes, and events that ask for an
acknowledgement, or are volatile, are not kept. A program has to do right without it, too, and asks socket.recovered.`)
}

func isIn(c *socketio.Socket, room string) bool {
	for _, r := range c.Rooms() {
		if r == room {
			return true
		}
	}
	return false
}

// hears waits until n events have come to the client in this step.
func (f *recoveryStory) hears(s *Stage, n int) func() error {
	return func() error {
		return s.Await(fmt.Sprintf("event %d", n), func(list []entry) bool { return len(incoming(list, f.client.who)) >= n })
	}
}

func (f *recoveryStory) question(s *Stage) error {
	if err := s.Ask(`
{While the client is away the old server says something more to the room. Does the client get it from the new one?}`); err != nil {
		return err
	}
	t, id := f.client, f.client.ID()
	if err := inTurn(func() error { return f.cuts(s, t) }, func() error { return f.toRoom(s, "coffee") }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := f.io.Close(ctx); err != nil {
		return err
	}
	if err := f.remembers(s, "server 2"); err != nil {
		return err
	}
	if err := f.fails(s, t, 1); err != nil {
		return err
	}
	if _, err := f.mends(s, t, f.url[len("http://"):]); err != nil {
		return err
	}
	f.states(s, t, id)
	s.Note("server 2", `emits to all: "welcome"`)
	if err := inTurn(func() error { return f.io.Emit("message", "welcome") }, f.hears(s, 1)); err != nil {
		return err
	}
	s.Show()
	first := incoming(s.entries(), t.who)[0]
	s.Tell(`
{No.} What was kept was in the memory of the old server, and went with it; the new one does not know the pid, and takes the
client for a new one. The first event that came is %s, and "coffee" will never come.`, firstArgument(first))
	s.Tell(`
Servers that are to go on where others have stopped keep it elsewhere: in Redis Streams or MongoDB, by their adapters. Or
the program does so itself: the client says on each connect what it has seen last, in its auth object, and the server sends
what came after it from a database.`)
	if err := t.Close(); err != nil {
		return err
	}
	_, err := within(s, "the end of the client", f.told)
	return err
}

// firstArgument is that of an event, as it stands in the packet.
func firstArgument(p trace.SIOPacket) string {
	args, err := socketio.ParseArgs(p.Payload, nil)
	if err != nil || args.Len() < 2 {
		return strings.TrimSpace(string(p.Payload))
	}
	return string(args.JSON(1))
}
