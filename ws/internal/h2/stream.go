package h2

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// Stream is one stream of a session, and a [net.Conn]: what is written is DATA,
// the end of a half is END_STREAM, and what the peer resets reads as a
// connection that was reset (RFC 8441 section 5). A Write is done when its bytes
// are queued.
type Stream struct {
	s  *Session
	id uint32

	// All that follows stands under the session's lock.
	head     []Field // the peer's: the request, or the response
	headEnd  bool    // it was the end of the stream, too
	headCame bool
	trailing bool // it has had trailers

	readable, writable *sync.Cond
	readLimit          limit
	writeLimit         limit

	in    pieces // what was not read yet
	recv  inflow
	inEnd bool  // the peer's END_STREAM came
	inErr error // no more will come, and not by END_STREAM

	out     pieces // what was not sent yet
	window  int64
	writing bool  // a Write is under way
	outEnd  bool  // END_STREAM is due behind out
	outDone bool  // it was sent
	outErr  error // nothing can be sent any more
	queued  bool  // it stands in the row

	closed   bool // by Close
	polite   bool // what comes behind it is dropped
	abrupt   bool // Close is to reset it
	linger   *time.Timer
	length   int64         // that content-length has announced; less than 0: nothing
	handling bool          // its handler runs
	gone     bool          // both halves have ended
	over     chan struct{} // closed then
}

// add makes a stream, under the lock.
func (s *Session) add(id uint32) *Stream {
	st := &Stream{s: s, id: id, window: s.peer.window, length: -1, over: make(chan struct{})}
	st.recv = inflow{size: int64(s.cfg.Window), left: int64(s.cfg.Window)}
	st.readable, st.writable = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	s.streams[id] = st
	s.active++
	if s.idle != nil {
		s.idle.Stop()
	}
	return st
}

// ID is the stream's number.
func (st *Stream) ID() uint32 { return st.id }

// Over is closed once both halves have ended, in whatever way.
func (st *Stream) Over() <-chan struct{} { return st.over }

// Session is the stream's connection.
func (st *Stream) Session() *Session { return st.s }

// Head is what the peer's head holds, pseudo-header fields first. The request is
// there from the start; a client waits for the response. End is that nothing
// follows.
func (st *Stream) Head(ctx context.Context) (fields []Field, end bool, err error) {
	stop := context.AfterFunc(ctx, func() { st.s.mu.Lock(); st.readable.Broadcast(); st.s.mu.Unlock() })
	defer stop()
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	for !st.headCame && st.inErr == nil && ctx.Err() == nil {
		st.readable.Wait()
	}
	switch {
	case st.headCame:
		return st.head, st.headEnd, nil
	case st.inErr != nil:
		return nil, false, st.inErr
	}
	return nil, false, context.Cause(ctx)
}

// Respond sends a head as a server. End is that nothing follows.
func (st *Stream) Respond(fields []Field, end bool) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.outErr != nil {
		return st.outErr
	}
	st.s.headers(st, fields, end)
	if end {
		st.outEnd, st.outDone = true, true
		st.settle()
	}
	return nil
}

// Read implements [net.Conn].
func (st *Stream) Read(p []byte) (int, error) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	for {
		switch {
		case st.closed:
			return 0, st.failure("read", net.ErrClosed)
		case st.readLimit.passed:
			return 0, st.failure("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case st.in.len() > 0:
			return st.take(p), nil
		case st.inEnd:
			return 0, io.EOF
		case st.inErr != nil:
			return 0, st.failure("read", st.inErr)
		}
		st.readable.Wait()
	}
}

// take gives bytes to the reader, and their place in the windows back to the
// peer: it may send as much as was read, and no sooner.
func (st *Stream) take(p []byte) int {
	n := copy(p, st.in.rest())
	st.in.drop(n)
	st.s.openWindow(0, st.s.recv.give(int64(n)))
	if !st.inEnd && st.inErr == nil {
		st.s.openWindow(st.id, st.recv.give(int64(n)))
	}
	return n
}

// came keeps bytes until they are read, under the lock. There is never more than
// a window's worth.
func (st *Stream) came(b []byte) {
	st.in.add(b)
	st.readable.Broadcast()
}

// Write implements [net.Conn].
func (st *Stream) Write(p []byte) (n int, err error) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	for st.writing && st.writeFailure() == nil {
		st.writable.Wait()
	}
	if err := st.writeFailure(); err != nil {
		return 0, st.failure("write", err)
	}
	st.writing = true
	defer func() { st.writing = false; st.writable.Broadcast() }()
	for n < len(p) {
		if err := st.writeFailure(); err != nil {
			return n, st.failure("write", err)
		}
		room := min(mostOut-st.out.len(), len(p)-n)
		if room <= 0 {
			st.writable.Wait()
			continue
		}
		st.keep(p[n : n+room])
		n += room
	}
	return n, nil
}

func (st *Stream) writeFailure() error {
	switch {
	case st.closed || st.outEnd:
		return net.ErrClosed
	case st.writeLimit.passed:
		return os.ErrDeadlineExceeded
	}
	return st.outErr
}

// keep queues bytes to be sent.
func (st *Stream) keep(b []byte) {
	st.out.add(b)
	st.s.queue(st)
}

// sendable reports whether the windows let something of the stream pass, under
// the lock.
func (st *Stream) sendable() bool {
	switch {
	case st.outDone || st.outErr != nil:
		return false
	case st.out.len() > 0:
		return st.window > 0 && st.s.window > 0
	}
	return st.outEnd
}

// frame writes one frame of what waits, and counts it against both windows.
func (st *Stream) frame(w *http2.Framer) {
	n := min(int64(st.out.len()), st.window, st.s.window, int64(min(st.s.peer.frame, mostFrame)))
	st.window, st.s.window = st.window-n, st.s.window-n
	end := st.outEnd && int(n) == st.out.len()
	_ = w.WriteData(st.id, end, st.out.rest()[:n])
	st.out.drop(int(n))
	if end {
		st.outDone = true
		if st.linger != nil {
			st.linger.Reset(lingerTime)
		}
		st.settle()
	}
	st.writable.Broadcast()
}

// CloseWrite ends the sending half behind what was written: END_STREAM.
func (st *Stream) CloseWrite() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.closed || st.outErr != nil {
		return st.failure("close", net.ErrClosed)
	}
	st.outEnd = true
	st.s.queue(st)
	return nil
}

// SetLinger with 0 has Close reset the stream with CANCEL, as it does to a
// [net.TCPConn].
func (st *Stream) SetLinger(seconds int) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.abrupt = seconds == 0
	return nil
}

// Close implements [net.Conn]: it ends both halves. What was written is sent. A
// stream that holds what was not read, or gets more, is reset, as TCP does it;
// so is one whose peer does not end its half in 2 seconds, or takes nothing for
// so long as [Config.WriteTimeout].
func (st *Stream) Close() error { return st.close(false) }

// Finish is Close for a side that has said all: what the peer still sends is
// dropped.
func (st *Stream) Finish() error { return st.close(true) }

func (st *Stream) close(polite bool) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.closed {
		return st.failure("close", net.ErrClosed)
	}
	st.closed, st.polite = true, polite
	unread := st.in.len() > 0
	st.drop()
	st.readLimit.stop()
	st.writeLimit.stop()
	st.readable.Broadcast()
	st.writable.Broadcast()
	switch {
	case st.gone || s.err != nil:
	case st.abrupt || unread && !polite:
		st.cancel(&StreamError{Stream: st.id, Code: Cancel, Local: true})
		return nil
	default:
		st.outEnd = true
		st.linger = time.AfterFunc(s.cfg.WriteTimeout, st.give)
		if s.queue(st); st.outDone {
			st.linger.Reset(lingerTime)
		}
	}
	st.awaitSent()
	return nil
}

// drop forgets what was not read.
func (st *Stream) drop() {
	if n := st.in.len(); n > 0 {
		st.s.openWindow(0, st.s.recv.give(int64(n)))
	}
	st.in.clear()
}

// awaitSent waits until our end has left, for a process may end behind Close;
// not where the peer lets nothing pass. Where the session ends with the stream it
// waits for that, too.
func (st *Stream) awaitSent() {
	s, late := st.s, false
	timer := time.AfterFunc(flushTime, func() {
		s.mu.Lock()
		late = true
		s.flushed.Broadcast()
		s.mu.Unlock()
	})
	defer timer.Stop()
	for !late && s.err == nil && (st.sendable() || s.busy) {
		s.flushed.Wait()
	}
	if !s.draining || s.err == nil {
		return
	}
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(flushTime):
	}
	s.mu.Lock()
}

// give gives up a stream whose peer does not end it.
func (st *Stream) give() {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.cancel(&StreamError{Stream: st.id, Code: Cancel, Reason: "the peer did not end its half", Local: true})
}

// endSoon resets a stream whose peer has not ended its half of what is over: the
// rest that is on its way may come, and what is wrong with it is said.
func (st *Stream) endSoon() {
	if st.linger != nil {
		st.linger.Stop()
	}
	st.linger = time.AfterFunc(restTime, func() {
		st.s.mu.Lock()
		defer st.s.mu.Unlock()
		st.cancel(&StreamError{Stream: st.id, Code: NoError, Local: true})
	})
}

// cancel resets the stream, under the lock.
func (st *Stream) cancel(err *StreamError) {
	if st.gone || st.s.err != nil {
		return
	}
	st.s.reset(st.id, err.Code)
	st.fail(err)
}

// Reset ends the stream with a RST_STREAM.
func (st *Stream) Reset(code Code, reason string) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.cancel(&StreamError{Stream: st.id, Code: code, Reason: reason, Local: true})
}

// fail ends both halves by an error, under the lock. What came before can be
// read.
func (st *Stream) fail(err error) {
	if st.outErr == nil {
		st.outErr = err
	}
	if !st.inEnd && st.inErr == nil {
		st.inErr = err
	}
	st.out.clear()
	st.settle()
	st.readable.Broadcast()
	st.writable.Broadcast()
}

// settle forgets a stream of which both halves have ended, under the lock.
func (st *Stream) settle() {
	if st.gone || !(st.inEnd || st.inErr != nil) || !(st.outDone || st.outErr != nil) {
		return
	}
	st.gone = true
	close(st.over)
	if st.linger != nil {
		st.linger.Stop()
	}
	delete(st.s.streams, st.id)
	st.s.past.add(st)
	st.release()
}

// release gives the stream's place up, once nothing works for it any more.
func (st *Stream) release() {
	if !st.gone || st.handling {
		return
	}
	s := st.s
	s.active--
	if s.idle != nil && len(s.streams) == 0 && s.err == nil {
		s.idle.Reset(s.cfg.IdleTimeout)
	}
	s.endIfIdle()
}

// LocalAddr implements [net.Conn]. Its network is "http2".
func (st *Stream) LocalAddr() net.Addr { return streamAddr{st.s.conn.LocalAddr()} }

// RemoteAddr implements [net.Conn]: the connection's.
func (st *Stream) RemoteAddr() net.Addr { return st.s.conn.RemoteAddr() }

func (st *Stream) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: fmt.Sprintf("http2 stream %d", st.id), Source: st.s.conn.LocalAddr(), Addr: st.s.conn.RemoteAddr(), Err: err}
}
