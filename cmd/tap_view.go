package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// view is where tap shows what passes: on standard output, or on standard error
// where that carries payload. Its reader's leaving ends the run.
func (o *tapOptions) view(s *Streams, leave context.CancelCauseFunc) view {
	out := io.Writer(s.Out)
	if o.stdio() {
		out = s.Err
	}
	return view{out: out, json: out, level: o.level(), tags: true, lost: func(err error) {
		if tcp.IsReset(err) {
			leave(session.ErrReaderLeft)
			return
		}
		leave(&session.OutputError{Err: err})
	}}
}

// clients is the tracer of the clients' side. What is shown has its connections
// only, as payload is shown once, from the target's side; files have all. Where
// the clients alone speak WebSocket their messages and frames are shown too.
func (t *tracing) clients(webSockets bool) *trace.Tracer {
	tee, most := slices.Clone(t.tee), trace.Connection
	if webSockets {
		most = trace.Frame
	}
	for i := range t.views {
		tee[i].Level = min(tee[i].Level, most)
	}
	return t.tracer.View(tee, tee.Level())
}

// clientFailed says what went wrong with one client, in one line. How its
// connection ended is no failure of ours, and in the view.
func (t *tapping) clientFailed(client net.Addr, err error) {
	if tcp.IsReset(err) || isTruncated(err) {
		return
	}
	line := t.log.sparing(func() string {
		from := ""
		if client != nil && client.String() != "" && client.String() != "@" {
			from = " (for " + client.String() + ")"
		}
		return fmt.Sprintf("sockkit: %s%s", oneLine(err), from)
	})
	if line != "" {
		fmt.Fprintln(t.Err, line)
	}
}
