package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/trace"
)

func TestRecoveryLab(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) { recoveryWith(t, transport) })
	}
}

func recoveryWith(t *testing.T, transport string) {
	s := labStage(t)
	b := newRecoveryBench(s)
	c := labSocket(t, b.ioDoor, "/", socketio.ClientOptions{Transports: []string{transport}, ReconnectionDelay: time.Millisecond, ReconnectionDelayMax: time.Millisecond})
	heard, gone, failed, back := make(chan string, 16), make(chan string, 16), make(chan error, 1), make(chan struct{}, 16)
	c.On("news", func(text string) { heard <- text })
	c.OnDisconnect(func(reason string) { gone <- reason })
	c.OnReconnectError(func(err error) {
		select {
		case failed <- err:
		default:
		}
	})
	c.OnConnect(func() { back <- struct{}{} })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-back
	// A client is connected before it is in the room.
	inside := func() {
		t.Helper()
		if err := s.until("the kitchen", func() bool {
			all := b.server().Sockets()
			return len(all) == 1 && slices.Contains(all[0].Rooms(), "kitchen")
		}); err != nil {
			t.Fatal(err)
		}
	}
	inside()
	says := func(text string) {
		t.Helper()
		if _, err := b.emit(t.Context(), typed{text}); err != nil {
			t.Fatal(err)
		}
	}
	says("soup")
	if text := <-heard; text != "soup" {
		t.Errorf("heard %q", text)
	}
	if _, err := b.question(t.Context(), againAnswer{}); err == nil || !strings.Contains(err.Error(), "nobody has come back") {
		t.Errorf("nobody has come back: %v", err)
	}
	// It is away when both sides know.
	away := func() {
		t.Helper()
		if err := s.until("the poll that waits", func() bool {
			all := b.server().Sockets()
			return len(all) == 1 && all[0].Engine().Writable()
		}); err != nil {
			t.Fatal(err)
		}
		if err := b.cut(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reason := <-gone; !strings.HasPrefix(reason, "transport ") {
			t.Errorf("gone: %s", reason)
		}
		if err := s.until("the end at the server", func() bool { return len(b.server().Sockets()) == 0 }); err != nil {
			t.Fatal(err)
		}
		<-failed
	}
	returns := func() {
		t.Helper()
		if err := b.mend(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-back
		inside()
	}
	id := c.ID()
	away()
	if err := b.cut(t.Context()); err == nil {
		t.Error("it is cut twice")
	}
	says("fish")
	says("cake")
	if err := c.Emit("message", "are you there?"); err != nil {
		t.Fatal(err)
	}
	returns()
	if !c.Recovered() || c.ID() != id || <-heard != "fish" || <-heard != "cake" {
		t.Errorf("recovered: %v, as %s", c.Recovered(), c.ID())
	}
	err := s.Await("what was buffered", func(list []entry) bool {
		for _, e := range list {
			if p, ok := e.Event.(trace.SIOPacket); ok && p.Dir == trace.In && p.EventName == "message" {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
	labAnswer(t, b.question, againAnswer{2}, true)
	labAnswer(t, b.question, againAnswer{1}, false)

	away()
	says("coffee")
	if _, err := b.restart(t.Context(), window{1}); err != nil {
		t.Fatal(err)
	}
	returns()
	if c.Recovered() || c.ID() == id {
		t.Error("a new server knows the client")
	}
	labAnswer(t, b.question, againAnswer{0}, true)
	if _, err := b.restart(t.Context(), window{1e9}); err == nil {
		t.Error("a server remembers for ever")
	}
}
