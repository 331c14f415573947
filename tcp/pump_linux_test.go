package tcp

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const bulk = 64 << 20

// pour writes bulk to w, and closes it.
func pour(w io.WriteCloser) {
	defer w.Close()
	data := make([]byte, 1<<20)
	for range bulk / len(data) {
		if _, err := w.Write(data); err != nil {
			return
		}
	}
}

// swallow reads r to its end.
func swallow(r io.Reader) {
	buf := make([]byte, 1<<20)
	for {
		if _, err := r.Read(buf); err != nil {
			return
		}
	}
}

// bulkWays are the ways that bulk data takes in the kernel. Each returns what to
// pump, its other ends being served already.
var bulkWays = map[string]func(t *testing.T) (src io.Reader, dst io.Writer){
	"a blocking pipe into a socket": func(t *testing.T) (io.Reader, io.Writer) {
		r, w := filePipe(t)
		a, b := streamPair(t)
		go pour(w)
		go swallow(b)
		return blockingFile(t, r), a
	},
	"a socket into a blocking pipe": func(t *testing.T) (io.Reader, io.Writer) {
		r, w := filePipe(t)
		a, b := streamPair(t)
		go pour(b)
		go swallow(r)
		return a, blockingFile(t, w)
	},
	"a socket into a socket": func(t *testing.T) (io.Reader, io.Writer) {
		a, b := streamPair(t)
		c, d := streamPair(t)
		go pour(b)
		go swallow(d)
		return a, c
	},
}

// Bulk data takes one system call for many KiB, and hardly anything on the heap.
func TestPumpCalls(t *testing.T) {
	for name, way := range bulkWays {
		t.Run(name, func(t *testing.T) {
			src, dst := way(t)
			p := &Pump{Dst: dst, Src: src}
			s := &splicer{pump: p, src: endOf(src, true), dst: endOf(dst, false)}
			defer s.src.close()
			defer s.dst.close()
			step := s.viaPipe()
			if s.src.kind == fdPipe || s.dst.kind == fdPipe {
				step = s.direct()
			}
			before := mallocs()
			if err := s.run(step); err != nil || p.Moved() != bulk {
				t.Fatalf("moved %d bytes of %d, %v", p.Moved(), bulk, err)
			}
			allocated := mallocs() - before
			if each := bulk / s.calls; each < 8<<10 {
				t.Errorf("%d calls, %d bytes each; want 8 KiB and more", s.calls, each)
			}
			if allocated > 200 {
				t.Errorf("%d allocations for %d MiB; want 200 at most", allocated, bulk>>20)
			}
		})
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// A pipe that blocks is waited for by the runtime's poller, on a description of
// our own that is closed at the end; the other goes on blocking.
func TestPumpReopensBlockingPipes(t *testing.T) {
	r, w := filePipe(t)
	in, out := blockingFile(t, r), blockingFile(t, w)
	for _, e := range []end{endOf(in, true), endOf(out, false)} {
		if e.kind != fdPipe || !e.poll || e.own == nil {
			t.Fatalf("kind %d, poller %v, own %v; want a pipe of our own on the poller", e.kind, e.poll, e.own)
		}
		e.close()
		if err := e.own.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("closing it once more: %v; want that it is closed", err)
		}
	}
	for _, f := range []*os.File{in, out} {
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("flags %#x, %v; want a file that blocks", flags, err)
		}
	}
}

// Where a pipe may not be opened once more, a thread blocks in it.
func TestPumpBlocksAThread(t *testing.T) {
	for name, way := range bulkWays {
		if !strings.Contains(name, "pipe") { // one socket into another has none that could block
			continue
		}
		t.Run(name, func(t *testing.T) {
			src, dst := way(t)
			s := &splicer{pump: &Pump{Dst: dst, Src: src}, src: look(src, true), dst: look(dst, false)}
			step := s.direct()
			if err := s.run(step); err != nil || s.pump.Moved() != bulk {
				t.Errorf("moved %d bytes of %d, %v", s.pump.Moved(), bulk, err)
			}
		})
	}
}
