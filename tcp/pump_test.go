//go:build unix

package tcp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// streamPair returns both ends of a connection on loopback.
func streamPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func filePipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// blockingFile makes a pipe's end one that the runtime's poller does not watch, as
// the standard streams are.
func blockingFile(t testing.TB, f *os.File) *os.File {
	t.Helper()
	fd, err := syscall.Dup(int(f.Fd())) // Fd makes it blocking
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	g := os.NewFile(uintptr(fd), "pipe")
	t.Cleanup(func() { g.Close() })
	return g
}

// TestPump moves 5 MiB between every kind of end, by whatever way there is.
func TestPump(t *testing.T) {
	data := make([]byte, 5<<20)
	_, _ = rand.Read(data)
	sources := map[string]func(t *testing.T) io.Reader{
		"socket": func(t *testing.T) io.Reader {
			a, b := streamPair(t)
			go func() { _, _ = b.Write(data); b.Close() }()
			return a
		},
		"pipe": func(t *testing.T) io.Reader {
			r, w := filePipe(t)
			go func() { _, _ = w.Write(data); w.Close() }()
			return r
		},
		"blocking pipe": func(t *testing.T) io.Reader {
			r, w := filePipe(t)
			go func() { _, _ = w.Write(data); w.Close() }()
			return blockingFile(t, r)
		},
		"file": func(t *testing.T) io.Reader {
			name := filepath.Join(t.TempDir(), "in")
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		},
		"memory": func(*testing.T) io.Reader { return bytes.NewReader(data) },
		"traced": func(t *testing.T) io.Reader {
			a, b := streamPair(t)
			go func() { _, _ = b.Write(data); b.Close() }()
			return Trace(a, trace.New(&trace.Recorder{}, trace.Message), trace.Client, 0)
		},
	}
	targets := map[string]func(t *testing.T) (io.WriteCloser, io.Reader){
		"socket":        func(t *testing.T) (io.WriteCloser, io.Reader) { a, b := streamPair(t); return a, b },
		"pipe":          func(t *testing.T) (io.WriteCloser, io.Reader) { r, w := filePipe(t); return w, r },
		"blocking pipe": func(t *testing.T) (io.WriteCloser, io.Reader) { r, w := filePipe(t); return blockingFile(t, w), r },
		"file":          func(t *testing.T) (io.WriteCloser, io.Reader) { return fileTarget(t, os.O_RDWR|os.O_CREATE) },
		"append": func(t *testing.T) (io.WriteCloser, io.Reader) {
			return fileTarget(t, os.O_RDWR|os.O_CREATE|os.O_APPEND)
		},
	}
	for from, source := range sources {
		for to, target := range targets {
			t.Run(from+" to "+to, func(t *testing.T) {
				dst, back := target(t)
				p := &Pump{Dst: dst, Src: source(t)}
				ran := make(chan error, 1)
				if f, ok := back.(*lateFile); ok {
					ran <- p.Run()
					f.rewind(t)
				} else {
					go func() { ran <- p.Run(); dst.Close() }()
				}
				got, err := io.ReadAll(back)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes arrived of %d, %v", len(got), len(data), err)
				}
				if err := <-ran; err != nil || p.Moved() != int64(len(data)) || p.Lost() != 0 {
					t.Errorf("moved %d, lost %d, %v", p.Moved(), p.Lost(), err)
				}
			})
		}
	}
}

// lateFile is read once all has been written.
type lateFile struct{ *os.File }

func (f *lateFile) rewind(t *testing.T) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
}

func fileTarget(t *testing.T, flags int) (io.WriteCloser, io.Reader) {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, &lateFile{f}
}

// A reset is an error of the side it came from, whichever way the bytes go.
func TestPumpReset(t *testing.T) {
	reset := func(c *net.TCPConn) {
		_ = c.SetLinger(0)
		c.Close()
	}
	t.Run("of the source", func(t *testing.T) {
		for name, target := range map[string]func(t *testing.T) io.Writer{
			"pipe":   func(t *testing.T) io.Writer { _, w := filePipe(t); return w },
			"socket": func(t *testing.T) io.Writer { a, _ := streamPair(t); return a },
			"memory": func(*testing.T) io.Writer { return &bytes.Buffer{} },
		} {
			a, b := streamPair(t)
			reset(b)
			err := (&Pump{Dst: target(t), Src: a}).Run()
			var read *ReadError
			if !errors.As(err, &read) || !IsReset(err) {
				t.Errorf("to a %s: %v; want a ReadError that is a reset", name, err)
			}
		}
	})
	t.Run("of the target", func(t *testing.T) {
		for name, source := range map[string]func(t *testing.T) io.Reader{
			"pipe": func(t *testing.T) io.Reader {
				r, w := filePipe(t)
				go func() { _, _ = w.Write(make([]byte, 32<<20)) }()
				return r
			},
			"memory": func(*testing.T) io.Reader { return bytes.NewReader(make([]byte, 32<<20)) },
		} {
			a, b := streamPair(t)
			go func() { _, _ = io.ReadFull(b, make([]byte, 1000)); reset(b) }()
			err := (&Pump{Dst: a, Src: source(t)}).Run()
			var read *ReadError
			if err == nil || errors.As(err, &read) || !IsReset(err) {
				t.Errorf("from a %s: %v; want a reset that is no ReadError", name, err)
			}
		}
	})
}

// Waiting tells how long the source has been silent.
func TestPumpWaiting(t *testing.T) {
	r, w := filePipe(t)
	a, b := streamPair(t)
	p := &Pump{Dst: a, Src: r}
	ran := make(chan error, 1)
	go func() { ran <- p.Run() }()
	_, _ = w.Write([]byte("x"))
	_, _ = io.ReadFull(b, make([]byte, 1))
	for p.Waiting() < 2*time.Millisecond {
		time.Sleep(time.Millisecond)
	}
	w.Close()
	if err := <-ran; err != nil {
		t.Fatal(err)
	}
}

// A relay keeps the half-close in both directions.
func TestRelayHalfClose(t *testing.T) {
	client, a := streamPair(t)
	b, server := streamPair(t)
	done := make(chan error, 1)
	go func() {
		moved, err := Relay(t.Context(), a, b)
		if moved.AToB != 8 || moved.BToA != 6 {
			err = errors.Join(err, errors.New("the counts are wrong"))
		}
		done <- err
	}()
	_, _ = client.Write([]byte("question"))
	_ = client.CloseWrite()
	question, err := io.ReadAll(server)
	if err != nil || string(question) != "question" {
		t.Fatalf("%q, %v", question, err)
	}
	_, _ = server.Write([]byte("answer"))
	server.Close()
	answer, err := io.ReadAll(client)
	if err != nil || string(answer) != "answer" {
		t.Fatalf("%q, %v", answer, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A reset is passed on as a reset.
func TestRelayReset(t *testing.T) {
	client, a := streamPair(t)
	b, server := streamPair(t)
	done := make(chan error, 1)
	go func() { _, err := Relay(t.Context(), a, b); done <- err }()
	_ = server.SetLinger(0)
	server.Close()
	if _, err := client.Read(make([]byte, 1)); !IsReset(err) {
		t.Errorf("the client saw %v; want a reset", err)
	}
	if err := <-done; !IsReset(err) {
		t.Errorf("%v; want a reset", err)
	}
}
