package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a TCP connection on loopback.
func pair(t *testing.T) (ours, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// silent is an input that is open and has nothing to read.
func silent(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); r.Close() })
	return r
}

// A server that waits for the end of input and then replies is heard whole:
// nc never sends the end, socat leaves after half a second.
func TestReplyAfterTheEndOfInput(t *testing.T) {
	ours, peer := pair(t)
	go func() {
		question, _ := io.ReadAll(peer)
		_, _ = peer.Write(append([]byte("you said "), question...))
		peer.Close()
	}()
	var out bytes.Buffer
	s := &Stream{Conn: ours, In: strings.NewReader("hello\n"), Out: &out}
	if err := s.Run(context.Background()); err != nil || out.String() != "you said hello\n" {
		t.Fatalf("%q, %v", out.String(), err)
	}
}

// A peer that closes first ends the conversation where input is open but idle:
// nc and ncat hang.
func TestPeerEndsWhileInputIsIdle(t *testing.T) {
	ours, peer := pair(t)
	_, _ = peer.Write([]byte("bye\n"))
	peer.Close()
	var out bytes.Buffer
	s := &Stream{Conn: ours, In: silent(t), Out: &out, Quiet: 10 * time.Millisecond}
	if err := s.Run(context.Background()); err != nil || out.String() != "bye\n" {
		t.Fatalf("%q, %v", out.String(), err)
	}
}

// A peer that has ended its half still gets all of the input.
func TestInputGoesOnAfterThePeersHalf(t *testing.T) {
	ours, peer := pair(t)
	_ = peer.CloseWrite()
	data := make([]byte, 8<<20)
	_, _ = rand.Read(data)
	got := make(chan [32]byte)
	go func() {
		h := sha256.New()
		_, _ = io.Copy(h, peer)
		got <- [32]byte(h.Sum(nil))
	}()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = w.Write(data); w.Close() }()
	if err := (&Stream{Conn: ours, In: r, Out: io.Discard}).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if sum := <-got; sum != sha256.Sum256(data) {
		t.Fatal("what arrived is not what was sent")
	}
}

// What a peer did not take is counted and is an error.
func TestUndelivered(t *testing.T) {
	ours, peer := pair(t)
	in := bytes.NewReader(make([]byte, 64<<20))
	go func() {
		_, _ = io.ReadFull(peer, make([]byte, 1024))
		_ = peer.SetLinger(0)
		peer.Close()
	}()
	err := (&Stream{Conn: ours, In: in, Out: io.Discard}).Run(context.Background())
	var lost *Undelivered
	if !errors.As(err, &lost) || lost.Bytes == 0 {
		t.Fatalf("error %v; want bytes that were not delivered", err)
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("%v does not say why", err)
	}
}

func TestIdleTimeout(t *testing.T) {
	ours, _ := pair(t)
	err := (&Stream{Conn: ours, In: silent(t), Out: io.Discard, IdleTimeout: 20 * time.Millisecond}).Run(context.Background())
	var idle *IdleError
	if !errors.As(err, &idle) {
		t.Fatalf("error %v; want an idle timeout", err)
	}
}

func TestExpectations(t *testing.T) {
	tests := []struct {
		name     string
		count    int
		patterns []string
		peer     string
		out      string // "": all
		missing  string // "": met
	}{
		{name: "count", count: 2, peer: "one\ntwo\nthree\n", out: "one\ntwo\n"},
		{name: "count without a last newline", count: 2, peer: "one\ntwo"},
		{name: "too few", count: 3, peer: "one\ntwo\n", missing: "3 messages (2 came)"},
		{name: "pattern", patterns: []string{"^220 "}, peer: "hello\n220 ready\nmore\n", out: "hello\n220 ready\n"},
		{name: "in order", patterns: []string{"b", "a"}, peer: "a\nb\n", missing: "/a/"},
		{name: "the last line", patterns: []string{"login:"}, peer: "login: "},
		{name: "nothing came", patterns: []string{"x"}, peer: "", missing: "nothing came"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ours, peer := pair(t)
			_, _ = peer.Write([]byte(test.peer))
			_ = peer.CloseWrite()
			e := &Expectation{Count: test.count}
			for _, p := range test.patterns {
				e.Patterns = append(e.Patterns, regexp.MustCompile(p))
			}
			var out bytes.Buffer
			err := (&Stream{Conn: ours, In: strings.NewReader(""), Out: &out, Expect: e}).Run(context.Background())
			if test.missing == "" && err != nil || test.missing != "" && (err == nil || !strings.Contains(err.Error(), test.missing)) {
				t.Errorf("error %v; want %q", err, test.missing)
			}
			if test.out == "" {
				test.out = test.peer
			}
			if out.String() != test.out {
				t.Errorf("output %q; want %q", out.String(), test.out)
			}
		})
	}
}

// A reader that leaves is noticed although the peer says nothing more.
func TestReaderLeft(t *testing.T) {
	ours, peer := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	go func() {
		_, _ = peer.Write([]byte("line\n"))
		_, _ = io.ReadFull(r, make([]byte, 5))
		r.Close()
	}()
	err = (&Stream{Conn: ours, In: silent(t), Out: w}).Run(context.Background())
	if !errors.Is(err, ErrReaderLeft) {
		t.Fatalf("error %v; want ErrReaderLeft", err)
	}
}

func TestCancelled(t *testing.T) {
	ours, _ := pair(t)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if err := (&Stream{Conn: ours, In: silent(t), Out: io.Discard}).Run(ctx); err != cause {
		t.Fatalf("error %v; want the cause", err)
	}
}

func TestCRLF(t *testing.T) {
	for in, want := range map[string]string{"a\nb\n": "a\r\nb\r\n", "a\r\nb": "a\r\nb", "\n\n": "\r\n\r\n", "": ""} {
		got, err := io.ReadAll(CRLF(iotest(in)))
		if err != nil || string(got) != want {
			t.Errorf("%q became %q, %v", in, got, err)
		}
	}
}

// iotest gives a string byte by byte.
func iotest(s string) io.Reader {
	parts := make([]io.Reader, len(s))
	for i := range s {
		parts[i] = strings.NewReader(s[i : i+1])
	}
	return io.MultiReader(parts...)
}
