package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

// eventsBench is the lab of the lesson on events: a server that listens for a
// few.
type eventsBench struct{ *ioDoor }

func eventsLab(s *Stage) (Actions, error) {
	b := newEventsBench(s)
	return Actions{"note": act(b.note), "ask": act(b.ask), "question": act(b.question)}, nil
}

func newEventsBench(s *Stage) *eventsBench {
	b := &eventsBench{s.ioDoor(nil)}
	b.serves(socketio.ServerOptions{}, func(io *socketio.Server) { io.OnConnection(b.connected) })
	return b
}

// connected sets what the server listens for.
func (b *eventsBench) connected(c *socketio.Socket) {
	c.On("hello", func(name string) { _ = c.Emit("welcome", "hello, "+name) }) // it may have left
	c.On("add", func(x, y int, ack func(int)) { ack(x + y) })
	c.On("upload", func(name string, picture, mirror []byte, ack func(string)) {
		ack(fmt.Sprintf("%s came, with %s", name, count(len(picture)+len(mirror), "byte")))
		if mirror != nil {
			picture = mirror
		}
		_ = c.Emit("picture", name, picture)
	})
	c.On("silent", func(...any) {})
	c.OnAny(func(event string, _ socketio.Args) {
		if c.ListenerCount(event) == 0 {
			b.stage.Note("server", "nobody listens for %q", event)
		}
	})
}

// asked is what the server is to ask the page, and how long it waits, in
// seconds.
type asked struct {
	ID     string  `json:"id"` // of the page's socket
	Within float64 `json:"within"`
}

// ask has the server emit an event and wait for the acknowledgement.
func (b *eventsBench) ask(ctx context.Context, a asked) (any, error) {
	c := b.server().Socket(a.ID)
	if c == nil {
		return nil, errors.New("this page is not connected")
	}
	if !(a.Within > 0 && a.Within <= 10) {
		return nil, errors.New("the server waits for more than 0 and at most 10 seconds")
	}
	answer, err := c.Timeout(time.Duration(a.Within*float64(time.Second))).EmitWithAck(ctx, "what is your name?")
	if err != nil {
		b.stage.Note("server", "no acknowledgement: %v", err)
		return fmt.Sprintf("The server has no answer: %v.", err), nil
	}
	data, _ := answer.Data()
	return fmt.Sprintf("The page has answered: %s", data), nil
}

// piecesAnswer is the reader's to the question: how many messages did the last
// event with bytes take?
type piecesAnswer struct {
	Count int `json:"count"`
}

// question looks for the last event of a page that had attachments, and for the
// packets that brought it.
func (b *eventsBench) question(_ context.Context, a piecesAnswer) (any, error) {
	list := b.records()
	for i, e := range slices.Backward(list) {
		p, ok := e.Event.(trace.SIOPacket)
		if !ok || p.Dir != trace.In || p.Attachments == 0 {
			continue
		}
		rows := broughtBy(list[:i], p)
		if len(rows) != 1+p.Attachments {
			break // some are forgotten
		}
		said := fmt.Sprintf("%d: the packet itself, with a placeholder for each of its bytes' values, and each of them in a message of its own, %d of them. The digit 5 and the number before the dash have said how many come.", len(rows), p.Attachments)
		return Verdict{a.Count == len(rows), said, append(rows, e.number)}, nil
	}
	return nil, errors.New("no event with bytes has come to the server yet: upload some")
}

// broughtBy are the last messages of a session that bring this packet.
func broughtBy(list []entry, p trace.SIOPacket) (rows []int) {
	for _, e := range slices.Backward(list) {
		if m, ok := e.Event.(trace.EIOPacket); ok && m.Dir == trace.In && m.Session == p.Session && m.Type == "message" {
			rows = append(rows, e.number)
		}
		if len(rows) == 1+p.Attachments {
			break
		}
	}
	slices.Reverse(rows)
	return rows
}
