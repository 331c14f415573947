package h2

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/sockkit/sockkit/tcp"
)

// pairOf are two connections, one on each end of a TCP connection.
func pairOf(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// joined are a client and a server that speak to each other. Each stream is
// answered 200, and comes out of the channel.
func joined(t *testing.T, cfg Config) (*Session, *Session, <-chan *Stream) {
	t.Helper()
	c, s := pairOf(t)
	streams := make(chan *Stream, 1000)
	cfg.Handle = func(st *Stream) {
		_ = st.Respond([]Field{{":status", "200"}}, false)
		streams <- st
	}
	server := Server(s, nil, cfg)
	client := Client(c, Config{Window: cfg.Window, MaxStreams: cfg.MaxStreams})
	t.Cleanup(func() { client.Close(); server.Close() })
	if _, err := client.Settings(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client, server, streams
}

var connect = []Field{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}

// open opens a stream, and returns both of its ends.
func open(t *testing.T, client *Session, streams <-chan *Stream) (*Stream, *Stream) {
	t.Helper()
	a, err := client.Open(connect, false)
	if err != nil {
		t.Fatal(err)
	}
	if head, _, err := a.Head(t.Context()); err != nil || len(head) != 1 || head[0] != (Field{":status", "200"}) {
		t.Fatal(head, err)
	}
	return a, <-streams
}

func TestConn(t *testing.T) {
	for _, window := range []int{0, 1000} {
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
			c, s := pairOf(t)
			streams := make(chan *Stream, 1)
			server := Server(s, nil, Config{Window: window, Handle: func(st *Stream) {
				_ = st.Respond([]Field{{":status", "200"}}, false)
				streams <- st
			}})
			client := Client(c, Config{Window: window})
			if _, err := client.Settings(t.Context()); err != nil {
				return nil, nil, nil, err
			}
			a, err := client.Open(connect, false)
			if err != nil {
				return nil, nil, nil, err
			}
			return a, <-streams, func() { client.Close(); server.Close() }, nil
		})
	}
}

// TestHalfClose holds RFC 8441 section 5: END_STREAM is the end of one half.
func TestHalfClose(t *testing.T) {
	client, _, streams := joined(t, Config{})
	a, b := open(t, client, streams)
	_, _ = a.Write([]byte("question"))
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); string(got) != "question" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("behind the end: %v", err)
	}
	_, _ = b.Write([]byte("answer"))
	b.Close()
	if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	a.Close()
	a, b = open(t, client, streams)
	_ = a.SetLinger(0)
	a.Close()
	_, err := b.Read(make([]byte, 1))
	var reset *StreamError
	if !errors.As(err, &reset) || reset.Code != Cancel || reset.Local || !tcp.IsReset(err) {
		t.Errorf("%v", err)
	}
}

// TestBackPressure holds that a reader that sleeps stops its own sender, and
// nobody else's on the connection.
func TestBackPressure(t *testing.T) {
	client, _, streams := joined(t, Config{Window: 32 << 10, MaxStreams: 10})
	sleepy, far := open(t, client, streams)
	written := make(chan int, 1)
	stuck := make(chan struct{})
	go func() {
		_ = far.SetWriteDeadline(time.Time{})
		close(stuck)
		n, _ := far.Write(make([]byte, 1<<20))
		written <- n
	}()
	<-stuck
	for range 5 {
		a, b := open(t, client, streams)
		payload := make([]byte, 300<<10)
		_, _ = rand.Read(payload)
		var both sync.WaitGroup
		both.Go(func() { _, _ = a.Write(payload); _ = a.CloseWrite() })
		both.Go(func() { _, _ = b.Write(payload); _ = b.CloseWrite() })
		for _, end := range []*Stream{a, b} {
			if got, err := io.ReadAll(end); err != nil || !bytes.Equal(got, payload) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		}
		both.Wait()
	}
	select {
	case n := <-written:
		t.Fatalf("%d bytes went to a reader that sleeps", n)
	default:
	}
	sleepy.s.mu.Lock()
	kept := sleepy.in.len()
	sleepy.s.mu.Unlock()
	if kept > 32<<10 {
		t.Errorf("%d bytes are kept for a window of 32 KiB", kept)
	}
	if _, err := io.CopyN(io.Discard, sleepy, 1<<20); err != nil {
		t.Fatal(err)
	}
	if n := <-written; n != 1<<20 {
		t.Error(n)
	}
}

func TestShutdown(t *testing.T) {
	client, server, streams := joined(t, Config{})
	a, b := open(t, client, streams)
	over := make(chan error, 1)
	go func() { over <- server.Shutdown(context.Background()) }()
	for client.goneAway() == nil {
		time.Sleep(time.Millisecond)
	}
	if _, err := client.Open(connect, false); err == nil {
		t.Error("a stream behind GOAWAY")
	}
	_, _ = b.Write([]byte("last words"))
	b.Close()
	if got, err := io.ReadAll(a); string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	a.Close()
	if err := <-over; err != nil {
		t.Error(err)
	}
	<-client.Done()
}

func (s *Session) goneAway() *ConnError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goAwayCame
}

func TestLost(t *testing.T) {
	client, server, streams := joined(t, Config{})
	a, b := open(t, client, streams)
	_, _ = b.Write([]byte("before"))
	got := make([]byte, 6)
	if _, err := io.ReadFull(a, got); err != nil {
		t.Fatal(err)
	}
	_ = server.Conn().(*net.TCPConn).SetLinger(0)
	_ = server.Conn().Close()
	if _, err := a.Read(got); err == nil || err == io.EOF {
		t.Errorf("%v", err)
	}
	if _, err := b.Read(got); err == nil || err == io.EOF {
		t.Errorf("%v", err)
	}
	<-client.Done()
	<-server.Done()
}

func TestDeadlineOfHead(t *testing.T) {
	c, s := pairOf(t)
	defer c.Close()
	server := Server(s, nil, Config{HandshakeTimeout: 20 * time.Millisecond})
	<-server.Done()
	var e *ConnError
	if err := server.Err(); !errors.As(err, &e) || e.Code != Protocol {
		t.Error(err)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(server.Err(), &timeout) || errors.Is(server.Err(), os.ErrDeadlineExceeded) {
		t.Error("a bare time-out")
	}
}
