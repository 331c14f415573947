package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
)

// Time stands still in these tests while anything runs, and jumps when all
// waits: what takes five seconds takes exactly that.

// pipeListener accepts the other ends of pipes.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func listenPipe() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return stringAddr("pipe") }

func (l *pipeListener) dial() net.Conn {
	a, b := net.Pipe()
	l.conns <- b
	return a
}

// inBubble runs a test with a server of callbacks and one with a handler, on
// pipes and with a clock of its own.
func inBubble(t *testing.T, set func(*Server), test func(t *testing.T, s *Server, l *pipeListener, rec *trace.Recorder)) {
	for _, kind := range []string{"callbacks", "handler"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := &trace.Recorder{}
				s := &Server{Tracer: trace.New(rec, trace.Frame)}
				if kind == "handler" {
					s.Handler = func(_ context.Context, c *Conn) error { return echo(c) }
				} else {
					s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
				}
				set(s)
				l := listenPipe()
				go func() { _ = s.Serve(l) }()
				test(t, s, l, rec)
				s.Close()
				synctest.Wait()
			})
		})
	}
}

const wellFormed = "GET / HTTP/1.1\r\nHost: pipe\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// upgraded opens a connection by hand, over a pipe.
func upgraded(t *testing.T, l *pipeListener) net.Conn {
	conn := l.dial()
	if _, err := io.WriteString(conn, wellFormed); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	for head := ""; len(head) < 4 || head[len(head)-4:] != "\r\n\r\n"; head += string(one) {
		if _, err := conn.Read(one); err != nil {
			t.Fatal(err, head)
		}
	}
	return conn
}

func rulesFound(rec *trace.Recorder) (all []string) {
	for _, f := range trace.Events[trace.Finding](rec.Records()) {
		all = append(all, f.Rule)
	}
	return all
}

// TestPongsMissing: a peer that answers no ping is closed with 1008 after two of
// them, and hears of it.
func TestPongsMissing(t *testing.T) {
	inBubble(t, func(s *Server) { s.PingInterval = time.Minute }, func(t *testing.T, _ *Server, l *pipeListener, rec *trace.Recorder) {
		conn, begun := upgraded(t, l), time.Now()
		g, err := readFrames(t, conn, ServerRole, nil, false)
		if err != io.EOF || g.pings != 2 || g.code != StatusPolicyViolation || time.Since(begun) != 3*time.Minute {
			t.Errorf("%+v, %v, after %v", g, err, time.Since(begun))
		}
		if rules := rulesFound(rec); !slices.Equal(rules, []string{"pong-missing"}) {
			t.Errorf("%q", rules)
		}
	})
}

// TestPongsCome: a peer that answers, be it with pongs of its own, stays.
func TestPongsCome(t *testing.T) {
	inBubble(t, func(s *Server) { s.PingInterval = time.Minute }, func(t *testing.T, _ *Server, l *pipeListener, rec *trace.Recorder) {
		conn := upgraded(t, l)
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		for range 20 {
			time.Sleep(90 * time.Second)
			if _, err := conn.Write(wire(ClientRole, fr{op: OpPong, data: "mine"})); err != nil {
				t.Fatal(err)
			}
		}
		if rules := rulesFound(rec); len(rules) > 0 {
			t.Errorf("%q", rules)
		}
		conn.Close()
	})
}

// TestPingsWhileBusy: pings are not missed while this end does not read.
func TestPingsWhileBusy(t *testing.T) {
	inBubble(t, func(s *Server) {
		s.PingInterval = time.Minute
		s.OnMessage = func(p *Peer, kind MessageType, b []byte) { time.Sleep(time.Hour); _ = p.Write(kind, b) }
		if s.Handler != nil {
			s.Handler = func(ctx context.Context, c *Conn) error {
				kind, b, err := c.Read(ctx)
				if err != nil {
					return err
				}
				time.Sleep(time.Hour)
				return c.Write(ctx, kind, b)
			}
		}
	}, func(t *testing.T, _ *Server, l *pipeListener, rec *trace.Recorder) {
		conn := upgraded(t, l)
		if _, err := conn.Write(wire(ClientRole, text("x"))); err != nil {
			t.Fatal(err)
		}
		closer := time.AfterFunc(65*time.Minute, func() { conn.Close() })
		defer closer.Stop()
		g, _ := readFrames(t, conn, ServerRole, nil, true)
		if len(g.messages) != 1 || g.pings < 59 || len(rulesFound(rec)) > 0 && rulesFound(rec)[0] == "pong-missing" && g.pings < 60 {
			t.Errorf("%+v, %q", g, rulesFound(rec))
		}
	})
}

// TestCloseUnanswered: the wait for an answer to a close frame ends in time.
func TestCloseUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, reading := range []bool{false, true} {
			a, b := net.Pipe()
			rec := &trace.Recorder{}
			c := NewConn(a, Config{Role: ServerRole, CloseTimeout: 7 * time.Second, Tracer: trace.New(rec, trace.Connection)})
			go func() { _, _ = io.Copy(io.Discard, b) }()
			ended := make(chan error, 1)
			if reading {
				go func() { _, _, err := c.Read(context.Background()); ended <- err }()
				synctest.Wait()
			}
			begun := time.Now()
			err := c.Close(StatusNormal, "")
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 7*time.Second {
				t.Errorf("reading %v: %v after %v", reading, err, time.Since(begun))
			}
			if rules := rulesFound(rec); !slices.Equal(rules, []string{"close-unanswered"}) {
				t.Errorf("reading %v: %q", reading, rules)
			}
			if reading {
				if err := <-ended; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			}
			b.Close()
		}
	})
}

// TestCloseStuck: neither does a peer that takes nothing hold up a Close.
func TestCloseStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		c := NewConn(a, Config{Role: ServerRole, CloseTimeout: 3 * time.Second})
		wrote := make(chan error, 1)
		go func() { wrote <- c.Write(context.Background(), Binary, make([]byte, 1000)) }()
		synctest.Wait()
		begun := time.Now()
		if err := c.Close(StatusNormal, ""); err == nil || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if err := <-wrote; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		b.Close()
	})
}

// TestServerCloseUnanswered is the same for a server that calls back.
func TestServerCloseUnanswered(t *testing.T) {
	ended := make(chan error, 1)
	inBubble(t, func(s *Server) {
		s.CloseTimeout = 7 * time.Second
		s.OnMessage = func(p *Peer, _ MessageType, _ []byte) { p.Close(StatusNormal, "") }
		s.OnClose = func(_ *Peer, err error) { ended <- err }
		if s.Handler != nil {
			s.Handler = func(ctx context.Context, c *Conn) error { _, _, err := c.Read(ctx); return err }
		}
	}, func(t *testing.T, s *Server, l *pipeListener, rec *trace.Recorder) {
		conn, begun := upgraded(t, l), time.Now()
		if _, err := conn.Write(wire(ClientRole, text("x"))); err != nil {
			t.Fatal(err)
		}
		g, err := readFrames(t, conn, ServerRole, nil, false)
		if err != io.EOF || g.code != StatusNormal || time.Since(begun) != 7*time.Second {
			t.Errorf("%+v, %v after %v", g, err, time.Since(begun))
		}
		if rules := rulesFound(rec); !slices.Equal(rules, []string{"close-unanswered"}) {
			t.Errorf("%q", rules)
		}
		if s.Handler == nil {
			var v *Violation
			if err := <-ended; !errors.As(err, &v) || v.ID != "close-unanswered" || CloseStatus(err) != StatusAbnormal {
				t.Error(err)
			}
		}
	})
}

// TestHandshakeTimeout: a request that does not become complete is answered 408,
// once, however slowly it comes.
func TestHandshakeTimeout(t *testing.T) {
	var refused []string
	inBubble(t, func(s *Server) {
		refused = nil
		s.HandshakeTimeout = 20 * time.Second
		s.OnRefused = func(_ net.Addr, rule, _ string) { refused = append(refused, rule) }
	}, func(t *testing.T, s *Server, l *pipeListener, _ *trace.Recorder) {
		conn, begun, wrote := l.dial(), time.Now(), make(chan struct{})
		go func() {
			defer close(wrote)
			for i := range wellFormed {
				time.Sleep(time.Second)
				if _, err := io.WriteString(conn, wellFormed[i:i+1]); err != nil {
					return
				}
			}
		}()
		answer, err := io.ReadAll(conn)
		if err != nil || string(answer[:13]) != "HTTP/1.1 408 " || time.Since(begun) != 20*time.Second {
			t.Errorf("%q, %v after %v", answer, err, time.Since(begun))
		}
		conn.Close()
		<-wrote
		synctest.Wait()
		if !slices.Equal(refused, []string{"timeout"}) || s.Stats().NotUpgraded != 1 {
			t.Errorf("%q", refused)
		}
	})
}

// TestDialTimeout: a server that says nothing is left in time.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, b) }()
		begun := time.Now()
		_, _, err := (&Dialer{}).Upgrade(t.Context(), a, "ws://pipe/")
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begun) != defaultHandshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		b.Close()
	})
}

// TestControlRate: a thousand a second may come, all the time, and not one more.
func TestControlRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDecoder(ClientRole, handshake.Agreement{}, Limits{})
		send := func(n int) (last Event) {
			for range n {
				if _, ev := d.Next(wire(ClientRole, fr{op: OpPing})); ev.Kind != EventPing {
					return ev
				}
			}
			return Event{}
		}
		for range 10 {
			if ev := send(defaultMaxControlRate); ev.Kind != EventNone {
				t.Fatal(tell(&ev))
			}
			time.Sleep(time.Second)
		}
		if ev := send(2*defaultMaxControlRate + 1); ev.Kind != EventBroken || ev.Violation.ID != "control-rate" {
			t.Fatal(tell(&ev))
		}
	})
}

// TestMaxRate holds for callbacks and handlers.
func TestMaxRate(t *testing.T) {
	inBubble(t, func(s *Server) { s.MaxRate = 5 }, func(t *testing.T, s *Server, l *pipeListener, rec *trace.Recorder) {
		conn := upgraded(t, l)
		go func() {
			for range 20 {
				time.Sleep(time.Second / 4)
				_, _ = conn.Write(wire(ClientRole, text("slow")))
			}
			for range 20 {
				_, _ = conn.Write(wire(ClientRole, text("fast")))
			}
		}()
		g, err := readFrames(t, conn, ServerRole, nil, false)
		if err != io.EOF || g.code != StatusPolicyViolation || len(g.messages) != 24 {
			t.Errorf("%+v, %v", g, err)
		}
		conn.Close()
		synctest.Wait()
		if rules := rulesFound(rec); !slices.Equal(rules, []string{"message-rate"}) || s.Stats().Violations != 1 {
			t.Errorf("%q, %d violations", rules, s.Stats().Violations)
		}
	})
}
