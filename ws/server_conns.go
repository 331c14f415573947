package ws

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
)

// toHandler takes the peer out of the server below, for Handler. Rest is what
// came behind the request already.
func (p *Peer) toHandler(r *Request, rest []byte) {
	rest = bytes.Clone(rest)
	kept := &Request{Head: r.Head.Clone(), Remote: r.Remote, TLS: r.TLS, seat: r.seat}
	conn, more, err := p.tcp.Detach()
	if err != nil {
		p.srv.end(p.seatIP(), p.Agreed(), 0, 0)
		return
	}
	p.srv.converse(conn, kept, p.Agreed(), append(rest, more...))
}

// converse runs Handler on a connection, in a goroutine of its own.
func (s *Server) converse(conn net.Conn, r *Request, agreed handshake.Agreement, early []byte) {
	c := NewConn(conn, Config{
		Role: ServerRole, Agreed: agreed, Limits: s.Limits, Early: early, CompressFrom: s.CompressFrom,
		CloseTimeout: s.closeTimeout(), Tracer: s.tcp.Tracer, PingInterval: s.PingInterval,
	})
	ctx := context.Background()
	if r.HTTP != nil {
		ctx = context.WithoutCancel(r.HTTP.Context())
	}
	c.rate.perSecond = s.MaxRate
	ctx, c.onEnd = context.WithCancel(context.WithValue(ctx, requestKey{}, r))
	if !s.conns.add(c) {
		c.CloseNow()
		s.end(r.seat, agreed, 0, 0)
		return
	}
	go func() {
		defer s.conns.remove(c)
		s.run(ctx, c)
		if c.violation() != nil {
			s.count.violations.Add(1)
		}
		s.end(r.seat, agreed, c.countIn.Load(), c.countOut.Load())
	}()
}

type requestKey struct{}

// RequestOf is the opening request of the connection whose context a Handler was
// given; nil elsewhere.
func RequestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

// run calls Handler and closes the connection after it.
func (s *Server) run(ctx context.Context, c *Conn) {
	code, err := s.call(ctx, c)
	_ = c.Close(code, "")
	var broken *tcp.PanicError
	switch {
	case errors.As(err, &broken) && broken.Callback == handlerName:
		s.panicked(c.conn.RemoteAddr(), broken)
	case err != nil && s.OnError != nil:
		s.OnError(c.conn.RemoteAddr(), err)
	}
}

const handlerName = "Handler"

// call calls Handler, and says with which code to close.
func (s *Server) call(ctx context.Context, c *Conn) (code StatusCode, err error) {
	defer func() {
		if v := recover(); v != nil {
			code, err = StatusInternalError, &tcp.PanicError{Callback: handlerName, Value: v, Stack: debug.Stack()}
		}
	}()
	err = s.Handler(ctx, c)
	var closed *CloseError
	switch {
	case err == nil:
		return StatusNormal, nil
	case errors.As(err, &closed):
		return StatusNormal, nil // it is over, and what it was is in the trace
	}
	return StatusInternalError, err
}

// connSet are the connections that handlers talk to.
type connSet struct {
	mu     sync.Mutex
	conns  map[*Conn]struct{}
	closed bool
	empty  chan struct{} // closed once there are none any more after closed
}

func (s *connSet) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = map[*Conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *connSet) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.closed && len(s.conns) == 0 {
		close(s.empty)
	}
}

// stop lets none in any more, and returns those there are.
func (s *connSet) stop() (all []*Conn, empty <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.empty = make(chan struct{})
		if len(s.conns) == 0 {
			close(s.empty)
		}
	}
	for c := range s.conns {
		all = append(all, c)
	}
	return all, s.empty
}

func (s *connSet) shutdown(ctx context.Context) error {
	all, empty := s.stop()
	for _, c := range all {
		go func() { _ = c.Close(StatusGoingAway, "the server is shutting down") }()
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		s.abort()
		return ctx.Err()
	}
}

func (s *connSet) abort() {
	all, _ := s.stop()
	for _, c := range all {
		c.CloseNow()
	}
}
