package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// ErrDisconnected is what whoever waits for an acknowledgement gets when the
// connection is lost: whether the event has arrived is unknown.
var ErrDisconnected = errDisconnected

// ErrBufferFull says that an event was not taken, since too many wait for a
// connection, or for a server that reads slowly; see MaxBuffered and
// MaxBufferedBytes in [ClientOptions].
var ErrBufferFull = errors.New("socketio: too many events wait to be sent")

// ErrClientClosed says that Close was called.
var ErrClientClosed = errors.New("socketio: the client is closed")

// Client is a client in one namespace of a server. All methods may be called from
// any goroutine. Its handlers run one after the other, and may block: neither
// acknowledgements nor heartbeats wait for them.
type Client struct {
	manager   *Manager
	namespace string
	auth      any
	handlers  listeners

	events lane // handlers, one after the other
	acks   lane // acknowledgements that functions take

	mu        sync.Mutex
	active    bool  // wants to be connected
	closed    bool  // for good
	link      *link // that it has joined, or is joining
	connected bool
	recovered bool
	id        string
	pid       string // the secret id of recovery; "" without
	offset    string // of the last event that came
	ctx       context.Context
	cancel    context.CancelFunc
	failure   error          // why it is not connected yet
	waiting   []chan<- error // Connect calls
	early     []*Packet      // came before the answer to CONNECT
	buffer    []buffered     // wait for the connection
	ids       uint64
	pending   map[uint64]*pendingAck
	queue     []*retried // with Retries
}

// buffered is an event that waits for a connection.
type buffered struct {
	packet *Packet
	flags  Flags
}

// pendingAck waits for an acknowledgement.
type pendingAck struct {
	answer func(error, Args)
	timer  *time.Timer // or nil
}

// NewClient returns a client for the server of a http, https, ws or wss URL: its
// path is the namespace, its query goes along with each request. Options may be
// nil. It returns at once, and nothing is opened before Connect or Open is
// called: handlers that are added until then see everything. Events that are
// emitted are kept until it is connected.
func NewClient(url string, options *ClientOptions) *Client {
	return NewManager(url, options).Socket(namespaceOf(url), nil)
}

func newClient(m *Manager, namespace string, auth any) *Client {
	c := &Client{manager: m, namespace: namespace, auth: auth, pending: map[uint64]*pendingAck{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Manager returns what keeps the connection.
func (c *Client) Manager() *Manager { return c.manager }

// Namespace returns the name of the namespace, which begins with a slash.
func (c *Client) Namespace() string { return c.namespace }

// Engine returns the session below, or nil where there is none. Clients of one
// manager share it.
func (c *Client) Engine() *engine.Client { return c.manager.Engine() }

// ID returns the id that the server has given to the client; "" while it is not
// connected. It is another one after each reconnection that is no recovery.
func (c *Client) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Connected reports whether the client is connected to its namespace.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// Active reports whether the client connects by itself when the manager does: it
// does from Connect or Open on, until it is disconnected by either side, or
// refused.
func (c *Client) Active() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.active
}

// Recovered reports whether the client has come back as it was before, with its
// id and its rooms, and is sent what it missed.
func (c *Client) Recovered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recovered
}

// On adds a handler for an event: a function whose parameters are the arguments.
// It may take a [context.Context] first, which ends with the connection, and a
// function last, which acknowledges. The events "connect", "disconnect" and
// "connect_error" are those of OnConnect, OnDisconnect and OnConnectError. On
// panics where fn cannot be a handler.
func (c *Client) On(event string, fn any) { c.handlers.add(event, fn, false) }

// Once is On for one event only.
func (c *Client) Once(event string, fn any) { c.handlers.add(event, fn, true) }

// Off removes the handlers of an event: all, or those that are fn.
func (c *Client) Off(event string, fn ...any) { c.handlers.remove(event, fn) }

// OnConnect adds a handler for when the client is connected: the first time, and
// each time again.
func (c *Client) OnConnect(f func()) { c.On("connect", f) }

// OnDisconnect adds a handler for the end of a connection. After "io server
// disconnect" and "io client disconnect" the client does not come back by itself,
// after other reasons it does. On("disconnect") takes a func(reason, description
// string), too: a description is there where a transport has failed.
func (c *Client) OnDisconnect(f func(reason string)) { c.On("disconnect", f) }

// OnConnectError adds a handler for connections that did not come to be: the
// namespace was refused, which is an [*Error] with what the server said, and it
// is not tried again; or the server was not reached, and it is.
func (c *Client) OnConnectError(f func(err error)) { c.On("connect_error", f) }

// OnAny adds a handler for every event that comes, before its own. The function
// that it returns removes it.
func (c *Client) OnAny(f func(event string, args Args)) (off func()) {
	return c.handlers.addAny(&c.handlers.any, f, false)
}

// PrependAny is OnAny before all others.
func (c *Client) PrependAny(f func(event string, args Args)) (off func()) {
	return c.handlers.addAny(&c.handlers.any, f, true)
}

// OnAnyOutgoing adds a handler for every event that is sent; for one that waits
// for the connection, once it is.
func (c *Client) OnAnyOutgoing(f func(event string, args Args)) (off func()) {
	return c.handlers.addAny(&c.handlers.anyOut, f, false)
}

// PrependAnyOutgoing is OnAnyOutgoing before all others.
func (c *Client) PrependAnyOutgoing(f func(event string, args Args)) (off func()) {
	return c.handlers.addAny(&c.handlers.anyOut, f, true)
}

// ListenersAny returns how many handlers of OnAny there are.
func (c *Client) ListenersAny() int { return c.handlers.count(&c.handlers.any) }

// ListenersAnyOutgoing returns how many handlers of OnAnyOutgoing there are.
func (c *Client) ListenersAnyOutgoing() int { return c.handlers.count(&c.handlers.anyOut) }

// tell runs the handlers of "connect" or "disconnect" in the lane.
func (c *Client) tell(ctx context.Context, event string, args ...json.RawMessage) {
	c.events.must(func() {
		for _, l := range c.handlers.take(event) {
			c.call(ctx, l, event, Args{raw: args}, nil)
		}
	})
}

// tellError runs the handlers of "connect_error" in the lane.
func (c *Client) tellError(err error) {
	c.events.must(func() {
		for _, l := range c.handlers.take("connect_error") {
			c.manager.guard(c, func() { l.failure(err) })
		}
	})
}

// call runs one handler.
func (c *Client) call(ctx context.Context, l *clientListener, event string, args Args, ack *acknowledgement) {
	c.manager.guard(c, func() {
		if err := l.handler.call(ctx, args.raw, args.attachments, ack); err != nil {
			c.handlerError(event, err)
		}
	})
}
