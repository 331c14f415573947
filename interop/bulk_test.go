package interop

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
)

// maxMemory is what a sockkit may use at most while it moves data, however
// much that is: its own text and heap, and some buffers.
const maxMemory = 64 * mib

// bulk are the ways to move much data: the words of both commands.
var bulk = []struct {
	name         string
	listen, dial []string
}{
	{"plain", []string{"tcp://127.0.0.1:0"}, nil},
	{"TLS", []string{"tls://127.0.0.1:0", "--self-signed"}, []string{"-k"}},
	{"Unix", []string{"unix:@sockkit-" + fmt.Sprint(rand.Uint64())}, nil},
	{"listen -k", []string{"-k", "tcp://127.0.0.1:0"}, nil},
	{"listen -k, TLS", []string{"-k", "tls://127.0.0.1:0", "--self-signed"}, []string{"-k"}},
}

// Random bytes through dial into listen, in both directions at once, keep their
// sums, in constant memory.
func TestBothWaysInConstantMemory(t *testing.T) {
	for _, row := range bulk {
		t.Run(row.name, func(t *testing.T) { bothWays(t, 64*mib, row.listen, row.dial) })
	}
	t.Run("with a capture", func(t *testing.T) {
		dir := tempDir(t)
		bothWays(t, 8*mib, []string{"tls://127.0.0.1:0", "--self-signed", "--trace", dir + "/l.pcapng"}, []string{"-k", "--trace", dir + "/d.pcapng"})
	})
}

// bothWays moves size bytes each way and closes the inputs once all have come:
// until then both processes live, and can be asked how much memory they used.
func bothWays(t *testing.T, size int64, listen, dial []string) {
	t.Helper()
	ours, its := newBlob(size), newBlob(size)
	server := held(t, append([]string{"listen"}, listen...)...)
	client := held(t, append([]string{"dial", server.address()}, dial...)...)
	for _, sent := range []<-chan error{client.pour(ours), server.pour(its)} {
		if err := <-sent; err != nil {
			t.Errorf("sending: %v", err)
		}
	}
	server.awaitOutput(size - lastLine)
	client.awaitOutput(size)
	for _, p := range []*proc{server, client} {
		if peak := p.peak(); peak > maxMemory {
			t.Errorf("%s used %d MiB; want %d at most", p, peak/mib, maxMemory/mib)
		}
		p.in.Close()
	}
	client.want(0)
	server.awaitOutput(size)
	if strings.Contains(server.String(), " -k ") {
		server.signal(syscall.SIGTERM)
		server.want(143)
	} else {
		server.want(0)
	}
	server.out.want(t, "listen", ours)
	client.out.want(t, "dial", its)
}

// lastLine is what listen -k may hold back of a line until its end comes.
const lastLine = 64 << 10

// pour writes the blob to the input that is held, and leaves it open.
func (p *proc) pour(b blob) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(p.in, b.reader())
		done <- err
	}()
	return done
}
