package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// handshakeHand is what the steps of the lesson on the opening handshake by hand
// share.
type handshakeHand struct {
	hand
	listener *tcp.Listener
	ready    *asker // whose request is right
	last     *end   // of its WebSocket
	frame    []byte // what the server sent first
	said     string // the text in it
}

// asker is the reader's program, and what it has asked.
type asker struct {
	*speaker
	request  *handshake.Head
	findings []handshake.Finding
}

// isCurl reports whether the reader uses curl.
func (a *asker) isCurl() bool { return strings.HasPrefix(a.request.Get("User-Agent"), "curl/") }

func handshakeByHand(h hand) Lesson {
	f := &handshakeHand{hand: h}
	return Lesson{
		Name:  "handshake",
		Title: "the opening handshake, from your own curl",
		Intro: `
In this lesson you are the client. sockkit plays a {server} of WebSocket on real sockets of this machine, and you ask it by
{curl}, a program that sends requests of HTTP. You need a second terminal for it; for each thing that you are to do there
you have a minute.` + "\n\n" + traceIntro,
		Steps: []Step{
			{"A request that is none of WebSocket", `
First an ordinary request, as for any page.`, f.ordinary},
			{"All that it takes", `
Now with all the headers that ask for a WebSocket. curl knows nothing of it; it sends what you tell it to.`, f.right},
			{"A frame", `
The connection speaks WebSocket now. The server sends a text message, in one frame.`, f.speak},
			{"The end", `
curl cannot say good-bye in WebSocket: press {Ctrl-C} in its terminal. With a client that can, type a line first, and leave
it as you always do.`, f.leave},
			{"One question", `
Look at what curl showed behind the empty line.`, f.question},
		},
		Try: []Exercise{
			{`
Bend the request, and see what a server makes of it.`, []string{
				"sockkit handshake listen -k 9000",
				"curl -i --max-time 2 -H 'Upgrade: websocket' http://127.0.0.1:9000/chat",
				"sockkit handshake dial ws://127.0.0.1:9000/chat --omit Sec-WebSocket-Key",
			}},
			{`
Write it all by hand: nc sends what you type, and a line ends with CR and LF where -C is given.`, []string{
				"nc -C 127.0.0.1 9000",
				"sockkit handshake request ws://127.0.0.1:9000/chat | nc -N 127.0.0.1 9000",
			}},
		},
	}
}

// host is the listener's address.
func (f *handshakeHand) host() string { return f.listener.Addr().String() }

// asks waits for a request, and judges it.
func (f *handshakeHand) asks(s *Stage) (*asker, error) {
	conn, err := f.accepts(s, "server", f.listener)
	if err != nil {
		return nil, err
	}
	if traced, ok := conn.(*tcp.Conn); ok {
		traced.Framed() // heads and frames are records of their own
	}
	a := &asker{speaker: &speaker{s, "server", conn, &handshake.Reader{Source: conn}}}
	err = f.waits(s, "a request", conn, func(context.Context) (err error) {
		a.request, err = a.speaker.request()
		return err
	})
	if err != nil {
		return nil, err
	}
	a.received(a.request)
	a.findings = handshake.Check(&handshake.Exchange{Request: a.request})
	return a, nil
}

// refuses answers a request that is wrong, and names all that is wrong with it.
func (f *handshakeHand) refuses(a *asker) error {
	for i := range a.findings {
		a.stage.Note("server", "%s", rule(&a.findings[i]))
	}
	var answer handshake.Answer
	if err := (&handshake.Acceptor{}).Accept(a.request, &answer); err == nil {
		return errors.New("a request that is wrong was accepted")
	}
	return errors.Join(a.send(answer.Head(), answer.Body()), a.conn.Close())
}

func (f *handshakeHand) ordinary(s *Stage) (err error) {
	if f.listener, err = s.listen("server"); err != nil {
		return err
	}
	s.command("curl -i http://" + f.host() + chatPath)
	a, err := f.asks(s)
	if err != nil {
		return err
	}
	if len(a.findings) == 0 {
		f.ready = a
		s.Show()
		s.Tell(`
That one has all that it takes already. The next step goes on with it.`)
		return nil
	}
	if err := f.refuses(a); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
The first line and Host are right, but the server has %s: nobody has asked for a WebSocket. curl has shown you the
answer, {426}, "upgrade required", which says with its own header Upgrade to what. It is an ordinary answer, and that was
that.`, count(len(a.findings), "objection"))
	return nil
}

// sampleKey is the key of the example in RFC 6455 section 1.3.
const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// curl is the exact command that asks for a WebSocket.
func (f *handshakeHand) curl() string {
	return "curl -i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'" +
		" -H 'Sec-WebSocket-Key: " + sampleKey + "' http://" + f.host() + chatPath
}

func (f *handshakeHand) right(s *Stage) error {
	if f.ready == nil {
		s.command(f.curl(), "wscat -c ws://"+f.host()+chatPath, "sockkit dial ws://"+f.host()+chatPath)
	}
	for f.ready == nil {
		a, err := f.asks(s)
		if err != nil {
			return err
		}
		if len(a.findings) == 0 {
			f.ready = a
			break
		}
		if err := f.refuses(a); err != nil {
			return err
		}
		s.Show()
		s.Tell(`
Not yet: the server's lines say what is missing. Run the command as it stands above.`)
	}
	return f.accept(s, f.ready)
}

// accept derives the proof, and answers 101.
func (f *handshakeHand) accept(s *Stage, a *asker) error {
	for i, step := range handshake.ExplainKey(a.request.Get("Sec-WebSocket-Key")) {
		s.Note("server", "%d. %s", i+1, step.What)
		s.Note("server", "   %s", step.Value)
	}
	var answer handshake.Answer
	if err := (&handshake.Acceptor{}).Accept(a.request, &answer); err != nil {
		return err
	}
	head := answer.Head()
	if err := a.send(head, ""); err != nil {
		return err
	}
	a.upgraded(trace.Server, answer.Agreement)
	s.Show()
	s.Tell(`
The server has made its proof, {%s}, of the key, and answered {101}. Compare: it stands in what your program shows, if it
shows headers. curl has not checked it; a browser would, and give up if it were wrong.`, head.Get("Sec-WebSocket-Accept"))
	if a.isCurl() {
		s.Tell(`
curl does not end. For it this is an answer whose body has no end, and by -N it shows each byte of that as it comes.`)
	}
	return nil
}

func (f *handshakeHand) speak(s *Stage) error {
	e := f.opened(s)
	f.said = "Hello from sockkit\n"
	if err := e.says(ws.Text, f.said); err != nil {
		return err
	}
	f.frame = e.bytes()
	s.Show()
	head := f.frame[:len(f.frame)-len(f.said)]
	s.Tell(`
The frame begins with %s, %s: %s says that it is a whole message (FIN) of text, and %s that %d bytes follow. Then comes the
text as it is; what a server sends is not masked.`, count(len(head), "byte"), spaced(head), spaced(head[:1]), spaced(head[1:]), len(f.said))
	if f.ready.isCurl() {
		s.Tell(`
curl shows those two as well, as odd characters in front of the text, because it does not know frames.`)
	}
	return nil
}

// opened is the server's end of the reader's WebSocket.
func (f *handshakeHand) opened(s *Stage) *end {
	f.last = talk{}.end(s, f.ready.speaker, ws.ServerRole, handshake.Agreement{})
	return f.last
}

func (f *handshakeHand) leave(s *Stage) error {
	ended := f.hearsOut(s)
	var closed *ws.CloseError
	if !errors.As(ended, &closed) {
		return ended
	}
	s.Note("server", "the program is told: %s", heardOf(ended))
	s.Show()
	f.explainEnd(s, closed)
	return nil
}

// hearsOut shows each message that comes, until the reader's client has ended.
// It returns how, or why that is not waited for any more.
func (f *handshakeHand) hearsOut(s *Stage) error {
	for {
		err := f.waits(s, "the end of your client", noDeadline{}, func(ctx context.Context) error {
			_, _, err := f.last.Read(ctx)
			return err
		})
		if err != nil {
			return err
		}
		s.Show()
	}
}

func (f *handshakeHand) explainEnd(s *Stage, closed *ws.CloseError) {
	if closed.Code == ws.StatusAbnormal {
		s.Tell(`
The code is {1006}: TCP has ended, and no close frame had come. It is never on the wire; it is what a program is told where
nobody said good-bye. The server cannot tell a Ctrl-C from a crash, or from a proxy in between that has had enough.`)
		return
	}
	s.Tell(`
Your client sent a {close frame} first, and the server answered with one: that is the {closing handshake}. The code is %d.
Both know that the other one has heard everything.`, closed.Code)
}

func (f *handshakeHand) question(s *Stage) error {
	if err := s.Ask(fmt.Sprintf(`
{The server's text has %d characters, its newline included. How many bytes did the server send for it, and what are the others?}`,
		len(f.said))); err != nil {
		return err
	}
	s.Note("server", "on the wire: %s", spaced(f.frame))
	s.Show()
	more := len(f.frame) - len(f.said)
	s.Tell(`
{%d, which are %s more: the header of the frame.} To HTTP it would be part of the body, and that is why curl shows it. So a
WebSocket costs %s for a short message, and the headers of a request only once.`, len(f.frame), count(more, "byte"), count(more, "byte"))
	return nil
}
