package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/sockkit/sockkit/tcp"
)

// TestAnswerCut: wherever the answer to a poll is cut, that is what is said, and
// what is no answer of HTTP is called that.
func TestAnswerCut(t *testing.T) {
	whole := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: %d\r\ncache-control: no-store\r\nDate: Thu, 26 Nov 2026 06:00:00 GMT\r\n\r\n%s", len(openText), openText)
	for n := 1; n < len(whole); n++ {
		if err := dialAnswered(t, whole[:n], false); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %q: %v; want %v", whole[:n], err, io.ErrUnexpectedEOF)
		}
		if err := dialAnswered(t, whole[:n], true); !tcp.IsReset(err) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %q, and a reset: %v", whole[:n], err)
		}
	}
	for _, other := range []string{"SSH-2.0-x\r\n", "220 mail.example ESMTP\r\n", "HTTP/1.1 200 OK\r\nno field\r\n\r\n"} {
		if err := dialAnswered(t, other, false); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", other, err)
		}
	}
}

// TestClosedAtOnce: a connection that ends before its request has left is one that
// was closed, whatever package net/http calls it.
func TestClosedAtOnce(t *testing.T) {
	var none *endConn
	if err := none.cut(errors.New("http: server closed idle connection")); err != io.EOF {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for range 100 {
		c, err := (&Dialer{Transports: []string{"polling"}}).Dial(t.Context(), "http://"+l.Addr().String(), Events{})
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, io.EOF) && !tcp.IsReset(err) {
			t.Fatal(err)
		}
	}
}

// dialAnswered dials a server that gives this answer and leaves, or resets the
// connection.
func dialAnswered(t *testing.T, answer string, reset bool) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, answer)
		if reset {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
	}()
	c, err := (&Dialer{Transports: []string{"polling"}}).Dial(t.Context(), "http://"+l.Addr().String(), Events{})
	if err == nil {
		c.Close()
	}
	return err
}
