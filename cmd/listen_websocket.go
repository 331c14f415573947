package cmd

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/metrics"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// webServeFlags are those of a WebSocket server.
type webServeFlags struct {
	subprotocols []string
	path         string
	compress     bool
	pingInterval duration
	allowOrigin  []string
	allowHost    []string
	basicAuth    string
	over2        http2Flags
}

func (w *webServeFlags) add(f *pflag.FlagSet) {
	f.StringSliceVarP(&w.subprotocols, "subprotocol", "s", nil, "speak this subprotocol, `NAME` (repeatable)")
	f.StringVar(&w.path, "path", "", "serve this `PATH` only; others are answered 404 (Socket.IO: /socket.io/)")
	f.BoolVar(&w.compress, "compress", false, "agree to permessage-deflate where it is offered")
	f.Var(&w.pingInterval, "ping-interval", "send pings so often; two without a pong end the connection")
	f.StringArrayVar(&w.allowOrigin, "allow-origin", nil, "let pages of this `ORIGIN` in, or * (repeatable); loopback pages always are")
	f.StringArrayVar(&w.allowHost, "allow-host", nil, "a `NAME` beside the loopback ones that browsers may know this server by (repeatable)")
	f.StringVar(&w.basicAuth, "basic-auth", "", "demand a login, `USER:PASSWORD` or @FILE")
	w.over2.addServer(f)
}

// complete checks the flags, which a WebSocket alone has a use for.
func (w *webServeFlags) complete(c *cobra.Command, a endpoint.Address) error {
	if err := w.over2.complete(c, a); err != nil {
		return err
	}
	if a.SocketIO() {
		if len(w.subprotocols) > 0 {
			return usagef("-s is a WebSocket's, and Socket.IO has no subprotocols", "")
		}
	} else if !a.WebSocket() {
		return noWebSocketFlag(c, a, "subprotocol", "path", "compress", "ping-interval", "allow-origin", "allow-host", "basic-auth")
	}
	if a.User != "" {
		return usagef("the address names a user, and a listener has none", "--basic-auth USER:PASSWORD demands a login")
	}
	if err := checkPath(w.path); err != nil {
		return err
	}
	if w.path == "" && a.Target != "/" && a.WebSocket() {
		w.path = a.Target
	}
	if w.basicAuth == "" {
		return nil
	}
	secret, err := credentials(w.basicAuth)
	if err == nil && !strings.Contains(secret, ":") {
		err = usagef("--basic-auth wants USER:PASSWORD, or @FILE that holds it", "")
	}
	w.basicAuth = secret
	return err
}

func checkPath(path string) error {
	if path != "" && !strings.HasPrefix(path, "/") {
		return usagef(fmt.Sprintf("--path %q does not begin with a slash", path), "--path /"+path)
	}
	return nil
}

// permit decides about a request that is right.
func (w *webServeFlags) permit() func(*ws.Request) error {
	origins := &ws.Origins{Allow: w.allowOrigin, Hosts: w.allowHost}
	return func(r *ws.Request) error {
		if w.path != "" && r.Path() != w.path {
			return &handshake.Refusal{Status: 404, Body: fmt.Sprintf("There is nothing at %s; the WebSocket is at %s.\n", r.Path(), w.path)}
		}
		if err := origins.Permit(r); err != nil {
			return err
		}
		if w.basicAuth != "" && !authorized(r, w.basicAuth) {
			return &handshake.Refusal{Status: 401, Body: "A login is needed (--basic-auth).\n",
				Header: []handshake.Field{handshake.F("WWW-Authenticate", `Basic realm="sockkit", charset="UTF-8"`)}}
		}
		return nil
	}
}

// authorized compares in constant time.
func authorized(r *ws.Request, want string) bool {
	scheme, value, _ := strings.Cut(r.Get("Authorization"), " ")
	got, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	return err == nil && strings.EqualFold(scheme, "Basic") && subtle.ConstantTimeCompare([]byte(want), got) == 1
}

// webSockets serves WebSockets.
func (l *listening) webSockets(ctx context.Context) error {
	listener, config, done, err := l.bind(ctx)
	if err != nil {
		return err
	}
	defer done()
	server := l.webServer(config)
	stop, err := l.serveMetrics(ctx, func() []metrics.Family { return webSocketSamples(server.Stats()) })
	if err != nil {
		return err
	}
	defer stop()
	if !l.keepOpen && l.modes.mode() == serve.Stdio {
		return l.named(l.talkWebSocket(ctx, server, listener))
	}
	m := serve.Messages{Binary: l.talk.binary, Framing: l.talk.framing()}
	c := l.config()
	if c.Mode == serve.Stdio {
		m.In = l.talk.lines(l.Streams, int(l.maxMessage))
	}
	return l.named(serve.WebSockets(ctx, c, m, server, []net.Listener{listener}))
}

// webServer is a server as the flags say.
func (l *listening) webServer(config *tls.Config) *ws.Server {
	if config != nil && len(config.NextProtos) == 0 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	s := &ws.Server{
		Subprotocols: l.web.subprotocols, Permit: l.web.permit(), HandshakeTimeout: l.limit(),
		PingInterval: time.Duration(l.web.pingInterval), Limits: ws.Limits{MaxMessage: int64(l.maxMessage)},
		MaxRate: int(l.limits.maxRate), MaxConns: l.limits.maxConns, MaxConnsPerIP: l.limits.maxConnsPerIP,
		Admit: l.limits.admit(), CloseTimeout: min(l.limit(), 5*time.Second), Tracer: l.tracer, OnRefused: l.refused,
		HTTP2: l.web.over2.options(time.Duration(l.idle)),
		TCP:   &tcp.Server{TLS: config, IdleTimeout: time.Duration(l.idle), Tracer: l.tracer},
	}
	if l.web.compress {
		s.Deflate = &handshake.Deflate{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	}
	return s
}

// talkWebSocket connects the first client to standard input and output.
func (l *listening) talkWebSocket(ctx context.Context, server *ws.Server, listener *tcp.Listener) error {
	var first sync.Once
	ended := make(chan error, 3) // of the conversation, and of each socket
	came := make(chan struct{})
	server.Handler = func(_ context.Context, c *ws.Conn) error {
		late := true
		first.Do(func() {
			late = false
			close(came)
			ended <- l.converse(ctx, c)
		})
		if late {
			return c.Close(ws.StatusTryAgainLater, "another connection was first")
		}
		return nil
	}
	for _, socket := range listener.Sockets() {
		go func() {
			err := server.Serve(socket)
			select {
			case <-came: // the listener was closed for it
			default:
				if !errors.Is(err, ws.ErrServerClosed) {
					ended <- err
				}
			}
		}()
	}
	defer func() {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(leave)
	}()
	return l.awaitFirst(ctx, came, ended, listener)
}

// awaitFirst waits for the first client, no longer than -w where it was given,
// and then for its end.
func (l *listening) awaitFirst(ctx context.Context, came <-chan struct{}, ended <-chan error, listener *tcp.Listener) error {
	var late <-chan time.Time
	if l.timeout > 0 {
		timer := time.NewTimer(time.Duration(l.timeout))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-came:
	case err := <-ended:
		return err
	case <-late:
		return &serve.NobodyCame{Err: &tcp.TimeoutError{After: time.Duration(l.timeout), By: "-w"}}
	case <-ctx.Done():
		return nobody(context.Cause(ctx))
	}
	listener.Close()
	return <-ended
}

// converse talks to one client as dial does to a server.
func (l *listening) converse(ctx context.Context, c *ws.Conn) error {
	messages := &session.Messages{
		Conn: &session.WebSocket{Conn: c, Binary: l.talk.binary, MaxMessage: int64(l.maxMessage)},
		In:   l.talk.lines(l.Streams, int(l.maxMessage)), Out: l.out(), Framing: l.talk.framing(), SendOnly: l.talk.sendOnly,
		Stay: len(l.talk.send) == 0, Wait: l.limit(), Linger: time.Duration(l.talk.linger), IdleTimeout: time.Duration(l.idle),
		Expect: &session.Expectation{Count: l.talk.count, Patterns: l.talk.patterns},
	}
	return messages.Run(ctx)
}

// webSocketSamples are the figures of a WebSocket server.
func webSocketSamples(st ws.Stats) []metrics.Family {
	return append(streamSamples(st.Stats),
		gauge("websockets_open", "WebSocket connections that are open.", float64(st.Upgrades)),
		counter("websockets_total", "Connections that became WebSockets.", st.Upgraded),
		counter("upgrades_refused_total", "Opening requests that were refused.", st.NotUpgraded),
		counter("messages_received_total", "Messages received.", st.MessagesIn),
		counter("messages_sent_total", "Messages taken to be sent.", st.MessagesOut),
		counter("violations_total", "WebSockets closed because their peer broke a rule.", st.Violations),
	)
}
