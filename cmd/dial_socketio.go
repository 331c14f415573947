package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// clientFlags are those of a Socket.IO client.
type clientFlags struct {
	auth       string
	event      string
	ack        bool
	path       string
	transports []string

	credentials map[string]any
}

func (f *clientFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.event, "event", "", "send each line as the one argument of the event `NAME`; else a line is EVENT ARG ARG…")
	set.StringVar(&f.auth, "auth", "", "send this `JSON` object along (or @FILE)")
	set.BoolVar(&f.ack, "ack", false, "ask for the acknowledgement of each event, wait for it and print it")
	set.StringVar(&f.path, "path", "", "the `PATH` of the server's engine (default /socket.io/)")
	set.StringSliceVar(&f.transports, "transports", nil, "use these, the first one first: polling, websocket")
}

// complete checks the flags, which Socket.IO alone has a use for.
func (f *clientFlags) complete(c *cobra.Command, a endpoint.Address) error {
	if !a.SocketIO() {
		return noSocketIOFlag(c, a, "auth", "event", "ack", "path", "transports")
	}
	if err := checkTransports(f.transports); err != nil {
		return err
	}
	if err := checkPath(f.path); err != nil {
		return err
	}
	if f.auth == "" {
		return nil
	}
	var err error
	f.credentials, err = authFlag("--auth", f.auth)
	return err
}

// socketIO connects to a namespace and talks to it in events.
func (o *dialOptions) socketIO(ctx context.Context, s *Streams, op *endpoint.Opener) error {
	client := socketio.NewClient(o.address.HTTP(), o.clientOptions(op))
	conn := &session.SocketIO{
		Client: client, Event: o.sio.event, Ack: o.sio.ack, AckTimeout: o.limit(), Stay: o.ws.attempts != 0,
	}
	tellNamespace(op.Tracer, client) // before whoever ends the run
	conn.Listen()
	opening, cancel := o.openingWithin(ctx)
	defer cancel()
	if err := client.Connect(opening); err != nil {
		_ = client.Close()
		reason := reasonOf(opening, err)
		if opening.Err() != nil && ctx.Err() == nil && errors.As(err, new(*socketio.UnansweredError)) {
			reason = &endpoint.Hint{Err: reason, Text: "sockkit dial -vvv shows the packets; in the server, io.use has to call next, and the namespace has to be there"}
		} else if opening.Err() != nil && ctx.Err() == nil && !errors.As(err, new(*tcp.Error)) {
			reason = &endpoint.Hint{Err: reason, Text: "it is connected, and no whole answer came to the handshake: the server hangs, or is none of Socket.IO: sockkit inspect " + o.address.String() + " looks closer"}
		}
		return stoppedBy(ctx, failed("dial", o.address, reason))
	}
	if o.zero {
		return client.Close()
	}
	out := s.output()
	if o.json {
		out = io.Discard
	}
	messages := &session.Messages{
		Refused: s.refused(), Conn: conn, In: o.talk.lines(s, int(o.maxMessage)), Out: out, SendOnly: o.talk.sendOnly, Stay: o.talk.recvOnly,
		Wait: o.limit(), Linger: time.Duration(o.talk.linger), IdleTimeout: time.Duration(o.idle),
		Expect: &session.Expectation{Count: o.talk.count, Patterns: o.talk.patterns},
	}
	return failed("dial", o.address, messages.Run(ctx))
}

// tellNamespace has what becomes of the namespace in the trace.
func tellNamespace(t *trace.Tracer, client *socketio.Client) {
	client.OnConnect(func() {
		t.Emit(0, trace.Note{Text: fmt.Sprintf("connected to namespace %s as %s by %s", client.Namespace(), client.ID(), client.Engine().Transport())})
	})
	client.OnDisconnect(func(reason string) {
		if reason != socketio.ReasonIOClientDisconnect {
			t.Emit(0, trace.Note{Text: "disconnected from namespace " + client.Namespace() + ": " + reason})
		}
	})
}

// openingWithin bounds the opening by -w.
func (o *common) openingWithin(ctx context.Context) (context.Context, context.CancelFunc) {
	late := &tcp.TimeoutError{After: o.limit()}
	if o.timeout > 0 {
		late.By = "-w"
	}
	return context.WithTimeoutCause(ctx, o.limit(), late)
}

func (o *dialOptions) clientOptions(op *endpoint.Opener) *socketio.ClientOptions {
	_, query := o.address.Namespace()
	values, _ := url.ParseQuery(query)
	jar, _ := cookiejar.New(nil) // a balancer may know the session's server by one
	c := &socketio.ClientOptions{
		Path: o.sio.path, Transports: o.sio.transports, Query: values, Header: http.Header{}, Timeout: -1, // -w bounds it, and names itself
		MaxMessage: int64(o.maxMessage), Jar: jar,
		NoReconnection: o.ws.attempts == 0, ReconnectionAttempts: max(o.ws.attempts, 0),
		NetDial: op.Below(o.address), TLSFor: op.TLSFor, Tracer: op.Tracer,
	}
	if o.ws.attempts != 0 {
		c.Timeout = o.limit() // of each attempt
	}
	if o.sio.credentials != nil {
		c.Auth = o.sio.credentials
	}
	for _, f := range o.ws.fields {
		c.Header.Add(string(f.Name), string(f.Value))
	}
	if o.ws.origin != "" {
		c.Header.Set("Origin", o.ws.origin)
	}
	if o.ws.compress {
		c.Deflate = &handshake.Deflate{ClientMaxWindowBits: handshake.Unvalued}
	}
	return c
}
