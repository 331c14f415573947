// Package tap passes connections on: from whoever connects to a target, any
// kind of socket to any other, with faults where they are wanted.
package tap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// End is one of the two ends of what is passed on.
type End struct {
	Conn net.Conn
	// Name is what errors call the end; "" means client or target.
	Name string
	// Datagrams says that one Read gives a datagram and one Write sends one.
	Datagrams bool
	// Lines says that a line is a message, where the other end is a WebSocket:
	// without its newline there. Else one Read of a stream is one.
	Lines bool
	// Stdio says that the end is standard input and output. Whoever is there
	// does not always end their input when the other end has gone.
	Stdio bool
}

// Relay passes everything from a client to a target and back, unchanged. The
// end of one direction is passed on as a half-close and the other direction
// goes on; a failure of one end resets the other.
//
// A [*WebSocket] as an end has messages for what the other one's datagrams or
// pieces are. It has no halves: behind the end of a stream that came from a
// client answers are waited for as with datagrams, and the end of the target
// closes it.
//
// Between a stream and datagrams each Read of the stream is a datagram, and
// each datagram is written to the stream as it is.
type Relay struct {
	Client, Target End
	// Faults are those of this connection; nil: none. Run closes them.
	Faults *faults.Connection
	// Affects reports which directions they concern; nil: none.
	Affects func(trace.Dir) bool
	// Idle ends the connection after so long a silence in both directions, with
	// a [*session.IdleError]; 0: never.
	Idle time.Duration
	// Wait bounds the wait for a first answer in datagrams, once a stream has
	// ended; 0 means 10 seconds. After the first, a second of silence ends it.
	Wait time.Duration
	// MaxMessage bounds a line that is to be a message, in bytes; 0 means 32 MiB.
	MaxMessage int
	// MaxDatagram bounds the datagrams made of a stream; 0 means 65,507 bytes.
	MaxDatagram int
	// Warn is told of datagrams that could not be passed on; nil: nobody.
	Warn func(error)
}

const (
	defaultWait   = 10 * time.Second
	datagramQuiet = time.Second
	stdioQuiet    = 500 * time.Millisecond
	// lastWords is the time that an end is given to take what a WebSocket has
	// sent, once that has closed: its answers are for nobody.
	lastWords = 2 * time.Second
	// lookAgain is how often silence is looked for once one end has gone.
	lookAgain = 100 * time.Millisecond
	// cutWait bounds the wait for the bytes before a cut to arrive.
	cutWait = time.Second
)

// relay is a running [Relay].
type relay struct {
	*Relay
	up, down *half
	ends     chan *half
	check    *time.Timer
	moved    int64
	lastMove time.Time
	broken   bool  // an end failed
	later    error // the result, where the end that it came with was a regular one
}

// EndError is the failure of one of the two ends.
type EndError struct {
	End string // its name
	Err error
}

// Error implements error.
func (e *EndError) Error() string { return "the " + e.End + ": " + tcp.Reason(e.Err) }

// Unwrap returns the cause.
func (e *EndError) Unwrap() error { return e.Err }

// half is one direction.
type half struct {
	mover
	dir      trace.Dir
	from, to End
	err      error
	ended    time.Time // zero while it runs
}

// mover moves one direction.
type mover interface {
	Run() error
	Moved() int64
	Waiting() time.Duration
}

// Run passes on until both directions have ended, one has failed, or ctx ends.
// Both connections are closed when it returns. A cut on purpose is no error.
func (r *Relay) Run(ctx context.Context) error {
	run := &relay{Relay: r, ends: make(chan *half, 2), check: time.NewTimer(time.Hour), lastMove: time.Now()}
	defer run.check.Stop()
	run.up = run.half(trace.Out, r.Client, r.Target)
	run.down = run.half(trace.In, r.Target, r.Client)
	err := run.wait(ctx)
	run.close(err)
	for range run.freed() {
		<-run.ends
	}
	if errors.Is(err, errOver) || errors.Is(err, faults.ErrCut) {
		err = nil
	}
	if err == nil {
		err = run.later
	}
	return err
}

// errOver is an end in good order.
var errOver = errors.New("over")

func (r *relay) half(d trace.Dir, from, to End) *half {
	h := &half{dir: d, from: from, to: to, mover: r.mover(d, from, to)}
	go func() {
		h.err = r.run(h)
		r.ends <- h
	}()
	return h
}

// run moves one direction and passes its end on.
func (r *relay) run(h *half) error {
	err := h.Run()
	if err != nil && !errors.Is(err, tcp.ErrTruncated) {
		return err
	}
	endErr := r.passEnd(h, err != nil)
	if link, ok := h.mover.(*faults.Link); ok && err == nil {
		err = link.Drain()
	}
	if err == nil && !h.to.Datagrams && errors.Is(endErr, errors.ErrUnsupported) {
		return errOver // without halves its end is the end of both
	}
	return err
}

// passEnd ends the sending half of where h goes to; one that was cut short is
// passed on as such where the protocol can tell. A WebSocket has no halves: it is
// left open for answers where it is the target, and where nobody types any more.
func (r *relay) passEnd(h *half, truncated bool) error {
	conn := h.to.Conn
	if webSocketOf(h.to) != nil && (h.dir == trace.Out || h.from.Stdio) {
		return nil
	}
	if _, secure := tcp.TLSState(conn); secure && truncated {
		return tcp.CloseWrite(tcp.Unwrap(conn)) // a FIN without close_notify
	}
	return tcp.CloseWrite(conn)
}

// running are the directions that have not ended.
func (r *relay) running() int {
	n := 0
	for _, h := range []*half{r.up, r.down} {
		if h.ended.IsZero() {
			n++
		}
	}
	return n
}

// freed are those of them that closing the connections ends: a read of standard
// input may go on until the process leaves.
func (r *relay) freed() int {
	n := 0
	for _, h := range []*half{r.up, r.down} {
		if h.ended.IsZero() && !h.from.Stdio {
			n++
		}
	}
	return n
}

// wait returns why the connection is over.
func (r *relay) wait(ctx context.Context) error {
	for r.running() > 0 {
		if err := r.silence(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.cut():
			return faults.ErrCut
		case <-r.check.C:
		case h := <-r.ends:
			h.ended = time.Now()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := r.halfEnded(h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *relay) cut() <-chan struct{} {
	if r.Faults == nil {
		return nil
	}
	return r.Faults.Cut()
}

// halfEnded returns an error where the end of h is that of the connection.
func (r *relay) halfEnded(h *half) error {
	switch {
	case h.err == nil, errors.Is(h.err, faults.ErrStalled):
		return nil
	case errors.Is(h.err, tcp.ErrTruncated):
		r.later = r.blame(h)
		return nil
	case h.err == errOver, errors.Is(h.err, faults.ErrCut):
		return h.err
	}
	r.broken = true
	return r.blame(h)
}

// blame says which end it was that broke a direction.
func (r *relay) blame(h *half) error {
	var read *tcp.ReadError
	if errors.As(h.err, &read) {
		return r.fault(h.from, read.Err)
	}
	return r.fault(h.to, h.err)
}

// fault is a failure of one end.
func (r *relay) fault(e End, err error) error {
	name, role := "target", ws.ServerRole
	if e.Conn == r.Client.Conn {
		name, role = "client", ws.ClientRole
	}
	if seen, ok := r.Target.Conn.(*observed); ok && isEnd(err) {
		seen.end(role)
	}
	return &EndError{cmp.Or(e.Name, name), err}
}

// silence returns an error where nothing has passed for too long, and else sets
// the time of the next look.
func (r *relay) silence() error {
	if moved := r.up.Moved() + r.down.Moved(); moved != r.moved {
		r.moved, r.lastMove = moved, time.Now()
	}
	next := time.Hour
	if r.Idle > 0 {
		left := r.Idle - time.Since(r.lastMove)
		if left <= 0 {
			emit(r.Client.Conn, trace.Limit{Rule: "idle-timeout", Reason: fmt.Sprintf("nothing came or went for %v", r.Idle)})
			return &session.IdleError{After: r.Idle}
		}
		next = min(left, r.Idle/8)
	}
	for _, pair := range [][2]*half{{r.up, r.down}, {r.down, r.up}} {
		left, bounded := r.patience(pair[0], pair[1])
		if bounded && left <= 0 {
			return errOver
		}
		if bounded {
			next = min(next, left, lookAgain)
		}
	}
	r.check.Reset(max(next, time.Millisecond))
	return nil
}

// patience is how much longer other is given once h has ended, where h's end
// cannot tell it to end as well.
func (r *relay) patience(h, other *half) (left time.Duration, bounded bool) {
	if h.ended.IsZero() || !other.ended.IsZero() {
		return 0, false
	}
	limit := stdioQuiet
	switch {
	case webSocketOf(h.from) != nil && other.from.Datagrams:
		return 0, true // nobody is there to be told of what comes
	case webSocketOf(h.from) != nil:
		return lastWords - time.Since(h.ended), true
	case webSocketOf(h.to) != nil && h.dir == trace.Out:
		limit = r.answerWait(other)
	case webSocketOf(h.to) != nil:
		return 0, false // it was closed, and that takes its own time; or nobody types, and it may still send
	case h.to.Datagrams && h == r.down && h.from.Stdio:
		return 0, false // nobody types, and the client may still send
	case h.to.Datagrams && h == r.down:
		return 0, true // the target has left a client that cannot be told
	case h.to.Datagrams:
		limit = r.answerWait(other)
	case !h.to.Stdio:
		return 0, false
	}
	return limit - min(time.Since(h.ended), other.Waiting()), true
}

// answerWait is how long datagrams are waited for after a stream's end.
func (r *relay) answerWait(down *half) time.Duration {
	switch {
	case down.Moved() > 0:
		return datagramQuiet
	case r.Wait > 0:
		return r.Wait
	}
	return defaultWait
}

// close ends both connections as err demands, and frees both directions.
func (r *relay) close(err error) {
	if r.Faults != nil {
		if errors.Is(err, faults.ErrCut) && r.Faults.CutBySize() {
			r.deliver()
		}
		r.Faults.Close()
	}
	for _, conn := range []net.Conn{r.Client.Conn, r.Target.Conn} {
		if w, ok := conn.(*WebSocket); ok {
			r.closeWebSocket(w, err)
			continue
		}
		if r.broken || errors.Is(err, faults.ErrCut) {
			tcp.Reset(conn)
		} else {
			conn.Close()
		}
	}
}

func (r *relay) closeWebSocket(w *WebSocket, err error) {
	if errors.Is(err, faults.ErrCut) {
		w.abort()
		return
	}
	_ = w.leave(r.farewell(w, err))
}

// deliver waits for the peers to have what was passed on before a cut.
func (r *relay) deliver() {
	ctx, cancel := context.WithTimeout(context.Background(), cutWait)
	defer cancel()
	for _, conn := range []net.Conn{r.Client.Conn, r.Target.Conn} {
		_, _ = tcp.AwaitDelivered(ctx, conn)
	}
}
