package udp

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/leaks"
	"github.com/sockkit/sockkit/trace"
)

func TestPanicEndsOnePeer(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	told, gone := make(chan *PanicError, 1), make(chan error, 1)
	tracer, records := recorder(trace.Connection)
	s := &Server{
		OnDatagram: func(p *Peer, b []byte, _ Info) {
			if string(b) == "boom" {
				panic("boom")
			}
			_, _ = p.Write(b)
		},
		OnPanic: func(_ *Peer, err *PanicError) { told <- err },
		OnGone: func(_ *Peer, why error) {
			gone <- why
			panic("and once more")
		},
		Tracer: tracer,
	}
	serve(t, s, socket)
	a, b := dialTo(t, socket.LocalAddr()), dialTo(t, socket.LocalAddr())
	send(t, a, "hi")
	receive(t, a, "hi")
	send(t, b, "boom")
	if err := eventually(t, "the panic", told); err.Value != "boom" || !strings.Contains(string(err.Stack), "TestPanicEndsOnePeer") {
		t.Errorf("panic %v", err)
	}
	var why *PanicError
	if err := eventually(t, "the end", gone); !errors.As(err, &why) {
		t.Errorf("gone by %v", err)
	}
	eventually(t, "the second panic", told)
	if end := recorded[trace.Close](t, records, 1); !strings.Contains(end[0].Error, "boom") {
		t.Errorf("close %+v", end)
	}
	send(t, a, "still")
	receive(t, a, "still")
	check(t, b.SetReadDeadline(time.Now().Add(patience)))
	send(t, b, "back")
	receive(t, b, "back")
	if st := s.Stats(); st.Panics != 2 || st.Peers != 2 || st.PeersTotal != 3 {
		t.Errorf("stats %+v", st)
	}
	s.OnGone, s.OnPanic = nil, nil
}

func TestShutdownHandlesWhatHasCome(t *testing.T) {
	socket := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", "127.0.0.1:0")
	block, blocked := make(chan struct{}), make(chan struct{}, 200)
	var handled atomic.Int64
	gone := make(chan error, 1)
	s := &Server{
		OnDatagram: func(p *Peer, b []byte, _ Info) {
			handled.Add(1)
			blocked <- struct{}{}
			<-block
			_, _ = p.Write(b)
		},
		OnGone: func(_ *Peer, why error) { gone <- why },
	}
	served := serve(t, s, socket)
	c := dialTo(t, socket.LocalAddr())
	for range 100 {
		send(t, c, "hi")
	}
	<-blocked
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	settled(t, s, func(Stats) bool { return s.isClosed() })
	close(block)
	check(t, eventually(t, "the shutdown", down))
	wantError(t, eventually(t, "the end of Serve", served), ErrServerClosed)
	wantError(t, eventually(t, "the end of the peer", gone), ErrServerClosed)
	for range 100 {
		receive(t, c, "hi")
	}
	if handled.Load() != 100 || s.Stats().Peers != 0 {
		t.Errorf("%d handled, %+v", handled.Load(), s.Stats())
	}
	if left := leaks.Left(ours); left != "" {
		t.Errorf("goroutines left behind:\n%s", left)
	}
	again := listen(t, "udp", socket.LocalAddr().String()) // the port is free
	wantError(t, s.Serve(soon(t), again), ErrServerClosed)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func TestShutdownGivesUp(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	block, blocked := make(chan struct{}), make(chan struct{})
	s := &Server{OnDatagram: func(*Peer, []byte, Info) { close(blocked); <-block }}
	served := serve(t, s, socket)
	send(t, dialTo(t, socket.LocalAddr()), "hi")
	<-blocked
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, s.Shutdown(ctx), context.Canceled)
	listen(t, "udp", socket.LocalAddr().String()) // it is closed all the same
	close(block)
	wantError(t, eventually(t, "the end of Serve", served), ErrServerClosed)
}

func TestCloseFromACallback(t *testing.T) {
	socket := listen(t, "udp", "127.0.0.1:0")
	s := &Server{}
	s.OnDatagram = func(*Peer, []byte, Info) { _ = s.Close() }
	served := serve(t, s, socket)
	send(t, dialTo(t, socket.LocalAddr()), "hi")
	wantError(t, eventually(t, "the end of Serve", served), ErrServerClosed)
}

func TestServeEndsWithItsContext(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	ctx, cancel := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- (&Server{}).Serve(ctx, sockets...) }()
	why := errors.New("enough")
	cancel(why)
	wantError(t, eventually(t, "the end of Serve", served), why)
	for _, s := range sockets {
		listen(t, "udp", s.LocalAddr().String())
	}
}

func TestServeEndsWithItsSocket(t *testing.T) {
	sockets := must[[]*Socket](t)((&ListenConfig{}).ListenAll(soon(t), "udp", ":0"))
	served := serve(t, &Server{}, sockets...)
	check(t, sockets[0].Close())
	wantError(t, eventually(t, "the end of Serve", served), net.ErrClosed)
	listen(t, "udp", sockets[1].LocalAddr().String())
	if err := (&Server{}).Serve(soon(t)); err == nil {
		t.Error("nothing was served")
	}
}
