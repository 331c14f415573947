package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
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
	conn.Listen()
	client.OnConnect(func() {
		op.Tracer.Emit(0, trace.Note{Text: fmt.Sprintf("connected to namespace %s as %s by %s", client.Namespace(), client.ID(), client.Engine().Transport())})
	})
	opening, cancel := o.openingWithin(ctx)
	defer cancel()
	if err := client.Connect(opening); err != nil {
		_ = client.Close()
		return stoppedBy(ctx, failed("dial", o.address, reasonOf(opening, err)))
	}
	if o.zero {
		return client.Close()
	}
	out := s.output()
	if o.json {
		out = io.Discard
	}
	messages := &session.Messages{
		Conn: conn, In: o.talk.lines(s, int(o.maxMessage)), Out: out, SendOnly: o.talk.sendOnly, Stay: o.talk.recvOnly,
		Wait: o.limit(), Linger: time.Duration(o.talk.linger), IdleTimeout: time.Duration(o.idle),
		Expect: &session.Expectation{Count: o.talk.count, Patterns: o.talk.patterns},
	}
	return failed("dial", o.address, messages.Run(ctx))
}

// openingWithin bounds the opening by -w.
func (o *common) openingWithin(ctx context.Context) (context.Context, context.CancelFunc) {
	late := &tcp.TimeoutError{After: o.limit()}
	if o.timeout > 0 {
		late.By = "-w"
	}
	return context.WithTimeoutCause(ctx, o.limit(), late)
}

// reasonOf is a failure to connect without the words that say so.
func reasonOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, as := range []any{new(*socketio.Error), new(*engine.TransportError)} {
		if errors.As(err, as) {
			switch e := as.(type) {
			case **socketio.Error:
				return *e
			case **engine.TransportError:
				return *e
			}
		}
	}
	return err
}

func (o *dialOptions) clientOptions(op *endpoint.Opener) *socketio.ClientOptions {
	_, query := o.address.Namespace()
	values, _ := url.ParseQuery(query)
	c := &socketio.ClientOptions{
		Path: o.sio.path, Transports: o.sio.transports, Query: values, Header: http.Header{}, Timeout: o.limit(),
		NoReconnection: o.ws.attempts == 0, ReconnectionAttempts: max(o.ws.attempts, 0),
		NetDial: op.Below(o.address), TLSFor: op.TLSFor, Tracer: op.Tracer,
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

// socketIOHint returns advice on what went wrong with Socket.IO, or "".
func socketIOHint(err error) string {
	var refused *socketio.Error
	var transport *engine.TransportError
	switch {
	case errors.As(err, &refused):
		return refusalHint(refused)
	case errors.As(err, &transport):
		if code, ok := transport.Code(); ok {
			return codeHint(code)
		}
		return transportHint(transport)
	}
	return ""
}

func refusalHint(e *socketio.Error) string {
	switch {
	case e.Message == "Invalid namespace":
		return "the server knows no such namespace; the path of the address is the namespace, and --path is the engine's"
	case strings.Contains(e.Message, "v2.x"):
		return "the server is of version 2, whose protocol is another one (EIO=3)"
	}
	return "a middleware of the server refuses; --auth sends what it asks for"
}

// codeHint explains the codes of the official server.
func codeHint(code engine.Code) string {
	switch code {
	case engine.UnknownTransport:
		return "the server does not offer this transport: --transports polling, or --transports websocket"
	case engine.UnknownSID:
		return "the request reached another server than the one before: several servers behind a balancer need sticky sessions, or --transports websocket"
	case engine.BadHandshakeMethod:
		return "something on the way made another request of the handshake's GET, such as a redirect"
	case engine.BadRequest:
		return "the server holds the request against its session: the transport or the protocol does not fit, or a proxy removed Upgrade"
	case engine.Forbidden:
		return "the server's allowRequest, or its origin check, refuses: --origin, -H and --basic-auth change what is sent"
	case engine.UnsupportedProtocolVersion:
		return "the server speaks another version of Engine.IO: one of version 2 (EIO=3) and one of 3 and 4 (EIO=4) do not understand each other"
	}
	return ""
}

func transportHint(e *engine.TransportError) string {
	switch {
	case e.Status == http.StatusNotFound:
		return "there is no Socket.IO at this path: --path sets the engine's, which is /socket.io/ by default"
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout:
		return "a proxy answers in the place of the server: see whether that runs"
	case e.Status == http.StatusRequestEntityTooLarge:
		return "a payload is larger than the server takes (maxHttpBufferSize), or a proxy"
	case strings.Contains(e.Error(), "parser error"):
		return "what answers is no Socket.IO server: look at the address, and at --path"
	}
	return ""
}
