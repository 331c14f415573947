package demo

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// scribe writes down a lesson as it is told, and lets a test wait for what is
// said.
type scribe struct {
	mu   sync.Mutex
	more *sync.Cond
	text strings.Builder
	done bool
	err  error
}

// Write implements [io.Writer].
func (s *scribe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more.Broadcast()
	return s.text.Write(p)
}

// tells tells a lesson, which a scribe writes down.
func tells(t *testing.T, l Lesson, o Options) *scribe {
	s := &scribe{}
	s.more = sync.NewCond(&s.mu)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); s.end() })
	go func() {
		err := l.Tell(ctx, s, o)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done, s.err = true, err
		s.more.Broadcast()
	}()
	return s
}

// end waits for the end of the lesson, and returns its text and its error.
func (s *scribe) end() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.done {
		s.more.Wait()
	}
	return s.text.String(), s.err
}

// hears waits until the n-th match of a pattern has been told, and returns what
// its parentheses hold.
func (s *scribe) hears(t *testing.T, pattern string, n int) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if found := re.FindAllStringSubmatch(s.text.String(), n); len(found) == n {
			return found[n-1][len(found[n-1])-1]
		}
		if s.done {
			t.Fatalf("%q did not come: %v\n%s", pattern, s.err, s.text.String())
		}
		s.more.Wait()
	}
}

const (
	ncCommand     = `nc -N (127\.0\.0\.1 \d+)\n`
	listenCommand = `nc -l (127\.0\.0\.1 \d+)\n`
	curlCommand   = `curl -i .*http://(127\.0\.0\.1:\d+)/chat\n`
)

// connects dials what stands in a command.
func (s *scribe) connects(t *testing.T, pattern string, n int) *net.TCPConn {
	t.Helper()
	at := strings.Replace(s.hears(t, pattern, n), " ", ":", 1)
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// says writes to a connection.
func says(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// gets reads until a text has come.
func gets(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != want {
		t.Fatalf("%q came (%v), want %q", b, err, want)
	}
}

// listens takes the call of the lesson's client.
func (s *scribe) listens(t *testing.T) net.Conn {
	t.Helper()
	at := strings.Replace(s.hears(t, listenCommand, 1), " ", ":", 1)
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func byHand(t *testing.T, name string) Lesson {
	t.Helper()
	l, ok := FindByHand(name)
	if !ok {
		t.Fatalf("%s has no form by hand", name)
	}
	return l
}

// wants looks for what has to be told.
func wants(t *testing.T, text string, list ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(text), " ")
	for _, want := range list {
		if !strings.Contains(flat, want) {
			t.Errorf("%q was not told:\n%s", want, text)
		}
	}
}

func TestTCPByHand(t *testing.T) {
	s := tells(t, byHand(t, "tcp"), Options{})
	conn := s.connects(t, ncCommand, 1)
	s.hears(t, "2 of 6", 1)
	says(t, conn, "h\u00e9\n")
	gets(t, conn, "the server has got four bytes\n")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	gets(t, conn, "a late answer\n")
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v, want the end", err)
	}
	again := s.connects(t, ncCommand, 2)
	says(t, again, "once more\n")
	if _, err := again.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("%v, want a reset", err)
	}
	server := s.listens(t)
	gets(t, server, "hello, server; type a line, please\n")
	says(t, server, "yes\n")
	text, err := s.end()
	if err != nil {
		t.Fatal(err)
	}
	wants(t, text, "Four bytes came in one read", "The other half was still open, so the late answer came through",
		"No, there is one more: the last is 0a, the newline", "Once the connection is there", "Try it yourself")
	noGoroutines(t)
}

// TestTCPByHandVanishes has the reader's program end as a whole, without a word.
func TestTCPByHandVanishes(t *testing.T) {
	s := tells(t, byHand(t, "tcp"), Options{})
	s.connects(t, ncCommand, 1).Close()
	s.connects(t, ncCommand, 2).Close()
	s.listens(t).Close()
	text, err := s.end()
	if err != nil {
		t.Fatal(err)
	}
	wants(t, text, "Your nc has ended before it said anything.", "ended without an answer", "so there is no question")
	noGoroutines(t)
}

// TestNobodyComes holds that each wait is bounded, and that the error says for
// what it was.
func TestNobodyComes(t *testing.T) {
	for _, l := range []Lesson{tcpByHand(hand{time.Millisecond}), handshakeByHand(hand{time.Millisecond})} {
		before := sockets(t)
		text, err := tells(t, l, Options{}).end()
		var nobody *NobodyError
		if !errors.As(err, &nobody) || !nobody.Timeout() || !strings.Contains(err.Error(), ": waited 1ms for a connection to 127.0.0.1:") {
			t.Errorf("%s: %v", l.Name, err)
		}
		wants(t, text, "listening on tcp://127.0.0.1:", "Run this in another terminal:")
		if after := sockets(t); after != before {
			t.Errorf("%s: %d sockets before, %d after", l.Name, before, after)
		}
		noGoroutines(t)
	}
	if err := (&NobodyError{"a line", time.Minute}).Error(); err != "waited a minute for a line, and nothing came" {
		t.Error(err)
	}
}

// TestLeaveByHand has the reader leave while the lesson waits, at each thing
// that it waits for.
func TestLeaveByHand(t *testing.T) {
	for waits := range 3 {
		seen := 0
		s := tells(t, byHand(t, "tcp"), Options{Watch: func(ctx context.Context, _ string) error {
			if seen++; seen > waits {
				return ErrLeave
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}})
		if waits > 0 {
			conn := s.connects(t, ncCommand, 1)
			if waits > 1 {
				says(t, conn, "hello\n")
			}
		}
		if text, err := s.end(); err != nil || strings.Contains(text, "Try it yourself") {
			t.Errorf("left at wait %d: %v\n%s", waits+1, err, text)
		}
		noGoroutines(t)
	}
}

func TestEndOfContextByHand(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("that is enough")
	err := byHand(t, "handshake").Tell(ctx, io.Discard, Options{Watch: func(context.Context, string) error {
		cancel(cause)
		return nil
	}})
	if !errors.Is(err, cause) {
		t.Errorf("error %v, want the context's cause", err)
	}
	noGoroutines(t)
}

const (
	plainRequest = "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/8\r\n\r\n"
	rightRequest = "GET /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/8\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n\r\n"
)

// asks sends a request, and returns the answer.
func asks(t *testing.T, conn net.Conn, request string) *handshake.Head {
	t.Helper()
	says(t, conn, request)
	var h handshake.Head
	r := &handshake.Reader{Source: conn}
	if err := r.ReadResponse(&h); err != nil {
		t.Fatal(err)
	}
	if rest := r.Rest(); len(rest) > 0 && h.Status == 101 {
		t.Fatalf("%q came with the answer", rest)
	}
	return &h
}

// TestHandshakeByHand asks as curl does: a plain request, one that lacks a
// header, and a right one.
func TestHandshakeByHand(t *testing.T) {
	s := tells(t, byHand(t, "handshake"), Options{})
	if h := asks(t, s.connects(t, curlCommand, 1), plainRequest); h.Status != 426 {
		t.Errorf("status %d", h.Status)
	}
	if h := asks(t, s.connects(t, curlCommand, 2), strings.Replace(rightRequest, "Upgrade: websocket\r\n", "", 1)); h.Status != 426 {
		t.Errorf("status %d", h.Status)
	}
	s.hears(t, "Not yet", 1)
	conn := s.connects(t, curlCommand, 2)
	says(t, conn, rightRequest)
	gets(t, conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x13Hello from sockkit\n")
	conn.Close()
	text, err := s.end()
	if err != nil {
		t.Fatal(err)
	}
	wants(t, text, "the server has four objections", "The request has no Upgrade header", "curl does not end.",
		"The frame begins with two bytes, 81 13: 81 says", "The code is 1006", "21, which are two bytes more")
	noGoroutines(t)
}

// TestHandshakeByHandClient plays it with a client of WebSocket, which has it
// all right at once, and says good-bye.
func TestHandshakeByHandClient(t *testing.T) {
	s := tells(t, byHand(t, "handshake"), Options{})
	at := s.hears(t, curlCommand, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := (&ws.Dialer{}).Dial(ctx, "ws://"+at+chatPath)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, b, err := c.Read(ctx); err != nil || string(b) != "Hello from sockkit\n" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := errors.Join(c.Write(ctx, ws.Text, []byte("hi")), c.Close(ws.StatusNormal, "")); err != nil {
		t.Fatal(err)
	}
	text, err := s.end()
	if err != nil {
		t.Fatal(err)
	}
	wants(t, text, "That one has all that it takes already.", "text message, 2 bytes \"hi\"", "that is the closing handshake. The code is 1000.")
	if strings.Contains(text, "curl does not end") {
		t.Error("it was taken for curl")
	}
	noGoroutines(t)
}
