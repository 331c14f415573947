package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

func TestConnectTimeout(t *testing.T) {
	io := NewServer(&ServerOptions{ConnectTimeout: 20 * time.Millisecond})
	entered, blocked, once := make(chan struct{}, 1), make(chan struct{}), sync.Once{}
	io.Of("/slow").Use(func(s *Socket) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-s.Context().Done()
		once.Do(func() { close(blocked) })
		return nil
	})
	io.Of("/slow").OnConnection(func(*Socket) { t.Error("connected after its client was closed") })
	addr := onHTTP(t, io)
	dialWebSocket(t, addr, "").ended()
	dialPolling(t, addr, "").ended()
	for inTime := false; !inTime; {
		p := dialWebSocket(t, addr, "")
		p.send("40/slow,") // a middleware that blocks does not put it off
		p.ended()
		select {
		case <-entered:
			inTime = true
		default: // it was too late with that
		}
	}
	get(t, blocked)
	soon(t, "forgotten", func() bool {
		n := io.Of("/slow")
		n.mu.RLock()
		defer n.mu.RUnlock()
		return len(n.sockets) == 0
	})
}

// TestRoomsInLife holds when a socket is in which rooms.
func TestRoomsInLife(t *testing.T) {
	io := NewServer(nil)
	log := newNotes()
	ids := make(chan string, 1)
	io.Use(func(s *Socket) error {
		log.add("middleware %v", len(s.Rooms()))
		s.SetData("kept")
		return s.Join("early")
	})
	io.OnConnection(func(s *Socket) {
		id := s.ID()
		log.add("connected %v %v", slices.Contains(s.Rooms(), id) && slices.Contains(s.Rooms(), "early"), s.Data())
		_ = s.Join("a", "b")
		s.Leave("b")
		s.OnDisconnecting(func(string) { log.add("disconnecting %v", slices.Contains(s.Rooms(), "a") && len(s.Rooms()) == 3) })
		s.OnDisconnect(func(reason string) {
			_ = s.Join("late")
			log.add("disconnect %v %v %s", len(s.Rooms()), io.Of("/").Adapter().SocketRooms(id), reason)
		})
		s.On("disconnect", func(reason, description string) { log.add("again %s", reason) })
		ids <- id // the client leaves
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	if sent, id := p.join("/"), get(t, ids); sent != id {
		t.Errorf("the id is %s, and %s was sent", id, sent)
	}
	p.send("41")
	want := []string{
		"middleware 0", "connected true kept", "disconnecting true", "disconnect 0 [] client namespace disconnect", "again client namespace disconnect",
	}
	if got := log.count(t, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if rooms := io.Of("/").Adapter().(*MemoryAdapter).Rooms(); len(rooms) > 0 {
		t.Errorf("rooms are left: %q", rooms)
	}
}

// TestMiddlewares holds what refuses a socket, and what its client is told.
func TestMiddlewares(t *testing.T) {
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		panics := make(chan error, 1)
		io := NewServer(&ServerOptions{OnPanic: func(_ *Socket, err *tcp.PanicError) { panics <- err }})
		contexts := make(chan context.Context, 10)
		for name, err := range map[string]error{
			"/plain":   errors.New("not you"),
			"/data":    &Error{Message: "no", Data: map[string]any{"code": 1}},
			"/wrapped": fmt.Errorf("why: %w", &Error{Message: "within"}),
			"/odd":     &Error{Message: "odd", Data: make(chan int)},
		} {
			n := io.Of(name)
			n.Use(func(s *Socket) error { contexts <- s.Context(); _ = s.Join("room"); return nil })
			n.Use(func(*Socket) error { return err })
			n.Use(func(*Socket) error { t.Error("a middleware ran behind an error"); return nil })
			n.OnConnection(func(*Socket) { t.Error("connected") })
		}
		io.Of("/panic").Use(func(*Socket) error { panic("oh") })
		p := dial(t, serve(t, io), "")
		for name, want := range map[string]string{
			"/plain": `{"message":"not you"}`, "/data": `{"message":"no","data":{"code":1}}`, "/wrapped": `{"message":"within"}`, "/odd": `{"message":"odd"}`,
		} {
			p.send("40" + name)
			p.want("44" + name + "," + want)
			<-get(t, contexts).Done()
			if rooms := io.Of(name).Adapter().(*MemoryAdapter).Rooms(); len(rooms) > 0 {
				t.Errorf("%s: rooms are left: %q", name, rooms)
			}
		}
		p.send("40/panic")
		p.want(`44/panic,{"message":"internal error"}`)
		get(t, panics)
		p.join("/")
	})
}

// TestLeavesInMiddleware holds that of a client which leaves while it is let in
// nothing is left, and nobody is told.
func TestLeavesInMiddleware(t *testing.T) {
	for name, leave := range map[string]func(p *peer, s *Socket){
		"drops":      func(p *peer, _ *Socket) { p.leave() },
		"closes":     func(p *peer, _ *Socket) { p.send("1") },
		"breaks":     func(p *peer, _ *Socket) { p.send(`42/guarded,["too early"]`) },
		"leaves":     func(p *peer, _ *Socket) { p.send(`41/guarded,`) },
		"is closed":  func(_ *peer, s *Socket) { s.Engine().Close(true) },
		"joins anew": func(p *peer, _ *Socket) { p.send(`40/guarded,`) },
	} {
		t.Run(name, func(t *testing.T) {
			io := NewServer(nil)
			n := io.Of("/guarded")
			entered := make(chan *Socket, 1)
			n.Use(func(s *Socket) error {
				s.OnDisconnect(func(string) { t.Error("a disconnect of what was not connected") })
				_ = s.Join("room")
				entered <- s
				<-s.Context().Done()
				return nil
			})
			n.OnConnection(func(*Socket) { t.Error("connected") })
			p := dialWebSocket(t, onHTTP(t, io), "")
			p.send("40/guarded,")
			s := get(t, entered)
			leave(p, s)
			<-s.Context().Done()
			soon(t, "forgotten", func() bool {
				n.mu.RLock()
				defer n.mu.RUnlock()
				return len(n.sockets) == 0 && len(n.adapter.(*MemoryAdapter).Rooms()) == 0
			})
			if s.Connected() || len(n.Sockets()) > 0 {
				t.Error("it is connected")
			}
		})
	}
}

// TestBlockingHandlers holds that a handler which blocks holds up the events of
// its own socket alone, and that it can wait for acknowledgements of it.
func TestBlockingHandlers(t *testing.T) {
	everywhere(t, func(t *testing.T, serve func(*testing.T, *Server) string, dial func(*testing.T, string, string) *peer) {
		io := NewServer(&ServerOptions{Engine: quickEngine()})
		free := make(chan struct{})
		log := newNotes()
		io.OnConnection(func(s *Socket) {
			s.On("block", func() { <-free; log.add("free") })
			s.On("behind", func(n int) { log.add("behind %d", n) })
			s.On("ask", func(ctx context.Context, ack func(int)) {
				answer, err := s.EmitWithAck(ctx, "question")
				var n int
				if err == nil {
					err = answer.Decode(&n)
				}
				if err != nil {
					t.Errorf("asking: %v", err)
				}
				ack(n)
			})
		})
		addr := serve(t, io)
		p, q := dial(t, addr, ""), dial(t, addr, "")
		p.join("/")
		q.join("/")
		p.send(`42["block"]`)
		for i := range 20 {
			p.send(fmt.Sprintf(`42["behind",%d]`, i))
		}
		q.send(`425["ask"]`)
		q.want(`420["question"]`)
		q.send(`430[41]`)
		q.want(`435[41]`)
		got := <-p.frames // the heartbeat does not wait
		if got == "6" {
			got = <-p.frames
		}
		if got != "2" {
			t.Errorf("got %q, want a ping", got)
		}
		p.send("3")
		close(free)
		lines := log.count(t, 21)
		for i, line := range lines[1:] {
			if line != fmt.Sprintf("behind %d", i) {
				t.Fatalf("out of order: %q", lines)
			}
		}
	})
}

// TestWaitingAtTheEnd holds that events which came before the client left are
// handled, and those that came before the server ended it are not.
func TestWaitingAtTheEnd(t *testing.T) {
	io := NewServer(nil)
	log := newNotes()
	entered, free := make(chan *Socket, 1), make(chan struct{})
	io.OnConnection(func(s *Socket) {
		s.On("block", func(ctx context.Context) { entered <- s; <-ctx.Done(); <-free })
		s.On("last", func(who string) { log.add("%s", who) })
		s.OnDisconnect(func(reason string) { log.add("%s", reason) })
	})
	addr := onHTTP(t, io)
	p := dialWebSocket(t, addr, "")
	p.join("/")
	p.send(`42["block"]`, `42["last","of the client"]`, `41`)
	get(t, entered)
	free <- struct{}{} // its context has ended, or it would not get here
	log.has(t, "client namespace disconnect")
	q := dialWebSocket(t, addr, "")
	q.join("/")
	q.send(`42["block"]`, `42["last","too late"]`)
	s := get(t, entered)
	soon(t, "two events came", func() bool { return s.events.length() == 1 })
	s.Disconnect(false)
	free <- struct{}{}
	if got := log.count(t, 3); !slices.Equal(got, []string{"of the client", "client namespace disconnect", "server namespace disconnect"}) {
		t.Errorf("got %q", got)
	}
}

func (l *lane) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// TestPanics holds that a panic ends nothing but its handler.
func TestPanics(t *testing.T) {
	var count atomic.Int32
	io := NewServer(&ServerOptions{OnPanic: func(_ *Socket, err *tcp.PanicError) {
		if len(err.Stack) == 0 || err.Value == nil {
			t.Error("no stack")
		}
		count.Add(1)
	}})
	io.OnConnection(func(*Socket) { panic("in OnConnection") })
	io.Of("/").OnRoom(RoomJoined, func(string, string) { panic("in OnRoom") })
	ended := make(chan struct{})
	io.OnConnection(func(s *Socket) {
		s.OnAny(func(event string, _ Args) { panic("in OnAny") })
		s.OnAnyOutgoing(func(string, Args) { panic("in OnAnyOutgoing") })
		s.On("panic", func() { panic("in a handler") })
		s.On("panic", func(ack func(string)) { ack("the second") })
		s.On("guarded", func() { t.Error("the handler ran behind a middleware that panicked") })
		s.On("ask", func() { _ = s.Emit("question", func(string) { panic("in an acknowledgement") }) })
		s.Use(func(e *Event) error {
			if e.Name == "guarded" {
				panic("in a middleware")
			}
			return nil
		})
		s.OnDisconnecting(func(string) { panic("in OnDisconnecting") })
		s.OnDisconnect(func(string) { close(ended) })
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	p.send(`42["guarded"]`, `421["panic"]`)
	p.want(`431["the second"]`)
	p.send(`42["ask"]`)
	p.want(`420["question"]`)
	p.send(`430["x"]`)
	soon(t, "it panicked", func() bool { return count.Load() >= 9 })
	p.send(`41`)
	get(t, ended)
	soon(t, "all panics are told", func() bool { return count.Load() == 10 })
}

// TestAcks holds what becomes of acknowledgements.
func TestAcks(t *testing.T) {
	io := NewServer(&ServerOptions{MaxAcks: 2})
	all, log := sockets(io), newNotes()
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.join("/")
	s := get(t, all)
	if _, err := s.Timeout(time.Millisecond).EmitWithAck(context.Background(), "slow"); !errors.Is(err, ErrTimeout) {
		t.Errorf("EmitWithAck: %v", err)
	}
	p.want(`420["slow"]`)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	if _, err := s.EmitWithAck(ctx, "cancelled"); err == nil || err.Error() != "enough" {
		t.Errorf("EmitWithAck: %v", err)
	}
	p.want(`421["cancelled"]`)
	_ = s.Emit("a", func(n int, err string) { log.add("a %d", n) })
	_ = s.Timeout(time.Hour).Emit("b", func(err error, n int) { log.add("b %v %d", err, n) })
	if err := s.Emit("c", func() {}); !errors.Is(err, ErrLimit) {
		t.Errorf("beyond MaxAcks: %v", err)
	}
	p.want(`422["a"]`, `423["b"]`)
	p.send(`432[7]`, `432[8]`)
	log.has(t, "a 7")
	came := make(chan error, 1)
	go func() {
		_, err := s.EmitWithAck(context.Background(), "never")
		came <- err
	}()
	p.want(`425["never"]`)
	p.send(`41`)
	if err := get(t, came); !errors.Is(err, errDisconnected) {
		t.Errorf("EmitWithAck: %v", err)
	}
	log.has(t, "b socket has been disconnected 0")
	if _, err := s.EmitWithAck(context.Background(), "gone"); !errors.Is(err, errDisconnected) {
		t.Errorf("EmitWithAck behind the end: %v", err)
	}
	if err := s.Emit("connect_error"); err == nil {
		t.Error("a reserved name was sent")
	}
}

// TestWhileConnecting holds that the answer to CONNECT is the first that a client
// gets, whatever happens to its socket meanwhile, but for what a middleware sends.
func TestWhileConnecting(t *testing.T) {
	io := NewServer(nil)
	log := newNotes()
	io.Use(func(s *Socket) error { return s.Emit("early", 1) })
	io.OnConnection(func(s *Socket) {
		log.add("connected")
		s.OnDisconnect(func(reason string) { log.add("%s", reason) })
	})
	io.Of("/").OnRoom(RoomJoined, func(room, id string) {
		_ = io.Emit("all")
		_ = io.Socket(id).Emit("one")
		_ = io.DisconnectSockets(false)
		_ = io.Emit("too late")
	})
	p := dialWebSocket(t, onHTTP(t, io), "")
	p.send("40")
	p.want(`42["early",1]`)
	p.match(`^40\{`)
	p.want(`42["all"]`, `42["one"]`, `41`)
	if got := log.count(t, 2); !slices.Equal(got, []string{"connected", "server namespace disconnect"}) {
		t.Errorf("got %q", got)
	}
	if !p.alive() {
		t.Error("the connection is closed")
	}
}
