package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// MessageConn is a socket that keeps the borders between messages.
type MessageConn interface {
	// ReadMessage returns the next message, which is valid until the next call,
	// and whether it is text. [io.EOF] is the end.
	ReadMessage() (p []byte, text bool, err error)
	// WriteMessage sends one.
	WriteMessage(p []byte) error
	// Close ends the connection in good order.
	Close() error
}

// Messages is a conversation over a socket that keeps the borders between
// messages.
type Messages struct {
	Conn     MessageConn
	In       Source // nil: there is no input
	Out      io.Writer
	Framing  Framing // of the output
	SendOnly bool
	// Wait bounds the wait for a first message after the end of input; 0
	// means 10 seconds.
	Wait time.Duration
	// Linger is the silence that ends the conversation after the end of
	// input, once a message has come. 0 leaves at once.
	Linger time.Duration
	// Stay goes on after the end of input until something else ends it.
	Stay        bool
	IdleTimeout time.Duration
	Expect      *Expectation
	// Refused is told of a line that makes no message, at a prompt, where the
	// next one may; nil: such a line ends the conversation.
	Refused func(error)
}

const defaultWait = 10 * time.Second

// SendError is a message that could not be sent.
type SendError struct {
	Number int  // which, from 1
	Line   bool // it was a line of the input
	Size   int  // in bytes
	Err    error
}

// Error implements error.
func (e *SendError) Error() string {
	what := "message"
	if e.Line {
		what = "line"
	}
	return fmt.Sprintf("%s %d (%d bytes): %s", what, e.Number, e.Size, tcp.Reason(e.Err))
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// messages is a running [Messages].
type messages struct {
	*Messages
	upEnd, downEnd chan error
	active         chan struct{} // something went or came
	came           atomic.Int64
	printing       atomic.Bool // what came is not written yet: there is no silence
	silence, idle  *time.Timer
	sent           bool
}

// Run holds the conversation and closes the connection.
func (m *Messages) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &messages{
		Messages: m, upEnd: make(chan error, 1), downEnd: make(chan error, 1),
		active: make(chan struct{}, 1), silence: newStopped(), idle: newStopped(),
	}
	defer m.Conn.Close()
	go func() { r.downEnd <- r.receive() }()
	if m.In == nil {
		r.inputEnded()
	} else {
		go func() { r.upEnd <- r.send() }()
	}
	err := r.converse(ctx)
	if m.Expect != nil {
		return m.Expect.Result(err)
	}
	return err
}

func (r *messages) converse(ctx context.Context) error {
	left := ReaderLeft(ctx, r.Out)
	r.stillActive()
	for {
		if r.sent && (r.SendOnly || r.Linger == 0 && !r.Stay) && !r.printing.Load() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-r.upEnd:
			if err != nil {
				return r.notSent(err)
			}
			r.inputEnded()
		case err := <-r.downEnd:
			return r.peerEnded(err)
		case <-left:
			return ErrReaderLeft
		case <-r.active:
			r.stillActive()
		case <-r.silence.C:
			if !r.printing.Load() {
				return nil
			}
		case <-r.idle.C:
			return &IdleError{r.IdleTimeout}
		}
	}
}

// inputEnded begins the wait for what is still to come.
func (r *messages) inputEnded() {
	r.sent = true
	if r.Stay {
		return
	}
	wait := r.Wait
	if wait == 0 {
		wait = defaultWait
	}
	if r.came.Load() > 0 {
		wait = r.Linger
	}
	r.silence.Reset(wait)
}

func (r *messages) stillActive() {
	if r.IdleTimeout > 0 {
		r.idle.Reset(r.IdleTimeout)
	}
	if r.sent && !r.Stay && r.came.Load() > 0 {
		r.silence.Reset(r.Linger)
	}
}

func (r *messages) activity() {
	select {
	case r.active <- struct{}{}:
	default:
	}
}

func (r *messages) send() error {
	for number := 1; ; number++ {
		message, err := r.In.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &InputError{err}
		}
		if err := r.Conn.WriteMessage(message); err != nil {
			err := &SendError{Number: number, Line: r.fromLines(), Size: len(message), Err: err}
			if r.Refused == nil || !errors.As(err, new(*NotText)) && !errors.As(err, new(*NotEvent)) {
				return err
			}
			r.Refused(err.Err)
		}
		r.activity()
	}
}

// fromLines reports whether messages are lines of text.
func (r *messages) fromLines() bool {
	in, ok := r.In.(*Reader)
	return ok && in.framing == Lines
}

func (r *messages) receive() error {
	var framed []byte
	for {
		p, text, err := r.Conn.ReadMessage()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !r.SendOnly {
			r.printing.Store(true)
		}
		r.came.Add(1)
		r.activity()
		if r.SendOnly {
			continue
		}
		framed = AppendFramed(framed[:0], r.Framing, p)
		if text && r.Framing == Lines {
			framed = append(framed, '\n')
		}
		if _, err := r.Out.Write(framed); err != nil {
			if isReaderGone(err) {
				return ErrReaderLeft
			}
			return &OutputError{err}
		}
		if r.Expect != nil && r.Expect.Wanted() && r.Expect.Saw(p) {
			return errEnough
		}
		r.printing.Store(false)
		r.activity()
	}
}

// peerEnded is the result where the peer has ended the conversation: what could
// not be sent any more is said.
func (r *messages) peerEnded(err error) error {
	if err == errEnough {
		r.sendGiven()
	}
	var closed interface{ Orderly() bool }
	if !errors.As(err, &closed) {
		return err
	}
	lost, more := r.unsent()
	switch {
	case lost > 0 || more:
		return &Undelivered{Bytes: lost, More: more, Err: err}
	case closed.Orderly():
		return nil
	}
	return err
}

// notSent is the end by a message that could not be sent. Where it is the
// connection that failed, all that was to come is lost with it, and how the peer
// ended it says more.
func (r *messages) notSent(err error) error {
	var failed *SendError
	var ended *Disconnected
	if !errors.As(err, &failed) || !tcp.IsReset(err) && !IsClosed(err) && !errors.As(err, &ended) {
		return err
	}
	n, more := r.In.Pending()
	lost := &Undelivered{Bytes: int64(failed.Size) + n, More: more, Err: failed.Err}
	select {
	case end := <-r.downEnd:
		if end != nil {
			lost.Err = end
		}
	case <-time.After(inputGrace):
	}
	return lost
}

// sendGiven waits until the messages of a [List] are sent, though enough has
// come: a server that speaks first keeps nobody from being heard.
func (r *messages) sendGiven() {
	if _, given := r.In.(*List); !given || r.sent {
		return
	}
	go func() { // who sends may wait for what comes to be taken
		for {
			if _, _, err := r.Conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	select {
	case <-r.upEnd:
	case <-time.After(time.Second): // the peer takes nothing any more
	}
}

// unsent is the input that did not become a message that was sent.
func (r *messages) unsent() (bytes int64, more bool) {
	if r.sent || r.In == nil {
		return 0, false
	}
	select {
	case err := <-r.upEnd:
		var failed *SendError
		if errors.As(err, &failed) {
			n, more := r.In.Pending()
			return int64(failed.Size) + n, more
		}
		return 0, false
	case <-time.After(inputGrace): // it waits for input, or for the socket
		return r.In.Waiting(), false
	}
}
