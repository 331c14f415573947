package socketio

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// clientWays are the ways that a connection can go.
var clientWays = []struct {
	name    string
	options ClientOptions
}{
	{"polling", ClientOptions{Transports: []string{"polling"}}},
	{"websocket", ClientOptions{Transports: []string{"websocket"}}},
	{"upgrade", ClientOptions{}},
}

// quick makes attempts to reconnect follow each other at once.
func quick(o ClientOptions) *ClientOptions {
	o.ReconnectionDelay, o.ReconnectionDelayMax = time.Millisecond, 20*time.Millisecond
	return &o
}

// notes is what happened in a test, in order.
type notes struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{}
}

func newNotes() *notes { return &notes{changed: make(chan struct{}, 1)} }

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

// until waits until ok holds for what has happened.
func (n *notes) until(t *testing.T, what string, ok func(lines []string) bool) []string {
	t.Helper()
	limit := time.After(patience)
	for {
		lines := n.all()
		if ok(lines) {
			return lines
		}
		select {
		case <-n.changed:
		case <-limit:
			t.Fatalf("%s did not come; what did:\n%s", what, strings.Join(lines, "\n"))
		}
	}
}

// has waits for a line.
func (n *notes) has(t *testing.T, line string) {
	t.Helper()
	n.until(t, line, func(lines []string) bool { return slices.Contains(lines, line) })
}

// count waits for a number of lines.
func (n *notes) count(t *testing.T, count int) []string {
	t.Helper()
	return n.until(t, fmt.Sprint(count, " lines"), func(lines []string) bool { return len(lines) >= count })
}

// patient is the context of what has to end by itself.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// running serves a server until the end of the test.
func running(t *testing.T, s *Server) (url string) {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		closeServer(s)
		h.CloseClientConnections()
		h.Close()
	})
	return h.URL
}

func closeServer(s *Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.Close(ctx)
}

// listening serves a server on an address, until stop is called.
func listening(t *testing.T, s *Server, address string) (at string, stop func()) {
	t.Helper()
	var l net.Listener
	var err error
	for range 200 { // the port may still be closing
		if l, err = net.Listen("tcp", address); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: s}
	go h.Serve(l)
	stop = sync.OnceFunc(func() {
		closeServer(s)
		_ = h.Close()
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// opened returns a connected client, which is closed at the end of the test.
func opened(t *testing.T, url string, o *ClientOptions) *Client {
	t.Helper()
	c := NewClient(url, o)
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// noClientLeft has a test fail whose goroutines do not end with it.
func noClientLeft(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var left []string
		for wait := time.Millisecond; wait < 64*time.Second; wait *= 2 {
			if left = clientGoroutines(); len(left) == 0 {
				return
			}
			time.Sleep(wait)
		}
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

func clientGoroutines() (found []string) {
	all := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		inside := strings.Contains(stack, "sockkit/socketio") || strings.Contains(stack, "sockkit/ws.") || strings.Contains(stack, "sockkit/tcp.")
		if inside && !strings.Contains(stack, "testing.tRunner(") && !strings.Contains(stack, "testing.runTests(") {
			found = append(found, stack)
		}
	}
	return found
}

// Events go both ways with all kinds of arguments, in their order, and are
// acknowledged, however the connection goes.
func TestClientEvents(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			noClientLeft(t)
			io := NewServer(nil)
			io.OnConnection(func(s *Socket) {
				s.On("kinds", func(args ...any) { _ = s.Emit("kinds", args...) })
				s.On("sum", func(a, b int, ack func(int)) { ack(a + b) })
				s.On("bytes", func(b []byte, ack func([]byte, string)) { ack(append(b, 9), "more") })
				s.On("ask", func() {
					go func() {
						got, err := s.EmitWithAck(t.Context(), "question", "how many?", []byte{1, 2})
						var text string
						var data []byte
						_ = got.Decode(&text, &data)
						_ = s.Emit("asked", text, data, fmt.Sprint(err))
					}()
				})
			})
			c := NewClient(running(t, io), &way.options)
			defer c.Close()
			got := newNotes()
			if way.name == "upgrade" {
				c.Manager().OnUpgrade(func(name string, err error) { got.add("%s %v", name, err) })
			}
			c.On("kinds", func(args ...any) { got.add("%v", args) })
			c.On("question", func(text string, data []byte, ack func(string, []byte)) { ack(text+" seven", append(data, 3)) })
			c.On("asked", func(text string, data []byte, err string) { got.add("%s %v %s", text, data, err) })
			if err := c.Connect(patient(t)); err != nil {
				t.Fatal(err)
			}
			kinds := []any{1.5, "two", nil, true, []byte{1, 2}, map[string]any{"a": []any{[]byte{3}, "x"}}}
			if err := c.Emit("kinds", kinds...); err != nil {
				t.Fatal(err)
			}
			got.has(t, fmt.Sprint(kinds))
			_ = c.Emit("sum", 2, 3, func(n int) { got.add("sum %d", n) })
			got.has(t, "sum 5")
			answer, err := c.EmitWithAck(patient(t), "bytes", []byte{7})
			values, _ := answer.Values()
			if err != nil || !reflect.DeepEqual(values, []any{[]byte{7, 9}, "more"}) {
				t.Errorf("%v, %v", values, err)
			}
			_ = c.Emit("ask")
			got.has(t, "how many? seven [1 2 3] <nil>")
			if way.name == "upgrade" {
				got.has(t, "websocket <nil>")
			}
		})
	}
}

// The order of events is kept across an upgrade, and nothing is lost or doubled.
func TestClientOrder(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			io := NewServer(nil)
			io.OnConnection(func(s *Socket) {
				s.On("n", func(n int, pad []byte) { _ = s.Emit("n", n, pad) })
			})
			c := NewClient(running(t, io), &way.options)
			defer c.Close()
			got, want := newNotes(), []string(nil)
			c.On("n", func(n int, pad []byte) { got.add("%d %d", n, len(pad)) })
			for i := range 200 { // before it is connected
				want = append(want, fmt.Sprintf("%d %d", i, i%3))
				_ = c.Emit("n", i, make([]byte, i%3))
			}
			if err := c.Connect(patient(t)); err != nil {
				t.Fatal(err)
			}
			for i := 200; i < 500; i++ {
				want = append(want, fmt.Sprintf("%d %d", i, i%3))
				_ = c.Emit("n", i, make([]byte, i%3))
			}
			if lines := got.count(t, len(want)); !slices.Equal(lines, want) {
				t.Errorf("got %v", lines)
			}
		})
	}
}

// A handler may wait for an acknowledgement of its own client, and others wait
// for it.
func TestClientHandlerWaits(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		s.On("ask", func(n int, ack func(int)) { ack(n + 1) })
		_ = s.Emit("go", 1)
		_ = s.Emit("go", 10)
	})
	c := NewClient(running(t, io), nil)
	defer c.Close()
	got := newNotes()
	c.On("go", func(ctx context.Context, n int) {
		got.add("begin %d", n)
		answer, err := c.EmitWithAck(ctx, "ask", n)
		var m int
		_ = answer.Decode(&m)
		got.add("end %d %v", m, err)
	})
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	want := []string{"begin 1", "end 2 <nil>", "begin 10", "end 11 <nil>"}
	if lines := got.count(t, 4); !slices.Equal(lines, want) {
		t.Errorf("got %v", lines)
	}
}

// What the server sends at once is seen by handlers that were added before
// Connect, and nothing comes before it.
func TestClientWelcome(t *testing.T) {
	io := NewServer(nil)
	io.Use(func(s *Socket) error { return nil })
	io.OnConnection(func(s *Socket) { _ = s.Emit("welcome", s.ID()) })
	c := NewClient(running(t, io), nil)
	defer c.Close()
	got := newNotes()
	c.On("connect", func() { got.add("connect") })
	c.Once("welcome", func(id string) { got.add("welcome %v", id == c.ID()) })
	if c.Active() || c.Connected() || c.ID() != "" || c.Engine() != nil {
		t.Error("it has begun by itself")
	}
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	if lines := got.count(t, 2); !slices.Equal(lines, []string{"connect", "welcome true"}) {
		t.Errorf("got %v", lines)
	}
	if err := c.Connect(patient(t)); err != nil || len(c.ID()) != 20 || !c.Active() {
		t.Errorf("connected already: %v", err)
	}
}

// Catch-all handlers see what comes and what leaves; Off and a panic are survived.
func TestClientCatchAll(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) { s.On("echo", func(args ...any) { _ = s.Emit("back", args...) }) })
	got := newNotes()
	o := &ClientOptions{
		OnPanic:        func(_ *Client, err *tcp.PanicError) { got.add("panic %v", err.Value) },
		OnHandlerError: func(_ *Client, event string, err error) { got.add("wrong %s: %v", event, err) },
	}
	c := NewClient(running(t, io), o)
	defer c.Close()
	c.OnAny(func(event string, args Args) { got.add("in %s %s", event, args.JSON(0)) })
	c.PrependAny(func(event string, _ Args) { got.add("first %s", event) })
	off := c.OnAny(func(string, Args) { got.add("never") })
	off()
	c.OnAnyOutgoing(func(event string, args Args) { got.add("out %s %s", event, args.JSON(0)) })
	c.PrependAnyOutgoing(func(event string, _ Args) { got.add("before %s", event) })
	gone := func() { got.add("never") }
	c.On("back", gone)
	c.Off("back", gone)
	c.On("back", func() { panic("ouch") })
	c.On("back", func(n int) { got.add("number %d", n) })
	if c.ListenersAny() != 2 || c.ListenersAnyOutgoing() != 2 {
		t.Error("the numbers of listeners are wrong")
	}
	_ = c.Emit("echo", "text")
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	want := []string{"before echo", `out echo "text"`, "first back", `in back "text"`, "panic ouch", "wrong back: argument 1: got string, want int"}
	if lines := got.count(t, len(want)); !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
}
