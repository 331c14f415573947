package tcp

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onOneLoop runs test on a server with one loop, where a peer that holds it up
// holds up all.
func onOneLoop(t *testing.T, test func(*rig)) {
	for _, network := range networks {
		if network.loop {
			t.Run(network.name, func(t *testing.T) {
				test(&rig{T: t, listen: network.listen, set: func(s *Server) { s.Loops = 1 }})
			})
		}
	}
}

// A callback that blocks holds up its own peer, which goes on where it was, and
// nobody else.
func TestLoopBlocked(t *testing.T) {
	onOneLoop(t, func(r *rig) {
		release := make(chan struct{})
		r.start(&Server{OnData: func(p *Peer, b []byte) {
			if bytes.HasPrefix(b, []byte("block")) {
				_, _ = p.Write([]byte("blocks "))
				<-release
			}
			_, _ = p.Write(b)
		}})
		var others []net.Conn
		for range 20 {
			others = append(others, r.dial())
		}
		stuck := r.dial()
		r.ask(stuck, "block", "blocks ") // what was written by then is not to wait
		for range 3 {
			for _, conn := range others {
				r.ask(conn, "x", "x")
			}
		}
		if _, err := stuck.Write([]byte("behind")); err != nil {
			r.Fatal(err)
		}
		r.ask(r.dial(), "new", "new")
		close(release)
		r.hear(stuck, "blockbehind")
	})
}

// Where every callback blocks, all peers are in theirs at once.
func TestLoopAllBlocked(t *testing.T) {
	onOneLoop(t, func(r *rig) {
		const peers = 64
		var in sync.WaitGroup
		in.Add(peers)
		r.start(&Server{OnData: func(p *Peer, b []byte) {
			in.Done()
			in.Wait()
			_, _ = p.Write(b)
		}})
		var all []net.Conn
		for range peers {
			all = append(all, r.dial())
		}
		for _, conn := range all {
			if _, err := conn.Write([]byte("x")); err != nil {
				r.Fatal(err)
			}
		}
		for _, conn := range all {
			r.hear(conn, "x")
		}
	})
}

// After callbacks that blocked the loop is quick again: it runs them in place.
func TestLoopRecovers(t *testing.T) {
	onOneLoop(t, func(r *rig) {
		release := make(chan struct{})
		var mu sync.Mutex
		var stack string
		r.start(&Server{OnData: func(p *Peer, b []byte) {
			if string(b) == "block" {
				<-release
			}
			all := make([]byte, 1<<14)
			mu.Lock()
			stack = string(all[:runtime.Stack(all, false)])
			mu.Unlock()
			_, _ = p.Write(b)
		}})
		stuck, conn := r.dial(), r.dial()
		r.ask(conn, "x", "x")
		if _, err := stuck.Write([]byte("block")); err != nil {
			r.Fatal(err)
		}
		r.until(func() bool { // it is only found out when it is asked for
			r.ask(conn, "x", "x")
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(stack, "turnApart")
		})
		close(release)
		r.hear(stuck, "block")
		r.until(func() bool {
			r.ask(conn, "x", "x")
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(stack, "runner")
		})
	})
}

// A peer that never stops sending leaves the others their turns.
func TestLoopFair(t *testing.T) {
	onOneLoop(t, func(r *rig) {
		r.start(&Server{OnData: func(p *Peer, b []byte) {
			if b[0] != 'f' {
				_, _ = p.Write(b)
			}
		}})
		for range 2 {
			flood := r.dial()
			go func() {
				b := bytes.Repeat([]byte("f"), 1<<20)
				for {
					if _, err := flood.Write(b); err != nil {
						return
					}
				}
			}()
		}
		conn := r.dial()
		for range 50 {
			r.ask(conn, "x", "x")
		}
	})
}

// TestLoopCalls: a message on a loop is one read and one write; what the loop
// asks its sockets for is shared by all that have something. The bound is exact:
// it is counted, not timed.
func TestLoopCalls(t *testing.T) {
	onOneLoop(t, func(r *rig) {
		const conns, rounds = 50, 40
		s := r.start(&Server{OnData: echo})
		var all []net.Conn
		for range conns {
			all = append(all, r.dial())
			r.ask(all[len(all)-1], "x", "x")
		}
		before := s.Stats()
		for range rounds {
			for _, conn := range all {
				if _, err := conn.Write([]byte("message")); err != nil {
					r.Fatal(err)
				}
			}
			for _, conn := range all {
				r.hear(conn, "message")
			}
		}
		after := s.Stats()
		const messages = conns * rounds
		if reads, writes := after.Reads-before.Reads, after.Writes-before.Writes; reads != messages || writes != messages {
			r.Errorf("%d reads and %d writes for %d messages", reads, writes, messages)
		}
		if waits := after.Waits - before.Waits; waits > 2*messages+2 {
			r.Errorf("%d waits for %d messages", waits, messages)
		}
	})
}

// TestLoopPipelined: what comes in one read is answered in one write.
func TestLoopPipelined(t *testing.T) {
	onOneLoop(t, func(r *rig) {
		s := r.start(&Server{OnData: func(p *Peer, b []byte) {
			for i := range b {
				_, _ = p.Write(b[i : i+1])
			}
		}})
		conn := r.dial()
		before := s.Stats()
		for range 100 {
			r.ask(conn, "sixteen messages", "sixteen messages")
		}
		after := s.Stats()
		if reads, writes := after.Reads-before.Reads, after.Writes-before.Writes; reads != 100 || writes != 100 {
			r.Errorf("%d reads and %d writes for 100 times 16 messages", reads, writes)
		}
	})
}

// idleMost is what the server may hold for a peer that is idle, in bytes: the
// peer, its socket and its places in two tables.
const idleMost = 220

// TestLoopIdle: a peer at rest, before and after traffic, holds neither a
// goroutine nor a buffer.
func TestLoopIdle(t *testing.T) {
	if racing {
		t.Skip("the race detector's own memory counts")
	}
	const conns = 1000
	s := &Server{Loops: 1, OnData: echo}
	l, err := (&ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	warm := dialFile(t, l.Addr()) // what is made once is there then
	defer unix.Close(warm)
	goroutines := runtime.NumGoroutine()
	files := make([]int, 0, conns)
	before := heap()
	for range conns {
		files = append(files, dialFile(t, l.Addr()))
	}
	var held int64
	for range 20 { // what other tests have left may come and go meanwhile
		if held = (heap() - before) / conns; held <= idleMost && runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 0 {
		t.Errorf("%d goroutines more", n)
	}
	t.Logf("%d bytes a peer", held)
	if held > idleMost {
		t.Errorf("%d bytes a peer, want at most %d", held, idleMost)
	}
	for _, fd := range files {
		unix.Close(fd)
	}
}

// heap is what is in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// dialFile connects, has a message echoed, and keeps no more than the
// descriptor.
func dialFile(t *testing.T, addr net.Addr) int {
	t.Helper()
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	message := strings.Repeat("m", 1024)
	if _, err := io.WriteString(conn, message); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, conn, int64(len(message))); err != nil {
		t.Fatal(err)
	}
	fd, err := duplicate(conn)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}
