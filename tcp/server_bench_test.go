//go:build unix

package tcp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The benchmarks hold the server beside a goroutine a connection that reads and
// writes, each in a process of its own with GOMAXPROCS=1, and report its CPU
// time.

const benchEnv = "SOCKKIT_BENCH_SERVER"

// plainEcho is what a Go programmer writes first.
func plainEcho(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 64<<10)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if _, err := conn.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// TestServerBenchChild is the served process of a benchmark: it prints its
// address, and at each line that it reads its CPU time and its memory: the heap
// and the stacks in use.
func TestServerBenchChild(t *testing.T) {
	kind := os.Getenv(benchEnv)
	if kind == "" {
		return // only a benchmark runs this, in a process of its own
	}
	l := listenTCP(t)
	if kind == "plain" {
		go plainEcho(l)
	} else {
		go func() { _ = (&Server{OnData: echo}).Serve(l) }()
	}
	fmt.Println("address", l.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var use syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
			t.Fatal(err)
		}
		var mem runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&mem)
		fmt.Println("cpu", use.Utime.Nano()+use.Stime.Nano(), mem.HeapAlloc+mem.StackInuse)
	}
}

// child is a served process.
type child struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(b *testing.B, kind string) (*child, string) {
	b.Helper()
	c := &child{b: b, cmd: exec.Command(os.Args[0], "-test.run=^TestServerBenchChild$")}
	c.cmd.Env = append(os.Environ(), benchEnv+"="+kind, "GOMAXPROCS=1")
	in, inErr := c.cmd.StdinPipe()
	out, outErr := c.cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, c.cmd.Start()); err != nil {
		b.Fatal(err)
	}
	c.in, c.out = in, bufio.NewScanner(out)
	b.Cleanup(func() {
		in.Close()
		_ = c.cmd.Wait()
	})
	return c, c.answer("address ")
}

func (c *child) answer(prefix string) string {
	c.b.Helper()
	for c.out.Scan() {
		if value, ok := strings.CutPrefix(c.out.Text(), prefix); ok {
			return value
		}
	}
	c.b.Fatal("the served process ended")
	return ""
}

func (c *child) cpu() int64 {
	c.b.Helper()
	ns, _ := c.usage()
	return ns
}

func (c *child) usage() (ns, bytes int64) {
	c.b.Helper()
	fmt.Fprintln(c.in)
	if _, err := fmt.Sscan(c.answer("cpu "), &ns, &bytes); err != nil {
		c.b.Fatal(err)
	}
	return ns, bytes
}

// BenchmarkServerIdle shows the memory of a connection that says nothing: fresh,
// and after it has sent 1 KiB and got it back.
func BenchmarkServerIdle(b *testing.B) {
	const conns = 2000
	for _, kind := range []string{"plain", "server"} {
		b.Run(kind, func(b *testing.B) {
			c, addr := startChild(b, kind)
			_, before := c.usage()
			var clients []net.Conn
			for range conns {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				clients = append(clients, conn)
			}
			exchange(b, clients[conns-1], make([]byte, 1)) // the last is served, and so are all
			_, fresh := c.usage()
			for _, conn := range clients {
				exchange(b, conn, make([]byte, 1024))
			}
			_, after := c.usage()
			b.ReportMetric(float64(fresh-before)/conns, "B/conn-fresh")
			b.ReportMetric(float64(after-before)/conns, "B/conn-after")
		})
	}
}

func BenchmarkServerEcho(b *testing.B) {
	for _, load := range []struct{ conns, size, ahead int }{{1, 64, 1}, {100, 64, 1}, {1000, 1024, 1}, {100, 64, 16}, {100, 64 << 10, 1}} {
		for _, kind := range []string{"plain", "server"} {
			b.Run(fmt.Sprintf("%dx%dB/ahead=%d/%s", load.conns, load.size, load.ahead, kind), func(b *testing.B) {
				c, addr := startChild(b, kind)
				echoLoad(b, addr, load.conns, load.size, load.ahead, c.cpu)
			})
		}
	}
}

// echoLoad sends b.N messages over conns connections, ahead at a time on each,
// and reports the CPU time that cpu tells of.
func echoLoad(b *testing.B, addr string, conns, size, ahead int, cpu func() int64) {
	clients := make([]net.Conn, conns)
	for i := range clients {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		clients[i] = conn
		exchange(b, conn, make([]byte, size)) // it is served
	}
	rounds := max(1, b.N/(conns*ahead))
	b.ResetTimer()
	before := cpu()
	var all sync.WaitGroup
	for _, conn := range clients {
		all.Go(func() {
			buf := make([]byte, size*ahead)
			for range rounds {
				if !exchange(b, conn, buf) {
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(cpu()-before)/float64(rounds*conns*ahead), "server-cpu-ns/msg")
}

func exchange(b *testing.B, conn net.Conn, buf []byte) bool {
	if len(buf) > 256<<10 {
		b.Fatal("both ends would wait")
	}
	if _, err := conn.Write(buf); err != nil {
		b.Error(err)
		return false
	}
	if _, err := io.ReadFull(conn, buf); err != nil {
		b.Error(err)
		return false
	}
	return true
}

// BenchmarkServerMessage shows what a message costs in allocations.
func BenchmarkServerMessage(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &Server{OnData: echo}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		exchange(b, conn, buf)
	}
}
