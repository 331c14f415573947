// Package session holds the conversation between a program's standard input
// and output and one socket: who ends first, what is waited for, what was lost.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// Stream is a conversation over a stream of bytes.
type Stream struct {
	Conn net.Conn
	In   io.Reader // nil: there is no input, and the sending half stays open
	Out  io.Writer
	// KeepHalf leaves the sending half open at the end of input.
	KeepHalf bool
	// Interactive says that a person types: the peer's end is the end.
	Interactive bool
	// SendOnly drops what the peer sends and ends once the input was delivered.
	SendOnly bool
	// Quiet is how long input may have had nothing to read, once the peer has
	// ended, before the conversation is over. 0 means 500 ms.
	Quiet time.Duration
	// IdleTimeout ends the conversation after silence in both directions; 0: never.
	IdleTimeout time.Duration
	// Expect ends the conversation once what it expects has come; nil: nothing.
	Expect *Expectation
	// Note is told what is worth saying and is no failure; nil: nobody.
	Note func(string)
	// Linger bounds the wait for the peer to acknowledge the last bytes. 0
	// means 10 seconds.
	Linger time.Duration
}

const (
	defaultQuiet  = 500 * time.Millisecond
	defaultLinger = 10 * time.Second
)

// Undelivered says that input did not reach the peer.
type Undelivered struct {
	Bytes int64 // known not to have arrived
	More  bool  // and there was more that had not been read
	Err   error // why
}

// Error implements error.
func (u *Undelivered) Error() string {
	least := ""
	if u.Bytes == 0 {
		return tcp.Reason(u.Err) + ": not all of the input was delivered"
	}
	if u.More {
		least = "at least "
	}
	return fmt.Sprintf("%s: %s%s not delivered", tcp.Reason(u.Err), least, count(u.Bytes))
}

func count(bytes int64) string {
	if bytes == 1 {
		return "1 byte of input was"
	}
	return fmt.Sprintf("%d bytes of input were", bytes)
}

// Unwrap returns why.
func (u *Undelivered) Unwrap() error { return u.Err }

// IdleError says that nothing came or went for longer than was allowed.
type IdleError struct{ After time.Duration }

// Error implements error.
func (e *IdleError) Error() string {
	return fmt.Sprintf("nothing came or went for %v (--idle-timeout)", e.After)
}

// Timeout implements [net.Error].
func (e *IdleError) Timeout() bool { return true }

// ErrReaderLeft says that whoever read our output has gone.
var ErrReaderLeft = errors.New("the reader of the output has left")

// OutputError is a failure to write what came.
type OutputError struct{ Err error }

// Error implements error.
func (e *OutputError) Error() string { return "writing the output: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OutputError) Unwrap() error { return e.Err }

// InputError is a failure to read what was to be sent.
type InputError struct{ Err error }

// Error implements error.
func (e *InputError) Error() string { return "reading the input: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// stream is a running [Stream].
type stream struct {
	*Stream
	up, down         *tcp.Pump
	output           io.Writer
	upEnd, downEnd   chan error
	silent           chan struct{} // closed at the peer's end
	sendErr          error         // why the peer takes no more
	sent, heard      bool          // the input, the peer has ended
	reset            bool          // by the peer
	lastMoved        int64
	lastMove         time.Time
	quietly, silence *time.Timer
}

// Run holds the conversation and closes the connection. Nil means that all
// input was delivered and all that the peer sent was written, or that the
// caller's expectations were met.
func (s *Stream) Run(ctx context.Context) error {
	r := &stream{
		Stream: s, upEnd: make(chan error, 1), downEnd: make(chan error, 1), silent: make(chan struct{}),
		quietly: newStopped(), silence: newStopped(), lastMove: time.Now(), output: s.Out,
	}
	defer s.Conn.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	expected := r.expecting()
	r.start()
	err := r.converse(ctx)
	if err == nil {
		err = r.settle(ctx)
	}
	return expected(err)
}

// expecting shows the output to the expectation, if there is one. The function
// that it returns turns the conversation's end into the result.
func (r *stream) expecting() func(error) error {
	if r.Expect == nil || !r.Expect.Wanted() {
		return func(err error) error { return err }
	}
	shown := &lines{out: r.Out, expect: r.Expect}
	r.output = shown
	return func(err error) error {
		shown.flush()
		return r.Expect.Result(err)
	}
}

func newStopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (r *stream) start() {
	r.down = &tcp.Pump{Dst: r.output, Src: r.Conn}
	if r.SendOnly {
		r.down.Dst = io.Discard
	}
	go func() {
		err := r.down.Run()
		close(r.silent)
		r.downEnd <- err
	}()
	if r.In == nil {
		r.up, r.sent = &tcp.Pump{}, true
	} else {
		r.up = &tcp.Pump{Dst: r.Conn, Src: r.In}
		go func() { r.upEnd <- r.sendAll() }()
	}
	if r.IdleTimeout > 0 {
		r.silence.Reset(r.IdleTimeout)
	}
}

// sendAll sends the input and then ends our half.
func (r *stream) sendAll() error {
	err := r.up.Run()
	if err != nil || r.KeepHalf {
		return err
	}
	r.holdBack()
	err = tcp.CloseWrite(r.Conn)
	if isGone(err) {
		return nil // a peer that is gone shows when the rest is read
	}
	return err
}

// notifyDelay is how long the end of our half is held back under TLS.
const notifyDelay = 200 * time.Millisecond

// holdBack gives a peer that answers at once the time to do so before our half
// ends. Under TLS that end is data (close_notify): a peer that closes without
// having read it resets the connection, and what it said last may be lost.
func (r *stream) holdBack() {
	if _, secured := tcp.TLSState(r.Conn); !secured {
		return
	}
	select {
	case <-r.silent:
	case <-time.After(notifyDelay):
	}
}

// converse waits until the conversation is over; what was sent last may still
// be under way. An error ends it with that error.
func (r *stream) converse(ctx context.Context) error {
	left := ReaderLeft(ctx, r.Out)
	for !r.over() {
		select {
		case <-ctx.Done():
			return r.cutShort(context.Cause(ctx))
		case err := <-r.upEnd:
			if err = r.inputEnded(err); err != nil {
				return err
			}
		case err := <-r.downEnd:
			if err = r.peerEnded(err); err != nil {
				return err
			}
		case <-left:
			return ErrReaderLeft
		case <-r.quietly.C:
			r.listenForInput()
		case <-r.silence.C:
			if err := r.checkIdle(); err != nil {
				return r.cutShort(err)
			}
		}
	}
	return nil
}

// over reports whether nothing more is due in either direction.
func (r *stream) over() bool { return r.sent && (r.heard || r.SendOnly) }

func (r *stream) inputEnded(err error) error {
	r.sent = true
	var read *tcp.ReadError
	switch {
	case errors.As(err, &read):
		return &InputError{read.Err}
	case err != nil:
		r.sendErr = err // the peer may have said something before it left
	}
	return nil
}

func (r *stream) peerEnded(err error) error {
	r.heard = true
	var read *tcp.ReadError
	switch {
	case errors.Is(err, tcp.ErrTruncated):
		if r.Note != nil {
			r.Note(tcp.ErrTruncated.Error())
		}
	case errors.As(err, &read):
		return r.lostWith(read.Err)
	case errors.Is(err, errEnough):
		return err
	case isReaderGone(err):
		return ErrReaderLeft
	case err != nil:
		return &OutputError{err}
	}
	if r.Interactive {
		r.sent = true
	}
	r.listenForInput()
	return nil
}

// listenForInput ends the conversation if the peer has ended and the input has
// been silent long enough; else it looks again later.
func (r *stream) listenForInput() {
	if !r.heard || r.sent {
		return
	}
	quiet := r.Quiet
	if quiet <= 0 {
		quiet = defaultQuiet
	}
	waited := r.up.Waiting()
	if waited >= quiet && !readable(r.In) {
		r.sent = true
		return
	}
	r.quietly.Reset(max(quiet-waited, time.Millisecond))
}

func (r *stream) checkIdle() error {
	if moved := r.up.Moved() + r.down.Moved(); moved != r.lastMoved {
		r.lastMoved, r.lastMove = moved, time.Now()
	}
	idle := time.Since(r.lastMove)
	if idle >= r.IdleTimeout {
		return &IdleError{r.IdleTimeout}
	}
	// A fraction of the time-out bounds how late silence is noticed.
	r.silence.Reset(max(min(r.IdleTimeout-idle, r.IdleTimeout/8), time.Millisecond))
	return nil
}

// settle waits until the peer's system has all that was sent, and says what
// it did not get.
func (r *stream) settle(ctx context.Context) error {
	if r.sendErr != nil {
		return r.lostWith(r.sendErr)
	}
	if r.up.Moved() == 0 {
		return nil
	}
	linger := r.Linger
	if linger <= 0 {
		linger = defaultLinger
	}
	ctx, cancel := context.WithTimeoutCause(ctx, linger, &tcp.TimeoutError{After: linger})
	defer cancel()
	if _, err := tcp.AwaitDelivered(ctx, r.Conn); err != nil {
		r.reset = tcp.IsReset(err)
		if left := r.unacknowledged(); left > 0 {
			return &Undelivered{Bytes: left, Err: errors.Unwrap(err)} // that of tcp has a count of its own, with our end
		}
	}
	return nil
}

// lostWith is err, with what it kept from being delivered.
func (r *stream) lostWith(err error) error {
	r.awaitInput()
	r.reset = tcp.IsReset(err)
	lost, more := r.up.Lost()+r.unacknowledged(), false
	if r.sendErr != nil {
		n, unknown := pending(r.In)
		lost, more = lost+n, unknown
	}
	if lost == 0 && !more {
		return err
	}
	return &Undelivered{Bytes: lost, More: more, Err: err}
}

// Pending returns how many bytes can be read of in, a file or a pipe, at once; 0
// where the system does not say.
func Pending(in io.Reader) int64 {
	n, _ := pending(in)
	return n
}

// cutShort is err, which ends the conversation for a reason of ours, with the
// input that had not arrived by then.
func (r *stream) cutShort(err error) error {
	lost := r.unacknowledged()
	if lost == 0 {
		return err
	}
	more := !r.sent && r.up.Waiting() == 0 // it was still sending
	return &Undelivered{Bytes: lost, More: more, Err: err}
}

// inputGrace is how long a broken connection is given to end the sending too.
const inputGrace = 100 * time.Millisecond

// awaitInput waits until the sending has ended, if it is about to: only then is
// it known what was lost.
func (r *stream) awaitInput() {
	if r.sent {
		return
	}
	select {
	case err := <-r.upEnd:
		_ = r.inputEnded(err)
	case <-time.After(inputGrace):
	}
}

// closeNotify is the most bytes that the end of our half takes under TLS.
const closeNotify = 64

// unacknowledged is what the peer's system has not of what was sent. Under TLS
// our end itself takes a few bytes, which are no input.
func (r *stream) unacknowledged() int64 {
	left, err := tcp.Undelivered(r.Conn)
	if left > 0 && r.reset && r.sent && r.sendErr == nil && !r.KeepHalf {
		left-- // our end, which the kernel counts once the connection is reset
	}
	if _, secured := tcp.TLSState(r.Conn); err != nil || secured && r.sent && r.sendErr == nil && left <= closeNotify {
		return 0
	}
	return int64(left)
}

// isReaderGone reports whether err says that nobody reads our output.
func isReaderGone(err error) bool { return tcp.IsReset(err) || errors.Is(err, io.ErrClosedPipe) }

// isGone reports whether ending our half failed because there is no half, or
// nobody to tell.
func isGone(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ENOTCONN) || tcp.IsReset(err)
}
