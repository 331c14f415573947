package ws

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/sockkit/sockkit/handshake"
)

func TestStream(t *testing.T) {
	for _, name := range []string{"plain", "takeover", "window 9"} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				client, server := pairOf(t, Config{Agreed: agreements[name], CompressFrom: 1})
				return client.Stream(Binary), server.Stream(Binary), func() { client.CloseNow(); server.CloseNow() }, nil
			})
		})
	}
}

func TestStreamPipe(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := net.Pipe()
		client, server := NewConn(a, Config{Role: ClientRole}), NewConn(b, Config{Role: ServerRole})
		return client.Stream(Binary), server.Stream(Binary), func() { client.CloseNow(); server.CloseNow() }, nil
	})
}

func TestStreamMessages(t *testing.T) {
	client, server := pair(t, handshake.Agreement{})
	done := make(chan error, 1)
	go func() {
		s := server.Stream(Text)
		_, _ = io.WriteString(s, "")
		for _, m := range []string{"one ", "two ", "three"} {
			if n, err := io.WriteString(s, m); n != len(m) || err != nil {
				t.Error(n, err)
			}
		}
		all, err := io.ReadAll(s)
		if string(all) != "" {
			t.Errorf("%q", all)
		}
		done <- err
	}()
	for _, want := range []string{"one ", "two ", "three"} {
		if kind, p, err := client.Read(t.Context()); kind != Text || string(p) != want || err != nil {
			t.Error(kind, string(p), err)
		}
	}
	if err := client.Close(StatusGoingAway, ""); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("an orderly close is %v", err)
	}
	s := client.Stream(Text).(*stream)
	if err := s.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if s.NetConn() != client.NetConn() || !strings.HasPrefix(s.LocalAddr().String(), "127.0.0.1:") {
		t.Error(s.LocalAddr())
	}
}

// TestStreamLost: an end without a close frame, or with a code that means
// trouble, is no end of the file.
func TestStreamLost(t *testing.T) {
	for name, end := range map[string]func(*Conn){
		"no close frame": func(c *Conn) { c.CloseNow() },
		"1011":           func(c *Conn) { go func() { _ = c.Close(StatusInternalError, "") }() },
	} {
		client, server := pair(t, handshake.Agreement{})
		end(server)
		var closed *CloseError
		if _, err := client.Stream(Text).Read(make([]byte, 1)); !errors.As(err, &closed) || closed.Local {
			t.Errorf("%s: %v", name, err)
		}
	}
}
