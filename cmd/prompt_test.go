//go:build unix

package cmd_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/ws"
)

// screen is what a program has written to its terminal so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
	done bool
}

func watch(r io.Reader) *screen {
	s := &screen{more: make(chan struct{}, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			s.mu.Lock()
			s.text.Write(buf[:n])
			s.done = err != nil
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

// wait returns once the screen holds text.
func (s *screen) wait(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		s.mu.Lock()
		all, done := s.text.String(), s.done
		s.mu.Unlock()
		if strings.Contains(all, text) {
			return
		}
		if done {
			t.Fatalf("the screen ended without %q:\n%q", text, all)
		}
		select {
		case <-s.more:
		case <-timeout:
			t.Fatalf("the screen never showed %q:\n%q", text, all)
		}
	}
}

// sockkit is this test binary run as the program.
func sockkit(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "SOCKKIT_TEST_MAIN=1", "TERM=xterm")
	return c
}

func TestPrompt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			accepted <- conn
		}
	}()
	program, terminal, s := atTerminal(t, 24, 80, "dial", "-v", "tcp://"+l.Addr().String())
	peer := <-accepted
	defer peer.Close()
	s.wait(t, "* connected to")
	s.wait(t, "> ")

	// What is typed is sent as a line, with editing.
	_, _ = terminal.WriteString("hellx\x7fo\r")
	lines := bufio.NewReader(peer)
	if line, err := lines.ReadString('\n'); line != "hello\n" {
		t.Fatalf("the peer got %q, %v", line, err)
	}
	// What arrives is marked, and its control characters do no harm.
	_, _ = peer.Write([]byte("hi \x1b[2Jthere\n"))
	s.wait(t, `< hi \x1b[2Jthere`)
	// The line before is in the history.
	_, _ = terminal.WriteString("\x1b[A\r")
	if line, err := lines.ReadString('\n'); line != "hello\n" {
		t.Fatalf("the peer got %q, %v", line, err)
	}
	// A question without a newline is shown too.
	_, _ = peer.Write([]byte("login: "))
	s.wait(t, "< login: ")
	_, _ = terminal.WriteString("/nosuch\r")
	s.wait(t, "is no command here")
	_, _ = terminal.WriteString("//slash\r")
	if line, err := lines.ReadString('\n'); line != "/slash\n" {
		t.Fatalf("the peer got %q, %v", line, err)
	}
	_, _ = terminal.WriteString("/close\r")
	if err := program.Wait(); err != nil {
		t.Fatalf("/close: %v", err)
	}
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Fatalf("the peer saw %v; want the end", err)
	}
}

func TestPromptInterrupt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	program := sockkit(t, "dial", "tcp://"+l.Addr().String())
	terminal, err := pty.Start(program)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	s := watch(terminal)
	s.wait(t, "> ")
	_, _ = terminal.WriteString("\x03")
	var exit *exec.ExitError
	if err := program.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Fatalf("Ctrl-C: %v; want status 130", err)
	}
}

// TestNoPrompt holds that there is none where either side is a pipe.
func TestNoPrompt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, _ = conn.Write([]byte("bytes\x1b[0m"))
			conn.Close()
		}
	}()
	program := sockkit(t, "dial", "tcp://"+l.Addr().String())
	var out bytes.Buffer
	program.Stdout = &out
	tty, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	program.Stdin = slave
	err = program.Run()
	slave.Close()
	if err != nil || out.String() != "bytes\x1b[0m" {
		t.Fatalf("%q, %v", out.String(), err)
	}
}

// On a WebSocket there are /ping, and a code and a reason for /close.
func TestPromptWebSocket(t *testing.T) {
	ended := make(chan error, 1)
	server := &ws.Server{
		OnMessage: func(p *ws.Peer, kind ws.MessageType, b []byte) { _ = p.Write(kind, append([]byte("echo "), b...)) },
		OnClose:   func(_ *ws.Peer, err error) { ended <- err },
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()
	program, terminal, s := atTerminal(t, 24, 80, "dial", "-v", "ws://"+l.Addr().String())
	s.wait(t, "the WebSocket is open")
	_, _ = terminal.WriteString("hello\r")
	s.wait(t, "< echo hello")
	_, _ = terminal.WriteString("/ping\r")
	s.wait(t, "* pong after ")
	_, _ = terminal.WriteString("/close 1005\r")
	s.wait(t, "1005 is no code that may be sent")
	_, _ = terminal.WriteString("/close 4001 had enough\r")
	if err := program.Wait(); err != nil {
		t.Fatalf("/close: %v", err)
	}
	var closed *ws.CloseError
	if err := <-ended; !errors.As(err, &closed) || closed.Code != 4001 || closed.Reason != "had enough" {
		t.Fatal(err)
	}
}

// A line that is no event is said at the prompt, and ends nothing; at the end the
// prompt is gone.
func TestPromptSocketIO(t *testing.T) {
	server := socketio.NewServer(nil)
	server.OnConnection(func(s *socketio.Socket) {
		s.On("hello", func(n int) { _ = s.Emit("hello", n+1) })
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close(t.Context())
	program, terminal, s := atTerminal(t, 24, 80, "dial", "sio://"+l.Addr().String())
	s.wait(t, "> ")
	_, _ = terminal.WriteString("{\r")
	s.wait(t, "* not sent: { is no JSON")
	_, _ = terminal.WriteString("hello 41\r")
	s.wait(t, "< hello 42")
	_, _ = terminal.WriteString("/close\r")
	if err := program.Wait(); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "> /close\r\n> \r\x1b[K")
}
