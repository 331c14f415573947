package cmd

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/replay"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
	"github.com/sockkit/sockkit/ws"
)

// replaying is one run of replay.
type replaying struct {
	*replayOptions
	*Streams
	*tracing
	opener  *endpoint.Opener
	scripts []*replay.Script
	player  *replay.Player

	mu       sync.Mutex
	outcomes map[*replay.Script]*replay.Outcome
	next     int // the script that the next client gets
	gone     sync.WaitGroup
}

// done keeps what became of a script.
func (p *replaying) done(s *replay.Script, o *replay.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outcomes == nil {
		p.outcomes = map[*replay.Script]*replay.Outcome{}
	}
	p.outcomes[s] = o
}

// dialAll plays all scripts as clients: each begins when it began, or at once.
func (p *replaying) dialAll(ctx context.Context) error {
	began := time.Now()
	first := p.scripts[0]
	for _, s := range p.scripts {
		if !p.fast {
			select {
			case <-time.After(time.Until(began.Add(s.Began().Sub(first.Began())))):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		peer, err := p.dial(ctx, s)
		if err != nil {
			return err
		}
		p.gone.Go(func() { p.done(s, p.player.Play(ctx, s, peer)) })
		if p.fast {
			p.gone.Wait() // one after the other: nothing says what overlapped
		}
	}
	p.gone.Wait()
	return nil
}

// dial opens one connection.
func (p *replaying) dial(ctx context.Context, s *replay.Script) (replay.Peer, error) {
	switch {
	case p.address.WebSocket():
		d := p.dialer(p.opener)
		if len(d.Subprotocols) == 0 && s.Subprotocol != "" {
			d.Subprotocols = []string{s.Subprotocol}
		}
		bounded, cancel := p.openingWithin(ctx)
		defer cancel()
		conn, _, err := d.Dial(bounded, p.address.URL())
		if err != nil {
			return nil, err
		}
		return replay.WebSocket(conn), nil
	case p.address.SocketIO():
		return p.dialSocketIO(ctx)
	}
	conn, err := p.opener.Dial(ctx, p.address)
	if err != nil {
		return nil, err
	}
	return replay.Connection(conn, p.player.Layer), nil
}

func (p *replaying) dialSocketIO(ctx context.Context) (replay.Peer, error) {
	options := p.clientOptions(p.opener)
	options.NoReconnection = true
	client := socketio.NewClient(p.address.HTTP(), options)
	peer := replay.Client(ctx, client)
	bounded, cancel := p.openingWithin(ctx)
	defer cancel()
	if err := client.Connect(bounded); err != nil {
		_ = peer.Close()
		return nil, failed("replay", p.address, reasonOf(bounded, err))
	}
	return peer, nil
}

// take gives the next client the next script, and false where there is none.
func (p *replaying) take() (*replay.Script, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next >= len(p.scripts) {
		return nil, false
	}
	p.next++
	return p.scripts[p.next-1], true
}

// serveAll plays all scripts as the server, to the clients that come.
func (p *replaying) serveAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	left := make(chan struct{}, len(p.scripts))
	// play is called for each client, and returns when it has been answered.
	play := func(peer func() replay.Peer) {
		s, ok := p.take()
		if !ok {
			return
		}
		p.done(s, p.player.Play(ctx, s, peer()))
		left <- struct{}{}
	}
	stop, err := p.listen(ctx, play)
	if err != nil {
		return err
	}
	defer stop()
	for range p.scripts {
		select {
		case <-left:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// listen binds the address, and has play called for each client.
func (p *replaying) listen(ctx context.Context, play func(func() replay.Peer)) (stop func(), err error) {
	l := &listening{Streams: p.Streams, tracing: p.tracing, opener: p.opener, listenOptions: &listenOptions{
		common: p.common, addrFile: p.addrFile, address: p.address,
	}}
	if p.address.Datagrams() {
		return p.listenDatagrams(ctx, l, play)
	}
	listener, config, unbind, err := l.bind(ctx)
	if err != nil {
		return nil, err
	}
	on := &tcp.Server{TLS: config}
	switch {
	case p.address.WebSocket():
		server := &ws.Server{TCP: on, Tracer: p.tracer, Subprotocols: p.offered(), Permit: anybody, Handler: func(_ context.Context, c *ws.Conn) error {
			play(func() replay.Peer { return replay.WebSocket(c) })
			return nil
		}}
		go func() { _ = server.Serve(listener) }() // ended by unbind
		return func() { _ = server.Close(); unbind() }, nil
	case p.address.SocketIO():
		return p.listenSocketIO(ctx, on, listener, unbind, play)
	}
	go p.accept(ctx, listener, config, func(conn net.Conn) {
		play(func() replay.Peer { return replay.Connection(conn, replay.Stream) })
	})
	return unbind, nil
}

// anybody lets all in: a replay is a test.
func anybody(*ws.Request) error { return nil }

// offered are the subprotocols that were agreed on.
func (p *replaying) offered() (names []string) {
	for _, s := range p.scripts {
		if s.Subprotocol != "" {
			names = append(names, s.Subprotocol)
		}
	}
	return append(names, p.ws.subprotocols...)
}

// accept hands each client out, until the listener is closed.
func (p *replaying) accept(ctx context.Context, listener net.Listener, config *tls.Config, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if secured, err := p.secure(ctx, conn, config); err == nil {
				serve(secured)
			}
		}()
	}
}

// secure speaks TLS with a client, where that is what was listened for.
func (p *replaying) secure(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	conn = tcp.Trace(conn, p.tracer, trace.Server, 0)
	if config == nil {
		return conn, nil
	}
	ctx, cancel := p.openingWithin(ctx)
	defer cancel()
	return tcp.ServerTLS(ctx, conn, config, p.tracer)
}

func (p *replaying) listenDatagrams(ctx context.Context, l *listening, play func(func() replay.Peer)) (func(), error) {
	sockets, err := p.opener.ListenDatagram(ctx, p.address)
	if err != nil {
		return nil, inUse(err)
	}
	l.address = l.address.Bound(sockets[0].LocalAddr())
	if err := l.announce(nil); err != nil {
		closeSockets(sockets)
		return nil, err
	}
	peers := tap.ListenPackets(&udp.Server{Tracer: p.tracer}, sockets)
	go func() {
		for {
			conn, err := peers.Accept()
			if err != nil {
				return
			}
			go play(func() replay.Peer { return replay.Connection(conn, replay.Datagrams) })
		}
	}()
	return func() { _ = peers.Close(); l.removeAddrFile() }, nil
}

func (p *replaying) listenSocketIO(ctx context.Context, on *tcp.Server, listener *tcp.Listener, unbind func(), play func(func() replay.Peer)) (func(), error) {
	server := socketio.NewServer(&socketio.ServerOptions{
		Path: p.sio.path, CORS: &engine.CORS{}, Engine: &engine.Server{TCP: on, AllowEIO3: true}, Tracer: p.tracer,
	})
	namespace, _ := p.address.Namespace()
	server.Of(namespace).OnConnection(func(s *socketio.Socket) {
		peer := replay.Socket(ctx, s)
		go play(func() replay.Peer { return peer })
	})
	go func() { _ = server.Serve(listener) }() // ended by the close
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Close(ctx)
		unbind()
	}, nil
}

// replayReport is the report object of replay.
type replayReport struct {
	Version     int                `json:"version"`
	Trace       string             `json:"trace"`
	Address     string             `json:"address"`
	Side        string             `json:"side"`
	Same        bool               `json:"same"`
	Connections []replayConnection `json:"connections"`
}

type replayConnection struct {
	Name        string             `json:"name"`
	Sent        int                `json:"sent"`
	Recorded    int                `json:"recorded"` // messages, or bytes of a stream, that came when it was recorded
	Came        int                `json:"came"`     // and now
	Same        bool               `json:"same"`
	Error       string             `json:"error,omitempty"`
	Differences []replayDifference `json:"differences,omitempty"`
}

type replayDifference struct {
	Sign string `json:"sign"` // - recorded, + came; a space stands before what is the same
	Text string `json:"text"`
}

// differs says that a replay went otherwise than it was recorded.
type differs struct {
	file    string
	of, all int
	ignores bool // --ignore was given
}

// hint tells of what differs each time.
func (d *differs) hint() string {
	if d.ignores {
		return ""
	}
	return "what differs each time, such as dates and ids, is named by --ignore REGEX"
}

func (d *differs) Error() string {
	if d.all == 1 {
		return "replay " + d.file + ": what came differs from what was recorded"
	}
	return fmt.Sprintf("replay %s: what came differs from what was recorded, on %d of %d connections", d.file, d.of, d.all)
}

// report says how what came differs from what was recorded.
func (p *replaying) report(ctx context.Context, asJSON bool) error {
	r := p.compare()
	if asJSON {
		e := json.NewEncoder(p.Out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return outputError(err)
		}
	} else if _, err := io.WriteString(p.Out, r.text(p.player.Layer)); err != nil {
		return outputError(err)
	}
	bad := 0
	for i, c := range r.Connections {
		if err := p.outcomes[p.scripts[i]].Err; err != nil && !errors.Is(err, context.Canceled) {
			return stoppedBy(ctx, failed("replay", p.address, err))
		}
		if !c.Same {
			bad++
		}
	}
	if bad > 0 {
		return &differs{p.file, bad, len(r.Connections), len(p.ignore) > 0}
	}
	return nil
}

func (p *replaying) compare() *replayReport {
	comparer := &replay.Comparer{Layer: p.player.Layer, Ignore: p.patterns}
	r := &replayReport{Version: 1, Trace: p.file, Address: p.address.String(), Side: p.side, Same: true}
	for _, s := range p.scripts {
		o := p.outcomes[s]
		c := comparer.Compare(s, o)
		line := replayConnection{Name: s.Name, Sent: o.Sent, Recorded: c.Recorded, Came: c.Came, Same: c.Same && o.Err == nil}
		if o.Err != nil {
			line.Error = tcp.Reason(o.Err)
		}
		for _, l := range c.Lines {
			line.Differences = append(line.Differences, replayDifference{string(l.Sign), l.Text})
		}
		r.Same = r.Same && line.Same
		r.Connections = append(r.Connections, line)
	}
	return r
}

// text is the report for people.
func (r *replayReport) text(layer replay.Layer) string {
	things := map[replay.Layer]string{replay.Stream: "bytes", replay.Datagrams: "datagrams", replay.Messages: "messages", replay.Events: "events"}[layer]
	var b strings.Builder
	for _, c := range r.Connections {
		verdict := cmp.Or(c.Error, "the same")
		if !c.Same && c.Error == "" {
			verdict = "not the same"
		}
		fmt.Fprintf(&b, "%s: %d sent; %d %s were recorded and %d came: %s\n", c.Name, c.Sent, c.Recorded, things, c.Came, verdict)
		for _, d := range c.Differences {
			fmt.Fprintf(&b, "  %s %s\n", d.Sign, d.Text)
		}
	}
	return b.String()
}
