package demo

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// LessonsByHand returns the lessons in which the reader's own program, such as
// nc or curl, is the other side: untold, in the order to learn them. Each has
// the name of the lesson that it is the other form of.
func LessonsByHand() []Lesson {
	h := hand{time.Minute}
	return []Lesson{tcpByHand(h), handshakeByHand(h)}
}

// FindByHand returns the lesson of that name in which the reader's own program
// is the other side. It reports false where there is none.
func FindByHand(name string) (Lesson, bool) {
	for _, l := range LessonsByHand() {
		if l.Name == name {
			return l, true
		}
	}
	return Lesson{}, false
}

// NobodyError says that the reader's program did not do in time what a lesson
// by hand had waited for.
type NobodyError struct {
	What  string // what was waited for
	Limit time.Duration
}

// Error says both.
func (e *NobodyError) Error() string {
	return fmt.Sprintf("waited %s for %s, and nothing came", spoken(e.Limit), e.What)
}

// Timeout tells that it is a limit on time.
func (e *NobodyError) Timeout() bool { return true }

func spoken(d time.Duration) string {
	if d == time.Minute {
		return "a minute"
	}
	return d.String()
}

// hand is the reader's, who needs time for what it does.
type hand struct {
	limit time.Duration // for each thing that is waited for
}

// bounded is a socket whose waiting can be ended.
type bounded interface{ SetDeadline(t time.Time) error }

// waits waits for something that the reader's program does on a socket: do
// returns when it is done. The reader may leave meanwhile.
func (h hand) waits(s *Stage, what string, on bounded, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	late := time.AfterFunc(h.limit, func() { cancel(&NobodyError{what, h.limit}) })
	defer late.Stop()
	stop := context.AfterFunc(ctx, func() { _ = on.SetDeadline(time.Unix(1, 0)) })
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := s.watches(ctx, what); err != nil {
			cancel(err)
		}
	}()
	err := do(ctx)
	stop()
	over := context.Cause(ctx) // nil where it did not end early
	cancel(nil)
	<-watched
	if over != nil {
		return over
	}
	return err
}

// watches waits until the reader leaves, or ctx ends.
func (s *Stage) watches(ctx context.Context, what string) error {
	if s.watch == nil {
		return nil
	}
	err := s.watch(ctx, what)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// accepts waits for the reader's program to connect.
func (h hand) accepts(s *Stage, who string, l *tcp.Listener) (conn net.Conn, err error) {
	socket, ok := l.Sockets()[0].(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("%v is no TCP listener", l.Addr())
	}
	err = h.waits(s, "a connection to "+l.Addr().String(), socket, func(context.Context) (err error) {
		conn, err = l.Accept()
		return err
	})
	if err != nil {
		return nil, err
	}
	conn = tcp.Trace(conn, s.As(who), trace.Server, 0)
	s.Keep(conn)
	return conn, nil
}

// reads waits for the next bytes of the reader's program. The end of the stream
// is io.EOF.
func (h hand) reads(s *Stage, what string, conn net.Conn) (got []byte, err error) {
	b := make([]byte, mostRead)
	err = h.waits(s, what, conn, func(context.Context) (err error) {
		n, err := conn.Read(b)
		got = b[:n]
		return err
	})
	return got, err
}

// dials tries to connect who to an address until somebody listens there.
func (h hand) dials(s *Stage, who, address string) (conn net.Conn, err error) {
	err = h.waits(s, "a listener at "+address, noDeadline{}, func(ctx context.Context) error {
		began := time.Now()
		for {
			if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
				conn = tcp.Trace(conn, s.As(who), trace.Client, time.Since(began))
				s.Keep(conn)
				return nil
			}
			if !isRefused(err) {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(tryAgain):
			}
		}
	})
	return conn, err
}

// tryAgain is the wait before the next attempt to reach the reader's program.
const tryAgain = 100 * time.Millisecond

// noDeadline is for what a context ends.
type noDeadline struct{}

// SetDeadline does nothing.
func (noDeadline) SetDeadline(time.Time) error { return nil }

// command shows the one command to run now, and what does as well.
func (s *Stage) command(line string, others ...string) {
	s.teller.text("Run this in another terminal:")
	s.teller.commands([]string{line})
	if len(others) > 0 {
		s.teller.text("Or, in its place:")
		s.teller.commands(others)
	}
}

// freeAddress is an address of this machine at which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// isLine reports whether what came ends as a line does.
func isLine(b []byte) bool { return strings.HasSuffix(string(b), "\n") }
