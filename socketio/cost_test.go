package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/ws"
)

// wire is a client by WebSocket that takes no memory for what it sends and gets.
type wire struct {
	t    testing.TB
	conn net.Conn
	buf  []byte
	n    int // bytes of buf
}

// dialWire opens a session at addr, and joins the main namespace.
func dialWire(t testing.TB, addr string) *wire {
	t.Helper()
	w := dialSocket(t, addr, make([]byte, 4096))
	w.join()
	return w
}

// dialSocket opens a WebSocket.
func dialSocket(t testing.TB, addr string, buf []byte) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute))
	w := &wire{t: t, conn: conn, buf: buf}
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", addr)
	w.until("\r\n\r\n")
	return w
}

// join joins the main namespace.
func (w *wire) join() {
	w.until(`"maxPayload":1000000}`)
	w.write(frame("40"))
	w.until(`40{"sid":"`)
	w.until(`"}`)
}

// frame is a text as a client sends it, with a mask of zeros.
func frame(text string) []byte {
	if len(text) > 125 {
		panic("too long for a frame of the rig")
	}
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

func (w *wire) write(frame []byte) {
	if _, err := w.conn.Write(frame); err != nil {
		w.t.Fatal(err)
	}
}

// until drops what comes, up to and with a text.
func (w *wire) until(text string) { w.untilBytes([]byte(text)) }

func (w *wire) untilBytes(text []byte) {
	for {
		if at := bytes.Index(w.buf[:w.n], text); at >= 0 {
			w.n = copy(w.buf, w.buf[at+len(text):w.n])
			return
		}
		n, err := w.conn.Read(w.buf[w.n:])
		if err != nil {
			w.t.Fatalf("%v behind %q", err, w.buf[:w.n])
		}
		w.n += n
	}
}

// served serves on a listener of its own, for tests and benchmarks.
func served(t testing.TB, s *Server) (addr string) {
	t.Helper()
	addr = onLoopback(t, s.Serve)
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return addr
}

// onLoopback has something serve on a listener, and returns its address.
func onLoopback(t testing.TB, serve func(net.Listener) error) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(l)
	}()
	t.Cleanup(func() { <-done })
	return l.Addr().String()
}

// echoes acknowledges events of several shapes with their argument.
func echoes() *Server {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		s.On("text", func(text string, ack func(string)) { ack(text) })
		s.On("raw", func(v json.RawMessage, ack func(json.RawMessage)) { ack(v) })
		s.On("typed", func(n int, ack func(int)) { ack(n) })
		s.On("plain", func(text string) { _ = s.Emit("plain", text) })
	})
	return io
}

// exchanges are an event and what comes back, and how many allocations the whole
// way takes at most: read, decode, handler, encode, write.
var exchanges = []struct {
	name, event, answer string
	most                float64
}{
	{"text", `42123["text","hello, this is an argument"]`, `43123["hello, this is an argument"]`, 7},
	{"raw", `42123["raw",{"a":[1,2,3]}]`, `43123[{"a":[1,2,3]}]`, 6},
	{"typed", `42123["typed",12]`, `43123[12]`, 13},
	{"plain", `42["plain","hello, this is an argument"]`, `42["plain","hello, this is an argument"]`, 5},
}

// TestEventAllocs holds what one event costs, by a connection and without a tracer.
func TestEventAllocs(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	w := dialWire(t, served(t, echoes()))
	for _, x := range exchanges {
		event, answer := frame(x.event), []byte(x.answer)
		n := testing.AllocsPerRun(500, func() {
			w.write(event)
			w.untilBytes(answer)
		})
		t.Logf("%s: %v allocations", x.name, n)
		if n > x.most {
			t.Errorf("%s: %v allocations, want at most %v", x.name, n, x.most)
		}
	}
}

// BenchmarkEvent is an event and its answer over a connection.
func BenchmarkEvent(b *testing.B) {
	w := dialWire(b, served(b, echoes()))
	for _, x := range exchanges {
		b.Run(x.name, func(b *testing.B) {
			event, answer := frame(x.event), []byte(x.answer)
			b.ReportAllocs()
			for b.Loop() {
				w.write(event)
				w.untilBytes(answer)
			}
		})
	}
}

// BenchmarkBroadcast is an event to a room of a hundred.
func BenchmarkBroadcast(b *testing.B) {
	io := NewServer(&ServerOptions{Engine: &engine.Server{}})
	io.OnConnection(func(s *Socket) { _ = s.Join("room") })
	addr := served(b, io)
	var all []*wire
	for range 100 {
		all = append(all, dialWire(b, addr))
	}
	for len(io.Of("/").Adapter().Sockets(Selection{Rooms: []string{"room"}})) < len(all) {
		time.Sleep(time.Millisecond)
	}
	answer := []byte(`42["news","hello, this is an argument"]`)
	b.ReportAllocs()
	for b.Loop() {
		_ = io.To("room").Emit("news", "hello, this is an argument")
		for _, w := range all {
			w.untilBytes(answer)
		}
	}
}

// countingParser counts what is encoded.
type countingParser struct {
	TextParser
	encoded *atomic.Int32
}

type countingEncoder struct {
	Encoder
	encoded *atomic.Int32
}

func (p countingParser) NewEncoder() Encoder {
	return countingEncoder{p.TextParser.NewEncoder(), p.encoded}
}

func (e countingEncoder) Encode(p *Packet) []Frame {
	e.encoded.Add(1)
	return e.Encoder.Encode(p)
}

// TestBroadcastCost holds that an event for many is encoded once, and takes no
// allocation for each of them: what is written is the same frame.
func TestBroadcastCost(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	var encoded atomic.Int32
	for name, io := range map[string]*Server{"text": NewServer(nil), "counted": NewServer(&ServerOptions{Parser: countingParser{encoded: &encoded}})} {
		var allocs [2]float64
		addr := served(t, io)
		members := []*wire{dialWire(t, addr)}
		for i, size := range []int{1, 50} {
			for len(members) < size {
				members = append(members, dialWire(t, addr))
			}
			answer := []byte(`42["news",1]`)
			before, runs := encoded.Load(), 100
			allocs[i] = testing.AllocsPerRun(runs, func() {
				_ = io.Emit("news", 1)
				for _, w := range members {
					w.untilBytes(answer)
				}
			})
			if n := encoded.Load() - before; name == "counted" && int(n) != runs+1 { // one to warm up
				t.Errorf("%d encodings of %d events", n, runs+1)
			}
		}
		t.Logf("%s: %v allocations for one, %v for fifty", name, allocs[0], allocs[1])
		if allocs[1] > allocs[0]+3 {
			t.Errorf("%s: %v allocations for one, %v for fifty", name, allocs[0], allocs[1])
		}
	}
}

// TestIdleMemory holds what a client that says nothing takes beyond its WebSocket.
func TestIdleMemory(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory itself")
	}
	const clients = 1000
	plain := &ws.Server{OnMessage: func(*ws.Peer, ws.MessageType, []byte) {}, MaxConns: -1}
	addr := onLoopback(t, plain.Serve)
	t.Cleanup(func() { plain.Close() })
	below, goroutines := idleCost(t, addr, clients, func(*wire) {})
	io := NewServer(nil)
	all, more := idleCost(t, served(t, io), clients, (*wire).join)
	t.Logf("%d bytes by WebSocket, %d by Socket.IO; %d and %d goroutines", below, all, goroutines, more)
	if all-below > mostIdleBytes {
		t.Errorf("a client takes %d bytes beyond its WebSocket, more than %d", all-below, mostIdleBytes)
	}
	if more > goroutines+clients/10 {
		t.Errorf("%d goroutines for %d clients, and %d for their WebSockets", more, clients, goroutines)
	}
}

// mostIdleBytes is what a client may take beyond its WebSocket.
const mostIdleBytes = 2500

// idleCost is what each of many clients takes of the heap, both ends of the
// connection counted, and how many goroutines all of them have.
func idleCost(t *testing.T, addr string, clients int, join func(*wire)) (bytes, goroutines int) {
	buf := make([]byte, 4096)
	dial := func() *wire {
		w := dialSocket(t, addr, buf)
		join(w)
		return w
	}
	for range 10 { // what the first of them make
		dial()
	}
	before, running := heapInUse(), runtime.NumGoroutine()
	for range clients {
		dial()
	}
	return (heapInUse() - before) / clients, runtime.NumGoroutine() - running
}

// heapInUse is what is held once all garbage is gone.
func heapInUse() int {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
