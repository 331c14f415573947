package cmd

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/metrics"
	"github.com/sockkit/sockkit/internal/serve"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// socketIOFlags are those of a Socket.IO server.
type socketIOFlags struct {
	transports  []string
	requireAuth string
	recovery    duration
	drain       duration
	event       string
	admin       adminFlags
	redis       redisFlags

	required map[string]any
}

func (f *socketIOFlags) add(set *pflag.FlagSet) {
	set.StringSliceVar(&f.transports, "transports", nil, "offer these: polling, websocket")
	set.StringVar(&f.requireAuth, "require-auth", "", "let in only whose auth holds this `JSON` (or @FILE)")
	set.Var(&f.recovery, "recovery", "let clients come back as they were within this time")
	set.Var(&f.drain, "drain", "at the end, by a signal, send clients away over this time, to other servers")
	set.StringVar(&f.event, "event", "", "send each line of input as the one argument of the event `NAME`")
	f.admin.add(set)
	f.redis.add(set)
}

// complete checks the flags, which Socket.IO alone has a use for.
func (f *socketIOFlags) complete(c *cobra.Command, a endpoint.Address) error {
	if !a.SocketIO() {
		return noSocketIOFlag(c, a, "transports", "require-auth", "recovery", "drain", "event", "admin", "redis", "redis-adapter", "redis-prefix")
	}
	if err := checkTransports(f.transports); err != nil {
		return err
	}
	if err := f.admin.complete(a); err != nil {
		return err
	}
	if err := f.redis.complete(c.Flags(), f.recovery > 0); err != nil {
		return err
	}
	if f.requireAuth == "" {
		return nil
	}
	var err error
	f.required, err = authFlag("--require-auth", f.requireAuth)
	return err
}

func checkTransports(names []string) error {
	for _, name := range names {
		if name != "polling" && name != "websocket" {
			return usagef(fmt.Sprintf("--transports: %q is none of polling and websocket", name), "--transports polling,websocket")
		}
	}
	return nil
}

// noSocketIOFlag refuses flags that mean nothing to another socket.
func noSocketIOFlag(c *cobra.Command, a endpoint.Address, names ...string) error {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			return usagef(fmt.Sprintf("--%s is Socket.IO's, and %s is none", name, a), "did you mean sio://"+a.HostPort()+"?")
		}
	}
	return nil
}

// authFlag reads JSON, or the file that @ names: an object.
func authFlag(flag, value string) (map[string]any, error) {
	if file, ok := strings.CutPrefix(value, "@"); ok {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, &usageError{fmt.Errorf("%s: %w", flag, err), ""}
		}
		value = string(content)
	}
	var auth map[string]any
	if err := json.Unmarshal([]byte(value), &auth); err != nil || auth == nil {
		return nil, usagef(fmt.Sprintf("%s wants a JSON object", flag), flag+` '{"token":"abc"}', or @FILE`)
	}
	return auth, nil
}

// socketIO serves Socket.IO.
func (l *listening) socketIO(ctx context.Context) error {
	listener, config, done, err := l.bind(ctx)
	if err != nil {
		return err
	}
	defer done()
	broker, said, err := l.broker(ctx)
	if err != nil {
		return err
	}
	if broker != nil {
		defer broker.Close()
	}
	server := l.socketServer(config, l.sio.redis.factory(broker), said.refused)
	if err := l.sio.admin.instrument(server, l.showSecrets); err != nil {
		return err
	}
	namespaces := l.namespaces(server)
	stop, err := l.serveMetrics(ctx, func() []metrics.Family { return append(socketIOSamples(server), brokerSamples(broker)...) })
	if err != nil {
		return err
	}
	defer stop()
	stopSaying := context.AfterFunc(ctx, l.sayDrain)
	defer stopSaying()
	lines := serve.EventLines{Event: l.sio.event}
	c := l.config()
	if c.Mode == serve.Stdio {
		lines.In = l.talk.lines(l.Streams, int(l.maxMessage))
	}
	return l.named(serve.SocketIO(ctx, c, lines, server, namespaces, []net.Listener{listener}))
}

// sayDrain says that clients are sent away, where that takes its time.
func (l *listening) sayDrain() {
	if l.sio.drain > 0 && !l.quiet {
		fmt.Fprintf(l.Err, "note: the clients leave within %v, to other servers; a second signal ends at once\n", time.Duration(l.sio.drain))
	}
}

// socketServer is a server as the flags say.
func (l *listening) socketServer(config *tls.Config, adapter socketio.AdapterFactory, failed func(*socketio.Namespace, error)) *socketio.Server {
	if config != nil && len(config.NextProtos) == 0 {
		config.NextProtos = []string{"http/1.1"}
	}
	origins := l.origins()
	e := &engine.Server{
		Transports: l.sio.transports, PingInterval: time.Duration(l.web.pingInterval), MaxHTTPBufferSize: int64(l.maxMessage),
		MaxSessions: l.limits.maxConns, Tracer: l.tracer, AllowRequest: l.allowSession(),
		OnConnectionError: l.sessionRefused,
		TCP:               &tcp.Server{TLS: config, HandshakeTimeout: time.Duration(l.timeout), IdleTimeout: time.Duration(l.idle), Tracer: l.tracer, Admit: l.limits.admit(), OnRefused: l.refused},
		CORS: &engine.CORS{Credentials: true, AllowOrigin: func(origin string, r *http.Request) bool {
			return origins.Check(origin, r.Host) == nil
		}},
	}
	if l.web.compress {
		e.Deflate = &handshake.Deflate{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	}
	o := &socketio.ServerOptions{Path: l.web.path, Engine: e, Tracer: l.tracer, CleanupEmptyChildNamespaces: true, Adapter: adapter, OnAdapterError: failed}
	if l.sio.recovery > 0 {
		o.Recovery = &socketio.Recovery{MaxDisconnection: time.Duration(l.sio.recovery)}
	}
	return socketio.NewServer(o)
}

func (l *listening) origins() *ws.Origins {
	return &ws.Origins{Allow: l.web.allowOrigin, Hosts: l.web.allowHost}
}

// namespaces are those that may be joined: the one of the address, or all.
func (l *listening) namespaces(server *socketio.Server) []*socketio.Namespace {
	name, _ := l.address.Namespace()
	list := []*socketio.Namespace{server.Of(name)}
	if name == "/" {
		list = append(list, server.OfFunc(func(string, map[string]any) bool { return true }))
	} else {
		server.Use(func(*socketio.Socket) error { return errors.New("Invalid namespace") })
	}
	for _, n := range list {
		n.Use(l.sio.admit)
		if l.limits.maxRate > 0 {
			n.OnConnection(l.limitEvents(int(l.limits.maxRate)))
		}
	}
	return list
}

// admit holds what a client sent along against --require-auth.
func (f *socketIOFlags) admit(s *socketio.Socket) error {
	for key, want := range f.required {
		if !reflect.DeepEqual(s.Handshake().Auth[key], want) {
			return &socketio.Error{Message: "Authentication error", Data: map[string]string{"missing": key}}
		}
	}
	return nil
}

// limitEvents disconnects a client that sends more events a second. It is told
// why by a last event, for the protocol has no reason for that.
func (l *listening) limitEvents(most int) func(*socketio.Socket) {
	return func(s *socketio.Socket) {
		tooMany := fmt.Errorf("more than %d events a second", most)
		var mu sync.Mutex
		gone := false
		spare, last := float64(most), time.Now()
		s.Use(func(*socketio.Event) error {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			spare = min(float64(most), spare+now.Sub(last).Seconds()*float64(most))
			last = now
			if spare--; spare >= 0 {
				return nil
			}
			if gone {
				return tooMany
			}
			gone = true
			l.tracer.Emit(0, trace.Limit{Rule: "max-rate", Reason: tooMany.Error()})
			l.refused(remoteText(s.Engine().RemoteAddr()), "max-rate", tooMany.Error())
			_ = s.Emit("error", tooMany.Error())
			go s.Disconnect(true)
			return tooMany
		})
	}
}

// allowSession is --basic-auth.
func (l *listening) allowSession() func(*http.Request) error {
	if l.web.basicAuth == "" {
		return nil
	}
	return func(r *http.Request) error {
		name, password, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(l.web.basicAuth), []byte(name+":"+password)) == 1 {
			return nil
		}
		return errors.New("a login is needed (--basic-auth)")
	}
}

// sessionRefused logs a request that became no session.
func (l *listening) sessionRefused(e *engine.ConnectionError) {
	if e.Code == engine.UnknownSID {
		return // a client that leaves while it moves to a WebSocket makes one
	}
	reason := strings.TrimPrefix(e.Error(), "engine: ")
	if origin := e.Request.Header.Get("Origin"); origin != "" && e.Code == engine.Forbidden && l.origins().Check(origin, e.Request.Host) != nil {
		reason += "; --allow-origin " + origin + " lets it in"
	}
	l.refused(remoteText(e.Request.RemoteAddr), "", reason)
}

type remoteText string

func (a remoteText) Network() string { return "tcp" }
func (a remoteText) String() string  { return string(a) }

// socketIOSamples are the figures of a Socket.IO server.
func socketIOSamples(server *socketio.Server) []metrics.Family {
	sockets := metrics.Family{Name: "sockkit_sockets", Help: "Sockets, by namespace.", Type: metrics.Gauge, Label: "namespace", Values: map[string]float64{}}
	for _, n := range server.Namespaces() {
		sockets.Values[n.Name()] = float64(len(n.Sockets()))
	}
	e := server.EngineServer()
	return append(webSocketSamples(e.Stats()),
		gauge("sessions", "Sessions of Engine.IO.", float64(e.ClientsCount())), sockets)
}
