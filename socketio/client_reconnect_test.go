package socketio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// cutter passes connections on to a server, and cuts them.
type cutter struct {
	target string
	at     string

	mu    sync.Mutex
	conns map[net.Conn]bool
	left  int // bytes of the server's until the cut; less than 0 is none
	hung  bool
}

func newCutter(t *testing.T, url string, after int) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{target: url[len("http://"):], at: "http://" + l.Addr().String(), conns: map[net.Conn]bool{}, left: after}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
	})
	return p
}

func (p *cutter) pass(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer s.Close()
	p.mu.Lock()
	p.conns[c], p.conns[s] = true, true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		delete(p.conns, s)
	}()
	go func() {
		_, _ = io.Copy(s, c)
		_ = s.Close()
	}()
	_, _ = io.Copy(&counted{p, c}, s)
}

// counted is the way back to the client.
type counted struct {
	p *cutter
	c net.Conn
}

func (w *counted) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	left, hung := w.p.left, w.p.hung
	cut := left >= 0 && len(b) >= left
	switch {
	case cut:
		w.p.left = -1
	case left >= 0:
		w.p.left -= len(b)
	}
	w.p.mu.Unlock()
	switch {
	case hung:
		return len(b), nil
	case cut:
		_, _ = w.c.Write(b[:left])
		w.p.cut()
		return 0, net.ErrClosed
	}
	return w.c.Write(b)
}

// cut ends all connections that there are.
func (p *cutter) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// hang has nothing of the server's arrive any more, or again.
func (p *cutter) hang(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = on
}

// A server that comes back gets what was emitted meanwhile, once and in order.
func TestClientServerRestarts(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			noClientLeft(t)
			seen := newNotes()
			make := func() *Server {
				io := NewServer(nil)
				io.OnConnection(func(s *Socket) {
					s.On("n", func(n int, ack func(int)) {
						seen.add("%d", n)
						ack(n)
					})
				})
				return io
			}
			address, stop := listening(t, make(), "127.0.0.1:0")
			got := newNotes()
			c := NewClient("http://"+address, quick(way.options))
			defer c.Close()
			c.OnConnect(func() { got.add("connect %v", c.Recovered()) })
			c.OnDisconnect(func(reason string) { got.add("disconnect") })
			c.OnReconnect(func(attempt int) { got.add("reconnect %v", attempt > 0) })
			if err := c.Connect(patient(t)); err != nil {
				t.Fatal(err)
			}
			id := c.ID()
			if _, err := c.EmitWithAck(patient(t), "n", 0); err != nil {
				t.Fatal(err)
			}
			stop()
			got.has(t, "disconnect")
			var want []string
			acked := newNotes()
			for i := range 101 {
				want = append(want, fmt.Sprint(i))
				if i > 0 {
					_ = c.Emit("n", i, func(n int) { acked.add("%d", n) })
				}
			}
			_ = c.Volatile().Emit("n", -1)
			_, again := listening(t, make(), address)
			if lines := seen.count(t, 101); !slices.Equal(lines, want) {
				t.Errorf("the server got %q", lines)
			}
			if lines := acked.count(t, 100); !slices.Equal(lines, want[1:]) {
				t.Errorf("the acknowledgements are %q", lines)
			}
			if lines := got.count(t, 4); !slices.Equal(lines, []string{"connect false", "disconnect", "reconnect true", "connect false"}) {
				t.Errorf("got %q", lines)
			}
			if c.ID() == id {
				t.Error("the id is the same")
			}
			_ = c.Close()
			again()
		})
	}
}

// With recovery a client comes back as it was, and gets what it missed, once.
func TestClientRecovers(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			io := NewServer(&ServerOptions{Recovery: &Recovery{}})
			lost, once := make(chan struct{}), sync.Once{}
			sockets := make(chan *Socket, 10)
			io.OnConnection(func(s *Socket) {
				s.Join("room")
				s.OnDisconnect(func(string) { once.Do(func() { close(lost) }) })
				sockets <- s
			})
			got := newNotes()
			hold := make(chan struct{}, 1)
			hold <- struct{}{} // for the first time
			o := quick(way.options)
			o.Auth = func(ctx context.Context) (map[string]any, error) {
				select {
				case <-hold:
				case <-ctx.Done():
				}
				return map[string]any{"a": 1}, ctx.Err()
			}
			c := NewClient(running(t, io), o)
			defer c.Close()
			c.On("n", func(n int) { got.add("%d", n) })
			c.OnConnect(func() { got.add("connect %v", c.Recovered()) })
			if err := c.Connect(patient(t)); err != nil {
				t.Fatal(err)
			}
			id, socket := c.ID(), <-sockets // it is in the room
			_ = io.To("room").Emit("n", 1)
			got.has(t, "1")
			socket.Engine().Close(true) // a client between two polls would be missed after 45 s only
			<-lost
			_ = io.To("room").Emit("n", 2)
			_ = io.To("elsewhere").Emit("n", 99)
			_ = io.Emit("n", 3)
			close(hold)
			got.has(t, "connect true")
			_ = io.To("room").Emit("n", 4)
			got.has(t, "4")
			if lines := got.all(); !slices.Equal(lines, []string{"connect false", "1", "2", "3", "connect true", "4"}) {
				t.Errorf("got %q", lines)
			}
			if c.ID() != id {
				t.Error("another id")
			}
		})
	}
}

// However many bytes of the server's have come when the connections are cut, the
// client gets through, and its first event with it.
func TestClientCutInEachPhase(t *testing.T) {
	noClientLeft(t)
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) { s.On("echo", func(n int, ack func(int)) { ack(n) }) })
	url := running(t, io)
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			var all sync.WaitGroup
			for after := 0; after < 1500; after += 50 {
				all.Go(func() { cutAfter(t, url, way.options, after) })
			}
			all.Wait()
		})
	}
}

func cutAfter(t *testing.T, url string, o ClientOptions, after int) {
	proxy := newCutter(t, url, after)
	o.Retries, o.AckTimeout = 1000, 30*time.Second
	c := NewClient(proxy.at, quick(o))
	defer c.Close()
	if err := c.Connect(patient(t)); err != nil {
		t.Errorf("cut after %d bytes: %v", after, err)
		return
	}
	for i := range 5 {
		if _, err := c.EmitWithAck(patient(t), "echo", i); err != nil {
			t.Errorf("cut after %d bytes: echo %d: %v", after, i, err)
		}
	}
}

// A server that says nothing any more is noticed.
func TestClientPingTimeout(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			io := NewServer(&ServerOptions{Engine: &engine.Server{PingInterval: 50 * time.Millisecond, PingTimeout: 500 * time.Millisecond}})
			proxy := newCutter(t, running(t, io), -1)
			got := newNotes()
			c := NewClient(proxy.at, quick(way.options))
			defer c.Close()
			c.OnPing(func() { got.add("ping") })
			c.OnDisconnect(func(reason string) { got.add("%s", reason); proxy.hang(false); proxy.cut() })
			if err := c.Connect(patient(t)); err != nil {
				t.Fatal(err)
			}
			got.has(t, "ping")
			c.OnConnect(func() { got.add("connected again") })
			proxy.hang(true)
			got.has(t, "ping timeout")
			got.has(t, "connected again")
		})
	}
}

// Events that wait for a handler too long cost the connection, not the memory.
func TestClientOverflow(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		for i := range 20 {
			_ = s.Emit("n", i)
		}
	})
	o := &ClientOptions{MaxPending: 10, NoReconnection: true}
	c := NewClient(running(t, io), o)
	defer c.Close()
	got, let := newNotes(), make(chan struct{})
	c.On("n", func(int) { <-let })
	c.OnDisconnect(func(reason string) { got.add("%s", reason) })
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	if session := c.Engine(); session != nil {
		<-session.Done()
	}
	close(let)
	got.has(t, "transport error")
}

// The waits between attempts are the official client's.
func TestClientBackoff(t *testing.T) {
	random := 0.0
	b := newBackoff(&ClientOptions{})
	b.random = func() float64 { return random }
	for _, test := range []struct {
		random float64
		want   time.Duration
	}{
		{0, time.Second},                // 1 s * 2^0
		{0.5, 2500 * time.Millisecond},  // 2 s + 25 %
		{0.25, 3500 * time.Millisecond}, // 4 s - 12.5 %
		{0.8, 4800 * time.Millisecond},  // 8 s - 40 %
		{0.1, 5 * time.Second},          // never above
		{0.0, 5 * time.Second},          // never above
	} {
		random = test.random
		if got := b.next(); got != test.want {
			t.Errorf("attempt %d: %v, want %v", b.attempts, got, test.want)
		}
	}
	b.attempts = 5000
	if got := b.next(); got != 5*time.Second {
		t.Errorf("after thousands of attempts: %v", got)
	}
	if b.reset(); b.attempts != 0 {
		t.Error("not reset")
	}
}

// Attempts come when the options say, by a clock of the test's own.
func TestClientAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		c := NewClient("http://nowhere", &ClientOptions{
			RandomizationFactor: -1, ReconnectionAttempts: 5, Transports: []string{"websocket"},
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				at = append(at, time.Since(start))
				return nil, errors.New("no way")
			},
		})
		if err := c.Connect(t.Context()); err == nil {
			t.Error("connected")
		}
		_ = c.Close()
		s := time.Second
		if want := []time.Duration{0, s, 3 * s, 7 * s, 12 * s, 17 * s}; !slices.Equal(at, want) {
			t.Errorf("attempts at %v", at)
		}
	})
}

// An attempt that hangs is given up after Timeout.
func TestClientOpenTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := NewClient("http://nowhere", &ClientOptions{
			NoReconnection: true,
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		err := c.Connect(t.Context())
		if err == nil || err.Error() != "socketio: connect to http://nowhere: timeout" || time.Since(start) != 20*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		_ = c.Close()
	})
}
