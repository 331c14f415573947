package demo

// fallbackStory is what the steps of the lesson on the fallback share.
type fallbackStory struct{ socketIO }

func fallbackLesson() Lesson {
	f := &fallbackStory{newSocketIO()}
	return Lesson{
		Name:  "fallback",
		Title: "Socket.IO's polling, its move to a WebSocket, and the way back",
		Lab:   fallbackLab,
		Intro: `
A WebSocket (sockkit demo handshake) carries messages, and nothing says what they mean, who gets them, and what becomes
of them where a proxy lets no WebSocket through. {Socket.IO} is an agreement about that, in two layers. {Engine.IO} below
moves messages, by whichever way there is, and notices when the other side is gone: it is what this lesson is about.
Socket.IO above makes {events} of them, and has lessons of its own.` + "\n\n" + bySocketIO,
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
			{"A proxy that breaks WebSockets", `
This proxy knows HTTP, and no upgrades: it drops the header. A whole client, which does all of this by itself, connects
through it. To stay with what works is the {fallback}.`, f.proxy},
			{"One question", `
Your server has become two, behind a balancer.`, f.question},
		},
		Try: []Exercise{
			{`
Keep to one transport, and compare what passes.`, []string{
				"sockkit listen -k --broadcast=all sio://:3000",
				"sockkit dial -vv sio://localhost:3000 --transports polling -x 'message hello' --count 1",
				"sockkit dial -vv sio://localhost:3000 --transports websocket -x 'message hello' --count 1",
			}},
			{`
A session by hand. The answer to the first command has the sid that the second has to name; it waits until the server has
something to say.`, []string{
				"curl -s 'http://localhost:3000/socket.io/?EIO=4&transport=polling'",
				"curl -s 'http://localhost:3000/socket.io/?EIO=4&transport=polling&sid=…'",
			}},
			{`
See what a server of yours can do: which versions, polling, the upgrade, sticky sessions, the namespace.`, []string{
				"sockkit inspect sio://localhost:3000",
			}},
			{`
Watch somebody else's. tap stands between a page and its server, and shows polls, WebSockets and packets in one timeline.
Point the page at port 8080.`, []string{
				"sockkit tap -vvv sio://:8080 sio://localhost:3000",
			}},
		},
	}
}
