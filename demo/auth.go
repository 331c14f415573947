package demo

import "sync/atomic"

// authStory is what the steps of the lesson on authentication share.
type authStory struct {
	socketIO
	revoked atomic.Bool // Ann's token is none any more
}

func authLesson() Lesson {
	f := &authStory{socketIO: newSocketIO()}
	return Lesson{
		Name:  "auth",
		Title: "Socket.IO's middlewares: who is let in, and to what",
		Lab:   authLab,
		Intro: `
A server that lets everybody do everything is rarely what is wanted. {Authentication} is to know who somebody is, and
{authorization} to decide what they may do. {Socket.IO} has places for both: functions of yours that stand in the way, each
called a {middleware}.

This server knows two tokens. With "open sesame" somebody is Ann, and with "mellon" Gandalf, who is an administrator.` +
			"\n\n" + bySocketIO,
		Steps: []Step{
			{"What a client brings along", `
A client can send an object along when it joins a namespace, called {auth}. The server's middleware sees it, and also the
headers of the request by which the session began. Ann comes with her token, and with a cookie.`, f.brings},
			{"Refused, and let in", `
A client asks to join the main namespace without a token, then with a wrong one, and then with Ann's. A refusal may carry
data of the server's choice.`, f.refused},
			{"A door for each namespace", `
The namespace /admin has a middleware of its own, which lets in administrators only. Ann tries it, and then Gandalf.`, f.admin},
			{"An earlier door", `
A page of another site tries to connect, and the server has a rule about the {origin} of pages. It is asked before there is
a session.`, f.origin},
			{"Behind the door: each event", `
To be let in is not to be trusted. Ann sends three events: one that only administrators may send, one with an argument of
the wrong kind, and one that is all right.`, f.each},
			{"One question", `
Ann is connected. Now her token is declared void, because somebody has stolen it.`, f.question},
		},
		Try: []Exercise{
			{`
A server that wants to know. Run the first command in one terminal and the others in another.`, []string{
				`sockkit listen -k --broadcast=all sio://:3000 --require-auth '{"token":"open sesame"}'`,
				"sockkit dial -vv sio://localhost:3000 -x 'message hello'",
				`sockkit dial -vv sio://localhost:3000 --auth '{"token":"open sesame"}' -x 'message hello'`,
			}},
			{`
See what a server of yours says to a stranger.`, []string{
				"sockkit inspect sio://localhost:3000",
				`sockkit inspect sio://localhost:3000 --auth '{"token":"open sesame"}'`,
			}},
		},
	}
}
