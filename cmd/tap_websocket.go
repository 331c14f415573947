package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// tapEnd is one of the two addresses of tap, and what it is to it.
type tapEnd struct {
	endpoint.Address
	stream bool // bytes without borders are passed on
}

// observes reports whether both ends speak WebSocket, or both Socket.IO: then the
// bytes are passed on as they are, and read along.
func (o *tapOptions) observes() bool {
	return o.listen.WebSocket() && o.target.WebSocket() || o.socketIO()
}

func (o *tapOptions) socketIO() bool { return o.listen.SocketIO() && o.target.SocketIO() }

func (o *tapOptions) kindOf(a endpoint.Address) tapEnd {
	return tapEnd{a, a.Stream() || o.observes()}
}

// lines reports whether the lines of an address are messages of a WebSocket.
func (o *tapOptions) lines(a endpoint.Address) bool {
	return !o.binary && (a.Scheme == endpoint.Exec || a.Scheme == endpoint.Stdio)
}

// texts reports whether what is made of the end that is no WebSocket is text.
func (o *tapOptions) texts() bool { return o.text || o.lines(o.listen) || o.lines(o.target) }

// checkWebSocket refuses flags that have no meaning for these two ends.
func (o *tapOptions) checkWebSocket(c *cobra.Command) error {
	one := o.listen.WebSocket() != o.target.WebSocket()
	given := func(names ...string) bool { return slices.ContainsFunc(names, c.Flags().Changed) }
	switch {
	case o.listen.SocketIO() != o.target.SocketIO():
		return usagef("Socket.IO is passed on between two ends that speak it: sio://… and sio://…", "dial and listen speak it themselves, one event a line")
	case o.text && o.binary:
		return usagef("--text and --binary exclude each other", "")
	case (o.text || o.binary) && !one:
		return usagef("--text and --binary are for a WebSocket at one end, and something else at the other", "")
	case given("allow-origin", "allow-host") && o.observes():
		return usagef("the target decides which origins it lets in, for requests are passed on as they are", "")
	case given("allow-origin", "allow-host") && !o.listen.WebSocket():
		return usagef(fmt.Sprintf("--allow-origin and --allow-host are a WebSocket listener's, and %s is none", o.listen), "")
	case o.listen.User != "":
		return usagef("the address listened on names a user, and a listener has none", "")
	}
	if o.listen.WebSocket() && o.listen.Target != "/" {
		o.web.path = o.listen.Target
	}
	err := o.login.readHeaders(o.target)
	o.target.User = "" // belongs in no error
	return err
}

// addAllowed adds the flags that say which pages are let in.
func (w *webServeFlags) addAllowed(f *pflag.FlagSet) {
	f.StringArrayVar(&w.allowOrigin, "allow-origin", nil, "let pages of this `ORIGIN` in, or * (repeatable); loopback pages always are")
	f.StringArrayVar(&w.allowHost, "allow-host", nil, "a `NAME` beside the loopback ones that browsers may know the listener by (repeatable)")
}

// fromWebSockets passes on the messages of clients.
func (t *tapping) fromWebSockets(ctx context.Context) error {
	l, config, err := t.opener.Listen(ctx, t.address)
	if err != nil {
		return inUse(err)
	}
	defer l.Close()
	if err := t.bound(l.Addr(), config); err != nil {
		return err
	}
	defer t.removeAddrFile()
	server := t.webServer(config)
	server.Tracer, server.TCP.Tracer = t.opener.Tracer, t.opener.Tracer
	server.TCP.IdleTimeout = 0 // silence is what passes in neither direction
	sockets := tap.ListenWebSockets(server, l, t.options.texts())
	defer sockets.Shutdown()
	s := t.server(sockets)
	s.MaxConns, s.Refused = 0, nil // the server bounds its connections, and answers
	return t.ended(s.Serve(ctx))
}

// dial opens the target for one client.
func (t *tapping) dial(ctx context.Context) (net.Conn, error) {
	target := t.options.target
	if !target.WebSocket() || t.options.observes() {
		return t.target.Dial(ctx, target)
	}
	d := &ws.Dialer{
		NetDial: t.target.Below(target), TLSFor: t.target.TLSFor, Timeout: t.limit(), CloseTimeout: min(t.limit(), closeTime),
		Header: t.options.login.fields, Limits: t.messageLimits(), Tracer: t.target.Tracer,
	}
	c, _, err := d.Dial(ctx, target.URL())
	if err != nil {
		return nil, err
	}
	return tap.NewWebSocket(c, t.options.texts()), nil
}

// closeTime bounds the wait for the answer to a close frame.
const closeTime = 5 * time.Second

// notUsed says what of the addresses has no effect where the client's own
// request is passed on.
func (o *tapOptions) notUsed() string {
	if o.observes() && (o.target.Target != "/" || o.listen.Target != "/" || len(o.login.fields) > 0) {
		return "a client's request is passed on as it is: no path or login of the addresses is put into it"
	}
	return ""
}

// turnAwayWebSocket tells a client that it is not let in, before it has said
// what it wants: by an answer of HTTP, or by an alert of TLS.
func (t *tapping) turnAwayWebSocket(client net.Conn, why error) {
	answer := tcp.AccessDenied()
	if !t.address.Secure() {
		status := "403 Forbidden"
		var refusal *tcp.Refusal
		if errors.As(why, &refusal) && refusal.Rule == "max-conns" {
			status = "503 Service Unavailable\r\nRetry-After: 1"
		}
		answer = fmt.Appendf(nil, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n",
			status, len(why.Error())+1, why)
	}
	_ = client.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = client.Write(answer)
	_ = tcp.CloseWrite(client)
	t.turnAway(client, why)
}

// messageLimits bound the messages that are read along, or passed on.
func (t *tapping) messageLimits() ws.Limits { return ws.Limits{MaxMessage: int64(t.maxMessage)} }
