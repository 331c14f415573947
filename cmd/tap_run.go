package cmd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
	"github.com/sockkit/sockkit/ws"
)

// tapping is one run of tap.
type tapping struct {
	listening // the clients' side
	options   *tapOptions
	target    *endpoint.Opener
	faults    *faults.Faults
}

func newTapping(s *Streams, o *tapOptions, t *tracing) *tapping {
	target := o.opener(s, t)
	clients := *target
	clients.Mode, clients.Tracer = o.mode, t.clients(o.listen.WebSocket() && !o.target.WebSocket())
	clients.TLS = tcp.TLSOptions{
		Cert: o.tls.cert, Key: o.tls.key, ClientCA: o.tls.clientCA, SelfSigned: o.tls.selfSigned, KeyLog: target.TLS.KeyLog,
	}
	if o.target.Secure() && o.observes() && len(target.TLS.ALPN) == 0 {
		target.TLS.ALPN = []string{"http/1.1"} // a server that prefers HTTP/2 would answer in that
	}
	target.TLS.Cert, target.TLS.Key, target.TLS.ClientCA, target.TLS.SelfSigned = "", "", "", false
	return &tapping{
		listening: listening{
			Streams: s, tracing: t, opener: &clients, listenOptions: &listenOptions{
				common: o.common, limits: o.limits, addrFile: o.addrFile, mode: o.mode, address: o.listen, web: o.web,
			},
		},
		options: o, target: target, faults: o.faults.faults(),
	}
}

// run listens and passes clients on until the run is over.
func (t *tapping) run(ctx context.Context) error {
	if t.faults.Random() && !t.options.faults.seedGiven {
		t.tracer.Emit(0, trace.Note{Text: fmt.Sprintf("--seed %d repeats the random decisions of this run", t.faults.Seed)})
	}
	if text := t.options.notUsed(); text != "" {
		t.common.note(t.Streams)(text)
	}
	if t.options.target.Secure() {
		// What is wrong with the flags is said now, not to the first client.
		if _, err := t.target.TLS.Client(cmp.Or(t.options.target.Host, tcp.Loopback)); err != nil {
			return err
		}
	}
	switch {
	case t.address.Scheme == endpoint.Stdio:
		return t.fromStdio(ctx)
	case t.address.Datagrams():
		return t.fromDatagrams(ctx)
	case t.address.WebSocket() && !t.options.observes():
		return t.fromWebSockets(ctx)
	}
	return t.fromStreams(ctx)
}

// fromStdio passes standard input and output on.
func (t *tapping) fromStdio(ctx context.Context) error {
	client, err := t.opener.Dial(ctx, t.address)
	if err != nil {
		return err
	}
	server := t.server(nil)
	server.ClientStdio = true
	return t.ended(server.Pass(ctx, client, 1))
}

func (t *tapping) fromStreams(ctx context.Context) error {
	l, config, err := t.opener.Listen(ctx, t.address)
	if err != nil {
		return inUse(err)
	}
	defer l.Close()
	if err := t.bound(l.Addr(), config); err != nil {
		return err
	}
	defer t.removeAddrFile()
	server := t.server(l)
	server.Open = func(ctx context.Context, client net.Conn) (net.Conn, error) { return t.secure(ctx, client, config) }
	server.Admit = t.limits.admit()
	return t.ended(server.Serve(ctx))
}

func (t *tapping) fromDatagrams(ctx context.Context) error {
	sockets, err := t.opener.ListenDatagram(ctx, t.address)
	if err != nil {
		return inUse(err)
	}
	defer closeSockets(sockets)
	if err := t.bound(sockets[0].LocalAddr(), nil); err != nil {
		return err
	}
	defer t.removeAddrFile()
	peers := &udp.Server{MaxPeers: t.limits.maxConns, Tracer: t.opener.Tracer}
	if t.limits.admit() != nil {
		peers.Allow = func(a netip.Addr) error { return t.limits.admitAddr(a) }
	}
	if t.options.once {
		peers.MaxPeers = 1
	}
	server := t.server(tap.ListenPackets(peers, sockets))
	server.ClientDatagrams, server.MaxConns = true, 0 // the peers are bounded
	return t.ended(server.Serve(ctx))
}

// bound says where we listen, and refuses to be our own target.
func (t *tapping) bound(addr net.Addr, config *tls.Config) error {
	t.address = t.address.Bound(addr)
	if itself(t.address, t.options.target) {
		return usagef(fmt.Sprintf("the target %s is what tap listens on", t.options.target), "it would connect to itself for ever")
	}
	return t.announce(config)
}

// itself reports whether dialling target would reach what is bound to a.
func itself(a, target endpoint.Address) bool {
	transport := func(s endpoint.Scheme) endpoint.Scheme {
		switch s {
		case endpoint.TLS, endpoint.WS, endpoint.WSS, endpoint.SIO, endpoint.SIOS:
			return endpoint.TCP
		case endpoint.WSUnix:
			return endpoint.Unix
		}
		return s
	}
	if transport(a.Scheme) != transport(target.Scheme) {
		return false
	}
	switch a.Scheme {
	case endpoint.Unix, endpoint.Unixgram, endpoint.WSUnix:
		return a.Path == target.Path
	}
	ip := net.ParseIP(target.Host)
	here := target.Host == "" || target.Host == "*" || target.Host == tcp.Loopback || ip != nil && ip.IsLoopback()
	return a.Port == target.Port && (here || target.Host == a.Host)
}

// server is what all kinds of listener have in common.
func (t *tapping) server(l net.Listener) *tap.Server {
	target := t.options.target
	s := &tap.Server{
		Listener: l, Dial: t.dial, ClientLines: t.options.lines(t.address), TargetLines: t.options.lines(target),
		TargetName: "target " + target.String(), TargetDatagrams: target.Datagrams(), TargetStdio: target.Scheme == endpoint.Stdio,
		Faults: t.faults, Idle: time.Duration(t.idle), Wait: time.Duration(t.timeout),
		MaxDatagram: int(min(t.maxMessage, udp.MaxPayload)), MaxConns: t.limits.maxConns,
		WebSocket: t.options.observes(), Limits: t.messageLimits(),
		Once: t.options.once || t.options.stdio(), Failed: t.clientFailed, Refused: t.turnAway,
	}
	if t.address.WebSocket() || t.address.SocketIO() {
		s.Refused = t.turnAwayWebSocket
	}
	if t.options.socketIO() {
		s.SocketIO = tap.NewSocketIO(t.target.Tracer)
	}
	if s.Idle == 0 && (t.address.Datagrams() || target.Datagrams()) {
		s.Idle = udp.DefaultPeerIdle
	}
	if s.Once {
		s.FirstWithin = time.Duration(t.timeout)
	}
	return s
}

// secure reports a client as open and speaks TLS with it, where that is what
// was listened for.
func (t *tapping) secure(ctx context.Context, client net.Conn, config *tls.Config) (net.Conn, error) {
	client = tcp.Trace(client, t.opener.Tracer, trace.Server, 0)
	if config == nil {
		return client, nil
	}
	limit := time.Duration(t.timeout)
	if limit == 0 {
		limit = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &tcp.TimeoutError{After: limit})
	defer cancel()
	secured, err := tcp.ServerTLS(ctx, client, config, t.opener.Tracer)
	return secured, stoppedBy(ctx, err)
}

// ended is the run's end with what was being done. A target that could not be
// opened says that itself.
func (t *tapping) ended(err error) error {
	var stream *tcp.Error
	var datagram *udp.Error
	var child *endpoint.ChildError
	var opening *ws.HandshakeError
	if errors.As(err, &opening) || errors.As(err, &stream) || errors.As(err, &datagram) || errors.As(err, &child) {
		return err
	}
	return failed("tap", t.address, err)
}

func isTruncated(err error) bool { return errors.Is(err, tcp.ErrTruncated) }
