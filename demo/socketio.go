package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// The lessons on Socket.IO, one after the other: fallback, events, rooms, auth
// and recovery. Each has a server of its own.

// socketIO is the server of a lesson, and what it has told.
type socketIO struct {
	io   *socketio.Server
	url  string                // as http://…
	told chan string           // why sockets ended, by the server
	came chan *socketio.Socket // each socket that connects to the main namespace
}

// mostSockets bounds what a lesson's server tells before it is asked.
const mostSockets = 16

func newSocketIO() socketIO {
	return socketIO{told: make(chan string, mostSockets), came: make(chan *socketio.Socket, mostSockets)}
}

// serve has the server of the lesson listen, called who. Its handlers are set
// before anybody comes.
func (f *socketIO) serve(s *Stage, who string, o *socketio.ServerOptions, handlers func(*socketio.Server)) error {
	l, err := s.listen(who)
	if err != nil {
		return err
	}
	f.url = "http://" + l.Addr().String()
	f.io = socketio.NewServer(o)
	handlers(f.io)
	f.listens(f.io)
	s.keepServer(f.io)
	go func() { _ = f.io.Serve(l.Sockets()[0]) }()
	return nil
}

// listens has a server tell who comes, and why they leave.
func (f *socketIO) listens(io *socketio.Server) {
	io.OnConnection(func(c *socketio.Socket) {
		c.OnDisconnect(func(reason string) { f.told <- reason })
		f.came <- c
	})
}

func (s *Stage) keepServer(io *socketio.Server) {
	s.Keep(closerFunc(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), patience)
		defer cancel()
		return io.Close(ctx)
	}))
}

// enters opens a session by a WebSocket alone, and joins the main namespace.
// What passes is known by now, and is not shown.
func (f *socketIO) enters(s *Stage, who string) (*guest, *socketio.Socket, error) {
	return f.entersWith(s, who, "40")
}

// entersWith is enters with what is said to join.
func (f *socketIO) entersWith(s *Stage, who, hello string) (*guest, *socketio.Socket, error) {
	g := s.guest(who, f.url)
	shown := g.seen.Tracer
	g.seen.Tracer = nil
	if err := inTurn(g.quietly, g.toHear("0{"), g.toSay(hello), g.toHear("40{")); err != nil {
		return nil, nil, err
	}
	g.seen.Tracer = shown
	socket, err := within(s, "the socket", f.came)
	return g, socket, err
}

// asksIn opens a session by polling, and joins the main namespace, unseen.
func (f *socketIO) asksIn(s *Stage, who string) (*guest, *socketio.Socket, error) {
	g := s.guest(who, f.url)
	shown := g.seen.Tracer
	g.seen.Tracer = nil
	for _, body := range []string{"", "40", ""} {
		x := g.seen.Request(0, http.MethodGet, g.target("polling"), http.Header{}, nil)
		a := g.asks(body)
		if a.err != nil {
			return nil, nil, a.err
		}
		x.Response(a.status, a.header, a.body)
	}
	g.seen.Tracer = shown
	socket, err := within(s, "the socket", f.came)
	return g, socket, err
}

// gone has clients leave, unseen. Each step ends its own: a reader takes time,
// and nobody answers pings meanwhile.
func (f *socketIO) gone(s *Stage, guests ...*guest) error {
	for _, g := range guests {
		g.seen.Tracer = nil
		if g.conn == nil {
			if a := g.asks("41"); a.err != nil {
				return a.err
			}
		} else if err := g.says("41"); err != nil {
			return err
		}
		if _, err := within(s, "the end of "+g.who, f.told); err != nil {
			return err
		}
	}
	return nil
}

// inTurn does one thing after the other, until one fails.
func inTurn(steps ...func() error) error {
	for _, do := range steps {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// packets are those of Engine.IO that who sent, or received.
func packets(list []entry, who string, way trace.Dir) (found []trace.EIOPacket) {
	for _, e := range events[trace.EIOPacket](list, who) {
		if e.Dir == way {
			found = append(found, e)
		}
	}
	return found
}

// heard counts the events of that name that came to who.
func heard(list []entry, who, event string) (n int) {
	for _, e := range packets(list, who, trace.In) {
		var id int
		var name string
		if _, err := fmt.Sscanf(string(e.Payload), `2[%q`, &name); err != nil {
			_, _ = fmt.Sscanf(string(e.Payload), `2%d[%q`, &id, &name)
		}
		if name == event {
			n++
		}
	}
	return n
}

// bySocketIO is what the lessons on Socket.IO begin with.
const bySocketIO = `
A server of Socket.IO is up here and now, and the clients that talk to it do by hand what a browser does by itself. All of
it stays on this machine. ` + "\n\n" + traceIntro + ` In it the first digit of a packet, that of Engine.IO, is the word
before the size: what is sent as 42["hi"] stands there as a message of "2["hi"]".`
