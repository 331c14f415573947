package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

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

	done chan struct{} // closed behind the last callback

	delivery sync.Mutex // one callback at a time

	mu        sync.Mutex
	cond      sync.Cond
	transport clientTransport
	buffer    []Packet
	queued    int  // bytes that have not left: of buffer, and of what is on its way
	writing   bool // packets are on their way
	paused    bool // for an upgrade
	closing   bool // Close was called
	closed    bool
	expired   bool // by the clock on the wall
	cause     error
	timeout   *time.Timer
	deadline  time.Time // of timeout
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
	// conn numbers its connection in the trace; 0 where it has many.
	conn() trace.ID
	// close ends it; polite says good-bye first.
	close(polite bool)
}

// open begins the session by one transport.
func (c *Client) open(ctx context.Context, name string) (err error) {
	var first Packet
	var rest []Packet
	switch name {
	case "polling":
		t := &clientPolling{c: c}
		c.transport = t
		first, rest, err = t.open(ctx)
	case "websocket":
		t := &clientSocket{c: c}
		c.transport = t
		first, err = t.open(ctx)
	default:
		err = fmt.Errorf("engine: the transport %q is unknown", name)
	}
	if err != nil {
		return err
	}
	if err := c.opened(first); err != nil {
		c.transport.close(false)
		return err
	}
	c.record(c.transport.conn(), trace.In, name, append([]Packet{first}, rest...)...)
	if name == "websocket" {
		c.dialer.remembered.set(true)
	}
	c.begin()
	go c.writeAll()
	go c.readAll(rest)
	return nil
}

// OpenPacketError says that a server has opened a session by a packet that is
// damaged.
type OpenPacketError struct{ Text string }

// Error implements error.
func (e *OpenPacketError) Error() string { return e.Text }

// opened takes the open packet.
func (c *Client) opened(p Packet) error {
	var wrong error
	if p.Type != Open {
		wrong = fmt.Errorf("an open packet was due, and %s came", p.Type)
	} else if err := json.Unmarshal(p.Data, &c.opening); err != nil {
		wrong = &OpenPacketError{fmt.Sprintf("the open packet cannot be read: %v", err)}
	} else if c.opening.SID == "" {
		wrong = &OpenPacketError{"the open packet has no sid"}
	}
	if wrong != nil {
		return &TransportError{Message: "server error", Body: string(p.Data), Err: wrong}
	}
	return nil
}

// readAll takes what came behind the open packet, and then what comes.
func (c *Client) readAll(rest []Packet) {
	switch t := c.transport.(type) {
	case *clientPolling:
		for _, p := range rest {
			c.packet(t, p)
		}
		go c.maybeUpgrade(t)
		t.loop()
	case *clientSocket:
		t.loop()
	}
}

// record reports packets that pass. Without a tracer it costs nothing.
func (c *Client) record(conn trace.ID, dir trace.Dir, transport string, packets ...Packet) {
	if c.dialer.Tracer.On(trace.Frame) {
		record(c.dialer.Tracer, conn, dir, c.opening.SID, transport, packets)
	}
}

// ID returns the session's id.
func (c *Client) ID() string { return c.opening.SID }

// Transport returns the name of the transport.
func (c *Client) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport.name()
}

// Err returns the error of a transport that ended the session; nil is another end,
// or none yet.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// MaxPayload is the most that the server takes at once, in bytes; 0 is not said.
func (c *Client) MaxPayload() int64 { return c.opening.MaxPayload }

// Writable reports whether a message would leave at once.
func (c *Client) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && !c.closing && !c.writing && !c.paused && len(c.buffer) == 0
}

// Queued returns how many bytes of messages have not left yet. Nothing bounds
// them here: a caller who does not wait for the server has to look.
func (c *Client) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// Send sends a message. The bytes are kept until it has left.
func (c *Client) Send(data []byte, binary bool) {
	c.SendPackets(Packet{Type: Message, Data: data, Binary: binary})
}

// SendPackets sends packets that belong together, with nothing between them. It
// reports false where the session has ended, and none of them will leave.
func (c *Client) SendPackets(packets ...Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.closing {
		return false
	}
	c.buffer = append(c.buffer, packets...)
	c.queued += sizeOf(packets)
	c.cond.Broadcast()
	return true
}

// writeAll is the goroutine that sends.
func (c *Client) writeAll() {
	for {
		t, packets := c.next()
		if packets == nil {
			return
		}
		c.record(t.conn(), trace.Out, t.name(), packets...)
		err := t.write(packets)
		c.mu.Lock()
		c.writing = false
		c.queued -= sizeOf(packets)
		drained := len(c.buffer) == 0 && !c.closed
		c.cond.Broadcast()
		c.mu.Unlock()
		if err != nil {
			c.broke(t, err)
			return
		}
		if drained && c.events.OnDrain != nil {
			c.notify(c.events.OnDrain)
		}
	}
}

func sizeOf(packets []Packet) (n int) {
	for i := range packets {
		n += len(packets[i].Data)
	}
	return n
}

// notify calls back, unless the session has ended.
func (c *Client) notify(f func()) {
	c.delivery.Lock()
	defer c.delivery.Unlock()
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if !closed {
		f()
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
	c.mu.Lock()
	current := !c.closed && c.transport == t
	if current {
		c.alive(p.Type)
	}
	c.mu.Unlock()
	if !current {
		return
	}
	if c.events.OnPacket != nil {
		c.notify(func() { c.events.OnPacket(p) })
	}
	switch p.Type {
	case Ping:
		c.SendPackets(Packet{Type: Pong})
	case Message:
		if c.events.OnMessage != nil {
			c.notify(func() { c.events.OnMessage(p.Data, p.Binary) })
		}
	case Close:
		c.end(ReasonTransportClose, "transport closed by the server")
	}
}

// broke ends the session because of its transport.
func (c *Client) broke(t clientTransport, err error) {
	c.mu.Lock()
	current := c.transport == t
	if current && !c.closed && !c.closing {
		c.cause = err
	}
	c.mu.Unlock()
	if !current {
		return
	}
	var parse *parseError
	var closed *ws.CloseError
	var broken *ws.Violation
	switch {
	case errors.As(err, &parse):
		c.end(ReasonParseError, err.Error())
	case errors.As(err, &broken):
		c.end(ReasonTransportError, "websocket error: "+broken.Error())
	case errors.As(err, &closed) || t.name() == "websocket" && isClosed(err):
		c.end(ReasonTransportClose, "websocket connection closed: "+err.Error())
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
	c.buffer = nil
	t := c.transport
	c.cond.Broadcast()
	c.mu.Unlock()
	if reason == ReasonTransportError || reason == ReasonParseError {
		c.dialer.remembered.set(false)
	}
	t.close(false)
	c.release()
	c.delivery.Lock() // the last callback is the last
	defer c.delivery.Unlock()
	if c.events.OnClose != nil {
		c.events.OnClose(reason, description)
	}
	close(c.done)
}

// release lets the connections go.
func (c *Client) release() {
	c.cancel()
	c.web.CloseIdleConnections()
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
	over := false
	stop := time.AfterFunc(closeTimeout, func() {
		c.mu.Lock()
		over = true
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer stop.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && !over && (len(c.buffer) > 0 || c.writing || c.paused) {
		c.cond.Wait()
	}
}

// Done is closed once the session has ended, behind the last callback.
func (c *Client) Done() <-chan struct{} { return c.done }
