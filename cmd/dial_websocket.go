package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// webSocket opens a WebSocket and talks over it.
func (o *dialOptions) webSocket(ctx context.Context, s *Streams, op *endpoint.Opener) error {
	d := &webSocketDial{dialOptions: o, streams: s, dialer: o.dialer(op), url: o.address.URL()}
	o.address.User = "" // is in the request, and belongs in no error
	conn, err := d.open(ctx)
	if err != nil && o.ws.attempts != 0 && ctx.Err() == nil {
		conn, err = d.again(ctx, err)
	}
	if err != nil {
		return stoppedBy(ctx, err)
	}
	if o.zero {
		return conn.Close(ws.StatusNormal, "")
	}
	w := &session.WebSocket{Conn: conn, Binary: o.talk.binary, MaxMessage: int64(o.maxMessage)}
	if o.ws.attempts != 0 {
		w.Again = func(lost error) (*ws.Conn, error) { return d.again(ctx, lost) }
	}
	d.commands(w)
	err = d.blamed(d.messages(w).Run(ctx))
	if _, signal := context.Cause(ctx).(stopped); signal && errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return failed("dial", o.address, err)
}

// webSocketDial is one run of dial to a WebSocket.
type webSocketDial struct {
	*dialOptions
	streams *Streams
	dialer  *ws.Dialer
	url     string
	retries int
	opened  *handshake.Exchange // the last opening handshake that went well
}

// blamed is a broken rule of frames. Where the 101 breaks one itself, though a
// client may go on, that comes first: behind one that announces a body there may
// be one, and no frames.
func (d *webSocketDial) blamed(err error) error {
	if d.opened == nil || !errors.As(err, new(*ws.Violation)) {
		return err
	}
	for _, f := range handshake.Check(d.opened) {
		if f.Part == handshake.InResponse && f.Level == handshake.Must {
			return &endpoint.Hint{Err: err, Text: "the response was wrong already: " + f.Sentence() + ". " + f.Mend}
		}
	}
	return err
}

func (d *webSocketDial) messages(w *session.WebSocket) *session.Messages {
	out := d.streams.output()
	if d.json {
		out = io.Discard
	}
	return &session.Messages{
		Refused: d.streams.refused(), Conn: w, In: d.talk.lines(d.streams, int(d.maxMessage)), Out: out, Framing: d.talk.framing(),
		SendOnly: d.talk.sendOnly, Stay: d.talk.recvOnly, Wait: d.limit(), Linger: time.Duration(d.talk.linger),
		IdleTimeout: time.Duration(d.idle), Expect: &session.Expectation{Count: d.talk.count, Patterns: d.talk.patterns},
	}
}

// commands obeys /ping and /close at the prompt.
func (d *webSocketDial) commands(w *session.WebSocket) {
	c := d.streams.console
	if c == nil {
		return
	}
	c.Ping = func() { go d.ping(w) }
	leave := c.Close
	c.Close = func(words []string) {
		if len(words) > 0 {
			code, err := strconv.ParseUint(words[0], 10, 16)
			if err != nil || !ws.StatusCode(code).Sendable() {
				fmt.Fprintf(c.Notes(), "* %s is no code that may be sent: 1000, 1001, 3000 to 4999, …\n", render.Printable(words[0]))
				return
			}
			w.SayGoodBye(ws.StatusCode(code), strings.Join(words[1:], " "))
		}
		leave(words)
	}
}

func (d *webSocketDial) ping(w *session.WebSocket) {
	ctx, cancel := context.WithTimeout(context.Background(), d.limit())
	defer cancel()
	rtt, err := w.Ping(ctx)
	if err != nil {
		fmt.Fprintf(d.streams.console.Notes(), "* no pong: %s\n", render.Printable(err.Error()))
		return
	}
	fmt.Fprintf(d.streams.console.Notes(), "* pong after %s\n", render.Duration(rtt))
}

// open makes the opening handshake, and explains one that fails.
func (d *webSocketDial) open(ctx context.Context) (*ws.Conn, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	conn, x, err := d.dialer.Dial(ctx, d.url)
	var failed *ws.HandshakeError
	var below *tcp.Error
	if errors.As(err, &below) && below.Op == "dial" { // say what the user typed
		err = &tcp.Error{Op: below.Op, Address: d.address.String(), Err: below.Err}
	}
	if err == nil {
		d.opened = x
	}
	switch {
	case err == nil && d.ws.explain && !d.quiet:
		err = d.explain(x, conn.HTTP2(), nil)
		d.ws.explain = false // once is enough
	case errors.As(err, &failed) && !d.quiet:
		if d.explain(failed.Exchange, failed.HTTP2, failed) == nil && failed.Finding != nil {
			err = &explained{err}
		}
	}
	return conn, err
}

// bounded bounds the opening by -w.
func (d *webSocketDial) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	late := &tcp.TimeoutError{After: d.limit()}
	if d.timeout > 0 {
		late.By = "-w"
	}
	return context.WithTimeoutCause(ctx, d.limit(), late)
}

// explained is an error whose hint was given at length already.
type explained struct{ error }

// Unwrap returns the error.
func (e *explained) Unwrap() error { return e.error }

// explain shows both heads, and what is wrong with them.
func (d *webSocketDial) explain(x *handshake.Exchange, over *ws.HTTP2Info, failed *ws.HandshakeError) error {
	if x == nil || failed != nil && failed.Finding == nil && x.Response == nil {
		return nil // nothing came that could be explained
	}
	options := explain.Options{Width: columns(d.streams.Out), Color: d.colored(d.streams.Err), ShowSecrets: d.showSecrets}
	if over != nil {
		_, err := fmt.Fprintln(d.streams.Err, strings.Join(d.http2Explained(x, over, failed, options), "\n"))
		return err
	}
	findings := handshake.Check(x)
	if failed != nil && isTimeout(failed) {
		explain.Late(findings, d.limit())
	}
	lines := explain.With(x, findings, d.showSecrets).Lines(options)
	if d.ws.explain {
		lines = append(append(lines, ""), explain.Verdicts(handshake.Judge(x), options)...)
	}
	_, err := fmt.Fprintln(d.streams.Err, strings.Join(lines, "\n"))
	return err
}

// again connects once more after a connection was lost: at growing intervals,
// with some chance in each so that many clients do not come back at once.
func (d *webSocketDial) again(ctx context.Context, lost error) (*ws.Conn, error) {
	if !worthAnother(lost) {
		return nil, lost
	}
	for d.retries = 0; d.ws.attempts < 0 || d.retries < d.ws.attempts; d.retries++ {
		wait := backOff(d.retries)
		if !d.quiet {
			fmt.Fprintf(d.streams.Err, "note: %s; connecting again in %s\n", oneLine(lost), render.Duration(wait))
		}
		d.dialer.Tracer.Emit(0, trace.Note{Text: "connecting again in " + render.Duration(wait)})
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		conn, err := d.open(ctx)
		if err == nil {
			return conn, nil
		}
		if lost = err; !worthAnother(err) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, lost
}

// worthAnother reports whether connecting again may help: not where the peer
// said good-bye, broke the protocol or refuses.
func worthAnother(err error) bool {
	var closed *ws.CloseError
	var broken *ws.Violation
	var failed *ws.HandshakeError
	var security *tcp.TLSError
	switch {
	case errors.As(err, &broken), errors.As(err, &security):
		return false
	case errors.As(err, &closed):
		return closed.Code != ws.StatusNormal && !closed.Local
	case errors.As(err, &failed):
		return failed.Status() == 0 && failed.Finding == nil || failed.Status() == 429 || failed.Status() >= 500
	}
	return true
}
