package demo

import (
	"github.com/sockkit/sockkit/tcp"
)

// framesStory is what the steps of the lesson on frames share.
type framesStory struct {
	listener *tcp.Listener
	lost     []entry // the trace of the step on an end without a close frame
}

func framesLesson() Lesson {
	f := &framesStory{}
	return Lesson{
		Name:  "frames",
		Title: "what a WebSocket sends, byte by byte",
		Lab:   framesLab,
		Intro: `
Behind its opening handshake (sockkit demo handshake) a {WebSocket} carries {messages}: texts or bytes, whole, in
order, in both directions at any time. TCP below it knows none, only a stream of bytes. So each message is put into
{frames}: a few bytes that say what comes and how long it is, the {header}, and then the {payload}.

A {client} and a {server} talk here and now over real sockets, and their opening handshake is over. All of it stays on
this machine. ` + "\n\n" + traceIntro,
		Steps: []Step{
			{"A message and its frame", `
The server sends one text, Hello. Here are the bytes that go over the wire, and what both sides make of them.`, f.hello},
			{"The header, bit by bit", `
Two bytes stood before Hello. Every bit in them means something.`, f.header},
			{"The mask", `
Now the client says Hello. What a client sends has to be {masked}: changed by four random bytes, the key, which go along
in the header. To compare it with the book, this one uses the key of the example in RFC 6455; otherwise each frame gets
a new one, which nobody can foresee.`, f.mask},
			{"A message in pieces, and a ping in between", `
Who does not know yet how long a message will be can send it in {fragments}. The client does so, and between the two it
asks whether the server is still there, with a {ping}.`, f.fragments},
			{"Frames that break a rule", `
Both sides check what comes. On three new connections the client does something that is forbidden: it sends a frame
without a mask, then a text that is no text, then more than this server takes.`, f.violations},
			{"Compression", `
Texts that resemble each other can be sent in fewer bytes. Both sides have agreed on {permessage-deflate} in their
opening handshake. Prices are sent, and then the next ones, which differ in two digits; first on a connection whose
sides remember what was sent before, then on one where each message stands alone.`, f.compression},
			{"Good-bye", `
Either side can close, at any time, by a {close frame}: a code, and a reason for people if there is one. The other side
answers with one, and then the server ends the TCP connection.`, f.goodBye},
			{"No good-bye", `
Programs crash, batteries run out, and proxies give connections up that are silent for long. Here the connection
of one client just ends, and then that of another, in the middle of a frame that says it has 5 bytes.`, f.noGoodBye},
			{"One question", `
You have a log of a server in front of you.`, f.question},
		},
		Try: []Exercise{
			{`
Watch frames. Run the first command in one terminal and the others in another: -vvv shows every header, -vvvv every
byte.`, []string{
				"sockkit listen -k --echo --compress ws://:9000",
				"sockkit dial -vvv ws://localhost:9000 -x Hello --count 1",
				"sockkit dial -vvvv ws://localhost:9000 -x Hello --count 1",
			}},
			{`
Watch somebody else's. tap stands between a client and a server and shows what they say. Point a page or a program of
yours at port 8080.`, []string{
				"sockkit tap -vvv ws://:8080 ws://localhost:9000",
				"sockkit dial ws://localhost:8080",
			}},
			{`
What compression makes of it. The view says how large each message is, and how many bytes went over the wire.`, []string{
				"seq 1 1000 | tr '\\n' ' ' | sockkit dial -vv --compress ws://localhost:9000 --count 1 >/dev/null",
			}},
			{`
Ends. Run the first command in one terminal and the second in another, and there type /close 4000 enough.`, []string{
				"sockkit listen -v -k --echo ws://:9001",
				"sockkit dial -v ws://localhost:9001",
			}},
		},
	}
}
