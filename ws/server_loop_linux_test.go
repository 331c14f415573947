package ws

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
)

// bare is a client that is as small as can be: what a test counts is the
// server's.
type bare struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	enc  *Encoder
	buf  []byte
}

func dialBare(t *testing.T, addr net.Addr) *bare {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	c := &bare{t: t, conn: conn, in: bufio.NewReader(conn), enc: NewEncoder(ClientRole, handshake.Agreement{})}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	return c
}

// exchange has messages echoed that are sent in one write.
func (c *bare) exchange(message []byte, n int) {
	c.buf = c.buf[:0]
	for range n {
		c.buf = c.enc.AppendMessage(c.buf, Text, message)
	}
	if _, err := c.conn.Write(c.buf); err != nil {
		c.t.Fatal(err)
	}
	head := 2 // of a server's frame (RFC 6455 section 5.2)
	if len(message) > 125 {
		head = 4
	}
	if _, err := c.in.Discard(n * (head + len(message))); err != nil {
		c.t.Fatal(err)
	}
}

func serveEcho(t testing.TB, loops int) (*Server, net.Addr) {
	t.Helper()
	l, err := (&tcp.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{TCP: &tcp.Server{Loops: loops}, OnMessage: func(p *Peer, t MessageType, b []byte) { _ = p.Write(t, b) }}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return s, l.Addr()
}

// TestLoopMessage: a message on an event loop is one read, one write and no
// allocation, and so are sixteen that come at once.
func TestLoopMessage(t *testing.T) {
	s, addr := serveEcho(t, 1)
	c := dialBare(t, addr)
	defer c.conn.Close()
	for _, atOnce := range []int{1, 16} {
		for _, size := range []int{1, 32, 1024} {
			message := bytes.Repeat([]byte("m"), size)
			c.exchange(message, atOnce)
			before := s.Stats()
			const runs = 200
			allocs := testing.AllocsPerRun(runs-1, func() { c.exchange(message, atOnce) })
			after := s.Stats()
			reads, writes := after.Reads-before.Reads, after.Writes-before.Writes
			if reads != runs || writes != runs {
				t.Errorf("%d of %d bytes at once, %d times: %d reads, %d writes", atOnce, size, runs, reads, writes)
			}
			if allocs > 0 && !raced {
				t.Errorf("%d of %d bytes at once: %v allocations", atOnce, size, allocs)
			}
		}
	}
}

// idleMost is what a connection at rest may hold, in bytes, the tcp.Peer
// included.
const idleMost = 380

// TestLoopIdle: a connection at rest, after its handshake and a message, holds
// no buffer, no decoder and no goroutine.
func TestLoopIdle(t *testing.T) {
	skipRaced(t)
	const conns = 1000
	_, addr := serveEcho(t, 1)
	open := func() int {
		c := dialBare(t, addr)
		c.exchange(make([]byte, 1024), 1)
		var fd int
		raw, err := c.conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || fd < 0 {
			t.Fatal(err)
		}
		c.conn.Close()
		return fd
	}
	defer unix.Close(open()) // what is made once is there then
	goroutines, before := runtime.NumGoroutine(), inUse()
	fds := make([]int, 0, conns)
	for range conns {
		fds = append(fds, open())
	}
	var held int64
	for range 20 { // what other tests have left may come and go meanwhile
		if held = (inUse() - before) / conns; held <= idleMost && runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%d bytes a connection", held)
	if n := runtime.NumGoroutine() - goroutines; n > 0 {
		t.Errorf("%d goroutines more", n)
	}
	if held > idleMost {
		t.Errorf("%d bytes a connection, want at most %d", held, idleMost)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
