package ws

import (
	"net"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// opener opens WebSockets one by one, and allocates nothing for it: what a test
// counts is the server's.
type opener struct {
	t      testing.TB
	server unix.SockaddrInet4
	buf    [1024]byte
}

var openRequest = []byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")

func newOpener(t testing.TB, addr net.Addr) *opener {
	t.Helper()
	at := addr.(*net.TCPAddr)
	return &opener{t: t, server: unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}}
}

// open opens one, and returns its descriptor.
func (o *opener) open() int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &o.server)
	}
	if err == nil {
		_, err = unix.Write(fd, openRequest)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	for got := 0; got < 4 || string(o.buf[got-4:got]) != "\r\n\r\n"; {
		n, err := unix.Read(fd, o.buf[got:])
		if n <= 0 || err != nil {
			o.t.Fatalf("%d bytes of an answer, %v: %q", got, err, o.buf[:got])
		}
		got += n
	}
	if !strings.HasPrefix(string(o.buf[:16]), "HTTP/1.1 101 ") {
		o.t.Fatalf("%q", o.buf[:])
	}
	return fd
}

func (o *opener) reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// BenchmarkOpen is an opening handshake and the reset behind it.
func BenchmarkOpen(b *testing.B) {
	_, addr := serveEcho(b, 1)
	o := newOpener(b, addr)
	o.reset(o.open())
	b.ReportAllocs()
	for b.Loop() {
		o.reset(o.open())
	}
}

// mostOpened is what an opening handshake may allocate, in bytes, with what the
// connection keeps, and mostObjects in how many pieces.
const mostOpened, mostObjects = 400, 8

// TestOpenAllocs: an opening leaves next to nothing behind. What it did leave
// would count for an idle connection until the next collection.
func TestOpenAllocs(t *testing.T) {
	skipRaced(t)
	_, addr := serveEcho(t, 1)
	o := newOpener(t, addr)
	o.reset(o.open()) // what is made once is there then
	var bytes, objects uint64
	for range 10 { // a callback that waits for a processor costs the loop buffers
		if bytes, objects = o.allocs(1000); bytes <= mostOpened && objects <= mostObjects {
			break
		}
	}
	t.Logf("%d bytes in %d objects an opening", bytes, objects)
	if bytes > mostOpened || objects > mostObjects {
		t.Errorf("%d bytes in %d objects an opening, want at most %d in %d", bytes, objects, mostOpened, mostObjects)
	}
}

// allocs returns what is allocated for each of a number of openings.
func (o *opener) allocs(n int) (bytes, objects uint64) {
	fds := make([]int, 0, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		fds = append(fds, o.open())
	}
	runtime.ReadMemStats(&after)
	for _, fd := range fds {
		o.reset(fd)
	}
	return (after.TotalAlloc - before.TotalAlloc) / uint64(n), (after.Mallocs - before.Mallocs) / uint64(n)
}
