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
	"sync"
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

	// TCP dials, with its proxy, addresses and TLS; nil is the zero value.
	TCP *tcp.Dialer
	// NetDial opens the connection below TLS in place of TCP.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLSFor returns the TLS configuration for a host, in place of TCP.TLS.
	TLSFor func(host string) (*tls.Config, error)
	// Tracer takes the records; nil records nothing.
	Tracer *trace.Tracer
}

// Events are what a [Client] calls back. All may be nil. They are called one
// after the other.
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

// Client is one session, seen from the client. All methods may be called from
// any goroutine, and none waits for the server.
type Client struct {
	dialer  *Dialer
	base    *url.URL
	web     *http.Client
	events  Events
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	opening openPacket

	delivery sync.Mutex

	mu        sync.Mutex
	cond      sync.Cond
	transport clientTransport
	buffer    []Packet
	writing   bool // packets are on their way
	paused    bool // for an upgrade
	closing   bool // Close was called
	closed    bool
	timeout   *time.Timer
}

// openPacket is what a server begins a session with.
type openPacket struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"` // ms
	PingTimeout  int64    `json:"pingTimeout"`  // ms
	MaxPayload   int64    `json:"maxPayload"`   // bytes; 0 is no bound
}

// clientTransport carries packets for a client.
type clientTransport interface {
	name() string
	// write sends packets, and waits until they have left.
	write(packets []Packet) error
	// close ends it; polite says good-bye first.
	close(polite bool)
}

func (d *Dialer) protocol() int { return or(d.Protocol, 4) }

func (d *Dialer) transports() []string {
	if d.Transports != nil {
		return d.Transports
	}
	return []string{"polling", "websocket"}
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
	for _, name := range d.transports() {
		c := d.newClient(base, events)
		if err = c.open(ctx, name); err == nil {
			return c, nil
		}
		c.cancel()
		failures = append(failures, err)
		if ctx.Err() != nil || !d.TryAllTransports {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
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
	c := &Client{dialer: d, base: base, events: events}
	c.cond.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.web = d.httpClient()
	return c
}

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
		DialContext: netDial, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, DisableCompression: false,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.dialTLS(ctx, netDial, dialer, network, address)
		},
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

// open begins the session by one transport.
func (c *Client) open(ctx context.Context, name string) error {
	var first Packet
	var rest []Packet
	var err error
	switch name {
	case "polling":
		t := &clientPolling{c: c}
		c.transport = t
		if first, rest, err = t.open(ctx); err != nil {
			return err
		}
	case "websocket":
		t := &clientSocket{c: c}
		c.transport = t
		if first, err = t.open(ctx, ""); err != nil {
			return err
		}
	default:
		return fmt.Errorf("engine: the transport %q is unknown", name)
	}
	if err := c.opened(first); err != nil {
		c.transport.close(false)
		return err
	}
	go c.writeAll()
	c.begin(rest)
	return nil
}

// opened takes the open packet.
func (c *Client) opened(p Packet) error {
	if p.Type != Open || json.Unmarshal(p.Data, &c.opening) != nil || c.opening.SID == "" {
		return &TransportError{Message: "server error", Body: string(p.Data), Err: fmt.Errorf("an open packet was due, and %s came", p.Type)}
	}
	return nil
}

// begin goes on behind the open packet.
func (c *Client) begin(rest []Packet) {
	c.mu.Lock()
	if c.dialer.protocol() == 3 {
		c.timeout = time.AfterFunc(c.interval(), c.pingNow)
	} else {
		c.timeout = time.AfterFunc(c.patience(), c.timedOut)
	}
	t := c.transport
	c.mu.Unlock()
	go func() {
		for _, p := range rest {
			c.packet(t, p)
		}
		switch t := t.(type) {
		case *clientPolling:
			c.maybeUpgrade()
			t.loop()
		case *clientSocket:
			t.loop()
		}
	}()
}

func (c *Client) interval() time.Duration {
	return time.Duration(c.opening.PingInterval) * time.Millisecond
}

// patience is how long the server may say nothing.
func (c *Client) patience() time.Duration {
	return c.interval() + time.Duration(c.opening.PingTimeout)*time.Millisecond
}

// pingNow is the heartbeat of protocol 3, which is the client's.
func (c *Client) pingNow() {
	c.SendPackets(Packet{Type: Ping})
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.timeout = time.AfterFunc(time.Duration(c.opening.PingTimeout)*time.Millisecond, c.timedOut)
	}
}

func (c *Client) timedOut() { c.end("ping timeout", "") }

// ID returns the session's id.
func (c *Client) ID() string { return c.opening.SID }

// Transport returns the name of the transport.
func (c *Client) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport.name()
}

// MaxPayload is the most that the server takes at once, in bytes; 0 is not said.
func (c *Client) MaxPayload() int64 { return c.opening.MaxPayload }

// Writable reports whether a message would leave at once.
func (c *Client) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.closing && !c.writing && !c.paused && len(c.buffer) == 0
}

// Send sends a message. The bytes are kept until it has left.
func (c *Client) Send(data []byte, binary bool) {
	c.SendPackets(Packet{Type: Message, Data: data, Binary: binary})
}

// SendPackets sends packets that belong together, with nothing between them.
func (c *Client) SendPackets(packets ...Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.closing {
		return
	}
	c.buffer = append(c.buffer, packets...)
	c.cond.Broadcast()
}

// writeAll is the goroutine that sends.
func (c *Client) writeAll() {
	for {
		t, packets := c.next()
		if packets == nil {
			return
		}
		err := t.write(packets)
		c.mu.Lock()
		c.writing = false
		drained := len(c.buffer) == 0
		c.cond.Broadcast()
		c.mu.Unlock()
		if err != nil {
			c.broke(t, err)
			return
		}
		if drained && c.events.OnDrain != nil {
			c.events.OnDrain()
		}
	}
}

// next waits for packets to send; nil is the end.
func (c *Client) next() (clientTransport, []Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && (len(c.buffer) == 0 || c.paused) {
		c.cond.Wait()
	}
	if c.closed {
		return nil, nil
	}
	n := len(c.buffer)
	if c.transport.name() == "polling" {
		n = fitting(c.buffer, c.opening.MaxPayload)
	}
	packets := slices.Clone(c.buffer[:n])
	c.buffer = slices.Delete(c.buffer, 0, n)
	c.writing = true
	return c.transport, packets
}

// fitting is how many packets fit into one payload (the protocol's maxPayload):
// the first always goes.
func fitting(packets []Packet, most int64) int {
	if most <= 0 {
		return len(packets)
	}
	size := int64(0)
	for i := range packets {
		n := int64(len(packets[i].Data)) + 1
		if packets[i].Binary {
			n = int64(len(packets[i].Data)+2)/3*4 + 1
		}
		if i > 0 {
			n++
		}
		if size += n; size > most && i > 0 {
			return i
		}
	}
	return len(packets)
}

// packet takes one packet of the current transport.
func (c *Client) packet(t clientTransport, p Packet) {
	c.delivery.Lock()
	defer c.delivery.Unlock()
	c.mu.Lock()
	if c.closed || c.transport != t {
		c.mu.Unlock()
		return
	}
	if c.timeout != nil && (p.Type == Ping && c.dialer.protocol() != 3) {
		c.timeout.Reset(c.patience())
	}
	if p.Type == Pong && c.dialer.protocol() == 3 {
		c.timeout.Stop()
		c.timeout = time.AfterFunc(c.interval(), c.pingNow)
	}
	c.mu.Unlock()
	if c.events.OnPacket != nil {
		c.events.OnPacket(p)
	}
	switch p.Type {
	case Ping:
		c.SendPackets(Packet{Type: Pong, Data: p.Data})
	case Message:
		if c.events.OnMessage != nil {
			c.events.OnMessage(p.Data, p.Binary)
		}
	case Close:
		c.end(ReasonTransportClose, "transport closed by the server")
	}
}

// broke ends the session because of its transport.
func (c *Client) broke(t clientTransport, err error) {
	c.mu.Lock()
	current := c.transport == t
	c.mu.Unlock()
	if !current {
		return
	}
	var parse *parseError
	switch {
	case errors.As(err, &parse):
		c.end(ReasonParseError, err.Error())
	case isClosed(err):
		c.end(ReasonTransportClose, err.Error())
	default:
		c.end(ReasonTransportError, err.Error())
	}
}

// parseError is a packet that is none.
type parseError struct{ err error }

func (e *parseError) Error() string { return e.err.Error() }
func (e *parseError) Unwrap() error { return e.err }

// end ends the session, once.
func (c *Client) end(reason, description string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	if c.closing { // whatever it came by
		reason, description = ReasonForcedClose, ""
	}
	if c.timeout != nil {
		c.timeout.Stop()
	}
	t := c.transport
	c.cond.Broadcast()
	c.mu.Unlock()
	if reason != ReasonForcedClose {
		t.close(false)
	}
	c.cancel()
	c.web.CloseIdleConnections()
	if c.events.OnClose != nil {
		c.events.OnClose(reason, description)
	}
}

// Close ends the session once what is buffered has left ("forced close").
func (c *Client) Close() {
	c.mu.Lock()
	if c.closed || c.closing {
		c.mu.Unlock()
		return
	}
	c.closing = true
	c.mu.Unlock()
	go func() {
		c.drained()
		c.mu.Lock()
		t, closed := c.transport, c.closed
		c.mu.Unlock()
		if !closed {
			t.close(true)
			c.end(ReasonForcedClose, "")
		}
	}()
}

// drained waits until nothing is buffered, for a while.
func (c *Client) drained() {
	stop := time.AfterFunc(closeTimeout, func() {
		c.mu.Lock()
		c.buffer = nil
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer stop.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && (len(c.buffer) > 0 || c.writing || c.paused) {
		c.cond.Wait()
	}
}

// Done is closed once the session has ended.
func (c *Client) Done() <-chan struct{} { return c.ctx.Done() }
