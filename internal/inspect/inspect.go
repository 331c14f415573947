// Package inspect opens an address and reports each layer that it can reach,
// with its timing and with what is wrong. It prints nothing.
package inspect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// Options say what is inspected, and how. Only Address is needed.
type Options struct {
	Address endpoint.Address // tcp, tls, udp, unix, unixgram, ws, wss, ws+unix, sio or sios
	// Timeout bounds the look-up of the name, each attempt, the TLS handshake
	// and the opening handshake; 0 means 10 seconds.
	Timeout time.Duration
	// First stops at the first address that connects. Without it every address
	// is tried, and the first that connects is the one that is reported on.
	First bool
	// BannerWait is how long the peer is listened to, once the connection is
	// open; 0 means 500 ms, less than 0 not at all. It is the wait for the
	// answer to a datagram, too.
	BannerWait time.Duration
	// Send is sent before the peer is listened to. Without it nothing is sent on
	// a stream or a Unix datagram socket, an empty datagram on UDP, and a ping on
	// a WebSocket. There it is a text message, unless SendBinary or no UTF-8.
	Send       []byte
	SendBinary bool
	WebSocket  WebSocketOptions
	SocketIO   SocketIOOptions
	Doctor     DoctorOptions
	// Redis is what joins several Socket.IO servers. With an address of TCP or TLS it
	// is what the address leads to.
	Redis *RedisOptions

	Family   int               // 4, 6, or 0 for both
	NoLookup bool              // refuse names
	Hosts    map[string]string // "host:port" to the address that is used
	Resolver *net.Resolver     // nil is the system's
	Source   string            // the address to dial from
	// TLS is how TLS is spoken and what is trusted. The handshake is made
	// whatever the certificates are; with Insecure what is wrong with them is
	// noted, and no error.
	TLS    tcp.TLSOptions
	Tracer *trace.Tracer
	// Now is the time that certificates are held against; nil is [time.Now].
	Now func() time.Time
}

const (
	defaultTimeout    = 10 * time.Second
	defaultBannerWait = 500 * time.Millisecond
)

// Inspection is an inspection whose connection is still open.
type Inspection struct {
	Report *Report
	Conn   net.Conn // nil where there is none; of a WebSocket what is below

	o     Options
	rest  chan struct{} // closed once the last attempt is over
	stop  func()        // ends the attempts that are under way
	tls   *tls.Config
	seen  tls.ConnectionState // as it was when the certificates came
	judge *judge
	ws    *ws.Conn

	assumed       bool             // nobody asked for the application protocol that is offered
	failure       error            // why the plain way did not reach its end
	targets       []netip.AddrPort // the addresses of the name
	upgradeFailed error            // of Socket.IO's move to a WebSocket
}

// Run inspects an address, closes the connection, and calls the doctor where
// that is asked for. A report always comes, up
// to the layer that was reached; the error says why it did not reach the next,
// and is a [*tcp.Error]. What is wrong otherwise stands in the findings.
func Run(ctx context.Context, o Options) (*Report, error) {
	in, err := Open(ctx, o)
	in.Close()
	in.Diagnose(ctx)
	return in.Report, err
}

// Open is [Run] with the connection left open, so that it can be watched.
func Open(ctx context.Context, o Options) (*Inspection, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.BannerWait == 0 {
		o.BannerWait = defaultBannerWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	in := &Inspection{o: o, Report: &Report{
		Version: Version, Kind: KindReport, Address: o.Address.String(), Time: time.Now().UTC(),
		Reached: ReachedNothing, Attempts: []Attempt{}, Findings: []Finding{},
	}}
	if o.Redis != nil && !o.Address.SocketIO() {
		in.Report.Address = o.Redis.name()
	}
	err := in.open(ctx)
	if o.Redis != nil && o.Address.SocketIO() {
		in.beside(ctx)
	}
	in.failure = err
	in.finish(err)
	if err != nil {
		return in, &tcp.Error{Op: "inspect", Address: in.Report.Address, Err: err}
	}
	return in, nil
}

// Close closes the connection: a WebSocket by its closing handshake, which is
// reported.
func (in *Inspection) Close() error {
	if in.ws != nil {
		in.Conn = nil
		return in.goodBye()
	}
	conn := in.Conn
	if conn == nil {
		return nil
	}
	in.Conn = nil
	return conn.Close()
}

func (in *Inspection) open(ctx context.Context) error {
	switch in.o.Address.Scheme {
	case endpoint.TCP, endpoint.TLS, endpoint.WS, endpoint.WSS, endpoint.SIO, endpoint.SIOS:
		return in.stream(ctx)
	case endpoint.UDP:
		return in.udp(ctx)
	case endpoint.Unix, endpoint.Unixgram, endpoint.WSUnix:
		return in.unix(ctx)
	}
	return &endpoint.Hint{Err: errors.New("there is no socket to inspect"),
		Text: "inspect takes tcp, tls, udp, unix, unixgram, ws, wss, ws+unix, sio and sios addresses"}
}

// stream inspects TCP, and TLS on top.
func (in *Inspection) stream(ctx context.Context) error {
	if in.o.Address.Secure() {
		if err := in.configure(); err != nil {
			return err
		}
	}
	targets, err := in.resolve(ctx)
	if err != nil {
		return err
	}
	in.targets = targets
	conn := in.race(ctx, targets)
	defer in.awaitRest()
	if conn == nil {
		<-in.rest
		return in.unreached(ctx)
	}
	err = in.layers(ctx, conn)
	in.http2(ctx, err)
	return err
}

// layers inspects what stands on an open stream.
func (in *Inspection) layers(ctx context.Context, conn net.Conn) error {
	in.Report.Reached = ReachedConnection
	in.describe(conn)
	if in.tls != nil {
		secured, err := in.secure(ctx, conn)
		if err != nil {
			return err
		}
		conn = secured
		in.Report.Reached = ReachedTLS
		in.describe(conn)
	}
	in.Conn = conn
	if err := in.application(ctx, conn); err != nil {
		return err
	}
	in.describe(conn)
	return nil
}

// application inspects what is spoken on a stream.
func (in *Inspection) application(ctx context.Context, conn net.Conn) error {
	switch {
	case in.o.Address.WebSocket():
		return in.webSocket(ctx, conn)
	case in.o.Address.SocketIO():
		return in.socketIO(ctx, conn)
	case in.o.Redis != nil:
		return in.redis(ctx)
	}
	return in.hear(ctx, conn)
}

// describe reads what the kernel knows of conn, once more.
func (in *Inspection) describe(conn net.Conn) {
	c := in.Report.Connection
	if c == nil || c.NotTold != "" {
		return
	}
	var err error
	if c.Network == "tcp" {
		var info *TCP
		info, err = tcp.Info(conn)
		if err == nil && (info.State != "closed" || in.Report.TCP == nil) { // a closed socket has forgotten most of it
			in.Report.TCP = info
		}
	} else {
		c.Socket, err = tcp.SocketOptions(conn)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		c.NotTold = err.Error()
	}
}

// finish completes the report.
func (in *Inspection) finish(err error) {
	r := in.Report
	if err != nil {
		r.Error = tcp.Reason(err)
	}
	in.addressFindings()
	in.peerFindings()
	sortFindings(r.Findings)
	r.Duration = time.Since(r.Time)
}

// within bounds ctx by the timeout.
func (in *Inspection) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, in.o.Timeout, &tcp.TimeoutError{After: in.o.Timeout})
}

// host is the host to dial: this machine where none was given.
func (in *Inspection) host() string {
	if h := in.o.Address.Host; h != "" && h != "*" {
		return h
	}
	return tcp.Loopback
}

// unreached is the error where no attempt came to anything.
func (in *Inspection) unreached(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var failed unreached
	for _, a := range in.Report.Attempts {
		if a.err != nil {
			failed = append(failed, a)
		}
	}
	if len(failed) == 0 {
		return fmt.Errorf("no address was tried")
	}
	return failed
}
