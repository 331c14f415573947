// Package serve holds what a listening socket does with its peers: echo,
// broadcast, discard, a command for each, or standard input and output for all.
package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
)

// Mode is what is done with what peers send.
type Mode int

// The modes.
const (
	Stdio        Mode = iota // to standard output; standard input goes to all
	Echo                     // back to the sender
	Broadcast                // to all but the sender
	BroadcastAll             // to all
	Discard                  // nowhere
	Exec                     // to a command for each peer, and back
)

// Config is what the servers for streams and for datagrams have in common.
type Config struct {
	Mode Mode
	In   io.Reader // Stdio: sent to all; nil: nothing
	Out  io.Writer // Stdio: what came
	// Expect ends the run once what it expects has come; nil: nothing.
	Expect *session.Expectation
	// Command is started for each peer where Mode is Exec.
	Command func(local, remote net.Addr) *endpoint.Command
	// Log is told of each peer that was ended because of what it did; nil:
	// nobody.
	Log func(remote net.Addr, reason error)
	// Once ends the run with the first peer.
	Once bool
	// FirstWithin bounds the wait for a first peer; 0: no bound.
	FirstWithin time.Duration
	// Drain is over how long the clients of Socket.IO are sent away at the end; 0:
	// all at once.
	Drain time.Duration
}

// errOver ends a run in good order.
var errOver = errors.New("over")

// maxPartial bounds what is held back of a line whose end has not come.
const maxPartial = 64 << 10

// shutdownTime bounds the good-byes at the end of a run.
const shutdownTime = 2 * time.Second

// output is where what comes from all peers goes, in whole lines.
type output struct {
	mu     sync.Mutex
	w      io.Writer
	expect *session.Expectation
	stop   func(error)
}

// write passes on whole lines, or a last one without its end.
func (o *output) write(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.expect != nil && o.expect.Wanted() {
		o.writeLines(p)
		return
	}
	if _, err := o.w.Write(p); err != nil {
		o.failed(err)
	}
}

func (o *output) writeLines(p []byte) {
	for line := range bytes.SplitAfterSeq(p, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if _, err := o.w.Write(line); err != nil {
			o.failed(err)
			return
		}
		if o.expect.Saw(bytes.TrimRight(line, "\r\n")) {
			o.stop(errOver)
			o.w = io.Discard
			return
		}
	}
}

func (o *output) failed(err error) {
	o.w = io.Discard
	if tcp.IsReset(err) {
		o.stop(session.ErrReaderLeft)
		return
	}
	o.stop(&session.OutputError{Err: err})
}

// joiner puts the pieces of a stream together to whole lines.
type joiner struct{ rest []byte }

// add passes on what has become whole. The bytes are valid during the call.
func (j *joiner) add(data []byte, pass func([]byte)) {
	end := bytes.LastIndexByte(data, '\n') + 1
	if end == 0 {
		j.rest = append(j.rest, data...)
		if len(j.rest) >= maxPartial {
			j.flush(pass)
		}
		return
	}
	if len(j.rest) > 0 {
		j.rest = append(j.rest, data[:end]...)
		j.flush(pass)
	} else {
		pass(data[:end])
	}
	j.rest = append(j.rest, data[end:]...)
}

// flush passes on the beginning of a line.
func (j *joiner) flush(pass func([]byte)) {
	if len(j.rest) > 0 {
		pass(j.rest)
		j.rest = nil
	}
}

// run is one run: it is over at the first cause.
type run struct {
	Config
	ctx    context.Context
	cancel context.CancelCauseFunc
	first  *time.Timer
}

func newRun(ctx context.Context, c Config) *run {
	r := &run{Config: c}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	if c.FirstWithin > 0 {
		r.first = time.AfterFunc(c.FirstWithin, func() {
			r.cancel(&NobodyCame{&tcp.TimeoutError{After: c.FirstWithin, By: "-w"}})
		})
	}
	if c.Mode == Stdio {
		r.watch()
	}
	return r
}

// watch ends the run when the reader of the output leaves.
func (r *run) watch() {
	if left := session.ReaderLeft(r.ctx, r.Out); left != nil {
		go func() {
			select {
			case <-left:
				r.cancel(session.ErrReaderLeft)
			case <-r.ctx.Done():
			}
		}()
	}
}

// NobodyCame says that no peer came in the time that was given.
type NobodyCame struct{ Err error }

// Error implements error.
func (e *NobodyCame) Error() string { return "no connection came: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *NobodyCame) Unwrap() error { return e.Err }

// opened notes that a peer has come.
func (r *run) opened() {
	if r.first != nil {
		r.first.Stop()
	}
}

// result is how the run ended.
func (r *run) result() error {
	cause := context.Cause(r.ctx)
	if errors.Is(cause, errOver) {
		cause = nil
	}
	if r.Expect != nil {
		return r.Expect.Result(cause)
	}
	return cause
}
