package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// handlers are those of the lesson's server.
func (f *eventsStory) handlers(io *socketio.Server) {
	io.OnConnection(func(c *socketio.Socket) {
		c.On("message", func(text string) { _ = c.Emit("message", strings.ToUpper(text), len(text)) })
		c.On("add", func(a, b int, ack func(int)) { ack(a + b) })
		c.On("upload", func(name string, data []byte, ack func(string)) {
			ack(fmt.Sprintf("%s has %d bytes", name, len(data)))
		})
		c.On("order", func(what string, _ func(string)) { f.orders <- what })
	})
}

func (f *eventsStory) events(s *Stage) error {
	if err := f.serve(s, "server", nil, f.handlers); err != nil {
		return err
	}
	c, _, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	if err := c.asked(`42["message","hello"]`, `42["message",`); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{42} is a message (4) that is an {event} (2). Behind it stands a list in JSON: the name, and then the arguments, here %s
and %s. In JavaScript that is socket.emit("message", "hello"), and on the other side socket.on("message", (text) => …).`,
		count(arguments(packets(s.entries(), "client", trace.Out)[0]), "argument"),
		count(arguments(packets(s.entries(), "client", trace.In)[0]), "argument"))
	s.Tell(`
Nobody tells the sender whether there was a handler for it. An event that nobody has a handler for is dropped without a
word: to misspell its name is a mistake that makes no noise.`)
	return f.gone(s, c)
}

// arguments counts those of an event.
func arguments(p trace.EIOPacket) int {
	_, list, _ := strings.Cut(string(p.Payload), "[")
	args, err := socketio.ParseArgs([]byte("["+list), nil)
	if err != nil {
		return 0
	}
	return args.Len() - 1
}

func (f *eventsStory) acknowledge(s *Stage) error {
	c, socket, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	if err := c.asked(`420["add",2,3]`, "430"); err != nil {
		return err
	}
	answers := make(chan answered, 1)
	go func() { answers <- f.askName(s, socket, patience) }()
	if err := inTurn(c.toHear("42"), func() error { return c.answersLast(`["Ann"]`) }); err != nil {
		return err
	}
	got, err := within(s, "the acknowledgement", answers)
	if err != nil {
		return err
	}
	if got.err != nil {
		return got.err
	}
	s.Note("server", "the client is called %s", got.name)
	s.Show()
	s.Tell(`
The number between 42 and the bracket is what the sender wants the acknowledgement under; {43} brings it, with the values.
Each side counts for itself, so both could use the same number. In JavaScript it is a function at the end of the
arguments, or await socket.emitWithAck("add", 2, 3).`)
	s.Tell(`
An acknowledgement says that a handler of the other program has seen the event, and what it made of it. That is more than
TCP's, which only says that the bytes have reached a kernel.`)
	return f.gone(s, c)
}

// answered is what the client answered, or why not.
type answered struct {
	name string
	err  error
}

// askName asks a client for its name.
func (f *eventsStory) askName(s *Stage, socket *socketio.Socket, limit time.Duration) (a answered) {
	got, err := socket.Timeout(limit).EmitWithAck(s.ctx, "who are you?")
	if err != nil {
		return answered{err: err}
	}
	a.err = got.Decode(&a.name)
	return a
}

// shortLimit is that for an acknowledgement that does not come.
const shortLimit = 200 * time.Millisecond

func (f *eventsStory) late(s *Stage) error {
	c, socket, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	answers := make(chan answered, 1)
	go func() { answers <- f.askName(s, socket, shortLimit) }()
	if err := c.hears("42"); err != nil {
		return err
	}
	got, err := within(s, "the end of the wait", answers)
	if err != nil {
		return err
	}
	if !errors.Is(got.err, socketio.ErrTimeout) {
		return fmt.Errorf("the wait ended otherwise: %v", got.err)
	}
	s.Note("server", "the handler's error: %v", got.err)
	if err := inTurn(func() error { return c.answersLast(`["Ann"]`) }, c.toSay(`427["add",40,2]`), c.toHear("437")); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
After the limit whoever waited was told so, once, and the late answer was dropped: nobody waits under that number any
more. Nothing else came of it; the client's next question, under the number 7, was answered as ever.`)
	s.Tell(`
Without a limit a program waits for as long as the connection lasts. So set one wherever you wait:
socket.timeout(5000).emit(…).`)
	return f.gone(s, c)
}

// picture is the beginning of each PNG file.
const (
	picture       = "\x89PNG\r\n\x1a\n"
	pictureBase64 = "iVBORw0KGgo="
	pictureHeader = `451-1["upload","cat.png",{"_placeholder":true,"num":0}]`
)

func (f *eventsStory) attachments(s *Stage) error {
	c, _, err := f.enters(s, "client")
	if err != nil {
		return err
	}
	if err := inTurn(c.toSay(pictureHeader, "\x00"+picture), c.toHear("431")); err != nil {
		return err
	}
	other, _, err := f.asksIn(s, "client 2")
	if err != nil {
		return err
	}
	if err := inTurn(func() error { return other.posts(pictureHeader + "\x1eb" + pictureBase64) }, other.polls); err != nil {
		return err
	}
	s.Show()
	s.Tell(`
{45} is an event with bytes, and the 1 before the dash says how many {attachments} follow: each is a message of its own,
binary, and a {placeholder} stands where it belongs. The handler gets its argument whole, and knows nothing of this.`)
	sent := packets(s.entries(), "client", trace.Out)[1]
	s.Tell(`
Polling has no binary messages: the %d bytes travelled there as the %d characters b%s, in {base64}, a third longer. The
POST had two packets in its body, with the character 1e between them. The official server takes at most {10} attachments;
an event with more ends the connection.`, sent.Size, len("b"+pictureBase64), pictureBase64)
	return f.gone(s, c, other)
}

func (f *eventsStory) question(s *Stage) error {
	if err := s.Ask(`
{The client is told that the connection was lost. Shall it order again?}`); err != nil {
		return err
	}
	failed, err := f.order(s, "a coffee")
	if err != nil {
		return err
	}
	s.Note("client 3", "the acknowledgement's error: %v", failed)
	s.Show()
	s.Tell(`
{It cannot know.} The server had taken the order, and only the acknowledgement was lost; had the event been lost, the
client would have seen just the same. Whoever sends again may get two coffees, and whoever does not may get none.`)
	s.Tell(`
So give each order an id of the client's making, send it until it is acknowledged, and have the server pass over an id that
it knows. That is what the option retries of the client is for: it repeats, and the server has to tell twins.`)
	return nil
}

// order has a whole client order something of a server that ends the connection
// before it has answered. It returns what the client is told.
func (f *eventsStory) order(s *Stage, what string) (failed, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	client := socketio.NewClient(f.url, &socketio.ClientOptions{NoReconnection: true, Transports: []string{"websocket"}})
	s.Keep(client)
	if err := client.Connect(ctx); err != nil {
		return nil, err
	}
	socket, err := within(s, "the socket", f.came)
	if err != nil {
		return nil, err
	}
	s.Note("client 3", "emits order, %q, and waits for the acknowledgement", what)
	ends := make(chan error, 1)
	go func() { _, err := client.EmitWithAck(ctx, "order", what); ends <- err }()
	ordered, err := within(s, "the order", f.orders)
	if err != nil {
		return nil, err
	}
	s.Note("server", "%s is being made", ordered)
	s.Note("server", "the connection breaks")
	socket.Engine().Close(true)
	if failed, err = within(s, "the end of the wait", ends); err != nil {
		return nil, err
	}
	if failed == nil {
		return nil, errors.New("an acknowledgement came that was never sent")
	}
	_, err = within(s, "the end of client 3", f.told)
	return failed, errors.Join(err, client.Close())
}
