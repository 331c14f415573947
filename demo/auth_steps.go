package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// user is somebody whom the lesson's server knows.
type user struct {
	name  string
	admin bool
}

// The tokens of the lesson, and the one origin whose pages are let in.
const (
	annsToken    = "open sesame"
	gandalfs     = "mellon"
	ownSite      = "https://app.example"
	strangeSite  = "https://evil.example"
	helloAnn     = `40{"token":"open sesame"}`
	helloGandalf = `40{"token":"mellon"}`
)

// knows says who has a token.
func (f *authStory) knows(token any) (user, error) {
	switch {
	case token == annsToken && !f.revoked.Load():
		return user{"Ann", false}, nil
	case token == gandalfs:
		return user{"Gandalf", true}, nil
	case token == nil:
		return user{}, &socketio.Error{Message: "Authentication error", Data: map[string]any{"want": "token"}}
	}
	return user{}, &socketio.Error{Message: "Authentication error", Data: map[string]any{"want": "another token"}}
}

// options are those of the lesson's server: the rule about origins.
func (f *authStory) options() *socketio.ServerOptions {
	return &socketio.ServerOptions{CORS: &engine.CORS{Origins: []string{ownSite}}}
}

// handlers are those of the lesson's server. Both middlewares note what they
// decide.
func (f *authStory) handlers(s *Stage) func(*socketio.Server) {
	return func(io *socketio.Server) {
		io.Use(func(c *socketio.Socket) error { return f.asked(s, c, false) })
		io.Of("/admin").Use(func(c *socketio.Socket) error { return f.asked(s, c, true) })
		io.OnConnection(func(c *socketio.Socket) {
			c.Use(func(e *socketio.Event) error { return f.may(c, e.Name) })
			c.OnError(func(err error) { s.Note("server", "an event is dropped: %v", err) })
			c.On("who am I?", func(ack func(string)) { ack(c.Data().(user).name) })
			c.On("rename", func(name string, ack func(string)) { ack(name) })
		})
	}
}

// asked is the middleware of a namespace.
func (f *authStory) asked(s *Stage, c *socketio.Socket, wantAdmin bool) error {
	who, err := f.knows(c.Handshake().Auth["token"])
	if err == nil && wantAdmin && !who.admin {
		err = &socketio.Error{Message: "not authorized", Data: map[string]any{"you are": who.name}}
	}
	if err != nil {
		s.Note("server", "the middleware of %s: %v", c.Namespace().Name(), err)
		return err
	}
	c.SetData(who)
	s.Note("server", "the middleware of %s: let in, as %s", c.Namespace().Name(), who.name)
	return nil
}

// may is the middleware of each event.
func (f *authStory) may(c *socketio.Socket, event string) error {
	if who := c.Data().(user); strings.HasPrefix(event, "delete") && !who.admin {
		return fmt.Errorf("%s may not send %q", who.name, event)
	}
	return nil
}

func (f *authStory) brings(s *Stage) error {
	if err := f.serve(s, "server", f.options(), f.handlers(s)); err != nil {
		return err
	}
	g := s.guest("Ann", f.url)
	g.header.Set("Cookie", "theme=dark")
	s.Note("Ann", "begins a session, with the header Cookie: theme=dark")
	if err := inTurn(g.quietly, g.toHear("0{"), g.toSay(helloAnn), g.toHear("40{")); err != nil {
		return err
	}
	c, err := within(s, "the socket", f.came)
	if err != nil {
		return err
	}
	h := c.Handshake()
	auth, err := json.Marshal(h.Auth)
	if err != nil {
		return err
	}
	s.Note("server", "socket.handshake.auth is %s", auth)
	s.Note("server", "socket.handshake.headers.cookie is %q", h.Headers.Get("Cookie"))
	s.Show()
	s.Tell(`
The auth object stands in the packet that joins, 40, and nowhere else: not in the address, where logs would keep it. In
JavaScript it is the option auth of io(…). A page cannot set headers for a WebSocket, but cookies of the site come along by
themselves.`)
	s.Tell(`
The headers are those of the session's first request. They do not change while the session lasts, whatever the browser
gets to know meanwhile. What the middleware has found out it keeps with the socket, for the handlers.`)
	return f.gone(s, g)
}

func (f *authStory) refused(s *Stage) error {
	g := s.guest("client", f.url)
	if err := inTurn(g.quietly, g.toHear("0{"), g.toSay(`40`), g.toHear("44{"), g.toSay(`40{"token":"abracadabra"}`), g.toHear("44{"),
		g.toSay(helloAnn), g.toHear("40{")); err != nil {
		return err
	}
	if _, err := within(s, "the socket", f.came); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{44} is a {connect_error}. Its message and its data are the middleware's: in JavaScript, next(err) with err.data. The client
was refused %s and could try again at once, on the same connection: it is the namespace that was refused, not the session.`,
		times(refusals(s.entries(), "client")))
	s.Tell(`
The client of JavaScript does not try again by itself after that, since the same token would be refused again. A program
that has got a new token says socket.connect(). Who joins no namespace at all within 45 seconds is put out.`)
	return f.gone(s, g)
}

// refusals counts how often who was refused by a namespace.
func refusals(list []entry, who string) (n int) {
	for _, p := range packets(list, who, trace.In) {
		if p.Type == "message" && strings.HasPrefix(string(p.Payload), "4") {
			n++
		}
	}
	return n
}

// times words how often something happened.
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return count(n, "time")
}

func (f *authStory) admin(s *Stage) error {
	ann, _, err := f.entersWith(s, "Ann", helloAnn)
	if err != nil {
		return err
	}
	gandalf, _, err := f.entersWith(s, "Gandalf", helloGandalf)
	if err != nil {
		return err
	}
	s.begin() // that both are in the main namespace is known by now
	if err := inTurn(ann.toSay(`40/admin,{"token":"open sesame"}`), ann.toHear("44/admin,"),
		gandalf.toSay(`40/admin,{"token":"mellon"}`), gandalf.toHear("40/admin,"),
		ann.toSay(`420["who am I?"]`), ann.toHear("430")); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
A middleware stands before one namespace, and sees what was sent along to join that one. The main namespace's did not run
again for /admin, nor does /admin's say anything about the main one: Ann is still there, and is answered.`)
	s.Tell(`
So each namespace that has something to hide needs a door of its own. To check the token in the main namespace only, and to
let everybody into the others, is a common hole.`)
	return f.gone(s, ann, gandalf)
}

func (f *authStory) origin(s *Stage) error {
	g := s.guest("page", f.url)
	for _, from := range []string{strangeSite, ownSite} {
		g.header.Set("Origin", from)
		s.Note("page", "sends the header Origin: %s", from)
		if err := g.polls(); err != nil {
			return err
		}
	}
	a := g.asks("1")
	if a.err != nil {
		return a.err
	}
	s.Show()
	s.Tell(`
The first request of a session passes a door before all others: the server's options cors and allowRequest, which see the
address and the headers only. A refusal is an answer of HTTP, {403}, and there is no session: nothing is kept for the
stranger, and no auth object was sent yet.`)
	s.Tell(`
Browsers put the origin there, and a page cannot change it. Other programs can send what they like. So this keeps out pages
of other sites, which would come with your users' cookies; who somebody is only a token can tell. In Node's server cors
alone refuses nobody, it only has browsers hide the answers; there allowRequest has to look at the origin.`)
	return nil
}

func (f *authStory) each(s *Stage) error {
	g, _, err := f.entersWith(s, "Ann", helloAnn)
	if err != nil {
		return err
	}
	s.begin()
	if err := inTurn(g.toSay(`420["delete all"]`), f.noted(s, 1), g.toSay(`421["rename",{"not":"a text"}]`), f.noted(s, 2),
		g.toSay(`422["rename","Anna"]`), g.toHear("432")); err != nil {
		return err
	}
	s.Show()
	asked := len(packets(s.entries(), "Ann", trace.Out))
	got := len(packets(s.entries(), "Ann", trace.In))
	s.Tell(`
%s asked for an acknowledgement, and %s came. A middleware of the socket, socket.use, sees each event before its handler,
and drops those that it returns an error for. Arguments are whatever somebody has sent: in Go a handler that takes a text
is not called with an object, in JavaScript it is, and has to look for itself.`, upper(count(asked, "event")), count(got, "acknowledgement"))
	s.Tell(`
The client was not told. If it shall be, the handler has to say so, in the acknowledgement: errors are part of what the
two sides agree on.`)
	return f.gone(s, g)
}

// noted waits until the server has said n things in this step.
func (f *authStory) noted(s *Stage, n int) func() error {
	return func() error {
		return s.Await("a word of the server's", func(list []entry) bool { return len(events[trace.Note](list, "server")) >= n })
	}
}

// upper begins a sentence.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (f *authStory) question(s *Stage) error {
	if err := s.Ask(`
{She, or the thief, sends another event on the connection that is open. Does the server still answer?}`); err != nil {
		return err
	}
	g, c, err := f.entersWith(s, "Ann", helloAnn)
	if err != nil {
		return err
	}
	f.revoked.Store(true)
	defer f.revoked.Store(false)
	s.Note("server", "the token is void now")
	if err := g.asked(`420["who am I?"]`, "430"); err != nil {
		return err
	}
	s.Note("server", "socket.disconnect(true)")
	c.Disconnect(true)
	_, err = within(s, "the end of Ann", f.told)
	if err := errors.Join(err, g.ended()); err != nil {
		return err
	}
	again := s.guest("Ann", f.url)
	if err := inTurn(again.quietly, again.toHear("0{"), again.toSay(helloAnn), again.toHear("44{")); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{It does.} The middleware ran %s for that connection, when it began, and never again: nobody asks for the token at each event.
A connection lasts for hours, and a token is checked at its door.`, times(lettings(s.entries())))
	s.Tell(`
So a server that declares a token void has to end the connections that came with it. It finds them by a room, one for each
user: io.in("ann").disconnectSockets(). The client comes back by itself, and is refused at the door.`)
	return nil
}

// lettings counts how often the middleware has let somebody in.
func lettings(list []entry) (n int) {
	for _, e := range events[trace.Note](list, "server") {
		if strings.Contains(e.Text, ": let in,") {
			n++
		}
	}
	return n
}
