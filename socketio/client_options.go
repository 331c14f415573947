package socketio

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// ClientOptions configure a [Client] or a [Manager]. The zero value has the
// official client's defaults; nil is the zero value.
type ClientOptions struct {
	// Path is the engine's on the server; "" is /socket.io/.
	Path string
	// Auth goes along when a namespace is joined: a value that is an object in
	// JSON, or a func(context.Context) (map[string]any, error), which is called
	// each time and may block. Nil is none. Servers of v2 do not get it.
	Auth any
	// Transports are those that may be used, the first one first. Nil is polling
	// and websocket.
	Transports []string
	// NoUpgrade keeps the connection on the transport that it began with.
	NoUpgrade bool
	// RememberUpgrade begins with websocket where the last connection has come to
	// use it.
	RememberUpgrade bool
	// TryAllTransports begins with the next transport where one fails.
	TryAllTransports bool
	// Query is added to each request, beside that of the URL.
	Query url.Values
	// Header is added to each request, upgrades included.
	Header http.Header
	// Jar keeps cookies (withCredentials); nil keeps none.
	Jar http.CookieJar
	// Deflate offers permessage-deflate; nil does not.
	Deflate *handshake.Deflate
	// Protocol is the version of Engine.IO; 0 is 4. 3 is for servers of Socket.IO
	// v2, which connect a client to the main namespace by themselves.
	Protocol int
	// Parser puts packets on the wire; nil is [TextParser]. The server has to use
	// the same one.
	Parser Parser

	// NoReconnection has a connection that was lost, or could not be opened, stay
	// so until Connect or Open is called.
	NoReconnection bool
	// ReconnectionAttempts is how often it is tried to open a connection again
	// before it is given up; 0 is without end.
	ReconnectionAttempts int
	// ReconnectionDelay is the wait before the first attempt, which doubles with
	// each; 0 is 1 second. ReconnectionDelayMax bounds it; 0 is 5 seconds.
	ReconnectionDelay, ReconnectionDelayMax time.Duration
	// RandomizationFactor is by which share of it a delay is made shorter or
	// longer at random, up to 1; 0 is 0.5, less than 0 is none.
	RandomizationFactor float64
	// Timeout bounds the opening of a connection; 0 is 20 seconds, less than 0 no
	// bound. RequestTimeout bounds each HTTP request but polls; 0 is 20 seconds.
	Timeout, RequestTimeout time.Duration

	// AckTimeout bounds the wait for each acknowledgement; 0 does not.
	AckTimeout time.Duration
	// Retries is how often an event is sent again that was not acknowledged within
	// AckTimeout, or whose connection was lost. With it events go one by one, each
	// once the one before is acknowledged: they keep their order, and arrive at
	// least once. 0 sends each event once, at once.
	Retries int
	// MaxBuffered bounds the events that wait for a connection; 0 is 10,000, less
	// than 0 no bound. Beyond it emitting is [ErrBufferFull].
	MaxBuffered int
	// MaxBufferedBytes bounds what has not left, in bytes, while the server takes
	// it slowly; 0 is 64 MiB, less than 0 no bound. Beyond it emitting is
	// [ErrBufferFull], too.
	MaxBufferedBytes int
	// MaxMessage bounds what the server sends at once, in bytes: a message over
	// WebSocket, the answer to a poll; 0 is 64 MiB. Beyond it the connection is
	// given up ("transport error").
	MaxMessage int64
	// MaxPending bounds the events that wait for the handlers of one client; 0 is
	// 65,536, less than 0 no bound. MaxPendingBytes bounds their size; 0 is 64
	// MiB. Beyond either the connection is given up ("transport error").
	MaxPending, MaxPendingBytes int

	// TCP dials, with its proxy, addresses and TLS; nil is the zero value.
	TCP *tcp.Dialer
	// NetDial opens the connection below TLS in place of TCP.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLSFor returns the TLS configuration for a host, in place of TCP.TLS.
	TLSFor func(host string) (*tls.Config, error)

	// OnHandlerError is told of events and acknowledgements whose arguments a
	// function cannot take. Nil logs the first of each event by package log.
	OnHandlerError func(c *Client, event string, err error)
	// OnPanic is told of panics in handlers. The client goes on; it is nil for
	// handlers of a [Manager]. Nil logs them by package log.
	OnPanic func(c *Client, err *tcp.PanicError)
	// Tracer takes the records; nil costs nothing.
	Tracer *trace.Tracer
}

const (
	defaultReconnectionDelay    = time.Second
	defaultReconnectionDelayMax = 5 * time.Second
	defaultRandomization        = 0.5
	defaultOpenTimeout          = 20 * time.Second
	defaultMaxBuffered          = 10_000
	defaultMaxBufferedBytes     = 64 << 20
	defaultClientPending        = 65_536
	defaultClientPendingBytes   = 64 << 20
)

func (o *ClientOptions) maxBuffered() int { return orInt(o.MaxBuffered, defaultMaxBuffered) }
func (o *ClientOptions) maxBufferedBytes() int {
	return orInt(o.MaxBufferedBytes, defaultMaxBufferedBytes)
}
func (o *ClientOptions) maxPending() int { return orInt(o.MaxPending, defaultClientPending) }
func (o *ClientOptions) maxPendingBytes() int {
	return orInt(o.MaxPendingBytes, defaultClientPendingBytes)
}

func (o *ClientOptions) parser() Parser {
	if o.Parser == nil {
		return TextParser{}
	}
	return o.Parser
}

// dialer is what opens the engine's sessions.
func (o *ClientOptions) dialer() *engine.Dialer {
	return &engine.Dialer{
		Path: orString(o.Path, "/socket.io/"), Transports: o.Transports, NoUpgrade: o.NoUpgrade,
		RememberUpgrade: o.RememberUpgrade, TryAllTransports: o.TryAllTransports, Query: o.Query, Header: o.Header, Jar: o.Jar, Deflate: o.Deflate,
		Protocol: o.Protocol, RequestTimeout: o.RequestTimeout, MaxMessage: o.MaxMessage,
		TCP: o.TCP, NetDial: o.NetDial, TLSFor: o.TLSFor, Tracer: o.Tracer,
	}
}
