package tap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// Server passes on each client of a listener to a target of its own.
type Server struct {
	// Listener gives the clients; Serve closes it.
	Listener net.Listener
	// ClientDatagrams and TargetDatagrams say of what kind the ends are,
	// ClientStdio and TargetStdio that it is standard input and output.
	ClientDatagrams, TargetDatagrams, ClientStdio, TargetStdio bool
	// ClientLines and TargetLines say that their lines are messages of a
	// WebSocket at the other end.
	ClientLines, TargetLines bool
	// Open makes a client that was accepted ready: traced, under TLS. It closes
	// the one that it fails for. Nil: it is ready.
	Open func(ctx context.Context, client net.Conn) (net.Conn, error)
	// TargetName is what errors call the target; "" means target.
	TargetName string
	// Dial opens the target for one client.
	Dial func(ctx context.Context) (net.Conn, error)
	// WebSocket says that both ends speak WebSocket: what passes is decoded for
	// the trace. Limits bound the messages that are. Where one end does, it is a
	// [*WebSocket] already.
	WebSocket bool
	Limits    ws.Limits
	// SocketIO says that both ends speak Socket.IO, and follows it; nil: they do
	// not.
	SocketIO *SocketIO
	// Faults is what is done to each connection; nil: nothing.
	Faults *faults.Faults
	// Idle and Wait are those of [Relay].
	Idle, Wait time.Duration
	// MaxDatagram is that of [Relay].
	MaxDatagram int
	// MaxConns is the most clients at a time; those above are closed. 0 is no
	// limit.
	MaxConns int
	// Once leaves after the first client, with its result. FirstWithin bounds
	// the wait for it; 0: no bound.
	Once        bool
	FirstWithin time.Duration
	// Admit is asked about each client of a stream; an error turns it away. Nil:
	// all are let in.
	Admit func(net.Addr) error
	// Failed is told what went wrong with a client that is not the result of
	// Serve; nil: nobody.
	Failed func(client net.Addr, err error)
	// Refused is told of a client that is turned away, and why, and closes it;
	// nil: it is closed.
	Refused func(client net.Conn, why error)

	clients sync.WaitGroup
	places  chan struct{}
	number  uint64
}

// Serve accepts clients until ctx ends, and returns its cause once all clients
// are closed. With Once it returns how the first one went.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { s.Listener.Close() })
	defer s.Listener.Close()
	defer s.clients.Wait()
	defer stop()
	defer cancel(nil)
	if s.MaxConns > 0 {
		s.places = make(chan struct{}, s.MaxConns)
	}
	if s.Once {
		return s.first(ctx)
	}
	for {
		client, err := s.accept(ctx)
		if err != nil {
			return err
		}
		if err := s.enter(client); err != nil {
			s.turnAway(client, err)
			continue
		}
		s.number++
		number := s.number
		s.clients.Go(func() {
			defer s.leave()
			remote := client.RemoteAddr()
			err := s.Pass(ctx, client, number)
			if err != nil && ctx.Err() == nil {
				s.failed(remote, err)
			}
		})
	}
}

// first waits for one client and passes it on.
func (s *Server) first(ctx context.Context) error {
	client, err := s.firstClient(ctx)
	if err != nil {
		return err
	}
	if !s.ClientDatagrams {
		s.Listener.Close() // datagrams go on coming through it
	}
	return s.Pass(ctx, client, 1)
}

func (s *Server) firstClient(ctx context.Context) (net.Conn, error) {
	if s.FirstWithin <= 0 {
		return s.admitted(ctx)
	}
	timeout := &tcp.TimeoutError{After: s.FirstWithin}
	ctx, cancel := context.WithTimeoutCause(ctx, s.FirstWithin, timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.Listener.Close() })
	client, err := s.admitted(ctx)
	switch {
	case !stop() && err == nil:
		client.Close() // too late, and the listener is gone
		return nil, &serve.NobodyCame{Err: timeout}
	case errors.Is(err, timeout):
		return nil, &serve.NobodyCame{Err: err}
	}
	return client, err
}

// admitted waits for a client that is let in.
func (s *Server) admitted(ctx context.Context) (net.Conn, error) {
	for {
		client, err := s.accept(ctx)
		if err != nil || s.Admit == nil {
			return client, err
		}
		why := s.Admit(client.RemoteAddr())
		if why == nil {
			return client, nil
		}
		s.turnAway(client, why)
	}
}

// The pause after a failure to accept, such as too many open files.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// accept waits for a client. Failures of the moment are told, and waited out.
func (s *Server) accept(ctx context.Context) (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		client, err := s.Listener.Accept()
		switch {
		case err == nil && ctx.Err() == nil:
			return client, nil
		case err == nil:
			client.Close()
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, net.ErrClosed) || s.ClientDatagrams {
			return nil, err
		}
		s.failed(nil, fmt.Errorf("accept: %w", err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// enter takes a place for a client that is let in.
func (s *Server) enter(client net.Conn) error {
	if s.Admit != nil {
		if err := s.Admit(client.RemoteAddr()); err != nil {
			return err
		}
	}
	if s.places == nil {
		return nil
	}
	select {
	case s.places <- struct{}{}:
		return nil
	default:
		return &tcp.Refusal{Rule: "max-conns", Reason: fmt.Sprintf("%d connections are served already", s.MaxConns)}
	}
}

func (s *Server) leave() {
	if s.places != nil {
		<-s.places
	}
}

func (s *Server) turnAway(client net.Conn, why error) {
	if s.Refused != nil {
		s.Refused(client, why)
		return
	}
	client.Close()
}

// Pass passes one client on until it is over. The number says which client it
// is, for the faults.
func (s *Server) Pass(ctx context.Context, client net.Conn, number uint64) error {
	var err error
	if s.Open != nil {
		if client, err = s.Open(ctx, client); err != nil {
			return err
		}
	}
	target, err := s.Dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			client.Close()
			return context.Cause(ctx)
		}
		turnOff(client)
		return err
	}
	pair(client, target)
	switch {
	case s.SocketIO != nil:
		target = s.SocketIO.observe(client, target, s.Limits)
	case s.WebSocket:
		target = observe(client, target, s.Limits)
	}
	err = s.relay(client, target, number).Run(ctx)
	var idle *session.IdleError
	if errors.As(err, &idle) && s.ClientDatagrams {
		return nil // nobody can say good-bye with datagrams
	}
	return err
}

// turnOff ends a client whose target could not be opened.
func turnOff(client net.Conn) {
	if w, ok := client.(*WebSocket); ok {
		_ = w.leave(ws.StatusBadGateway, "the target cannot be reached")
		return
	}
	tcp.Reset(client)
}

func (s *Server) relay(client, target net.Conn, number uint64) *Relay {
	r := &Relay{
		Client: End{Conn: client, Datagrams: s.ClientDatagrams, Stdio: s.ClientStdio, Lines: s.ClientLines},
		Target: End{Conn: target, Name: s.TargetName, Datagrams: s.TargetDatagrams, Stdio: s.TargetStdio, Lines: s.TargetLines},
		Idle:   s.Idle, Wait: s.Wait, MaxDatagram: s.MaxDatagram, MaxMessage: int(s.Limits.MaxMessage),
		Warn: func(err error) { s.warn(client, target, err) },
	}
	if s.Faults.Any() {
		r.Faults = s.Faults.Connection(number, func(f trace.Fault) { emit(target, f) })
		r.Affects = s.Faults.Affects
	}
	return r
}

// warn tells of datagrams that were not passed on.
func (s *Server) warn(client, target net.Conn, err error) {
	emit(target, trace.Note{Text: "a datagram was not passed on: " + err.Error()})
	s.failed(client.RemoteAddr(), err)
}

// failed tells what went wrong. That a client was silent for long, or left by a
// reset, is in the trace and no failure of ours.
func (s *Server) failed(client net.Addr, err error) {
	var idle *session.IdleError
	if s.Failed == nil || errors.As(err, &idle) {
		return
	}
	s.Failed(client, err)
}

// traced is a connection that reports to a tracer.
type traced interface {
	TraceID() trace.ID
	Tracer() *trace.Tracer
}

// emit adds an event to the trace of a connection.
func emit(conn net.Conn, e trace.Event) {
	if t, ok := conn.(traced); ok {
		t.Tracer().Emit(t.TraceID(), e)
	}
}

// pair says in the trace which connections belong together.
func pair(client, target net.Conn) {
	from, ok := client.(traced)
	to, alsoOk := target.(traced)
	if ok && alsoOk && from.TraceID() != 0 && to.TraceID() != 0 {
		emit(target, trace.Note{Text: fmt.Sprintf("passes on connection %d", from.TraceID())})
	}
}
