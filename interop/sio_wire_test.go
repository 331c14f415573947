package interop

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// wire is a connection between two sides, for all who dial it, that can be cut,
// held up, and taken away.
type wire struct {
	url string // of http

	mu     sync.Mutex
	flow   *sync.Cond
	conns  map[*net.TCPConn]bool
	held   bool // nothing passes
	down   bool // nobody gets through
	counts int  // of connections
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "http://" + l.Addr().String(), conns: map[*net.TCPConn]bool{}}
	w.flow = sync.NewCond(&w.mu)
	t.Cleanup(func() { l.Close(); w.takeDown(); w.hold(false) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.join(c.(*net.TCPConn), strings.TrimPrefix(target, "http://"))
		}
	}()
	return w
}

func (w *wire) join(front *net.TCPConn, target string) {
	back, err := net.Dial("tcp", target)
	if err != nil {
		reset(front)
		return
	}
	if !w.keep(front, back.(*net.TCPConn)) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { w.pass(front, back.(*net.TCPConn)) })
	w.pass(back.(*net.TCPConn), front)
	both.Wait()
	front.Close()
	back.Close()
}

func (w *wire) keep(front, back *net.TCPConn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		reset(front, back)
		return false
	}
	w.counts++
	w.conns[front], w.conns[back] = true, true
	return true
}

// pass passes one direction on, and its end.
func (w *wire) pass(from, to *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		for w.held {
			w.flow.Wait()
		}
		w.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				reset(from, to)
				return
			}
		}
		switch err {
		case nil:
			continue
		case io.EOF:
			_ = to.CloseWrite()
		default:
			reset(from, to)
		}
		return
	}
}

func reset(conns ...*net.TCPConn) {
	for _, c := range conns {
		_ = c.SetLinger(0)
		c.Close()
	}
}

// cut resets all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		reset(c)
	}
	clear(w.conns)
}

// takeDown cuts, and resets who comes, until bringUp.
func (w *wire) takeDown() {
	w.mu.Lock()
	w.down = true
	w.mu.Unlock()
	w.cut()
}

func (w *wire) bringUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// hold lets nothing pass until it is called with false.
func (w *wire) hold(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = on
	w.flow.Broadcast()
}
