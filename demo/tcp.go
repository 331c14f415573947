package demo

import (
	"net"

	"github.com/sockkit/sockkit/tcp"
)

// tcpStory is what the steps of the lesson on TCP share.
type tcpStory struct {
	listener       *tcp.Listener
	client, server net.Conn // of steps 2 to 4
	wrote          int      // bytes that went into the kernels in the step on back-pressure
	stall          []entry  // the trace around the moment when no more did
}

func tcpLesson() Lesson {
	t := &tcpStory{}
	return Lesson{
		Name:  "tcp",
		Title: "a connection, from its listener to its end",
		Intro: `
Two programs are going to talk over TCP, the set of rules that the web and mail stand on: a {server}, which waits, and a
{client}, which calls. sockkit plays both, here and now, with real sockets. They use the address 127.0.0.1, called
{loopback}: what is sent to it comes back to the same machine and never leaves it.

` + traceIntro,
		Lab: tcpLab,
		Steps: []Step{
			{"A listener and a port", `
A {socket} is a program's end of a conversation with another program. The {kernel}, the core of the operating system,
keeps the sockets and moves the bytes between them; a program only asks it to. Other programs find a socket by the
machine's {address} and by a {port}, a number from 1 to 65535.

The server asks for a {listener}, a socket that waits for others to connect. It asks for port 0, which stands for any
port that is free. Then somebody else asks for the very same port.`, t.listen},
			{"Connecting: three segments, and no program was asked", `
The client {connects}: it names the address and the port of the listener. Now the two kernels send each other
{segments}, the pieces in which TCP travels: a SYN ("let us talk"), a SYN-ACK ("agreed") and an ACK ("good"). That is
the {three-way handshake}, and what it makes is a {connection}. The server's program then {accepts} it: it asks its
kernel for the socket that is its end of the connection.`, t.connect},
			{"Bytes have no borders", `
TCP carries a {stream}: bytes in the order in which they were written, and nothing but bytes. The client writes twice,
and then the server reads. After that the server writes once, and the client reads with room for only 10 bytes at a
time.`, t.borders},
			{"Half-close: I have said all, and I am listening", `
A connection is really two streams, one each way, and each has its own end. The client asks something and ends its half
of the connection; its kernel sends a segment called {FIN}, "nothing more from me". Only when the server has seen this
end does it answer.`, t.halfClose},
			{"An orderly end, and a reset", `
Two clients connect. The server closes its first connection as programs do. Before it closes the second it sets the
option SO_LINGER to 0, which tells its kernel to throw the connection away instead of ending it.`, t.reset},
			{"Nobody there: refused", `
The server opens one more listener and closes it at once. A client that does not know this tries to connect to its
port.`, t.refused},
			{"The backlog: connected to a program that is busy", `
The server has a listener, but it is busy with something else and does not accept. Three clients connect, and each sends
a word. Only then does the server find the time.`, t.backlog},
			{"Back-pressure: a reader that does not read", `
Where do bytes go that nobody reads? The server accepts a connection and reads nothing; the client writes blocks of
65,536 bytes, one after the other, until a write has been stuck for 0.2 seconds. Then the server reads, and the client
writes once more.`, t.pressure},
			{"One question", `
Think back to the last step before you go on.`, t.question},
		},
		Try: []Exercise{
			{`
Talk with yourself. Run the first command in one terminal and the second in another, and type on either side; Ctrl-D ends
it. nc can do this, too.`, []string{
				"sockkit listen -v 9000",
				"sockkit dial -v localhost 9000",
				"nc -l 9000",
				"nc localhost 9000",
			}},
			{`
A late answer. The server reads the question to its end, waits a second and replies. nc half-closes only when it is told
to, by -N; without it, it would wait for ever here.`, []string{
				"sockkit listen -k 9000 --sh 'cat >/dev/null; sleep 1; echo the answer'",
				"echo a question | sockkit dial localhost 9000",
				"echo a question | nc -N localhost 9000",
			}},
			{`
Nobody there.`, []string{
				"sockkit dial -v localhost 1",
				"nc -v localhost 1",
			}},
			{`
A reader that does not read. The second command is stuck soon, and so would nc's be. On Linux the last one shows where the
bytes are.`, []string{
				"sockkit listen 9000 | sleep 60",
				"head -c 100M /dev/zero | sockkit dial localhost 9000",
				"head -c 100M /dev/zero | nc localhost 9000",
				"ss -tn '( sport = 9000 or dport = 9000 )'",
			}},
		},
	}
}

// traceIntro explains the trace, and traceOnPage the one of a page.
const traceIntro = `
The indented lines are the {trace}: what each side really did and saw. Behind the name of the side, > stands for what
it sent, < for what it received, and * for everything else.`

const traceOnPage = `
The timeline shows the {trace}: what each side really did and saw.`
