package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// silent is a server that does not acknowledge "never".
func silent(seen *notes) *Server {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		s.On("never", func(name string, _ func()) { seen.add("%s", name) })
		s.On("echo", func(text string, ack func(string)) { ack(text) })
		s.On("leave", func() { s.Disconnect(false) })
	})
	return io
}

// Each end of the wait for an acknowledgement has its error.
func TestClientAckErrors(t *testing.T) {
	seen, got := newNotes(), newNotes()
	c := opened(t, running(t, silent(seen)), &ClientOptions{AckTimeout: time.Minute})
	_ = c.Timeout(time.Millisecond).Emit("never", func(err error) { got.add("emit: %v", err) })
	if lines := got.count(t, 1); lines[0] != "emit: operation has timed out" {
		t.Errorf("got %q", lines)
	}
	if _, err := c.Timeout(time.Millisecond).EmitWithAck(patient(t), "never"); err != ErrTimeout {
		t.Errorf("a time limit: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := c.EmitWithAck(ctx, "never"); err != enough {
		t.Errorf("a context: %v", err)
	}
	lost := make(chan error, 1)
	go func() {
		_, err := c.EmitWithAck(patient(t), "never", "the last")
		lost <- err
	}()
	seen.has(t, "the last")
	_ = c.Emit("never", func(err error, _ string) { got.add("lost: %v", err) })
	_ = c.Emit("never", func(string) { got.add("never") })
	until := c.Compress(false).Timeout(time.Minute)
	if _, err := until.EmitWithAck(patient(t), "echo", "x"); err != nil {
		t.Error(err)
	}
	_ = c.Emit("leave")
	if err := <-lost; err != ErrDisconnected {
		t.Errorf("the end: %v", err)
	}
	got.has(t, "lost: socket has been disconnected")
	if len(c.pending) != 0 {
		t.Errorf("%d still wait", len(c.pending))
	}
}

func TestClientEmitErrors(t *testing.T) {
	c := NewClient("http://localhost", &ClientOptions{MaxBuffered: 2})
	var name *ReservedEventError
	if err := c.Emit("connect"); !errors.As(err, &name) {
		t.Errorf("a reserved name: %v", err)
	}
	if err := c.Emit("x", make(chan int)); err == nil {
		t.Error("a channel is no argument")
	}
	if err := c.Emit("x", func() int { return 1 }); err == nil {
		t.Error("a function with results cannot take an acknowledgement")
	}
	_, _ = c.Emit("a", 1), c.Send("b")
	if err := c.Emit("c"); err != ErrBufferFull {
		t.Errorf("a full buffer: %v", err)
	}
	if _, err := c.EmitWithAck(t.Context(), "c"); err != ErrBufferFull {
		t.Errorf("a full buffer: %v", err)
	}
	if len(c.pending) != 0 {
		t.Error("it waits for what was not taken")
	}
}

// What timed out, or was given up, before there was a connection does not leave
// any more; volatile events never wait; the rest leaves in order, and answers come.
func TestClientBuffer(t *testing.T) {
	got := newNotes()
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		s.OnAny(func(event string, args Args) { got.add("%s %s", event, args.JSON(0)) })
		s.On("ask", func(n int, ack func(int)) { ack(n * 2) })
	})
	c := NewClient(running(t, io), nil)
	defer c.Close()
	_ = c.Emit("one", 1)
	if _, err := c.Timeout(time.Millisecond).EmitWithAck(patient(t), "late", 2); err != ErrTimeout {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.EmitWithAck(gone, "given up", 3); err != context.Canceled {
		t.Error(err)
	}
	_ = c.Volatile().Emit("volatile", 4)
	answers := newNotes()
	_ = c.Emit("ask", 21, func(n int) { answers.add("%d", n) })
	_ = c.Emit("two", 5)
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	if lines := got.count(t, 3); !slices.Equal(lines, []string{"one 1", "ask 21", "two 5"}) {
		t.Errorf("got %q", lines)
	}
	answers.has(t, "42")
}

// With Retries events go one by one, in order, until each is acknowledged or has
// had its tries.
func TestClientRetries(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			seen := newNotes()
			io := NewServer(nil)
			io.OnConnection(func(s *Socket) {
				tries := map[string]int{}
				s.On("event", func(name string, need int, ack func(string)) {
					tries[name]++
					seen.add("%s %d", name, tries[name])
					if tries[name] >= need {
						ack(name)
					}
				})
			})
			o := way.options
			o.Retries, o.AckTimeout = 2, 100*time.Millisecond
			c := NewClient(running(t, io), &o)
			defer c.Close()
			done := newNotes()
			for _, e := range []struct {
				name string
				need int
			}{{"a", 1}, {"b", 3}, {"lost", 9}, {"c", 2}} {
				_ = c.Emit("event", e.name, e.need, func(err error, answer string) { done.add("%s %q %v", e.name, answer, err) })
			}
			if err := c.Connect(patient(t)); err != nil {
				t.Fatal(err)
			}
			want := []string{`a "a" <nil>`, `b "b" <nil>`, `lost "" operation has timed out`, `c "c" <nil>`}
			if lines := done.count(t, 4); !slices.Equal(lines, want) {
				t.Errorf("got %q", lines)
			}
			// A try that a busy machine makes late is one more, and never out of order.
			lines := seen.all()
			if !slices.IsSorted(mapped(lines, func(s string) string { return fmt.Sprint(slices.Index([]string{"a", "b", "l", "c"}, s[:1])) })) {
				t.Errorf("the order is lost: %q", lines)
			}
			if !slices.Contains(lines, "lost 3") {
				t.Errorf("got %q", lines)
			}
		})
	}
}

func mapped(lines []string, f func(string) string) (out []string) {
	for _, l := range lines {
		out = append(out, f(l))
	}
	return out
}
