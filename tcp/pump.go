package tcp

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Pump moves a stream from Src to Dst until Src ends. Between a socket, a pipe
// and a file on Linux the bytes stay in the kernel (splice and sendfile),
// unless a tracer wants to see them. The fields must not change while it runs.
type Pump struct {
	Dst io.Writer
	Src io.Reader
	// Buffer is the size of the buffer where bytes pass through this process;
	// 0 means 128 KiB.
	Buffer int

	moved   atomic.Int64
	lost    atomic.Int64
	waiting atomic.Int64 // when waiting for Src began, in Unix nanoseconds; 0 while it does not
}

const pumpBuffer = 128 << 10

// ReadError is an error of a pump's source, as told apart from its target's.
type ReadError struct{ Err error }

// Error implements error.
func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// Moved returns the bytes that were written to Dst so far.
func (p *Pump) Moved() int64 { return p.moved.Load() }

// Lost returns the bytes that were taken from Src but not written to Dst.
func (p *Pump) Lost() int64 { return p.lost.Load() }

// Waiting returns for how long the pump has been waiting for Src to have
// something to read; 0 while it moves bytes.
func (p *Pump) Waiting() time.Duration {
	if since := p.waiting.Load(); since != 0 {
		return time.Duration(time.Now().UnixNano() - since)
	}
	return 0
}

// Run moves bytes until Src ends (nil), reading fails (a [*ReadError]) or
// writing fails (the writer's error).
func (p *Pump) Run() error {
	if handled, err := p.inKernel(); handled {
		return err
	}
	size := p.Buffer
	if size <= 0 {
		size = pumpBuffer
	}
	buf := make([]byte, size)
	for {
		if err := p.step(buf); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

func (p *Pump) step(buf []byte) error {
	p.wait()
	n, readErr := p.Src.Read(buf)
	p.busy()
	if n > 0 {
		written, err := p.Dst.Write(buf[:n])
		p.moved.Add(int64(written))
		if err != nil {
			p.lost.Add(int64(n - written))
			return err
		}
	}
	if readErr != nil && readErr != io.EOF {
		return &ReadError{readErr}
	}
	return readErr
}

func (p *Pump) wait() { p.waiting.Store(time.Now().UnixNano()) }
func (p *Pump) busy() { p.waiting.Store(0) }

// filed is a connection made of two files.
type filed interface{ Files() (in, out *os.File) }

// bottom returns the descriptor owner under v that bytes may be spliced from
// or to, and a connection to be told of them. The owner is nil where a layer or
// a tracer has to see the bytes.
func bottom(v any, reading bool) (owner any, conn *Conn) {
	if c, ok := v.(*Conn); ok {
		if c.tracer.On(trace.Message) {
			return nil, nil
		}
		conn, v = c, c.Conn
	}
	switch v := v.(type) {
	case *net.TCPConn, *net.UnixConn, *os.File:
		return v, conn
	case filed:
		if in, out := v.Files(); reading {
			return in, conn
		} else {
			return out, conn
		}
	}
	return nil, nil
}
