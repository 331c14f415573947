package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// pipes is a network in memory, for tests with a clock of their own.
type pipes struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newPipes() *pipes {
	return &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accept:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (l *pipes) dial() net.Conn {
	client, server := net.Pipe()
	l.accept <- server
	return client
}

// timed runs test in a bubble with a clock of its own, where no loop can serve:
// time is the peer's affair in every form.
func timed(t *testing.T, s func(closes chan error) *Server, test func(*testing.T, *Server, *pipes, chan error)) {
	synctest.Test(t, func(t *testing.T) {
		closes, l := make(chan error, 9), newPipes()
		srv := s(closes)
		srv.OnClose = func(_ *Peer, err error) { closes <- err }
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		test(t, srv, l, closes)
		srv.Close()
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Error(err)
		}
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestServerIdleTimeout(t *testing.T) {
	rec := &trace.Recorder{}
	timed(t, func(chan error) *Server {
		return &Server{OnData: echo, IdleTimeout: time.Minute, Tracer: trace.New(rec, trace.Connection)}
	}, func(t *testing.T, s *Server, l *pipes, closes chan error) {
		conn := l.dial()
		defer conn.Close()
		for range 5 { // talking keeps it open
			time.Sleep(59 * time.Second)
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		since := time.Now()
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the idle client's end: %v", err)
		}
		if d := time.Since(since); d != time.Minute {
			t.Errorf("closed after %v, want 1m", d)
		}
		if err := <-closes; !errors.Is(err, ErrIdle) {
			t.Errorf("OnClose got %v", err)
		}
		limits := trace.Events[trace.Limit](rec.Records())
		if len(limits) != 1 || limits[0].Rule != "idle-timeout" || s.Stats().IdleTimeouts != 1 {
			t.Errorf("records %v, stats %+v", limits, s.Stats())
		}
	})
}

// A peer can have a timeout of its own, and one that the handler holds is not
// idle.
func TestServerSetIdleTimeout(t *testing.T) {
	peers := make(chan *Peer, 1)
	timed(t, func(chan error) *Server {
		return &Server{IdleTimeout: time.Minute, OnOpen: func(p *Peer) { peers <- p }}
	}, func(t *testing.T, _ *Server, l *pipes, closes chan error) {
		conn := l.dial()
		defer conn.Close()
		p := <-peers
		p.SetIdleTimeout(0)
		time.Sleep(time.Hour)
		p.SetIdleTimeout(2 * time.Minute)
		p.Pause()
		time.Sleep(time.Hour)
		if len(closes) > 0 {
			t.Fatalf("closed: %v", <-closes)
		}
		p.Resume()
		since := time.Now()
		if err := <-closes; !errors.Is(err, ErrIdle) || time.Since(since) < 2*time.Minute || time.Since(since) > 4*time.Minute {
			t.Errorf("OnClose got %v after %v", err, time.Since(since))
		}
	})
}

// A peer that takes none of what is queued is ended; one that takes some is not.
func TestServerWriteTimeout(t *testing.T) {
	timed(t, func(chan error) *Server {
		return &Server{WriteTimeout: 10 * time.Second, OnOpen: func(p *Peer) { _, _ = p.Write(make([]byte, 1<<20)) }}
	}, func(t *testing.T, s *Server, l *pipes, closes chan error) {
		conn := l.dial()
		defer conn.Close()
		for range 10 {
			time.Sleep(9 * time.Second)
			if _, err := io.ReadFull(conn, make([]byte, 16<<10)); err != nil {
				t.Fatal(err)
			}
		}
		since := time.Now()
		if err := <-closes; !errors.Is(err, ErrSlowPeer) || time.Since(since) > 20*time.Second {
			t.Errorf("OnClose got %v after %v", err, time.Since(since))
		}
		if st := s.Stats(); st.SlowPeers != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// A stream over its rate is held back, and nothing of it is lost.
func TestServerMaxRate(t *testing.T) {
	rec := &trace.Recorder{}
	timed(t, func(chan error) *Server {
		return &Server{OnData: echo, MaxRate: 1000, Tracer: trace.New(rec, trace.Connection)}
	}, func(t *testing.T, s *Server, l *pipes, closes chan error) {
		conn := l.dial()
		data := random(t, 11000)
		since := time.Now()
		go func() { _, _ = conn.Write(data) }()
		got := make([]byte, len(data))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != string(data) {
			t.Fatalf("the echo is wrong, error %v", err)
		}
		if d := time.Since(since); d < 9*time.Second || d > 11*time.Second {
			t.Errorf("11,000 bytes at 1,000 a second, the first second free, took %v", d)
		}
		conn.Close()
		<-closes
		limits := trace.Events[trace.Limit](rec.Records())
		if len(limits) != 1 || limits[0].Rule != "max-rate" || s.Stats().HeldBack != 1 {
			t.Errorf("records %v, stats %+v", limits, s.Stats())
		}
	})
}

// What a handler writes before it blocks is sent after a moment.
func TestServerCorkEnds(t *testing.T) {
	release := make(chan struct{})
	timed(t, func(chan error) *Server {
		release = make(chan struct{})
		return &Server{OnData: func(p *Peer, data []byte) {
			_, _ = p.Write(data)
			<-release
			_, _ = p.Write(data)
		}}
	}, func(t *testing.T, _ *Server, l *pipes, _ chan error) {
		conn := l.dial()
		defer conn.Close()
		since := time.Now()
		_, _ = conn.Write([]byte("x"))
		_, err := io.ReadFull(conn, make([]byte, 1))
		if d := time.Since(since); err != nil || d != corkTime {
			t.Errorf("what was written before blocking came after %v, error %v", d, err)
		}
		close(release)
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

// A handshake is bounded, by 10 seconds where nothing else is said.
func TestServerHandshakeTimeout(t *testing.T) {
	var reasons []string
	timed(t, func(chan error) *Server {
		cert, err := testCertificate()
		if err != nil {
			t.Fatal(err)
		}
		return &Server{TLS: serverConfig(cert), OnRefused: func(_ net.Addr, rule, reason string) { reasons = append(reasons, rule) }}
	}, func(t *testing.T, s *Server, l *pipes, closes chan error) {
		conn := l.dial()
		defer conn.Close()
		since := time.Now()
		_, err := io.ReadAll(conn)
		if d := time.Since(since); err != nil || d != 10*time.Second {
			t.Errorf("the end came after %v, error %v", d, err)
		}
		if err := s.Shutdown(context.Background()); err != nil || len(reasons) != 1 || reasons[0] != "tls" || len(closes) > 0 {
			t.Errorf("%v %v %d", err, reasons, len(closes))
		}
	})
}

// halves gives a pipe the halves that a socket has, as far as this test needs
// them: the end is noted.
type halves struct {
	net.Conn
	ended chan struct{}
}

func (h halves) CloseWrite() error { close(h.ended); return nil }

// After Close a peer that does not end is waited for 2 seconds; what it sends
// meanwhile is discarded.
func TestServerLingers(t *testing.T) {
	timed(t, func(chan error) *Server {
		return &Server{OnData: func(p *Peer, data []byte) {
			if string(data) != "first" {
				t.Errorf("%q came after Close", data)
			}
			p.Close()
		}}
	}, func(t *testing.T, _ *Server, l *pipes, closes chan error) {
		client, server := net.Pipe()
		defer client.Close()
		h := halves{server, make(chan struct{})}
		l.accept <- h
		since := time.Now()
		if _, err := client.Write([]byte("first")); err != nil {
			t.Fatal(err)
		}
		<-h.ended
		if _, err := client.Write([]byte("second")); err != nil {
			t.Fatal(err)
		}
		if err := <-closes; err != nil || time.Since(since) != lingerTime {
			t.Errorf("OnClose came after %v with %v", time.Since(since), err)
		}
	})
}

// Where there are no halves CloseWrite says so, and the server closes instead.
func TestServerNoHalves(t *testing.T) {
	peers := make(chan *Peer, 1)
	timed(t, func(chan error) *Server {
		return &Server{OnOpen: func(p *Peer) { peers <- p }}
	}, func(t *testing.T, s *Server, l *pipes, closes chan error) {
		client := l.dial()
		defer client.Close()
		p := <-peers
		if err := p.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CloseWrite: %v", err)
		}
		go func() { _, _ = p.Write([]byte("good bye")) }()
		if _, err := io.ReadFull(client, make([]byte, 8)); err != nil {
			t.Error(err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-closes; err != nil {
			t.Errorf("OnClose got %v", err)
		}
	})
}
