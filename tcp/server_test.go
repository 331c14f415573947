package tcp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// forms are the ways in which a Server can be served. Every test of its
// behaviour runs on each.
var forms = []struct {
	name string
	loop bool
	set  func(*Server)
}{
	{"goroutine", false, func(s *Server) { s.Loops = -1 }},
	{"loop", true, func(s *Server) { s.Loops = 2 }},
}

// networks are the kinds of connection that it serves.
var networks = []struct {
	name   string
	listen func(*testing.T) net.Listener
	tls    bool
	loop   bool // a loop can serve it
}{
	{name: "tcp", listen: listenTCP, loop: true},
	{name: "tls", listen: listenTCP, tls: true},
	{name: "unix", listen: listenUnix, loop: true},
	{name: "own", listen: listenOwn, loop: true},
	{name: "other", listen: func(t *testing.T) net.Listener { return otherListener{listenTCP(t)} }},
	{name: "other-tls", listen: func(t *testing.T) net.Listener { return otherListener{listenTCP(t)} }, tls: true},
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// listenOwn has a [Listener], whose sockets a loop accepts on by itself.
func listenOwn(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func listenUnix(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// otherListener hides what its connections are, as a user's own type does.
type otherListener struct{ net.Listener }

type otherConn struct{ net.Conn }

func (c otherConn) CloseWrite() error { return CloseWrite(c.Conn) }

func (l otherListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return otherConn{conn}, nil
}

// rig is a test on one form and one network.
type rig struct {
	*testing.T
	listen func(*testing.T) net.Listener
	set    func(*Server)
	tls    bool
	addr   net.Addr
	srv    *Server
}

// everywhere runs test on every form and network whose name is one of only, or
// on all.
func everywhere(t *testing.T, test func(*rig), only ...string) {
	for _, form := range forms {
		for _, network := range networks {
			if form.loop && !network.loop { // it would be served by goroutines all the same
				continue
			}
			if len(only) > 0 && !strings.Contains(strings.Join(only, " ")+" ", network.name+" ") {
				continue
			}
			t.Run(form.name+"/"+network.name, func(t *testing.T) {
				test(&rig{T: t, listen: network.listen, set: form.set, tls: network.tls})
			})
		}
	}
}

var testCertificate = sync.OnceValues(func() (tls.Certificate, error) { return SelfSigned([]string{"127.0.0.1"}) })

// start serves s until the end of the test, and then looks for goroutines.
func (r *rig) start(s *Server) *Server {
	r.Helper()
	r.set(s)
	if r.tls && s.TLS == nil {
		cert, err := testCertificate()
		if err != nil {
			r.Fatal(err)
		}
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	l := r.listen(r.T)
	r.addr, r.srv = l.Addr(), s
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	r.Cleanup(func() {
		s.Close()
		r.must("serve", within(r, served), ErrServerClosed)
		r.must("shutdown", s.Shutdown(r.soon()), nil)
		r.settled()
	})
	return s
}

// soon is a context that ends when a test hangs.
func (r *rig) soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	r.Cleanup(cancel)
	return ctx
}

// within takes what comes from c, and fails where a test hangs.
func within[T any](r *rig, c <-chan T) T {
	r.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(60 * time.Second):
		buf := make([]byte, 1<<16)
		r.Fatalf("nothing came; goroutines:\n%s", buf[:runtime.Stack(buf, true)])
		panic("unreached")
	}
}

func (r *rig) must(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// until asks for a state that no event tells of.
func (r *rig) until(holds func() bool) {
	r.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.Fatal("it never came to be")
		}
	}
}

// settled fails if a goroutine of the server stays.
func (r *rig) settled() {
	r.Helper()
	var left string
	for range 12000 {
		buf := make([]byte, 1<<20)
		left = ""
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "tcp.(*Server)") || strings.Contains(g, "tcp.(*Peer)") || strings.Contains(g, "tcp.(*runner)") || strings.Contains(g, "tcp.(*acceptor)") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Errorf("goroutines are left:\n%s", left)
}

// dial connects a client that is closed at the end of the test.
func (r *rig) dial() net.Conn {
	r.Helper()
	conn, err := r.dialError()
	if err != nil {
		r.Fatal(err)
	}
	return conn
}

func (r *rig) dialError() (net.Conn, error) {
	conn, err := net.Dial(r.addr.Network(), r.addr.String())
	if err != nil {
		return nil, err
	}
	r.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil { // a test that hangs fails
		return nil, err
	}
	if !r.tls {
		return conn, nil
	}
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	return c, nil
}

// ask sends question and wants answer.
func (r *rig) ask(conn net.Conn, question, answer string) {
	r.Helper()
	if _, err := conn.Write([]byte(question)); err != nil {
		r.Fatal(err)
	}
	r.hear(conn, answer)
}

func (r *rig) hear(conn net.Conn, want string) {
	r.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		r.Fatalf("got %.100q and error %v, want %.100q", got[:n], err, want)
	}
}

// hearEnd wants the peer's end and nothing before it.
func (r *rig) hearEnd(conn net.Conn) {
	r.Helper()
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		r.Fatalf("got %d bytes and error %v, want the end", len(rest), err)
	}
}

func echo(p *Peer, data []byte) { _, _ = p.Write(data) }

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Bytes in both directions at once, over several connections, arrive as they
// were sent.
func TestServerEcho(t *testing.T) {
	everywhere(t, func(r *rig) {
		closes := make(chan error, 3)
		s := r.start(&Server{OnData: echo, OnClose: func(_ *Peer, err error) { closes <- err }})
		data := random(r.T, 16<<20)
		var clients sync.WaitGroup
		for range cap(closes) {
			conn := r.dial()
			clients.Go(func() { echoAll(r.T, conn, data) })
		}
		clients.Wait()
		for range cap(closes) {
			r.must("close", within(r, closes), nil)
		}
		want := uint64(len(data) * cap(closes))
		if st := s.Stats(); st.BytesIn != want || st.BytesOut != want || st.Drops != 0 || st.Opened != 3 || st.Open != 0 || st.Queued != 0 {
			r.Errorf("stats %+v, want %d bytes each way and none dropped", st, want)
		}
	})
}

func echoAll(t *testing.T, conn net.Conn, data []byte) {
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		sent <- errors.Join(err, CloseWrite(conn))
	}()
	sum := sha256.New()
	n, err := io.Copy(sum, conn)
	if err := errors.Join(err, <-sent); err != nil {
		t.Error(err)
	}
	if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Errorf("%d bytes came back with another sum", n)
	}
}

// The peer's end is not the end: what the handler writes later still goes out.
func TestServerHalfClose(t *testing.T) {
	everywhere(t, func(r *rig) {
		var got bytes.Buffer
		ended, closes := make(chan *Peer, 1), make(chan error, 1)
		r.start(&Server{
			OnData:  func(_ *Peer, data []byte) { got.Write(data) },
			OnEnd:   func(p *Peer) { ended <- p },
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn, data := r.dial(), random(r.T, 1<<20)
		if _, err := conn.Write(data); err != nil {
			r.Fatal(err)
		}
		r.must("half-close", CloseWrite(conn), nil)
		p := within(r, ended)
		if !bytes.Equal(got.Bytes(), data) {
			r.Fatalf("OnEnd came after %d bytes of %d", got.Len(), len(data))
		}
		if _, err := p.Write(data); err != nil {
			r.Fatal(err)
		}
		r.must("CloseWrite", p.CloseWrite(), nil)
		answer, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(answer, data) {
			r.Fatalf("the answer has %d bytes of %d, error %v", len(answer), len(data), err)
		}
		r.must("close", within(r, closes), nil)
		if _, err := p.Write(data); !errors.Is(err, net.ErrClosed) {
			r.Errorf("Write after the end: %v, want net.ErrClosed", err)
		}
	})
}

// Without OnEnd the server ends its half behind what is queued.
func TestServerEndsItself(t *testing.T) {
	everywhere(t, func(r *rig) {
		closes := make(chan error, 1)
		reply := random(r.T, 8<<20)
		r.start(&Server{
			OnData:  func(p *Peer, _ []byte) { _, _ = p.Write(reply) },
			OnClose: func(_ *Peer, err error) { closes <- err },
		})
		conn := r.dial()
		if _, err := conn.Write([]byte("x")); err != nil {
			r.Fatal(err)
		}
		r.must("half-close", CloseWrite(conn), nil)
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, reply) {
			r.Fatalf("got %d bytes of %d, error %v", len(got), len(reply), err)
		}
		r.must("close", within(r, closes), nil)
	})
}

// A server without any callback reads and discards.
func TestServerZeroValue(t *testing.T) {
	everywhere(t, func(r *rig) {
		r.start(&Server{})
		conn := r.dial()
		if _, err := conn.Write(random(r.T, 4<<20)); err != nil {
			r.Fatal(err)
		}
		r.must("half-close", CloseWrite(conn), nil)
		r.hearEnd(conn)
	})
}

// N messages in one read are answered by one system call.
func TestServerOneWriteARead(t *testing.T) {
	everywhere(t, func(r *rig) {
		const n = 1000
		s := &Server{}
		s.conf.corkFor = -1 // however slow the machine is
		s.OnData = func(p *Peer, data []byte) {
			for range bytes.Count(data, []byte("\n")) {
				_, _ = p.Writev([]byte("> "), []byte("hello\n"))
			}
		}
		r.start(s)
		conn := r.dial()
		r.ask(conn, "hello\n", "> hello\n") // a TLS handshake can read what comes with its end
		before := s.Stats()
		r.ask(conn, strings.Repeat("hello\n", n), strings.Repeat("> hello\n", n))
		after := s.Stats()
		// What is sent in one piece can be read in several.
		reads, writes := after.Reads-before.Reads, after.Writes-before.Writes
		if writes > reads || writes > n/10 {
			r.Errorf("%d messages in %d reads took %d writes", n, reads, writes)
		}
	}, "tcp", "tls", "unix", "own")
}

// A message costs no allocation without a tracer. Those that TLS has are of
// crypto/tls: one for each of its reads.
func TestServerAllocations(t *testing.T) {
	everywhere(t, func(r *rig) {
		r.start(&Server{OnData: echo})
		conn := r.dial()
		message, answer := []byte(strings.Repeat("m", 64)), make([]byte, 64)
		exchange := func() {
			if _, err := conn.Write(message); err != nil {
				r.Fatal(err)
			}
			if _, err := io.ReadFull(conn, answer); err != nil {
				r.Fatal(err)
			}
		}
		for range 100 {
			exchange()
		}
		most := 0.0
		switch {
		case racing:
			r.Skip("the race detector makes pools lose things on purpose")
		case r.tls:
			most = 3
		}
		if n := testing.AllocsPerRun(2000, exchange); n > most {
			r.Errorf("%v allocations a message, want at most %v", n, most)
		}
	}, "tcp", "tls", "unix", "own")
}

// Pieces of all sizes, written by turns in callbacks and outside of them, by
// Write and Writev, come in the order in which they were written.
func TestServerWriteOrder(t *testing.T) {
	everywhere(t, func(r *rig) {
		peers := make(chan *Peer, 1)
		r.start(&Server{WriteQueue: 64 << 20, OnOpen: func(p *Peer) { peers <- p }})
		conn := r.dial()
		p, data := within(r, peers), random(r.T, 24<<20)
		rest := data
		write := func() {
			for range 5 {
				n := min(len(rest), 1+mathrand.IntN(40)*mathrand.IntN(2000))
				var err error
				if n%2 == 0 {
					_, err = p.Write(rest[:n])
				} else {
					_, err = p.Writev(rest[:n/3], nil, rest[n/3:n])
				}
				if err != nil {
					r.Error(err)
				}
				rest = rest[n:]
			}
		}
		go func() {
			for len(rest) > 0 {
				write()
				ran := make(chan struct{})
				p.Post(func() { write(); close(ran) })
				<-ran
			}
			r.must("half-close", p.CloseWrite(), nil)
		}()
		if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, data) {
			r.Errorf("%d bytes came of %d, or in another order; error %v", len(got), len(data), err)
		}
	})
}
