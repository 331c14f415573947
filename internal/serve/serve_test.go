//go:build unix

package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
)

// running is a server under test.
type running struct {
	addr string
	out  *lockedBuffer
	stop context.CancelFunc
	done chan error
	logs chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

func start(t *testing.T, c Config, server *tcp.Server) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{addr: l.Addr().String(), out: &lockedBuffer{}, stop: stop, done: make(chan error, 1), logs: make(chan error, 100)}
	if c.Out == nil {
		c.Out = r.out
	}
	c.Log = func(_ net.Addr, err error) { r.logs <- err }
	go func() { r.done <- Streams(ctx, c, server, []net.Listener{l}) }()
	t.Cleanup(func() { stop(); <-r.done; r.done <- nil })
	return r
}

func (r *running) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func ask(t *testing.T, conn net.Conn, line string) string {
	t.Helper()
	if _, err := io.WriteString(conn, line); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestEcho(t *testing.T) {
	r := start(t, Config{Mode: Echo}, &tcp.Server{})
	a, b := r.dial(t), r.dial(t)
	if got := ask(t, a, "a\n") + ask(t, b, "b\n"); got != "a\nb\n" {
		t.Errorf("%q", got)
	}
}

func TestBroadcast(t *testing.T) {
	for mode, toSender := range map[Mode]bool{Broadcast: false, BroadcastAll: true} {
		r := start(t, Config{Mode: mode}, &tcp.Server{})
		a, b := r.dial(t), r.dial(t)
		// Both are members once each has heard the other.
		said := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(b).ReadString('\n')
			said <- line
		}()
		var heard string
		for heard == "" {
			_, _ = io.WriteString(a, "part ")
			_, _ = io.WriteString(a, "of a line\n")
			select {
			case heard = <-said:
			case <-time.After(10 * time.Millisecond): // b is not accepted yet
			}
		}
		if heard != "part of a line\n" {
			t.Errorf("the other heard %q", heard)
		}
		_ = a.CloseWrite()
		got, err := io.ReadAll(a)
		if err != nil || (len(got) > 0) != toSender {
			t.Errorf("the sender heard %q, %v", got, err)
		}
	}
}

// What comes from several peers stays in whole lines.
func TestWholeLines(t *testing.T) {
	r := start(t, Config{Expect: &session.Expectation{Count: 400}}, &tcp.Server{})
	for _, letter := range []string{"a", "b"} {
		conn := r.dial(t)
		go func() {
			for range 200 {
				for range 4 {
					_, _ = io.WriteString(conn, strings.Repeat(letter, 25))
				}
				_, _ = io.WriteString(conn, "\n")
			}
		}()
	}
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
	r.done <- nil
	whole := regexp.MustCompile(`^(a{100}|b{100})$`)
	lines := strings.Split(strings.TrimSuffix(r.out.text(), "\n"), "\n")
	for _, line := range lines {
		if !whole.MatchString(line) {
			t.Fatalf("a line was cut: %q", line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("%d lines", len(lines))
	}
}

// Input goes to all, and a peer that never reads is ended, not waited for.
func TestInputForAll(t *testing.T) {
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	r := start(t, Config{In: in}, &tcp.Server{WriteTimeout: 50 * time.Millisecond, WriteQueue: 64 << 10})
	stuck, reader := r.dial(t), r.dial(t)
	_ = stuck.SetReadBuffer(4 << 10)
	got := make(chan int64, 1)
	const size = 64 << 20
	go func() {
		n, _ := io.CopyN(io.Discard, reader, size)
		got <- n
	}()
	// Both have to be members before the input begins.
	_, _ = io.WriteString(stuck, "here\n")
	_, _ = io.WriteString(reader, "here\n")
	for strings.Count(r.out.text(), "here\n") < 2 {
		time.Sleep(time.Millisecond)
	}
	go func() {
		chunk := make([]byte, 1<<20)
		for range size / len(chunk) {
			_, _ = feed.Write(chunk)
		}
	}()
	if n := <-got; n != size {
		t.Errorf("the reader got %d bytes of %d", n, size)
	}
	if err := <-r.logs; !errors.Is(err, tcp.ErrSlowPeer) && !strings.Contains(err.Error(), "read") {
		t.Errorf("the log says %v", err)
	}
}

// A command's echo after the peer's end is whole, and the command is gone.
func TestExec(t *testing.T) {
	r := start(t, Config{Mode: Exec, Command: func(local, remote net.Addr) *endpoint.Command {
		return &endpoint.Command{Args: endpoint.Shell(`cat; echo "$REMOTE"`), Name: "cat", Env: []string{"REMOTE=" + remote.String()}}
	}}, &tcp.Server{})
	for range 5 {
		conn := r.dial(t)
		_, _ = io.WriteString(conn, "hello\n")
		_ = conn.CloseWrite()
		got, err := io.ReadAll(conn)
		if want := "hello\n" + conn.LocalAddr().String() + "\n"; err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestOnce(t *testing.T) {
	r := start(t, Config{Mode: Echo, Once: true}, &tcp.Server{})
	conn := r.dial(t)
	if got := ask(t, conn, "x\n"); got != "x\n" {
		t.Errorf("%q", got)
	}
	conn.Close()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("it still listens")
	}
}

func TestNobodyCame(t *testing.T) {
	r := start(t, Config{FirstWithin: 10 * time.Millisecond}, &tcp.Server{})
	var nobody *NobodyCame
	if err := <-r.done; !errors.As(err, &nobody) {
		t.Errorf("%v; want NobodyCame", err)
	}
	r.done <- nil
}

func TestJoiner(t *testing.T) {
	var got []string
	pass := func(p []byte) { got = append(got, string(p)) }
	j := joiner{}
	for _, piece := range []string{"a", "b\nc", "d\n", "e\nf\ng"} {
		j.add([]byte(piece), pass)
	}
	j.add(bytes.Repeat([]byte("x"), maxPartial), pass)
	j.flush(pass)
	want := []string{"ab\n", "cd\n", "e\nf\n", "g" + strings.Repeat("x", maxPartial)}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%.200q", got)
	}
}
