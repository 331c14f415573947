package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/socketio"
)

// EventLines says how events of Socket.IO stand in the input.
type EventLines struct {
	In    session.Source // Stdio: sent to all, a line each; nil: nothing
	Event string         // lines are the one argument of this event; "": each names its own
}

// read reads a line.
func (e EventLines) read(line string) (string, []any, error) {
	if e.Event != "" {
		return e.Event, []any{line}, nil
	}
	return session.ParseEvent(line)
}

// SocketIO serves on listeners by io, whose limits and tracer the caller has
// set, until ctx ends or the run is over. The namespaces are those that clients
// may join. Lines take the place of c.In.
func SocketIO(ctx context.Context, c Config, lines EventLines, server *socketio.Server, namespaces []*socketio.Namespace, listeners []net.Listener) error {
	s := &socketIO{run: newRun(ctx, c), EventLines: lines, server: server, listeners: listeners}
	s.some = sync.NewCond(&s.mu)
	s.out = &output{w: c.Out, stop: s.cancel}
	for _, n := range namespaces {
		if s.Once {
			n.Use(s.onlyOne)
		}
		n.OnConnection(s.connected)
	}
	for _, l := range listeners {
		go func() {
			if err := server.Serve(l); !errors.Is(err, net.ErrClosed) && s.ctx.Err() == nil && !s.taken() {
				s.cancel(err)
			}
		}()
	}
	if c.Mode == Stdio && lines.In != nil {
		go s.feed()
	}
	<-s.ctx.Done()
	s.wake()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Drain+shutdownTime)
	defer cancel()
	if ctx.Err() != nil { // a signal, mostly: the clients are to find another server
		_ = server.Drain(leave, c.Drain)
	} else {
		_ = server.Close(leave)
	}
	return s.result()
}

// socketIO is a running server of Socket.IO.
type socketIO struct {
	*run
	EventLines
	server    *socketio.Server
	listeners []net.Listener
	out       *output

	mu     sync.Mutex
	some   *sync.Cond // there is a socket, or the run is over
	count  int
	came   bool   // Once: the one client has come
	framed []byte // under out's lock
}

// onlyOne refuses all but the first client.
func (s *socketIO) onlyOne(*socketio.Socket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.came {
		return errors.New("another client was first")
	}
	s.came = true
	return nil
}

func (s *socketIO) taken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Once && s.came
}

func (s *socketIO) connected(socket *socketio.Socket) {
	s.opened()
	s.mu.Lock()
	s.count++
	s.some.Broadcast()
	s.mu.Unlock()
	socket.Use(func(e *socketio.Event) error {
		s.event(socket, e)
		return nil
	})
	socket.OnDisconnect(func(reason string) { s.left(socket, reason) })
}

func (s *socketIO) left(socket *socketio.Socket, reason string) {
	s.mu.Lock()
	s.count--
	s.mu.Unlock()
	if s.Log != nil && !expected(reason) {
		s.Log(address(socket.Engine().RemoteAddr()), errors.New(reason))
	}
	if s.Once {
		s.cancel(errOver)
	}
}

// expected reports whether a socket ended by what nobody has to hear of: the
// client left, or this side has said already why it ends it.
func expected(reason string) bool {
	switch reason {
	case socketio.ReasonClientNamespaceDisconnect, socketio.ReasonTransportClose,
		socketio.ReasonServerShuttingDown, socketio.ReasonServerNamespaceDisconnect:
		return true
	}
	return false
}

// address is an address that is known as text.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// event does with an event what the mode says.
func (s *socketIO) event(socket *socketio.Socket, e *socketio.Event) {
	values, err := asSent(e.Args)
	if err != nil {
		if s.Log != nil {
			s.Log(address(socket.Engine().RemoteAddr()), err)
		}
		return
	}
	switch s.Mode {
	case Stdio:
		s.print(e)
	case Echo:
		_ = socket.Emit(e.Name, values...)
	case Broadcast:
		_ = socket.Broadcast().Emit(e.Name, values...)
	case BroadcastAll:
		_ = socket.Namespace().Emit(e.Name, values...)
	}
	if e.Ack != nil {
		if s.Mode != Echo {
			values = nil
		}
		_ = e.Ack(values...)
	}
}

// asSent are arguments to be sent on. JSON stays as it is written, so that no
// number loses digits.
func asSent(args socketio.Args) ([]any, error) {
	if args.Binary() {
		return args.Values()
	}
	values := make([]any, args.Len())
	for i := range values {
		values[i] = args.JSON(i)
	}
	return values, nil
}

func (s *socketIO) print(e *socketio.Event) {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	line := session.AppendEvent(s.framed[:0], e.Name, e.Args)
	s.framed = append(line, '\n')
	if _, err := s.out.w.Write(s.framed); err != nil {
		s.out.failed(err)
	}
	if s.Expect != nil && s.Expect.Wanted() && s.Expect.Saw(line) {
		s.cancel(errOver)
		s.out.w = io.Discard
	}
}

// feed sends the input to all sockets of all namespaces. It waits for a first.
func (s *socketIO) feed() {
	for s.anybody() {
		line, err := s.In.Next()
		if err == io.EOF {
			return
		}
		var name string
		var args []any
		if err == nil && strings.TrimSpace(string(line)) != "" {
			name, args, err = s.read(string(line))
		}
		if err != nil {
			s.cancel(err)
			return
		}
		if name == "" || !s.anybody() {
			continue
		}
		for _, n := range s.server.Namespaces() {
			if err := n.Emit(name, args...); err != nil {
				s.cancel(err)
				return
			}
		}
	}
}

// anybody waits until there is a socket, and reports whether the run goes on.
func (s *socketIO) anybody() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count == 0 && s.ctx.Err() == nil {
		s.some.Wait()
	}
	return s.ctx.Err() == nil
}

func (s *socketIO) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.some.Broadcast()
}
