package engine

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// Dialer opens sessions as a client. The zero value is ready, with the official
// client's defaults. It must not be changed while in use.
type Dialer struct {
	// Path is the engine's on the server; "" is /engine.io/.
	Path string
	// Transports are those that may be used, in this order: the session begins
	// with the first. Nil is polling and websocket.
	Transports []string
	// NoUpgrade keeps the session on the transport that it began with.
	NoUpgrade bool
	// TryAllTransports begins with the next transport where one fails.
	TryAllTransports bool
	// RememberUpgrade begins with websocket where the last session of this Dialer
	// has come to use it.
	RememberUpgrade bool
	// Query is added to each request.
	Query url.Values
	// Header is added to each request, upgrades included.
	Header http.Header
	// Jar keeps cookies (withCredentials); nil keeps none.
	Jar http.CookieJar
	// Deflate offers permessage-deflate; nil does not.
	Deflate *handshake.Deflate
	// Protocol is the version of Engine.IO; 0 is 4. 3 is for servers of
	// Socket.IO v2.
	Protocol int
	// RequestTimeout bounds each HTTP request but polls; 0 is 20 seconds.
	RequestTimeout time.Duration
	// MaxMessage bounds a message over WebSocket, and the answer to a poll, in
	// bytes; 0 is 64 MiB.
	MaxMessage int64

	// TCP dials, with its proxy, addresses and TLS; nil is the zero value.
	TCP *tcp.Dialer
	// NetDial opens the connection below TLS in place of TCP.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLSFor returns the TLS configuration for a host, in place of TCP.TLS.
	TLSFor func(host string) (*tls.Config, error)
	// Tracer takes the records; nil records nothing.
	Tracer *trace.Tracer

	remembered atomic32 // the last session used WebSocket
}

// atomic32 is a flag that a Dialer may be copied with.
type atomic32 uint32

func (a *atomic32) set(on bool) {
	v := uint32(0)
	if on {
		v = 1
	}
	atomic.StoreUint32((*uint32)(a), v)
}

func (a *atomic32) get() bool { return atomic.LoadUint32((*uint32)(a)) != 0 }

// Events are what a [Client] calls back. All may be nil. They are called one
// after the other, and hold up what comes behind: they must not wait for it.
type Events struct {
	// OnMessage takes a message. Its bytes are the callback's to keep.
	OnMessage func(data []byte, binary bool)
	// OnPacket is told of each packet that comes.
	OnPacket func(p Packet)
	// OnUpgrade is called once the session has moved to another transport, or
	// could not (the error).
	OnUpgrade func(transport string, err error)
	// OnDrain is called when all that was buffered has been handed over.
	OnDrain func()
	// OnClose is called once, and last.
	OnClose func(reason, description string)
}

// TransportError is a transport that could not be opened, or that broke.
type TransportError struct {
	Message string // as the official client words it: xhr poll error, websocket error, ...
	Status  int    // of the HTTP response; 0 where there was none
	Body    string // the beginning of what the server said
	Err     error
}

// Error implements error.
func (e *TransportError) Error() string {
	s := e.Message
	if e.Status != 0 {
		s += fmt.Sprintf(": the server answered %d %s", e.Status, http.StatusText(e.Status))
	}
	if text := serverSays(e.Body); text != "" {
		s += ": " + text
	}
	if e.Err != nil {
		s += ": " + tcp.Reason(e.Err)
	}
	return s
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// Code is the code in the server's answer, and whether there is one.
func (e *TransportError) Code() (Code, bool) {
	var answer struct{ Code *Code }
	if json.Unmarshal([]byte(e.Body), &answer) != nil || answer.Code == nil {
		return 0, false
	}
	return *answer.Code, true
}

// serverSays is what the body of an error says.
func serverSays(body string) string {
	var answer struct{ Message string }
	if json.Unmarshal([]byte(body), &answer) == nil && answer.Message != "" {
		return answer.Message
	}
	return ""
}

func (d *Dialer) protocol() int { return or(d.Protocol, 4) }

func (d *Dialer) maxMessage() int64 { return or(d.MaxMessage, defaultMaxMessage) }

const defaultMaxMessage = 64 << 20

func (d *Dialer) transports() []string {
	if d.Transports != nil {
		return d.Transports
	}
	return []string{"polling", "websocket"}
}

// order are the transports that a session is tried to begin with.
func (d *Dialer) order() []string {
	all := d.transports()
	if i := slices.Index(all, "websocket"); i > 0 && d.RememberUpgrade && d.remembered.get() {
		all = slices.Concat(all[i:i+1], all[:i], all[i+1:])
	}
	return all
}

// Dial opens a session at the server of a http, https, ws or wss URL, whose path
// does not count. It returns once the server's open packet has come; the context
// bounds that only. Every failure is a [*TransportError], or the context's.
func (d *Dialer) Dial(ctx context.Context, address string, events Events) (*Client, error) {
	base, err := d.baseURL(address)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, name := range d.order() {
		c := d.newClient(base, events)
		if err = c.open(ctx, name); err == nil {
			return c, nil
		}
		c.release()
		d.remembered.set(false)
		failures = append(failures, err)
		if ctx.Err() != nil || !d.TryAllTransports {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case len(failures) == 1:
		return nil, failures[0]
	case len(failures) == 0:
		return nil, errors.New("engine: there is no transport to use")
	}
	return nil, errors.Join(failures...)
}

// baseURL is the address that requests are made of.
func (d *Dialer) baseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("engine: %q is no http, https, ws or wss URL", address)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("engine: %q names no host", address)
	}
	q := url.Values{}
	for k, v := range u.Query() {
		q[k] = v
	}
	for k, v := range d.Query {
		q[k] = v
	}
	q.Set("EIO", fmt.Sprint(d.protocol()))
	u.Path, u.RawPath, u.Fragment = or(d.Path, defaultPath), "", ""
	if !strings.HasPrefix(u.Path, "/") {
		u.Path = "/" + u.Path
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	u.RawQuery = q.Encode()
	return u, nil
}

func (d *Dialer) newClient(base *url.URL, events Events) *Client {
	c := &Client{dialer: d, base: base, events: events, done: make(chan struct{})}
	c.cond.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.web = d.httpClient()
	return c
}

// keptIdle is how long a connection may be silent and is used again. Node's servers
// close theirs after 5 seconds, and a POST that meets this end ends the session: it
// is not repeated, for it may have been heard (RFC 9112 section 9.3.1).
const keptIdle = 4 * time.Second

// httpClient speaks HTTP over the dialer's connections.
func (d *Dialer) httpClient() *http.Client {
	dialer := tcp.Dialer{}
	if d.TCP != nil {
		dialer = *d.TCP
	}
	if dialer.Tracer == nil {
		dialer.Tracer = d.Tracer
	}
	plain := dialer
	plain.TLS = nil
	netDial := d.NetDial
	if netDial == nil {
		netDial = plain.DialContext
	}
	t := &http.Transport{
		DialContext: noting(netDial), MaxIdleConnsPerHost: 4, IdleConnTimeout: keptIdle, DisableCompression: false,
		DialTLSContext: noting(func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.dialTLS(ctx, netDial, dialer, network, address)
		}),
	}
	return &http.Client{Transport: t, Jar: d.Jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (d *Dialer) dialTLS(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), dialer tcp.Dialer, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	config := dialer.TLS
	if d.TLSFor != nil {
		var err error
		if config, err = d.TLSFor(host); err != nil {
			return nil, err
		}
	}
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return tcp.ClientTLS(ctx, conn, config, dialer.Tracer)
}
