package demo

// recoveryStory is what the steps of the lesson on reconnection share.
type recoveryStory struct {
	socketIO
	network *network
	client  *traveller  // through it
	notes   chan string // what the server got
}

func recoveryLesson() Lesson {
	f := &recoveryStory{socketIO: newSocketIO(), notes: make(chan string, mostSockets)}
	return Lesson{
		Name:  "recovery",
		Title: "how Socket.IO's connections end, and come back",
		Lab:   recoveryLab,
		Intro: `
Every connection ends: somebody leaves, a server is restarted, a train goes into a tunnel. {Socket.IO} tells both sides
why, by one of a few fixed words, and its client comes back by itself. What was said meanwhile is another matter, and the
greater part of this lesson.` + "\n\n" + bySocketIO,
		Steps: []Step{
			{"Good-byes, and those that never come", `
Both sides learn why a connection is over. Four clients leave, each in another way; the last one at a server that sends a
{ping} every 0.1 seconds and waits as long for the answer.`, f.goodBye},
			{"A network that is cut", `
From here on a whole client of Socket.IO plays, which does all by itself. Between it and the server stands a {network},
a program of this lesson that passes bytes on, and can be cut: what is connected ends, and whoever connects is turned away
at once. It comes back when the client has failed three times.`, f.cut},
			{"What was said meanwhile: the client's side", `
The network is cut again. While it is, the client emits three events, of which one is {volatile}; then the network comes
back.`, f.buffered},
			{"What was said meanwhile: the server's side", `
A server can keep what it sends for clients that are away for a short time: {connection state recovery}, which has to be
asked for. The client joins a room at such a server, and hears a first message there. Then the network is cut, and the
server says two more things to the room.`, f.recovered},
			{"One question", `
It happens once more, but this time it is the server that goes away. While the network is cut it is started anew, as
servers are when there is a new version of them.`, f.question},
		},
		Try: []Exercise{
			{`
Run the first command in one terminal and the second in another. End the first by Ctrl-C, type a line into the second, and
start the first again.`, []string{
				"sockkit listen -k --broadcast=all sio://:3000 --recovery 2m",
				"sockkit dial -vv sio://localhost:3000 --reconnect",
			}},
			{`
A network that can be cut. tap stands in between; each connection ends after 5 seconds.`, []string{
				"sockkit tap -v sio://:8080 sio://localhost:3000 --cut-after 5s",
				"sockkit dial -vv sio://localhost:8080 --reconnect",
			}},
		},
	}
}
