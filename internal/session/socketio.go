package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// SocketIO is a connection to a namespace of Socket.IO, as messages: each is the
// line of an event.
type SocketIO struct {
	Client *socketio.Client
	// Event is the event whose one argument a line is; "": each line names its own.
	Event string
	// Ack asks for the acknowledgement of each event, waits for it no longer than
	// AckTimeout, and gives it as a line: "ack", and its arguments.
	Ack        bool
	AckTimeout time.Duration
	// Stay goes on where the connection is lost: the client connects again.
	Stay bool

	heavy atomic.Pointer[string] // says of an event that it was likely too much
	once  sync.Once
	lines chan taken
	last  chan<- struct{} // of the line that is being used
	asks  chan struct{}   // holds a token while no acknowledgement is awaited
	alive context.Context // until the connection has ended, which is its cause
	end   context.CancelCauseFunc
	gone  chan struct{} // closed once nobody reads any more
	leave sync.Once
}

// taken is a line that is handed over. It is used until done is closed.
type taken struct {
	line []byte
	done chan struct{} // or nil
}

// Disconnected says that the connection has ended.
type Disconnected struct {
	Reason, Description string
	Cause               string // what we have likely done to bring it about, or ""
}

// Error implements error.
func (d *Disconnected) Error() string {
	s := "disconnected: " + d.Reason
	if d.Description != "" && d.Reason != socketio.ReasonTransportClose {
		s += ": " + d.Description
	}
	if d.Cause != "" {
		s += ": " + d.Cause
	}
	return s
}

// Orderly reports whether the server ended it on purpose.
func (d *Disconnected) Orderly() bool { return d.Reason == socketio.ReasonIOServerDisconnect }

// Listen has what the server sends kept for ReadMessage. Call it before the
// client connects: no welcome is missed then.
func (s *SocketIO) Listen() {
	s.once.Do(func() {
		s.lines, s.gone, s.asks = make(chan taken), make(chan struct{}), make(chan struct{}, 1)
		s.asks <- struct{}{}
		s.alive, s.end = context.WithCancelCause(context.Background())
		s.Client.OnAny(func(event string, args socketio.Args) { s.give(taken{line: AppendEvent(nil, event, args)}) })
		s.Client.On("disconnect", func(reason, description string) {
			if !s.Stay || reason == socketio.ReasonIOServerDisconnect {
				s.end(&Disconnected{reason, description, s.cause(reason)})
			}
		})
	})
}

// give waits until somebody takes a line, and for as long as it is used where
// that is to be known.
func (s *SocketIO) give(t taken) {
	select {
	case s.lines <- t:
	case <-s.gone:
		return
	}
	if t.done != nil {
		select {
		case <-t.done:
		case <-s.gone:
		}
	}
}

// take has a line used until the next one is asked for.
func (s *SocketIO) take(t taken) ([]byte, bool, error) {
	s.last = t.done
	return t.line, true, nil
}

// ReadMessage implements [MessageConn]. What came before the end comes before it.
func (s *SocketIO) ReadMessage() ([]byte, bool, error) {
	if s.last != nil {
		close(s.last)
		s.last = nil
	}
	select {
	case t := <-s.lines:
		return s.take(t)
	case <-s.alive.Done():
	}
	select {
	case t := <-s.lines:
		return s.take(t)
	case <-s.asks: // no acknowledgement has come that is still to be given
		s.asks <- struct{}{}
		return nil, false, context.Cause(s.alive)
	}
}

// WriteMessage implements [MessageConn].
func (s *SocketIO) WriteMessage(line []byte) error {
	text := string(line)
	event, args := s.Event, []any{text}
	if event == "" {
		if strings.TrimSpace(text) == "" {
			return nil
		}
		var err error
		if event, args, err = ParseEvent(text); err != nil {
			return &NotEvent{err}
		}
	}
	s.weigh(line, args)
	if !s.Ack {
		return worded(s.Client.Emit(event, args...))
	}
	return s.ask(event, args)
}

// ask sends an event, and gives its acknowledgement as a line. It returns once
// that has been used: whoever leaves behind the last event has all of them.
func (s *SocketIO) ask(event string, args []any) error {
	<-s.asks
	defer func() { s.asks <- struct{}{} }()
	if s.alive.Err() != nil {
		return context.Cause(s.alive)
	}
	ctx, cancel := context.WithTimeout(s.alive, s.AckTimeout)
	defer cancel()
	answer, err := s.Client.EmitWithAck(ctx, event, args...)
	switch {
	case err == nil:
		s.give(taken{AppendEvent(nil, "ack", answer), make(chan struct{})})
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &unacknowledged{event, s.AckTimeout}
	case errors.Is(err, socketio.ErrDisconnected) && !s.Stay:
		<-s.alive.Done() // the reason comes right behind
	}
	if s.alive.Err() != nil {
		return context.Cause(s.alive)
	}
	return worded(err)
}

// mostAttachments is what the official server takes with one event.
const mostAttachments = 10

// weigh notes an event that is likely more than the server takes: official ones
// close the connection, and do not say why.
func (s *SocketIO) weigh(line []byte, args []any) {
	var text string
	n := attachments(args)
	e := s.Client.Engine()
	switch {
	case n > mostAttachments:
		text = fmt.Sprintf("an event with %d attachments was sent, and servers take %d unless set otherwise", n, mostAttachments)
	case e != nil && e.MaxPayload() > 0 && int64(len(line)) > e.MaxPayload():
		text = fmt.Sprintf("a message of %d bytes was sent, and the server takes %d (maxHttpBufferSize)", len(line), e.MaxPayload())
	default:
		return
	}
	s.heavy.Store(&text)
}

// cause is what was noted, where the end may come of it.
func (s *SocketIO) cause(reason string) string {
	text := s.heavy.Load()
	if text == nil || reason != socketio.ReasonTransportClose && reason != socketio.ReasonTransportError {
		return ""
	}
	return *text
}

// attachments counts the binary values in a value.
func attachments(v any) (n int) {
	switch v := v.(type) {
	case []byte:
		return 1
	case []any:
		for _, e := range v {
			n += attachments(e)
		}
	case map[string]any:
		for _, e := range v {
			n += attachments(e)
		}
	}
	return n
}

// unacknowledged is an event whose acknowledgement did not come in time.
type unacknowledged struct {
	event string
	limit time.Duration
}

func (u *unacknowledged) Error() string {
	return fmt.Sprintf("no acknowledgement of %q came within %v", u.event, u.limit)
}

// Timeout says that a limit on time ended it.
func (u *unacknowledged) Timeout() bool { return true }

// emitError is an event that was not taken, without the name of the package.
type emitError struct{ err error }

func (e *emitError) Error() string { return strings.TrimPrefix(e.err.Error(), "socketio: ") }
func (e *emitError) Unwrap() error { return e.err }

func worded(err error) error {
	if err == nil {
		return nil
	}
	return &emitError{err}
}

// Close implements [MessageConn].
func (s *SocketIO) Close() error {
	s.leave.Do(func() { close(s.gone) })
	err := s.Client.Close()
	s.end(&Disconnected{Reason: socketio.ReasonIOClientDisconnect})
	return err
}
