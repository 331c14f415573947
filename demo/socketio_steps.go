package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

func (f *socketIOStory) open(s *Stage) error {
	if err := f.serve(s); err != nil {
		return err
	}
	c := s.guest("client", f.url)
	if err := errors.Join(c.polls(), c.posts("40"), c.polls()); err != nil {
		return err
	}
	if _, err := within(s, "the socket", f.came); err != nil {
		return err
	}
	opening := events[trace.EIOPacket](s.entries(), "client")[0]
	var told struct {
		PingInterval, PingTimeout, MaxPayload int
	}
	if err := json.Unmarshal(opening.Payload, &told); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The first packet is the {open packet}. Its sid names the session, and each further request carries it. The server will
send a {ping} every %d seconds, and wants a pong within %d: whoever hears nothing for the sum of both knows that the other
side is gone. At most %s bytes may come at once.`, told.PingInterval/1000, told.PingTimeout/1000, grouped(told.MaxPayload))
	s.Tell(`
Each packet begins with a digit. Of Engine.IO {0} is open, {1} close, {2} ping, {3} pong, {4} a message, {5} an upgrade and
{6} nothing at all. A message holds a packet of Socket.IO, which has a digit of its own: 40 is a message that asks to
{connect}, and the answer brings the id of the client's socket. In the trace the digit of Engine.IO is the word before the
size.`)
	return f.gone(s, c)
}

func (f *socketIOStory) wait(s *Stage) error {
	c, socket, err := f.asksIn(s, "client")
	if err != nil {
		return err
	}
	x := c.request("")
	answers := make(chan answer, 1)
	go func() { answers <- c.asks("") }()
	if err := s.until("the poll", socket.Engine().Writable); err != nil {
		return err
	}
	s.Note("server", "a poll waits, and there is something to say now")
	if err := socket.Emit("news", "the coffee is ready"); err != nil {
		return err
	}
	a, err := within(s, "the answer", answers)
	if err != nil {
		return err
	}
	if err := c.take(x, a); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The answer is an ordinary one, of %d bytes, to a request that had waited. 42 is a message (4) that is an {event} (2). The
client asks anew at once. Meanwhile it can say something by a second request, a POST; there is never more than one of
each. It works everywhere, and each message costs the heads of a request and of an answer.`, len(a.body))
	return f.gone(s, c)
}

func (f *socketIOStory) upgrade(s *Stage) error {
	c, socket, err := f.asksIn(s, "client")
	if err != nil {
		return err
	}
	x := c.request("")
	answers := make(chan answer, 1)
	go func() { answers <- c.asks("") }()
	if err := errors.Join(c.upgrades(), c.says("2probe"), c.hears("3probe")); err != nil {
		return err
	}
	a, err := within(s, "the answer to the poll", answers)
	if err != nil {
		return err
	}
	if err := errors.Join(c.take(x, a), c.says("5")); err != nil {
		return err
	}
	if err := s.until("the upgrade", socket.Engine().Upgraded); err != nil {
		return err
	}
	if err := errors.Join(socket.Emit("news", "you have moved"), c.hears("42")); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
A {probe} went each way: the WebSocket works, in both directions. The server then answers the poll that still waits with a
{noop}, a packet that says nothing, so that no message can leave by the old way any more. Only when that poll is over
does the client say {upgrade}; from here on all goes by the WebSocket.`)
	s.Tell(`
Had the WebSocket failed at any point before, polling would have gone on as if nothing had been tried. Hence the order:
what always works first, what is better after.`)
	return f.gone(s, c)
}

func (f *socketIOStory) events(s *Stage) error {
	c, socket, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	if err := errors.Join(c.says(`420["add",2,3]`), c.hears("430")); err != nil {
		return err
	}
	answers := make(chan socketio.Args, 1)
	go func() {
		ctx, cancel := context.WithTimeout(s.ctx, patience)
		defer cancel()
		if got, err := socket.EmitWithAck(ctx, "who are you?"); err == nil {
			answers <- got
		}
	}()
	if err := errors.Join(c.hears("42"), c.answersLast(`["Ann"]`)); err != nil {
		return err
	}
	got, err := within(s, "the acknowledgement", answers)
	if err != nil {
		return err
	}
	var name string
	if err := got.Decode(&name); err != nil {
		return err
	}
	s.Note("server", "the client is called %s", name)
	s.Show()
	s.Tell(`
The number between 42 and the bracket is what the sender wants the acknowledgement under; {43} brings it, with the values.
Each side counts for itself. An event without a number is sent and forgotten: nobody tells whether a handler ran.`)
	return f.gone(s, c)
}

// answersLast acknowledges the event that was heard last.
func (g *guest) answersLast(values string) error {
	heard := events[trace.EIOPacket](g.stage.entries(), g.who)
	text := string(heard[len(heard)-1].Payload)
	var id int
	if _, err := fmt.Sscanf(text, "2%d[", &id); err != nil {
		return fmt.Errorf("%q asks for no acknowledgement", text)
	}
	return g.says(fmt.Sprintf("43%d%s", id, values))
}

func (f *socketIOStory) attachments(s *Stage) error {
	c, _, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	const header = `451-1["upload","cat.png",{"_placeholder":true,"num":0}]`
	if err := errors.Join(c.says(header, "\x00\x89PNG"), c.hears("431")); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{45} is an event with bytes, and the 1 before the dash says how many {attachments} follow: each is a message of its own,
binary, and a {placeholder} stands where it belongs. Polling has no binary messages, so there the same bytes travel as
base64, a third longer. The official server takes at most {10} attachments; an event with more ends the connection.`)
	return f.gone(s, c)
}

func (f *socketIOStory) rooms(s *Stage) error {
	ann, _, err := f.enters(s, "Ann")
	if err != nil {
		return err
	}
	bob, _, err := f.enters(s, "Bob")
	if err != nil {
		return err
	}
	eve, _, err := f.enters(s, "Eve")
	if err != nil {
		return err
	}
	if err := errors.Join(ann.says(`420["join","kitchen"]`), ann.hears("430"), bob.says(`420["join","kitchen"]`), bob.hears("430")); err != nil {
		return err
	}
	const all = `42["message","hello, all of you"]`
	if err := errors.Join(ann.says(`42["shout","hello, all of you"]`), bob.hears(all), eve.hears(all)); err != nil {
		return err
	}
	s.Note("server", "to the room kitchen, and then to all: the end")
	room, end := `42["message","dinner"]`, `42["message","the end"]`
	if err := errors.Join(f.io.To("kitchen").Emit("message", "dinner"), f.io.Emit("message", "the end")); err != nil {
		return err
	}
	if err := errors.Join(ann.hears(room), ann.hears(end), bob.hears(room), bob.hears(end), eve.hears(end)); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
Ann's words reached all but her: that is a {broadcast}. Of the room Eve heard nothing. Nor does a client know which rooms
there are, or who is in them: rooms are the server's, and a client can only ask to be put into one, by an event like any
other. Each socket is in one from the beginning, named by its own id; so a single client is addressed like a room.`)
	return f.gone(s, ann, bob, eve)
}

func (f *socketIOStory) namespaces(s *Stage) error {
	c, _, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	if err := errors.Join(
		c.says(`40/admin,{"token":"abracadabra"}`), c.hears("44/admin,"),
		c.says(`40/admin,{"token":"open sesame"}`), c.hears("40/admin,{"),
		c.says(`40/cellar,`), c.hears("44/cellar,"),
	); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The namespace stands in each packet, unless it is the main one. {44} is a {connect_error}: its message is the middleware's,
and so is the data. The connection goes on, and so does the main namespace: the second try was let in, by another id than
there. A namespace that the server does not have is refused in the same way, as "Invalid namespace".`)
	s.Tell(`
A namespace is asked for by the path of the client's URL, as in io("http://localhost:3000/admin"). It has nothing to do
with the path of the requests, which is /socket.io/ for all of them: to mix these two up is the commonest mistake.`)
	return f.gone(s, c)
}

func (f *socketIOStory) proxy(s *Stage) error {
	l, err := s.listen("proxy")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade")
		r.Header.Del("Connection")
		f.io.ServeHTTP(w, r)
	})}
	s.Keep(server)
	go func() { _ = server.Serve(l) }()
	client := socketio.NewClient("http://"+l.Addr().String(), &socketio.ClientOptions{NoReconnection: true})
	s.Keep(client)
	moved, heard := make(chan error, 1), make(chan string, 1)
	client.Manager().OnUpgrade(func(_ string, err error) { moved <- err })
	client.On("news", func(text string) { heard <- text })
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := client.Connect(ctx); err != nil {
		return err
	}
	s.Note("client 2", "connected, by %s", client.Engine().Transport())
	failed, err := within(s, "the upgrade", moved)
	if err != nil {
		return err
	}
	var refused *engine.TransportError
	if !errors.As(failed, &refused) {
		return fmt.Errorf("the upgrade went otherwise: %w", failed)
	}
	s.Note("client 2", "the WebSocket was answered %d %s", refused.Status, http.StatusText(refused.Status))
	socket, err := within(s, "the socket", f.came)
	if err != nil {
		return err
	}
	if err := socket.Emit("news", "all is well"); err != nil {
		return err
	}
	text, err := within(s, "the event", heard)
	if err != nil {
		return err
	}
	s.Note("client 2", "news, by %s: %s", client.Engine().Transport(), text)
	s.Show()
	s.Tell(`
Nobody had to notice: the client stays with polling, and everything works. Somebody should, though, for each message costs
a request now. In nginx three lines mend it: proxy_http_version 1.1, and the headers Upgrade and Connection passed on.
sockkit inspect sio://… tries the upgrade, and says which header or which proxy is at fault.`)
	if err := client.Close(); err != nil {
		return err
	}
	_, err = within(s, "the end of client 2", f.told)
	return err
}

func (f *socketIOStory) goodBye(s *Stage) error {
	ways := []struct {
		what string
		do   func(*guest, *socketio.Socket) error
	}{
		{"says that it leaves", func(g *guest, _ *socketio.Socket) error { return g.says("41") }},
		{"vanishes: its connection just ends", func(g *guest, _ *socketio.Socket) error { return g.conn.CloseNow() }},
		{"is put out by the server", func(g *guest, c *socketio.Socket) error { c.Disconnect(false); return g.hears("41") }},
	}
	for _, way := range ways {
		g, socket, err := f.enters(s, "client 3")
		if err != nil {
			return err
		}
		s.Note("client 3", "%s", way.what)
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
where it was put out, and then it stays away; after {transport close} and {ping timeout} it comes back by itself, and waits a
little longer before each try.`)
	return nil
}

func (f *socketIOStory) ended(s *Stage) error {
	reason, err := within(s, "the end", f.told)
	s.Note("server", "disconnect: %s", reason)
	return err
}

// silent has a client that answers no pings, at a server that is impatient.
func (f *socketIOStory) silent(s *Stage) error {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return err
	}
	io := newSocketServer(f, &engine.Server{PingInterval: 100 * time.Millisecond, PingTimeout: 100 * time.Millisecond})
	s.keepServer(io)
	go func() { _ = io.Serve(l) }()
	at := f.url
	f.url = "http://" + l.Addr().String()
	g, _, err := f.enters(s, "client 4")
	f.url = at
	if err != nil {
		return err
	}
	s.Note("client 4", "says nothing any more, not even to a ping")
	if err := g.hears("2"); err != nil {
		return err
	}
	return f.ended(s)
}

func (f *socketIOStory) question(s *Stage) error {
	if err := s.Ask(`
{Since then clients are thrown out while they connect, about every second time. Their console says 400 Bad Request, and
with transports: ["websocket"] all is well. What happens?}`); err != nil {
		return err
	}
	g := s.guest("client 5", f.url)
	g.sid = "of-the-other-server-"
	if err := g.polls(); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{The second request reached the other server, which has never heard of the session.} The balancer has to send all requests of
one client to one server: {sticky sessions}, by the client's address (ip_hash in nginx) or by a cookie. A WebSocket is one
connection, and stays where it is. sockkit inspect sends a few requests of one session, each on a connection of its own,
and counts.`)
	return nil
}
