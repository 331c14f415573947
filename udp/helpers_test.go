package udp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/leaks"
	"github.com/sockkit/sockkit/trace"
)

// patience is when a test gives up on something that does not come.
const patience = 60 * time.Second

// loopbacks are the hosts that the tests run on.
var loopbacks = []string{"127.0.0.1", "::1"}

// TestMain holds that no test leaves a goroutine of this package behind.
func TestMain(m *testing.M) { leaks.Main(m, ours) }

// ours is what the stacks of this package's goroutines have in them.
const ours = `sockkit/udp\.\(\*`

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError holds that err is of a kind and says all the words.
func wantError(t testing.TB, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func eventually[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
	return v
}

func listen(t testing.TB, network, address string) *Socket {
	t.Helper()
	return listenBy(t, &ListenConfig{}, network, address)
}

func listenBy(t testing.TB, lc *ListenConfig, network, address string) *Socket {
	t.Helper()
	s := must[*Socket](t)(lc.Listen(soon(t), network, address))
	t.Cleanup(func() { s.Close() })
	return s
}

func on(host string) string { return net.JoinHostPort(host, "0") }

func dialTo(t testing.TB, to net.Addr) *Conn {
	t.Helper()
	return dialBy(t, &Dialer{}, to.Network(), to.String())
}

func dialBy(t testing.TB, d *Dialer, network, address string) *Conn {
	t.Helper()
	c := must[*Conn](t)(d.DialContext(soon(t), network, address))
	t.Cleanup(func() { c.Close() })
	check(t, c.SetReadDeadline(time.Now().Add(patience)))
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("write: %d, %v", n, err)
	}
}

// receive reads one datagram and holds that it is want.
func receive(t testing.TB, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, receiveSize)
	n := must[int](t)(c.Read(buf))
	if string(buf[:n]) != want {
		t.Fatalf("got a datagram of %d bytes %.40q, want %d bytes %.40q", n, buf[:n], len(want), want)
	}
}

// receiveFrom reads one datagram of a socket and holds that it is want.
func receiveFrom(t testing.TB, s *Socket, want string) Info {
	t.Helper()
	buf := make([]byte, unixReceiveSize)
	n, info, err := s.ReadDatagram(soon(t), buf)
	check(t, err)
	if string(buf[:n]) != want || info.Size != len(want) || info.Truncated {
		t.Fatalf("got %d bytes %.40q, %+v, want %d bytes %.40q", n, buf[:n], info, len(want), want)
	}
	return info
}

// serve runs a server until the test ends. The channel has what Serve returned.
func serve(t testing.TB, s *Server, sockets ...*Socket) <-chan error {
	t.Helper()
	ended, done := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- s.Serve(context.Background(), sockets...)
		close(done)
	}()
	t.Cleanup(func() {
		if err := s.Shutdown(soon(t)); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-done
	})
	return ended
}

// settled waits until a server's counters are as wanted: what was sent may
// arrive before it is counted.
func settled(t testing.TB, s *Server, want func(Stats) bool) Stats {
	t.Helper()
	for ctx := soon(t); ; runtime.Gosched() {
		if st := s.Stats(); want(st) {
			return st
		} else if ctx.Err() != nil {
			t.Fatalf("stats %+v", st)
		}
	}
}

func echo(p *Peer, payload []byte, _ Info) { _, _ = p.Write(payload) }

// echoServer serves an echo on host, and returns its address.
func echoServer(t testing.TB, host string) (*Server, net.Addr) {
	t.Helper()
	socket := listenBy(t, &ListenConfig{ReadBuffer: 1 << 20}, "udp", on(host))
	s := &Server{OnDatagram: echo}
	serve(t, s, socket)
	return s, socket.LocalAddr()
}

// recorder returns a tracer and what it records.
func recorder(level trace.Level) (*trace.Tracer, *trace.Recorder) {
	r := &trace.Recorder{}
	return trace.New(r, level), r
}

// recorded waits until n events of type E were recorded, and returns them.
func recorded[E trace.Event](t testing.TB, r *trace.Recorder, n int) []E {
	t.Helper()
	if !r.Wait(soon(t).Done(), func(rs []trace.Record) bool { return len(trace.Events[E](rs)) >= n }) {
		t.Fatalf("%d events did not come; recorded: %+v", n, r.Records())
	}
	return trace.Events[E](r.Records())
}

// pattern is n bytes that are not the same anywhere near.
func pattern(n int) string {
	b := bytes.Repeat([]byte{0}, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return string(b)
}

// linux reports whether the fast form of Linux is under test: the plain one
// cannot do everything.
func linux() bool { return runtime.GOOS == "linux" && fast }
