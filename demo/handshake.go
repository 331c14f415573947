package demo

import (
	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
)

// handshakeStory is what the steps of the lesson on the opening handshake share.
type handshakeStory struct {
	listener       *tcp.Listener
	client, server *speaker // of steps 1 to 3
	request        *handshake.Head
	answer         handshake.Answer
	wrong          []entry // the trace of the step on wrong answers
}

func handshakeLesson() Lesson {
	h := &handshakeStory{}
	return Lesson{
		Name:  "handshake",
		Title: "how a WebSocket begins, and why it may not",
		Lab:   handshakeLab,
		Intro: `
A web page can keep a connection to its server open, on which both may speak at any time: a {WebSocket}. It begins as
an ordinary request of {HTTP}, the language of the web, in which the client asks to go on in another language. That is
the {opening handshake}: one request, one answer, and from then on the connection speaks WebSocket. Its rules stand in a
document called {RFC 6455}.

Two programs play it here and now on real sockets: a {server}, which waits, and a {client}, which may be a browser or
any other program. All of it stays on this machine. ` + "\n\n" + traceIntro,
		Steps: []Step{
			{"The request", `
The client connects and sends its request: a first line, then {headers}, each with a name and a value, then an empty
line. All of it is text, and each line ends with the two bytes CR and LF.`, h.ask},
			{"From the key to the proof", `
How does the client know that the other end really speaks WebSocket, and is not some old server that says yes to
everything? It has sent a {key}, 16 random bytes. The server has to make something of it that nobody makes by
accident. Here is what it does, step by step.`, h.prove},
			{"The answer: 101", `
The server sends its answer. The client checks every line of it.`, h.accept},
			{"A request that lacks a header", `
Each of the headers has to be there. A client now leaves out one at a time, each time on a new connection, and the
server answers as the rules say.`, h.withoutHeaders},
			{"An answer that lacks a header", `
The server's answer is checked as strictly. Now it is the server that leaves something out, and at last it makes a
common mistake in its calculation: it sends the SHA-1 as text, in hexadecimal digits.`, h.wrongAnswers},
			{"A server that says no", `
A request can be right and still not be let in. Here the server serves /chat only, wants to know who asks, and lets in
pages of one {origin}, the site that a page came from, which browsers send along. Then comes a client that speaks an old
draft, version 8.`, h.refusals},
			{"A proxy that removes Upgrade", `
Between the two often stands a {proxy}, a program that takes requests for others and passes them on. Upgrade and
Connection are meant for the next program on the way only, so a proxy that is not told about WebSocket drops them.
nginx also goes on in HTTP/1.0 by itself.`, h.throughProxy},
			{"Agreeing on more: the subprotocol", `
A WebSocket carries messages, and says nothing of what they mean. With a {subprotocol} the two sides agree on that: the
client names those that it speaks, and the server picks one. Three servers now answer the same request.`, h.subprotocols},
			{"One question", `
Think back to the server with the wrong calculation before you go on.`, h.question},
		},
		Try: []Exercise{
			{`
The proof by hand. The first command shows each step for a key of your own. The second is the same with other tools. The
third names the mistake behind a wrong value.`, []string{
				"sockkit handshake key",
				"printf 'dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11' | openssl dgst -sha1 -binary | base64",
				"sockkit handshake key dGhlIHNhbXBsZSBub25jZQ== --got b37a4f2cc0624f1690f64606cf385945b2bec4ea",
			}},
			{`
Both sides. Run the first command in one terminal and the others in another: a right request, and two that are wrong on
purpose.`, []string{
				"sockkit handshake listen -k 9000",
				"sockkit handshake dial ws://localhost:9000/chat",
				"sockkit handshake dial ws://localhost:9000/chat --omit Upgrade",
				"sockkit handshake dial ws://localhost:9000/chat --http-version 1.0",
			}},
			{`
A server that is wrong. curl takes what it says for an upgrade; a browser would not.`, []string{
				"sockkit handshake listen -k 9000 --accept wrong",
				"curl -i --max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' http://localhost:9000/",
				"sockkit handshake dial ws://localhost:9000/",
			}},
			{`
Somebody else's trouble. Whatever curl -v says, or a browser copies as cURL, can be checked.`, []string{
				"curl -sv --max-time 2 -H 'Upgrade: websocket' http://localhost:9000/ 2>&1 | sockkit handshake check",
				"sockkit handshake check capture.txt",
			}},
		},
	}
}
