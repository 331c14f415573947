package demo

import (
	"context"

	"github.com/sockkit/sockkit/examples/browser"
	chat "github.com/sockkit/sockkit/examples/chat/app"
	dashboard "github.com/sockkit/sockkit/examples/dashboard/app"
	document "github.com/sockkit/sockkit/examples/document/app"
	game "github.com/sockkit/sockkit/examples/game/app"
	notifications "github.com/sockkit/sockkit/examples/notifications/app"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// application is one of the small programs that stand on the page, too.
type application struct {
	Name  string
	Title string
	Intro string
	make  func(io *socketio.Server) browser.App
}

// applications returns those there are, in the order to look at them.
func applications() []application {
	return []application{
		{"chat", "rooms, names, and who is here", `
Two clients of one chat. Write in one of them: in the timeline its {event} goes to the server, is {acknowledged}, and goes
out to all that are in the same {room}. Have one of them join another room, and write again.`,
			func(io *socketio.Server) browser.App { return chat.New(io) }},
		{"notifications", "topics, and what was missed", `
Each topic is a room. Subscribe on one side, publish on the other. Cut one side off for a while, and let it come back: what
it has missed is sent again, by {connection state recovery}.`,
			func(io *socketio.Server) browser.App { return notifications.New(io) }},
		{"document", "one text, many writers", `
Write on both sides at once. Each character has a name of its own, and stands behind another one; a change is an event that
says so. In whichever order such events come, all end with the same text: they {converge}.`,
			func(io *socketio.Server) browser.App { return document.New(io) }},
		{"game", "a game for two and more", `
The server alone moves the players, some times a second, and sends the whole board as a {volatile} event: one that is
dropped where the client is not ready for it, since the next is newer anyway.`,
			func(io *socketio.Server) browser.App { return game.New(io) }},
		{"dashboard", "this very process, live", `
Figures of the program that serves this page. Make some noise on one side, and see it in both. Round trips are measured by
acknowledgements.`,
			func(io *socketio.Server) browser.App { return dashboard.New(io, nil) }},
	}
}

func findApp(name string) (application, bool) {
	for _, a := range applications() {
		if a.Name == name {
			return a, true
		}
	}
	return application{}, false
}

// open makes the application, and serves it below the visit's app/.
func (a application) open(s *Stage) (Actions, error) {
	io := socketio.NewServer(&socketio.ServerOptions{
		Tracer:   s.at("server", trace.Frame),
		Recovery: &socketio.Recovery{},
	})
	app := a.make(io)
	s.Keep(closerFunc(func() error {
		app.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), patience)
		defer cancel()
		return io.Close(ctx)
	}))
	s.Serve("app", app)
	return nil, nil
}
