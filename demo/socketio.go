package demo

import "github.com/sockkit/sockkit/socketio"

// socketIOStory is what the steps of the lesson on Socket.IO share.
type socketIOStory struct {
	io   *socketio.Server
	url  string                // of the server, as http://…
	told chan string           // why sockets ended, by the server
	came chan *socketio.Socket // each socket that connects to the main namespace
}

func socketIOLesson() Lesson {
	f := &socketIOStory{told: make(chan string, 16), came: make(chan *socketio.Socket, 16)}
	return Lesson{
		Name:  "socketio",
		Title: "fallback and upgrade, events, rooms and namespaces",
		Intro: `
A WebSocket (sockkit demo handshake) carries messages, and nothing says what they mean, who gets them, and what becomes
of them where a proxy lets no WebSocket through. {Socket.IO} is an agreement about that, in two layers. {Engine.IO} below
moves messages, by whichever way there is, and notices when the other side is gone. Socket.IO above makes {events} of
them, which can be acknowledged, and knows {rooms} and {namespaces}.

A server of Socket.IO is up here and now, and the clients that talk to it do by hand what a browser does by itself. All of
it stays on this machine. ` + "\n\n" + traceIntro,
		Steps: []Step{
			{"A session, by plain requests", `
A client begins with a request that any proxy lets through. The server opens a {session} and answers with all that the
client has to know. Then the client joins the main namespace, by a POST, and asks what the server has to say to that.`, f.open},
			{"A poll that waits", `
In HTTP a server cannot speak first. So the client asks before there is anything to say, and the server keeps the request
until there is. That is {long-polling}.`, f.wait},
			{"The move to a WebSocket", `
The open packet has offered an {upgrade}. The client opens a WebSocket beside its polls, tries whether bytes get through,
and only then moves. Not one message is lost on the way, nor is one doubled.`, f.upgrade},
			{"Events, and acknowledgements", `
An event has a name and any number of arguments. Whoever sends one can ask for an {acknowledgement}, by a number that the
answer repeats. First the client asks the server for a sum, then the server asks the client for its name.`, f.events},
			{"Bytes among the arguments", `
JSON has no bytes. An argument that holds some, however deep, is sent in several messages.`, f.attachments},
			{"Rooms, and everybody else", `
A {room} is a set of clients that the server keeps. Ann and Bob join one, and Eve does not. Then Ann says something to
all the others, and the server something to the room.`, f.rooms},
			{"Namespaces, and a middleware that refuses", `
One connection carries several {namespaces}, each with handlers of its own. At the door of /admin stands a {middleware}: a
function that sees what the client sends along, and lets it in or not.`, f.namespaces},
			{"A proxy that breaks WebSockets", `
This proxy knows HTTP, and no upgrades: it drops the header. A whole client, which does all of this by itself, connects
through it.`, f.proxy},
			{"Good-byes, and those that never come", `
Both sides learn why a connection is over, by one of a few fixed words. Four clients leave, each in another way.`, f.goodBye},
			{"One question", `
Your server has become two, behind a balancer.`, f.question},
		},
		Try: socketIOExercises(),
	}
}

func socketIOExercises() []Exercise {
	return []Exercise{
		{`
Events by hand. Run the first command in one terminal and the second in another: a line is an event, its name and then
its arguments. -vv shows the packets of Socket.IO, -vvv those of Engine.IO.`, []string{
			"sockkit listen -k --broadcast=all sio://:3000",
			"sockkit dial -vvv sio://localhost:3000",
		}},
		{`
See what a server of yours can do: which versions, polling, the upgrade, sticky sessions, the namespace.`, []string{
			"sockkit inspect sio://localhost:3000",
			"sockkit inspect sio://localhost:3000/admin --auth '{\"token\":\"abc\"}'",
		}},
		{`
Watch somebody else's. tap stands between a page and its server, and shows polls, WebSockets and packets in one timeline.
Point the page at port 8080.`, []string{
			"sockkit tap -vvv sio://:8080 sio://localhost:3000",
		}},
		{`
Keep to one transport, and compare what passes.`, []string{
			"sockkit dial -vv sio://localhost:3000 --transports polling -x 'message hello' --count 1",
			"sockkit dial -vv sio://localhost:3000 --transports websocket -x 'message hello' --count 1",
		}},
	}
}
