package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

func (f *fallbackStory) open(s *Stage) error {
	if err := f.serve(s, "server", nil, func(*socketio.Server) {}); err != nil {
		return err
	}
	c := s.guest("client", f.url)
	if err := inTurn(c.polls, func() error { return c.posts("40") }, c.polls); err != nil {
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
{connect}, and the answer brings the id of the client's socket.`)
	return f.gone(s, c)
}

func (f *fallbackStory) wait(s *Stage) error {
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

func (f *fallbackStory) upgrade(s *Stage) error {
	c, socket, err := f.asksIn(s, "client")
	if err != nil {
		return err
	}
	x := c.request("")
	answers := make(chan answer, 1)
	go func() { answers <- c.asks("") }()
	if err := inTurn(c.upgrades, c.toSay("2probe"), c.toHear("3probe")); err != nil {
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

func (f *fallbackStory) proxy(s *Stage) error {
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

func (f *fallbackStory) question(s *Stage) error {
	if err := s.Ask(`
{Since then clients are thrown out while they connect, about every second time. Their console says 400 Bad Request, and
with transports: ["websocket"] all is well. What happens?}`); err != nil {
		return err
	}
	g := s.guest("client 3", f.url)
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
