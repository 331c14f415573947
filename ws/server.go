package ws

import (
	"context"
	"errors"
	"iter"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Server serves WebSocket connections: from listeners ([Server.Serve]), on a
// [tcp.Server], and as an [http.Handler] on any other server, or both at once.
//
// With a Handler each connection gets a goroutine and a [Conn]. Without one it
// calls back, as [tcp.Server] does: the callbacks of one peer run one after the
// other and never two at the same time, those of different peers at once. What
// they send for the messages of one read leaves in one write. A callback that
// blocks holds up its own peer, pongs included, and nobody else.
//
// The zero value takes every right request from its own origin, and drops what
// is sent. Fields must not change once it serves, and a Server must not be
// copied.
type Server struct {
	// Handler talks to one peer. Its context ends with the connection, and has
	// the values of the request's where the server is mounted on net/http. When it
	// returns the connection is closed: with 1000 after nil, with 1011 after an
	// error, which OnError is told.
	Handler func(ctx context.Context, c *Conn) error
	// OnError is told of an error that Handler returned, other than the end of
	// the connection.
	OnError func(remote net.Addr, err error)

	// OnOpen is called for each new peer. The request is valid during the call.
	OnOpen func(p *Peer, r *Request)
	// OnMessage takes a message. Its bytes are valid during the call.
	OnMessage func(p *Peer, t MessageType, payload []byte)
	// OnRead is called once all messages of one read have been handed to
	// OnMessage. What is sent by its end leaves in one write with their answers.
	OnRead func(p *Peer)
	// OnWritable is [tcp.Server.OnWritable].
	OnWritable func(p *Peer)
	// OnClose is called once for each peer that OnOpen was called for, and last.
	// The error is a [*CloseError].
	OnClose func(p *Peer, err error)
	// OnPanic is told of a panic in a callback, or in Handler. The peer is closed
	// with 1011. Nil logs it by package log.
	OnPanic func(remote net.Addr, err *tcp.PanicError)
	// OnRefused is told of each request that is not upgraded: the rule by its
	// identifier, or the flag that it would be on a command line. It must not
	// block.
	OnRefused func(remote net.Addr, rule, reason string)

	// Subprotocols are those that are spoken. Of what a client offers the first
	// that is among them is taken.
	Subprotocols []string
	// Deflate says how the server wishes to compress; nil is not at all. A client
	// that offers permessage-deflate gets it then, whatever its parameters are.
	Deflate *handshake.Deflate
	// MaxTakeover bounds the peers for which the server keeps a compressor with
	// its context, of about 1 MiB each, where Deflate wishes for that; the others
	// are answered server_no_context_takeover. 0 is 128, less than 0 no bound.
	MaxTakeover int
	// CompressFrom is [Encoder.CompressFrom].
	CompressFrom int
	// Header is added to each 101.
	Header []handshake.Field
	// Permit decides about a request that is right: the error refuses it, as
	// [handshake.Acceptor.Permit] says. Nil is [SameOrigin].
	Permit func(r *Request) error
	// HTTP takes what comes to a listener of Serve and asks for no WebSocket. Nil
	// refuses it.
	HTTP http.Handler
	// Plain, where it is set, is offered such a request before HTTP is, where it is
	// a GET or POST of HTTP/1.1 that came whole, with nothing odd about it and with
	// nothing that says what becomes of the connection. It is a callback like the
	// others, and reports whether it answers, now or later, by [Exchange.Answer];
	// the connection's next request is then read as well. Else HTTP has it, and all
	// that follows.
	Plain func(x *Exchange) bool
	// HTTP2 serves HTTP/2 on the listeners of Serve, and WebSockets over it (RFC
	// 8441): with TLS by ALPN, where TLS offers nothing else, without TLS by prior
	// knowledge. Nil serves HTTP/1.1 only.
	HTTP2 *HTTP2

	// HandshakeTimeout bounds the time until a request is complete, and that of
	// the TLS handshake before it; 0 is 10 seconds, less than 0 no bound.
	HandshakeTimeout time.Duration
	// PingInterval is the time between pings; a peer that leaves two of them
	// unanswered is closed. 0 sends none.
	PingInterval time.Duration
	// CloseTimeout bounds the wait for the answer to a close frame; 0 is 5
	// seconds.
	CloseTimeout time.Duration
	// HeadLimits bound a request; nil has the defaults.
	HeadLimits *handshake.Limits
	// Limits bound messages.
	Limits Limits
	// MaxRate bounds the messages a second of one peer, after a first second's
	// worth; 0 is no bound. Beyond it: 1008.
	MaxRate int

	// MaxConns bounds the connections at once; 0 is 10,000, less than 0 no bound.
	// A request beyond it is answered 503.
	MaxConns int
	// MaxConnsPerIP is the same for each IP address; 0 is no bound.
	MaxConnsPerIP int
	// Admit turns a peer away by an error, whose text is the reason: 403.
	Admit func(remote net.Addr) error

	// TCP is what Serve stands on: its TLS, time limits and queues count. Its
	// callbacks are the Server's. Nil is the zero value.
	TCP *tcp.Server
	// Tracer takes the records; nil costs nothing.
	Tracer *trace.Tracer

	once     sync.Once
	tcp      *tcp.Server
	acceptor handshake.Acceptor
	most     int
	closing  atomic.Bool
	web      webServer
	http2    http2Set
	conns    connSet
	count    serverCounters
	waitings sync.Pool // *waiting

	mu    sync.Mutex
	slots int
	perIP map[netip.Addr]int
}

// serverCounters are what Stats returns.
type serverCounters struct {
	opened, refused, panics, messagesIn, messagesOut, violations atomic.Uint64
	open, takeovers                                              atomic.Int64
}

// Stats is a count of what a [Server] did, and has.
type Stats struct {
	tcp.Stats            // of the connections of Serve, and of those adopted from net/http
	Upgraded      uint64 // connections that became WebSockets
	Upgrades      int    // that are open
	NotUpgraded   uint64 // requests that were refused
	MessagesIn    uint64
	MessagesOut   uint64
	Violations    uint64 // connections that were closed because their peer broke a rule
	HandlerPanics uint64
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.setUp()
	c := &s.count
	return Stats{
		Stats: s.tcp.Stats(), Upgraded: c.opened.Load(), Upgrades: int(c.open.Load()), NotUpgraded: c.refused.Load(),
		MessagesIn: c.messagesIn.Load(), MessagesOut: c.messagesOut.Load(), Violations: c.violations.Load(),
		HandlerPanics: c.panics.Load(),
	}
}

const (
	defaultMaxConns    = 10000
	defaultMaxTakeover = 128
	roomForRefusals    = 256 // connections that only hear why they are refused
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = tcp.ErrServerClosed

func (s *Server) setUp() {
	s.once.Do(func() {
		if s.tcp = s.TCP; s.tcp == nil {
			s.tcp = &tcp.Server{}
		}
		s.most = orDefault(s.MaxConns, defaultMaxConns)
		s.perIP = map[netip.Addr]int{}
		t := s.tcp
		if t.Tracer == nil {
			t.Tracer = s.Tracer
		}
		if s.most > 0 {
			t.MaxConns = s.most + roomForRefusals
		} else {
			t.MaxConns = -1
		}
		if t.HandshakeTimeout == 0 {
			t.HandshakeTimeout = s.HandshakeTimeout
		}
		if s.Handler != nil && t.Loops == 0 {
			t.Loops = -1 // it gets a goroutine anyway, and takes the connection over
		}
		if s.HTTP2 != nil {
			t.TLS = withHTTP2(t.TLS)
		}
		t.OnOpen, t.OnData, t.OnEnd = s.accepted, s.data, s.ended
		t.OnWritable, t.OnShutdown, t.OnClose, t.OnIdle = s.writable, s.shutPeer, s.closed, s.idle
		t.OnPanic = func(p *tcp.Peer, err *tcp.PanicError) { s.panicked(p.RemoteAddr(), err) }
		refused := t.OnRefused
		t.OnRefused = func(remote net.Addr, rule, reason string) {
			s.refusedBy(remote, rule, reason)
			if refused != nil {
				refused(remote, rule, reason)
			}
		}
		s.acceptor = handshake.Acceptor{Subprotocols: s.Subprotocols, Deflate: s.Deflate, Header: s.Header}
	})
}

// orDefault returns v, the default where it is 0, and 0 for no bound.
func orDefault[T ~int | ~int64](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return max(v, 0)
}

func (s *Server) handshakeTimeout() time.Duration {
	return orDefault(s.HandshakeTimeout, defaultHandshakeTimeout)
}

func (s *Server) closeTimeout() time.Duration {
	if s.CloseTimeout == 0 {
		return defaultCloseTimeout
	}
	return s.CloseTimeout
}

// Serve accepts connections on l until it fails, or Shutdown or Close is called
// ([ErrServerClosed]); l is closed then. Several calls may run at once.
func (s *Server) Serve(l net.Listener) error {
	s.setUp()
	return s.tcp.Serve(l)
}

// Shutdown stops accepting, closes every connection with 1001 and waits until
// all have ended. When ctx is done before that, it aborts those that are left
// and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.setUp()
	s.closing.Store(true)
	ended := make(chan error, 3)
	go func() { ended <- s.conns.shutdown(ctx) }()
	go func() { ended <- s.web.shutdown(ctx) }()
	go func() { ended <- s.http2.shutdown(ctx) }()
	return errors.Join(s.tcp.Shutdown(ctx), <-ended, <-ended, <-ended)
}

// Close stops accepting and aborts every connection.
func (s *Server) Close() error {
	s.setUp()
	s.closing.Store(true)
	err := s.tcp.Close()
	s.conns.abort()
	s.web.close()
	s.http2.close()
	return err
}

// Peers yields the peers of callbacks that are open at the time of the call.
func (s *Server) Peers() iter.Seq[*Peer] {
	s.setUp()
	return func(yield func(*Peer) bool) {
		for t := range s.tcp.Peers() {
			if p, _ := t.Value().(*Peer); p != nil && p.isOpen() && !yield(p) {
				return
			}
		}
	}
}

// refusedBy counts a refusal and tells the hook.
func (s *Server) refusedBy(remote net.Addr, rule, reason string) {
	s.count.refused.Add(1)
	if s.OnRefused != nil {
		s.OnRefused(remote, rule, reason)
	}
}

// panicked counts a panic and tells the hook.
func (s *Server) panicked(remote net.Addr, err *tcp.PanicError) {
	s.count.panics.Add(1)
	if s.OnPanic == nil {
		log.Printf("ws: %v: %v\n%s", remote, err, err.Stack)
		return
	}
	defer func() {
		if recover() != nil {
			s.count.panics.Add(1)
		}
	}()
	s.OnPanic(remote, err)
}

// begin counts a connection that has become a WebSocket.
func (s *Server) begin(agreed handshake.Agreement) {
	s.count.opened.Add(1)
	s.count.open.Add(1)
	if takesOver(agreed) {
		s.count.takeovers.Add(1)
	}
}

// end gives up what an open connection held.
func (s *Server) end(seat netip.Addr, agreed handshake.Agreement, in, out uint64) {
	s.count.open.Add(-1)
	s.count.messagesIn.Add(in)
	s.count.messagesOut.Add(out)
	if takesOver(agreed) {
		s.count.takeovers.Add(-1)
	}
	s.leave(seat)
}

// takesOver reports whether the server keeps a compressor with its context.
func takesOver(agreed handshake.Agreement) bool {
	return agreed.Compressed && !agreed.Deflate.ServerNoContextTakeover
}

// enter takes a place for a connection, if there is one left.
func (s *Server) enter(ip netip.Addr) *tcp.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing.Load():
		return &tcp.Refusal{Rule: "shutdown", Reason: "the server is shutting down"}
	case s.most > 0 && s.slots >= s.most:
		return &tcp.Refusal{Rule: "max-conns", Reason: areOpen(s.slots, "")}
	case s.MaxConnsPerIP > 0 && ip.IsValid() && s.perIP[ip] >= s.MaxConnsPerIP:
		return &tcp.Refusal{Rule: "max-conns-per-ip", Reason: areOpen(s.perIP[ip], " of "+ip.String())}
	}
	s.slots++
	if s.MaxConnsPerIP > 0 && ip.IsValid() {
		s.perIP[ip]++
	}
	return nil
}

// leave gives the place up.
func (s *Server) leave(ip netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots--
	if s.MaxConnsPerIP > 0 && ip.IsValid() {
		if s.perIP[ip]--; s.perIP[ip] <= 0 {
			delete(s.perIP, ip)
		}
	}
}

func addrOf(remote net.Addr) netip.Addr {
	if a, ok := remote.(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// areOpen words a limit that is reached.
func areOpen(n int, of string) string {
	verb := " are"
	if n == 1 {
		verb = " is"
	}
	return count(int64(n), "connection") + of + verb + " open, the most allowed"
}
