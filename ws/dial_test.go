package ws

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
)

// answering is a server that reads a request and answers each connection by f.
func answering(t *testing.T, f func(conn net.Conn, r *bufio.Reader, key string)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				var h handshake.Head
				reader := handshake.Reader{Source: r}
				if reader.ReadRequest(&h) == nil {
					f(conn, r, h.Get("Sec-WebSocket-Key"))
				}
			}()
		}
	}()
	return "ws://" + l.Addr().String() + "/chat"
}

func TestDialRefused(t *testing.T) {
	url := answering(t, func(conn net.Conn, _ *bufio.Reader, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot here\n")
	})
	_, x, err := (&Dialer{}).Dial(t.Context(), url)
	var failed *HandshakeError
	if !errors.As(err, &failed) || failed.Status() != 404 || string(x.Body) != "not here\n" {
		t.Fatalf("%v, %+v", err, x)
	}
	if want := "the server answered 404 Not Found and not 101"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q in it", err, want)
	}
}

func TestDialBroken(t *testing.T) {
	url := answering(t, func(conn net.Conn, _ *bufio.Reader, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n")
	})
	_, _, err := (&Dialer{}).Dial(t.Context(), url)
	var f *handshake.Finding
	if !errors.As(err, &f) || !strings.Contains(f.ID, "accept") {
		t.Fatal(err)
	}
}

func TestDialEarlyData(t *testing.T) {
	url := answering(t, func(conn net.Conn, _ *bufio.Reader, key string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			handshake.AcceptKey(key)+"\r\n\r\n\x81\x05hello")
		_, _ = io.Copy(io.Discard, conn)
	})
	c, _, err := (&Dialer{}).Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, p, err := c.Read(t.Context()); err != nil || string(p) != "hello" {
		t.Fatal(string(p), err)
	}
}

func TestDialCancelled(t *testing.T) {
	url := answering(t, func(conn net.Conn, _ *bufio.Reader, _ string) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := (&Dialer{}).Dial(ctx, url); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_, _, err := (&Dialer{Timeout: 1e6}).Dial(t.Context(), url)
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatal(err)
	}
}

func TestDialRedirect(t *testing.T) {
	last := answering(t, func(conn net.Conn, _ *bufio.Reader, key string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+handshake.AcceptKey(key)+"\r\n\r\n")
	})
	first := answering(t, func(conn net.Conn, _ *bufio.Reader, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 302 Found\r\nLocation: http"+strings.TrimPrefix(last, "ws")+"\r\nContent-Length: 0\r\n\r\n")
	})
	if _, _, err := (&Dialer{}).Dial(t.Context(), first); err == nil {
		t.Fatal("a redirect was followed")
	}
	c, _, err := (&Dialer{MaxRedirects: 1}).Dial(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}
