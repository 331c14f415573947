package faults

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/sockkit/sockkit/trace"
)

// What ends a [Link] on purpose.
var (
	// ErrCut says that the connection is to be reset.
	ErrCut = errors.New("cut on purpose")
	// ErrStalled says that the source of a stalled direction has ended, and
	// that the end is not to be passed on.
	ErrStalled = errors.New("stalled on purpose")
)

var (
	// errClosed says that the connection's faults were closed.
	errClosed = errors.New("faults: closed")
	// errHalf says that the sending half is to be closed.
	errHalf = errors.New("half-closed on purpose")
)

// Connection is what the two directions of one connection share.
type Connection struct {
	faults *Faults
	number uint64
	report func(trace.Fault)

	mu         sync.Mutex
	cut, stall *fuse
	closed     chan struct{}
	closing    sync.Once
}

// Connection begins the faults of the number-th connection: its times run from
// now. Each fault is reported when it strikes, delay and bandwidth once a
// direction. Close it at the end.
func (f *Faults) Connection(number uint64, report func(trace.Fault)) *Connection {
	c := &Connection{faults: f, number: number, report: report, closed: make(chan struct{})}
	c.mu.Lock() // a fuse of no time blows at once
	defer c.mu.Unlock()
	c.cut = newFuse(&c.mu, f.Cut, c.reporting("cut-after", c.dir()))
	c.stall = newFuse(&c.mu, f.Stall, c.reporting("stall-after", c.dir()))
	for _, each := range []*fuse{c.cut, c.stall} {
		if each != nil {
			each.passed(0)
		}
	}
	return c
}

// dir is the direction that suffers, None for both.
func (c *Connection) dir() trace.Dir {
	return [...]trace.Dir{Both: trace.None, Up: trace.Out, Down: trace.In}[c.faults.Direction]
}

func (c *Connection) reporting(kind string, dir trace.Dir) func(Trigger) {
	return func(by Trigger) {
		select {
		case <-c.closed:
			return
		default:
		}
		c.report(trace.Fault{Dir: dir, Kind: kind, Size: int(by.Size), Delay: by.Time})
	}
}

// Cut is closed when the connection is to be reset.
func (c *Connection) Cut() <-chan struct{} { return c.cut.done() }

// CutBySize reports whether the cut came after a number of bytes, which the
// peers are to get before it.
func (c *Connection) CutBySize() bool { return c.cut.isBlown() && c.cut.by.OnSize }

// Close frees the links of the connection, and ends its times.
func (c *Connection) Close() {
	c.closing.Do(func() { close(c.closed) })
	c.cut.stop()
	c.stall.stop()
}

// Link returns what moves the direction d: [trace.Out] from the client to the
// target, [trace.In] back. With datagrams each Read of src is one, and each
// Write of dst sends one. A src with a method ReadMessage() ([]byte, error) is
// asked by that, for messages of any size.
func (c *Connection) Link(d trace.Dir, dst io.Writer, src io.Reader, datagrams bool) *Link {
	f := c.faults
	l := &Link{conn: c, dir: d, dst: dst, src: src, datagrams: datagrams}
	l.line.init(f)
	l.random = rand.New(rand.NewPCG(f.Seed, c.number<<1|uint64(d&1)))
	if f.suffers(d) {
		l.harm = f
		l.pace.rate = f.Bandwidth
		l.cut, l.stall = c.cut, c.stall
	} else {
		l.harm = &Faults{}
	}
	if f.halfCloses(d) {
		l.half = newFuse(&c.mu, f.HalfClose, c.reporting("half-close-after", d))
	}
	return l
}

// take returns how many of n bytes the link may pass on now. They are to be
// reported as passed.
func (c *Connection) take(l *Link, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range l.fuses() {
		n = f.bounds(n, l.datagrams)
	}
	for f := range l.fuses() {
		f.takes(n)
	}
	return n
}

// passed counts n bytes that the link has passed on.
func (c *Connection) passed(l *Link, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range l.fuses() {
		f.passed(n)
	}
}
