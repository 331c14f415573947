package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// Messages is a conversation over a socket that keeps the borders between
// messages: one Read of Conn gives one, one Write sends one.
type Messages struct {
	Conn    net.Conn
	In      Source // nil: there is no input
	Out     io.Writer
	Framing Framing // of the output
	// MaxMessage is the largest message in bytes, in either direction; 0
	// means 65,535.
	MaxMessage int
	SendOnly   bool
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
}

const (
	defaultWait       = 10 * time.Second
	defaultMaxMessage = 65535
)

// SendError is a message that could not be sent.
type SendError struct {
	Number int // which, from 1
	Size   int // in bytes
	Err    error
}

// Error implements error.
func (e *SendError) Error() string {
	return fmt.Sprintf("message %d (%d bytes): %s", e.Number, e.Size, tcp.Reason(e.Err))
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// messages is a running [Messages].
type messages struct {
	*Messages
	upEnd, downEnd chan error
	active         chan struct{} // something went or came
	came           atomic.Int64
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
		if r.sent && (r.SendOnly || r.Linger == 0 && !r.Stay) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-r.upEnd:
			if err != nil {
				return err
			}
			r.inputEnded()
		case err := <-r.downEnd:
			return err
		case <-left:
			return ErrReaderLeft
		case <-r.active:
			r.stillActive()
		case <-r.silence.C:
			return nil
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

func (r *messages) limit() int {
	if r.MaxMessage > 0 {
		return r.MaxMessage
	}
	return defaultMaxMessage
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
		if _, err := r.Conn.Write(message); err != nil {
			return &SendError{Number: number, Size: len(message), Err: err}
		}
		r.activity()
	}
}

func (r *messages) receive() error {
	buf := make([]byte, r.limit())
	var framed []byte
	for {
		n, err := r.Conn.Read(buf)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		r.came.Add(1)
		r.activity()
		if r.SendOnly {
			continue
		}
		framed = AppendFramed(framed[:0], r.Framing, buf[:n])
		if _, err := r.Out.Write(framed); err != nil {
			if isReaderGone(err) {
				return ErrReaderLeft
			}
			return &OutputError{err}
		}
		if r.Expect != nil && r.Expect.Wanted() && r.Expect.Saw(buf[:n]) {
			return errEnough
		}
	}
}
