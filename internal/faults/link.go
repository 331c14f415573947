package faults

import (
	"io"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Link moves one direction of one connection, and does to it what is to be
// done. Run it once.
type Link struct {
	conn      *Connection
	dir       trace.Dir
	dst       io.Writer
	src       io.Reader
	datagrams bool
	harm      *Faults // what this direction suffers
	random    *rand.Rand
	line      line
	pace      pacer

	cut, stall, half *fuse

	held   *piece // datagrams: waits to be overtaken
	timer  *time.Timer
	moved  atomic.Int64
	idle   atomic.Int64  // when waiting for src began, in Unix nanoseconds; 0 while it does not
	passes atomic.Bool   // a piece is being written
	ended  chan struct{} // closed once src has
	srcErr error         // valid then
	over   bool          // the source's end was taken out of the line
}

// Sizes of the buffer that is read into.
const (
	streamRead   = 32 << 10
	datagramRead = 1 << 18
)

// overtaken is how long a datagram waits for another to overtake it.
const overtaken = 500 * time.Millisecond

// Moved returns a number that grows with each piece that is passed on.
func (l *Link) Moved() int64 { return l.moved.Load() }

// Waiting returns for how long nothing has come from the source while all that
// had come before was passed on; 0 while something is under way.
func (l *Link) Waiting() time.Duration {
	since := l.idle.Load()
	if since == 0 || l.passes.Load() || l.line.busy() {
		return 0
	}
	return time.Duration(time.Now().UnixNano() - since)
}

// fuses are those that the link's bytes count for.
func (l *Link) fuses() iter.Seq[*fuse] {
	return func(yield func(*fuse) bool) {
		for _, f := range [...]*fuse{l.cut, l.stall, l.half} {
			if f != nil && !yield(f) {
				return
			}
		}
	}
}

// Run moves until the source ends and all of it is passed on (nil), or until
// the sending half is to be closed early (nil, see [Link.Drain]). An error of
// the source is returned once what came before it is passed on, that of the
// target at once. [ErrCut] and [ErrStalled] are ends on purpose. The source may
// still be read when it returns an error: close it.
func (l *Link) Run() error {
	l.ended = make(chan struct{})
	l.timer = time.NewTimer(time.Hour)
	defer l.timer.Stop()
	defer l.half.stop()
	defer l.line.close()
	l.conn.passed(l, 0)
	l.announce()
	go l.fill()
	for {
		p, err := l.next()
		switch {
		case err == errHalf:
			return nil
		case err == ErrStalled:
			return l.stalled()
		case err != nil:
			return err
		case p.err != nil:
			l.over = true
			return regular(p.err)
		}
		err = l.deliver(p)
		l.passes.Store(false)
		if err != nil {
			return err
		}
	}
}

// regular is the result for the end of the source.
func regular(err error) error {
	if err == io.EOF {
		return nil
	}
	return &tcp.ReadError{Err: err}
}

// announce reports the faults that are not of a moment.
func (l *Link) announce() {
	if l.harm.Delay > 0 {
		l.conn.report(trace.Fault{Dir: l.dir, Kind: "delay", Delay: l.harm.Delay})
	}
	if l.harm.Jitter > 0 {
		l.conn.report(trace.Fault{Dir: l.dir, Kind: "jitter", Delay: l.harm.Jitter})
	}
	if l.harm.Bandwidth > 0 {
		l.conn.report(trace.Fault{Dir: l.dir, Kind: "bandwidth", Size: int(l.harm.Bandwidth)})
	}
}

// interrupted returns what keeps the link from passing anything on.
func (l *Link) interrupted() error {
	select {
	case <-l.conn.closed:
		return errClosed
	default:
	}
	switch {
	case l.cut.isBlown():
		return ErrCut
	case l.stall.isBlown():
		return ErrStalled
	case l.half.isBlown():
		return errHalf
	}
	return nil
}

// next waits for a piece to be due, or for what keeps it from being passed on.
func (l *Link) next() (*piece, error) {
	for {
		if err := l.interrupted(); err != nil {
			return nil, err
		}
		l.passes.Store(true) // before it leaves the line
		p, wait := l.line.take(time.Now())
		if p != nil {
			return p, nil
		}
		l.passes.Store(false)
		var due <-chan time.Time
		if wait > 0 {
			l.timer.Reset(wait)
			due = l.timer.C
		}
		l.await(due)
	}
}

// await returns when something has happened.
func (l *Link) await(due <-chan time.Time) {
	select {
	case <-due:
	case <-l.line.added:
	case <-l.conn.closed:
	case <-l.cut.done():
	case <-l.stall.done():
	case <-l.half.done():
	}
}

// deliver passes a piece on, or as much of it as still may.
func (l *Link) deliver(p *piece) error {
	for range p.copies {
		allowed := l.conn.take(l, len(p.data))
		if allowed > 0 || len(p.data) == 0 {
			if _, err := l.dst.Write(p.data[:allowed]); err != nil {
				return err
			}
			l.moved.Add(int64(allowed) + 1)
		}
		l.conn.passed(l, allowed)
		for allowed < len(p.data) && l.interrupted() == nil {
			l.await(nil) // the other direction's last bytes are still passing
		}
	}
	return nil
}

// stallHold is how long a stalled direction is still held open once its source
// has ended, for a peer that waits for an answer. Whether that peer is still
// there cannot be seen once it has ended its own half.
const stallHold = time.Minute

// stalled waits for the end of a direction in which nothing passes any more.
func (l *Link) stalled() error {
	ended, hold := l.ended, (<-chan time.Time)(nil)
	for {
		select {
		case <-ended:
			if l.srcErr != io.EOF {
				return regular(l.srcErr)
			}
			ended, hold = nil, time.After(stallHold)
		case <-hold:
			return ErrStalled
		case <-l.cut.done():
			return ErrCut
		case <-l.conn.closed:
			return errClosed
		}
	}
}

// Drain reads and drops what the source still says after the sending half was
// closed early. Elsewhere it returns at once.
func (l *Link) Drain() error {
	if l.over || !l.half.isBlown() {
		return nil
	}
	select {
	case <-l.ended:
		return regular(l.srcErr)
	case <-l.cut.done():
		return ErrCut
	case <-l.conn.closed:
		return errClosed
	}
}

// fill reads the source into the line until it ends.
func (l *Link) fill() {
	size := datagramRead
	if !l.datagrams {
		size = l.pace.step(streamRead)
	}
	read := reading(l.src, size)
	for {
		l.idle.Store(time.Now().UnixNano())
		p, err := read()
		l.idle.Store(0)
		if len(p) > 0 || l.datagrams && err == nil {
			if !l.accept(p) {
				return
			}
		}
		if err != nil {
			l.end(err)
			return
		}
	}
}

// reading returns what gives the next piece. A source of messages, which may be
// of any size, is asked for them.
func reading(src io.Reader, size int) func() ([]byte, error) {
	if m, ok := src.(interface{ ReadMessage() ([]byte, error) }); ok {
		return m.ReadMessage
	}
	buf := make([]byte, size)
	return func() ([]byte, error) {
		n, err := src.Read(buf)
		return buf[:n], err
	}
}

// accept decides what becomes of a piece and puts it on its way. It reports
// false where the link has ended.
func (l *Link) accept(data []byte) bool {
	if l.strikes(l.harm.Loss, "loss", data) {
		return true
	}
	p := &piece{data: append([]byte(nil), data...), copies: 1}
	if l.strikes(l.harm.Duplicate, "duplicate", data) {
		p.copies = 2
	}
	leaves := l.pace.book(len(data), time.Now())
	if !l.sleepUntil(leaves) {
		return false
	}
	p.due = l.due(leaves)
	held := l.held
	l.held = nil
	if held == nil && l.strikes(l.harm.Reorder, "reorder", data) {
		l.held = p
		p.due = p.due.Add(overtaken)
	}
	if !l.line.put(p, l.conn.closed) {
		return false
	}
	if held != nil {
		l.line.behind(held, p)
	}
	return true
}

// strikes decides by chance whether something happens to a datagram.
func (l *Link) strikes(probability float64, kind string, data []byte) bool {
	if !l.datagrams || probability <= 0 || l.random.Float64() >= probability {
		return false
	}
	l.conn.report(trace.Fault{Dir: l.dir, Kind: kind, Size: len(data)})
	return true
}

// due returns when what leaves at a time arrives.
func (l *Link) due(leaves time.Time) time.Time {
	delay := l.harm.Delay
	if l.harm.Jitter > 0 {
		delay += time.Duration((2*l.random.Float64() - 1) * float64(l.harm.Jitter))
	}
	due := leaves.Add(max(delay, 0))
	if last := l.line.last(); !l.datagrams && due.Before(last) {
		return last
	}
	return due
}

// end puts the source's end behind all else.
func (l *Link) end(err error) {
	l.srcErr = err
	close(l.ended)
	due := time.Now().Add(l.harm.Delay)
	if last := l.line.last(); due.Before(last) {
		due = last
	}
	l.line.put(&piece{due: due, err: err}, l.conn.closed)
}

// sleepUntil waits, and reports false where the link has ended.
func (l *Link) sleepUntil(t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.conn.closed:
		return false
	}
}
