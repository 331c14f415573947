package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// accepted returns a connection that a server did not accept by itself, and its
// client.
func acceptedElsewhere(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return server, client
}

// plainConn hides what else a connection can do.
type plainConn struct{ net.Conn }

// TestAdopt: what was read before comes first, and the value is there from the
// start, whatever kind of connection it is.
func TestAdopt(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TCP":   func(c net.Conn) net.Conn { return c },
		"other": func(c net.Conn) net.Conn { return plainConn{c} },
	} {
		conn, client := acceptedElsewhere(t)
		var opened any
		closed := make(chan error, 1)
		s := &Server{
			OnOpen:  func(p *Peer) { opened = p.Value() },
			OnData:  func(p *Peer, b []byte) { _, _ = p.Write(b) },
			OnClose: func(_ *Peer, err error) { closed <- err },
		}
		if err := s.Adopt(wrap(conn), []byte("read, "), 42); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(client, "and still to come")
		_ = client.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(client); string(b) != "read, and still to come" || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if err := <-closed; err != nil || opened != 42 {
			t.Errorf("%s: %v, %v", name, err, opened)
		}
		if st := s.Stats(); st.Accepted != 1 || st.Open != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// TestAdoptPaused: what was read before waits for Resume, too.
func TestAdoptPaused(t *testing.T) {
	conn, client := acceptedElsewhere(t)
	got, opened := make(chan string, 1), make(chan *Peer, 1)
	s := &Server{
		OnOpen: func(p *Peer) { p.Pause(); opened <- p },
		OnData: func(_ *Peer, b []byte) { got <- string(b) },
	}
	defer s.Close()
	if err := s.Adopt(conn, []byte("early"), nil); err != nil {
		t.Fatal(err)
	}
	p := <-opened
	ran := make(chan int, 1)
	p.Post(func() { ran <- len(got) })
	if n := <-ran; n != 0 {
		t.Error("it did not wait")
	}
	p.Resume()
	if s := <-got; s != "early" {
		t.Errorf("%q", s)
	}
	client.Close()
}

// TestAdoptRefused: where a limit is reached the connection stays the caller's.
func TestAdoptRefused(t *testing.T) {
	s := &Server{MaxConns: 1}
	defer s.Close()
	first, _ := acceptedElsewhere(t)
	if err := s.Adopt(first, nil, nil); err != nil {
		t.Fatal(err)
	}
	conn, client := acceptedElsewhere(t)
	var refusal *Refusal
	if err := s.Adopt(conn, nil, nil); !errors.As(err, &refusal) || refusal.Rule != "max-conns" {
		t.Error(err)
	}
	denied := &Server{Admit: func(net.Addr) error { return errors.New("not you") }}
	if err := denied.Adopt(conn, nil, nil); !errors.As(err, &refusal) || refusal.Reason != "not you" {
		t.Error(err)
	}
	over := &Server{}
	_ = over.Shutdown(context.Background())
	if err := over.Adopt(conn, nil, nil); !errors.Is(err, ErrServerClosed) {
		t.Error(err)
	}
	if _, err := io.WriteString(conn, "still open"); err != nil {
		t.Error(err)
	}
	b := make([]byte, 10)
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "still open" {
		t.Error(string(b), err)
	}
}

// TestFramed: behind Framed the pieces of the stream are no records of level
// Message any more.
func TestFramed(t *testing.T) {
	rec := &trace.Recorder{}
	conn, client := acceptedElsewhere(t)
	s := &Server{Tracer: trace.New(rec, trace.Frame)}
	s.OnData = func(p *Peer, b []byte) { p.Framed(); _, _ = p.Write(b) }
	defer s.Close()
	if err := s.Adopt(conn, []byte("one"), nil); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(client, "two")
	_ = client.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(client); string(b) != "onetwo" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	rec.Wait(t.Context().Done(), func(all []trace.Record) bool { return len(trace.Events[trace.Close](all)) > 0 })
	if data := trace.Events[trace.Data](rec.Records()); len(data) != 1 || string(data[0].Payload) != "one" {
		t.Errorf("%v", data)
	}
}
