package demo

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// tcpHand is what the steps of the lesson on TCP by hand share.
type tcpHand struct {
	hand
	listener *tcp.Listener
	conn     net.Conn // from the reader's nc
	ended    bool     // nc has ended its half
	line     []byte   // what it said first
	lineAt   []entry  // the trace of that
}

func tcpByHand(h hand) Lesson {
	t := &tcpHand{hand: h}
	return Lesson{
		Name:  "tcp",
		Title: "a connection from your own nc",
		Intro: `
In this lesson you are the other side. sockkit plays a {server} on real sockets of this machine, and you reach it by {nc},
a small program that connects its terminal to a socket. You need a second terminal for it; for each thing that you are to
do there you have a minute.` + "\n\n" + traceIntro,
		Steps: []Step{
			{"Connect", `
The server opens a {listener}, and waits for you.`, t.connect},
			{"Say something", `
Now type a word into nc, and press Enter.`, t.say},
			{"Half-close: you have said all", `
Press {Ctrl-D} in nc: that is the end of its input. By -N nc then ends its half of the connection, and goes on reading.
Without -N it would keep that to itself.`, t.halfClose},
			{"A reset", `
Start nc once more, by the same command, and type a word again. This time the server throws the connection away as soon as
it has heard something.`, t.reset},
			{"The other way round", `
Now you are the server, and sockkit is the client that calls. As long as nobody listens its attempts are refused, and it
tries again.`, t.turned},
			{"One question", `
Think back to the word that you typed.`, t.question},
		},
		Try: []Exercise{{`
Talk with yourself, nc on both sides. Then put sockkit in the place of one, with -v, and see the trace of it.`, []string{
			"nc -l 127.0.0.1 9000",
			"nc -N 127.0.0.1 9000",
			"sockkit listen -v 9000",
			"sockkit dial -v localhost 9000",
		}}},
	}
}

// nc are the commands that connect to the listener: the exact one first.
func (t *tcpHand) nc(s *Stage) {
	p := port(t.listener.Addr())
	s.command("nc -N 127.0.0.1 "+p, "ncat 127.0.0.1 "+p, "sockkit dial 127.0.0.1 "+p)
}

func (t *tcpHand) connect(s *Stage) (err error) {
	if t.listener, err = s.listen("server"); err != nil {
		return err
	}
	t.nc(s)
	if t.conn, err = t.accepts(s, "server", t.listener); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
That is your nc: its kernel chose the port %s for it. The two kernels have shaken hands by three segments, and nc has not
said a word yet. Neither has the server; TCP is silent until somebody speaks.`, port(t.conn.RemoteAddr()))
	return nil
}

func (t *tcpHand) say(s *Stage) (err error) {
	t.line, err = t.reads(s, "a line from your nc", t.conn)
	if t.ended = isOver(err); err != nil && !t.ended {
		return err
	}
	t.lineAt = s.entries()
	if len(t.line) == 0 {
		s.Show()
		s.Tell(`
Your nc has ended before it said anything. That is allowed, too.`)
		return nil
	}
	if err := write(t.conn, fmt.Sprintf("the server has got %s\n", count(len(t.line), "byte"))); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
%s came in one read, and nc has shown you an answer. The terminal gave nc your line when you pressed Enter, nc wrote it to
its socket, and no byte was added or taken away on the way. nc is a pipe, no protocol: a line means nothing to TCP.`,
		upper(count(len(t.line), "byte")))
	return nil
}

func (t *tcpHand) halfClose(s *Stage) error {
	for !t.ended {
		_, err := t.reads(s, "the end of your nc's input", t.conn)
		if t.ended = isOver(err); err != nil && !t.ended {
			return err
		}
	}
	if _, err := s.kernel("server", t.conn, func(i *tcp.ConnInfo) string { return "state " + i.State }); err != nil {
		return err
	}
	err := errors.Join(write(t.conn, "a late answer\n"), s.arrived(t.conn))
	if err != nil {
		s.Note("server", "the late answer was refused: %s", tcp.Reason(err))
	}
	s.Show()
	t.explainEnd(s, err != nil)
	return t.conn.Close()
}

// isOver reports whether err is an end of the stream, in whichever way.
func isOver(err error) bool { return errors.Is(err, io.EOF) || tcp.IsReset(err) }

// explainEnd says what the end was like.
func (t *tcpHand) explainEnd(s *Stage, refused bool) {
	if refused {
		s.Tell(`
The server's kernel got a {FIN}, "nothing more from me". But when the server answered there was no program any more to take
it, and your kernel said so, by a {reset}: your nc had ended as a whole. From the FIN alone nobody can tell the two apart.`)
		return
	}
	s.Tell(`
Your kernel has sent a {FIN}, "nothing more from me", and the server read that as the end of the stream. The other half was
still open, so the late answer came through: nc has shown it. Then the server closed, too, and nc ended.`)
}

func (t *tcpHand) reset(s *Stage) error {
	t.nc(s)
	conn, err := t.accepts(s, "server", t.listener)
	if err != nil {
		return err
	}
	s.Show()
	if _, err := t.reads(s, "a line from your nc", conn); err != nil && !isOver(err) {
		return err
	}
	if err := tcp.Unwrap(conn).(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	s.Note("server", "SO_LINGER is 0: closing is a reset")
	if err := conn.Close(); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
What did your program say? nc mostly ends without a word, as if all were well. ncat and sockkit dial say "connection reset
by peer". So know what your tools tell, and what they keep to themselves.`)
	return nil
}

func (t *tcpHand) turned(s *Stage) error {
	at, err := freeAddress()
	if err != nil {
		return err
	}
	_, p, _ := net.SplitHostPort(at)
	s.command("nc -l 127.0.0.1 "+p, "ncat -l 127.0.0.1 "+p, "sockkit listen "+p)
	conn, err := t.dials(s, "client", at)
	if err != nil {
		return err
	}
	if err := write(conn, "hello, server; type a line, please\n"); err != nil && !isOver(err) {
		return err
	}
	s.Show()
	got, err := t.reads(s, "a line from your server", conn)
	if err != nil && !isOver(err) {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	s.Show()
	if len(got) == 0 {
		s.Tell(`
Your server has ended without an answer.`)
		return nil
	}
	s.Tell(`
Once the connection is there the two ends are the same: both read and both write, and nothing in the bytes tells who has
called. Client and server are only words for who waited. Your nc took one connection and ended with it; a real server goes
on listening.`)
	return nil
}

func (t *tcpHand) question(s *Stage) error {
	if len(t.line) == 0 {
		s.Tell(`
You did not type one, so there is no question.`)
		return nil
	}
	if err := s.Ask(fmt.Sprintf(`
{%s came. Was that as many as you typed letters?}`, upper(count(len(t.line), "byte")))); err != nil {
		return err
	}
	first := received(t.lineAt, "server")[0]
	s.Again(only(t.lineAt, func(e entry) bool { d, ok := e.Event.(trace.Data); return ok && d.Dir == trace.In }))
	if !isLine(first.Payload) {
		s.Tell(`
{Yes.} There is no newline among them: what you ran had been given its input without one.`)
		return nil
	}
	s.Tell(`
{No, there is one more: the last is %02x, the newline} that Enter has made. It is part of the stream like any other byte, and
many a protocol has nothing else to tell where a message ends. Letters beyond ASCII have more than a byte each, too.`,
		first.Payload[len(first.Payload)-1])
	return nil
}

// only are the entries that are picked.
func only(list []entry, picked func(entry) bool) (found []entry) {
	for _, e := range list {
		if picked(e) {
			found = append(found, e)
		}
	}
	return found
}
