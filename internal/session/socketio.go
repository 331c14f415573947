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
	lines chan []byte
	ended chan error
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
		s.lines, s.ended = make(chan []byte), make(chan error, 1)
		s.Client.OnAny(func(event string, args socketio.Args) { s.give(AppendEvent(nil, event, args)) })
		s.Client.On("disconnect", func(reason, description string) {
			if !s.Stay || reason == socketio.ReasonIOServerDisconnect {
				s.end(&Disconnected{reason, description, s.cause(reason)})
			}
		})
	})
}

// give waits until somebody takes a line.
func (s *SocketIO) give(line []byte) {
	select {
	case s.lines <- line:
	case err := <-s.ended:
		s.end(err)
	}
}

func (s *SocketIO) end(err error) {
	select {
	case s.ended <- err:
	default:
	}
}

// ReadMessage implements [MessageConn].
func (s *SocketIO) ReadMessage() ([]byte, bool, error) {
	select {
	case line := <-s.lines:
		return line, true, nil
	default:
	}
	select {
	case line := <-s.lines:
		return line, true, nil
	case err := <-s.ended:
		s.end(err) // for those who wait with a line
		return nil, false, err
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
			return err
		}
	}
	s.weigh(line, args)
	if !s.Ack {
		return worded(s.Client.Emit(event, args...))
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.AckTimeout)
	defer cancel()
	answer, err := s.Client.EmitWithAck(ctx, event, args...)
	if errors.Is(err, context.DeadlineExceeded) {
		return &unacknowledged{event, s.AckTimeout}
	}
	if errors.Is(err, socketio.ErrDisconnected) && !s.Stay {
		err = <-s.ended // the reason comes right behind
		s.end(err)
		return err
	}
	if err == nil {
		s.give(AppendEvent(nil, "ack", answer))
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
	err := s.Client.Close()
	s.end(&Disconnected{Reason: socketio.ReasonIOClientDisconnect})
	return err
}
