package demo

import "net"

// udpStory is what the steps of the lesson on UDP share.
type udpStory struct {
	silent net.Addr // of a socket that is read and never answers
	burst  []entry  // the trace of the step on loss
	lost   int
}

func udpLesson() Lesson {
	u := &udpStory{}
	return Lesson{
		Name:  "udp",
		Title: "datagrams, and what nobody promises about them",
		Lab:   udpLab,
		Intro: `
Two programs are going to talk over UDP, the set of rules that name look-ups and calls stand on: a {server}, which
waits, and a {client}. sockkit plays both, here and now, with real {sockets}: a socket is a program's end of a
conversation. The {kernel}, the core of the operating system, keeps the sockets and moves the bytes between them. Others
find a socket by the machine's {address} and by a {port}, a number from 1 to 65535. The address here is 127.0.0.1, called
{loopback}: what is sent to it never leaves the machine.

` + traceIntro,
		Steps: []Step{
			{"Datagrams keep their borders", `
The server {binds} a socket: it asks its kernel for a port, and from then on gets what is sent there. The client opens a
socket that sends to this port, and writes twice. Each write is a {datagram}: one piece, like a postcard, with the
sender's address on it.`, u.borders},
			{"No connection: two senders, one socket", `
Alice and Bob send to the same socket, which answers each of them. Then both close theirs.`, u.senders},
			{"Nobody there: refused, or silent", `
The client sends to a port that nobody has bound. Then it sends to the server of the first step, which never answers,
and waits for 0.1 seconds.`, u.nobody},
			{"How large a datagram can be", `
The client sends the largest datagram that there is, and then one that has a byte more.`, u.size},
			{"Truncated: the reader's room", `
The server answers by two datagrams. The client reads them with room for only 10 bytes each time.`, u.truncated},
			{"Loss, and nobody is told", `
The server binds a socket with a small memory, 16 kilobytes, and is busy. The client sends 100 numbered datagrams of
1,000 bytes as fast as it can. Only then does the server read.`, u.loss},
			{"The same over TCP", `
TCP makes a {connection} between the two sockets and carries a {stream} of bytes each way. The client writes the same
100 pieces of 1,000 bytes, as fast as it can; the server is busy again, and reads only afterwards.`, u.overTCP},
			{"One datagram for many: multicast", `
Some addresses do not belong to a machine but to a {group}. Whoever joins the group gets what is sent to it. Two members
join one on the loopback interface, and the sender sends once.`, u.multicast},
			{"One question", `
Think back to the hundred datagrams before you go on.`, u.question},
		},
		Try: []Exercise{
			{`
Borders. Run the first command in one terminal and the others in another. sockkit sends each line, or each -x, as a
datagram of its own; nc sends what it reads at once as one.`, []string{
				"sockkit listen -u -k -vv 9001",
				"sockkit dial -u localhost 9001 -x one -x two --send-only",
				`printf 'one\ntwo\n' | nc -u -w1 localhost 9001`,
			}},
			{`
Nobody there, unless something on your machine has bound port 9. -z asks only whether anybody is there. nc ends without
a word.`, []string{
				"sockkit dial -v -u localhost 9 -x hello",
				"sockkit dial -u -z localhost 9",
				"echo hello | nc -u -w1 localhost 9",
			}},
			{`
A byte too many.`, []string{
				"head -c 65508 /dev/zero | sockkit dial -u --binary localhost 9001",
			}},
			{`
A group. On Linux; elsewhere write lo0 for lo. Run the first command in two terminals and the second in a third.`, []string{
				"sockkit listen 'udp://239.255.0.9:9002?iface=lo'",
				"sockkit dial 'udp://239.255.0.9:9002?iface=lo' -x 'hello, all' --send-only",
			}},
		},
	}
}
