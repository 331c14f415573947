package interop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// Acknowledgements go both ways, with any arguments, by call and by waiting.
func (r *sioRun) acks(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	ctx := bounded(t)
	for _, args := range sioArguments {
		c.do(sioAct{Do: "emit", Event: "ask", Args: sioList(t, args), Ack: true})
		c.nextAck("ask", args)
		c.do(sioAct{Do: "emit", Event: "ask", Args: sioList(t, args), Ack: true, Timeout: 60_000})
		c.nextAck("ask", args)
		answer, err := s.EmitWithAck(ctx, "tell", sioOurs(t, args)...)
		sioWantArgs(t, answer, err, args)
		c.nextEvent("tell", args)
	}
	c.do(sioAct{Do: "ask", Event: "awaited", Args: []any{"one"}, Timeout: 60_000})
	c.nextAck("awaited", `["one"]`)
	answers := make(chan string, 1)
	if err := s.Emit("call", "x", 7, func(text string, n int) { answers <- strings.Repeat(text, n) }); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got != "xxxxxxx" {
		t.Errorf("the acknowledgement is %q", got)
	}
}

// bounded is a context that ends a test that hangs.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// sioWantArgs holds an acknowledgement against its arguments.
func sioWantArgs(t testing.TB, got socketio.Args, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatalf("no acknowledgement: %v; want %.200s", err, want)
	}
	values, err := got.Values()
	if err != nil {
		t.Fatal(err)
	}
	if sioPlain(t, sioLine(values)) != sioPlain(t, []byte(want)) {
		t.Errorf("acknowledged with %.200s; want %.200s", sioLine(values), want)
	}
}

// One that does not come is an error of the one who waits, in time or when the
// connection ends.
func (r *sioRun) acksLost(t *testing.T) {
	h := r.serve(t, nil)
	c := r.dial(t, h, "/", nil)
	s := h.joined(t)
	ctx := bounded(t)
	if _, err := s.Timeout(100*time.Millisecond).EmitWithAck(ctx, "hold"); !errors.Is(err, socketio.ErrTimeout) || err.Error() != "operation has timed out" {
		t.Errorf("the server got %v", err)
	}
	failed := make(chan error, 1)
	_ = s.Timeout(100*time.Millisecond).Emit("hold", func(err error, _ string) { failed <- err })
	if err := <-failed; !errors.Is(err, socketio.ErrTimeout) {
		t.Errorf("the server's function got %v", err)
	}
	c.skipTo("event")
	c.skipTo("event")
	c.do(sioAct{Do: "emit", Event: "hold", Ack: true, Timeout: 100})
	if got := c.next("ack"); got.Error != "operation has timed out" {
		t.Errorf("the client got %v", got)
	}
	h.next(t, s.ID(), "event")
	c.do(sioAct{Do: "emit", Event: "hold", Ack: true, Timeout: 60_000})
	h.next(t, s.ID(), "event")
	s.Disconnect(true)
	c.next("disconnect")
	if got := c.next("ack"); got.Error != "socket has been disconnected" {
		t.Errorf("the client got %v", got)
	}
	if _, err := s.EmitWithAck(ctx, "late"); err == nil {
		t.Error("a socket that is gone acknowledges")
	}
}

// A handler may wait for an acknowledgement of its own socket.
func (r *sioRun) ackInHandler(t *testing.T) {
	h := r.serve(t, nil)
	h.OnConnection(func(s *socketio.Socket) {
		s.On("begin", func(ctx context.Context, word string, ack func(string)) {
			answer, err := s.EmitWithAck(ctx, "question", word)
			var back string
			if err == nil {
				err = answer.Decode(&back)
			}
			if err != nil {
				back = err.Error()
			}
			ack("the client said " + back)
		})
	})
	c := r.dial(t, h, "/", nil)
	c.do(sioAct{Do: "emit", Event: "begin", Args: []any{"hello"}, Ack: true})
	c.nextEvent("question", `["hello"]`)
	c.nextAck("begin", `["the client said hello"]`)
}
