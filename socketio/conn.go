package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// conn is one client: a session of the engine, and a socket in each namespace
// that it has joined.
type conn struct {
	server  *Server
	session *engine.Session
	decoder Decoder
	partial *time.Timer // runs while attachments are due

	mu      sync.Mutex
	first   *Socket               // of the sockets; most clients have no other
	sockets map[string]*Socket    // the others, by namespace
	pending map[string]*admission // to namespaces
	timer   *time.Timer           // for the first CONNECT; nil once that has come
	closed  bool
	gone    bool          // the session has ended
	over    chan struct{} // closed then; nil where nobody asks
}

// admission is a client on its way into a namespace.
type admission struct {
	name   string
	auth   map[string]any
	socket *Socket // once there is one, under the lock of the conn
}

// connected takes a new session of the engine.
func (s *Server) connected(session *engine.Session) {
	c := &conn{server: s, session: session, decoder: s.parser().NewDecoder()}
	session.OnMessage = c.message
	session.OnRead = runtime.Gosched // the handlers run, and their answers leave in one write
	session.OnClose = c.endedAfter(session.OnClose)
	c.mu.Lock()
	c.timer = time.AfterFunc(s.connectTimeout(), c.tooLate)
	c.mu.Unlock()
	if session.Protocol() == 3 { // a client of v2 is in the main namespace at once
		c.admit("/", nil)
	}
}

// endedAfter is ended behind what somebody else wants called at the end.
func (c *conn) endedAfter(first func(reason, description string)) func(reason, description string) {
	if first == nil {
		return c.ended
	}
	return func(reason, description string) {
		first(reason, description)
		c.ended(reason, description)
	}
}

// tooLate ends a client that has joined no namespace.
func (c *conn) tooLate() {
	c.mu.Lock()
	idle := c.count() == 0
	c.mu.Unlock()
	if idle {
		c.end(ReasonForcedServerClose, "the client has joined no namespace in time (ConnectTimeout)")
	}
}

// message takes what the client sends.
func (c *conn) message(data []byte, binary bool) {
	if len(data) == 0 && !binary { // to the official server that is no data at all
		c.malformed(ErrInvalidPayload)
		return
	}
	var p Packet
	done, err := c.decode(Frame{Binary: binary, Data: bytes.Clone(data)}, &p)
	switch {
	case err != nil:
		c.malformed(err)
	case done:
		if c.partial != nil {
			c.partial.Stop()
			c.partial = nil
		}
		c.packet(&p)
	case c.partial == nil:
		if limit := c.server.attachmentTimeout(); limit > 0 {
			c.partial = time.AfterFunc(limit, c.incomplete)
		}
	}
}

// decode is [Decoder.Add] to a packet that is there. The usual decoder needs no
// memory for it.
func (c *conn) decode(f Frame, p *Packet) (done bool, err error) {
	if d, ok := c.decoder.(*textDecoder); ok {
		return d.add(f, p)
	}
	made, done, err := c.decoder.Add(f)
	if done {
		*p = *made
	}
	return done, err
}

// malformed closes the connection behind what is no packet: its sockets hear of
// that first, as an error.
func (c *conn) malformed(err error) {
	for _, s := range c.all() {
		s.events.must(func() { s.failed(err) })
	}
	c.end(ReasonForcedClose, err.Error())
}

// incomplete ends a client that owes attachments.
func (c *conn) incomplete() {
	c.end(ReasonForcedClose, "the attachments of a packet did not come in time (AttachmentTimeout)")
}

// packet takes a packet, or closes the connection where none of the sort may
// come. Nothing keeps the packet itself.
func (c *conn) packet(p *Packet) {
	c.record(trace.In, p)
	name, query := orString(p.Namespace, "/"), ""
	if c.session.Protocol() == 3 {
		name, query, _ = strings.Cut(name, "?")
	}
	if most := c.server.maxName(); beyond(len(name), most) || p.Type == PacketEvent && tooLongName(p.Data, most) {
		c.end(ReasonForcedServerClose, fmt.Sprintf("a name is longer than %d bytes (MaxName)", most))
		return
	}
	c.mu.Lock()
	socket := c.socket(name)
	waiting, closed := c.pending[name] != nil, c.closed
	c.mu.Unlock()
	switch {
	case closed: // the client has not heard of it yet
	case p.Type == PacketConnect && socket == nil && !waiting:
		c.admit(name, c.auth(p, query))
	case socket == nil || p.Type == PacketConnect || p.Type == PacketConnectError:
		c.end(ReasonForcedServerClose, fmt.Sprintf("a packet of type %s may not come now, for the namespace %.100q", p.Type, name))
	default:
		socket.packet(p)
	}
}

// tooLongName reports whether an event's name has more bytes than most. Quotes
// and escapes count, where it comes to that.
func tooLongName(data []byte, most int) bool {
	if most == 0 || len(data) <= most {
		return false
	}
	return len(firstElement(data)) > most+len(`""`)
}

// auth is what the client sent along, nil where that is nothing: of protocol 3, in the query of the name.
func (c *conn) auth(p *Packet, query string) map[string]any {
	var auth map[string]any
	if c.session.Protocol() == 3 {
		values, _ := url.ParseQuery(query)
		auth = make(map[string]any, len(values))
		for name, all := range values {
			auth[name] = all[len(all)-1]
		}
		return auth
	}
	if len(p.Data) > 0 {
		_ = json.Unmarshal(p.Data, &auth)
	}
	return auth
}

// orEmpty is a map that is there.
func orEmpty(auth map[string]any) map[string]any {
	if auth == nil {
		return map[string]any{}
	}
	return auth
}

// admit begins to connect a client to a namespace, in a goroutine of its own:
// adapters, functions that match and middlewares may block.
func (c *conn) admit(name string, auth map[string]any) {
	a := &admission{name: name, auth: auth}
	c.mu.Lock()
	most := c.server.maxNamespaces()
	over := beyond(c.count()+len(c.pending)+1, most)
	if c.closed {
		c.mu.Unlock()
		return
	}
	if !over {
		if c.pending == nil {
			c.pending = map[string]*admission{}
		}
		c.pending[name] = a
	}
	c.mu.Unlock()
	if over {
		c.end(ReasonForcedServerClose, fmt.Sprintf("the client joins more than %d namespaces (MaxNamespaces)", most))
		return
	}
	go c.connect(a)
}

// join makes a socket the client's in its namespace. It reports false where the
// client has left meanwhile.
func (c *conn) join(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := s.namespace.name
	if a := c.pending[name]; c.closed || a == nil || a.socket != s {
		return false
	}
	c.admitted(name)
	switch {
	case c.first == nil:
		c.first = s
	case c.sockets == nil:
		c.sockets = map[string]*Socket{name: s}
	default:
		c.sockets[name] = s
	}
	c.stopTimer()
	return true
}

// admitted drops an admission that is over, under the lock.
func (c *conn) admitted(name string) {
	if delete(c.pending, name); len(c.pending) == 0 {
		c.pending = nil
	}
}

func (c *conn) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// socket is the client's in a namespace, under the lock; nil where it has none.
func (c *conn) socket(namespace string) *Socket {
	if c.first != nil && c.first.namespace.name == namespace {
		return c.first
	}
	return c.sockets[namespace]
}

// count is how many sockets the client has, under the lock.
func (c *conn) count() int {
	if c.first != nil {
		return len(c.sockets) + 1
	}
	return len(c.sockets)
}

// leave takes a socket off the client.
func (c *conn) leave(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == s {
		c.first = nil
	}
	if c.sockets[s.namespace.name] == s {
		delete(c.sockets, s.namespace.name)
	}
}

// refuse tells the client that it may not join a namespace. Clients of protocol 3
// get no object, but where the server itself has made it.
func (c *conn) refuse(name string, e *Error, own bool) {
	c.mu.Lock()
	c.admitted(name)
	c.mu.Unlock()
	p := &Packet{Type: PacketConnectError, Namespace: name}
	var v any = e
	if c.session.Protocol() == 3 && !own {
		v = e.Message
		if e.Data != nil {
			v = e.Data
		}
	}
	data, err := json.Marshal(v)
	if err != nil {
		data, _ = json.Marshal(&Error{Message: e.Message})
	}
	p.Data = data
	refusal := c.server.encode(p)
	c.write(p, &refusal, Flags{})
}

// write sends a packet that was encoded to the client.
func (c *conn) write(p *Packet, e *encoded, f Flags) {
	if f.Volatile && !c.session.Writable() {
		return
	}
	c.record(trace.Out, p)
	e.sendTo(c.session, f)
}

// writeApart is write for what the client awaits: nothing follows close behind.
func (c *conn) writeApart(p *Packet, e *encoded) {
	c.record(trace.Out, p)
	if !e.empty {
		c.session.SendApart(append([]engine.Packet{e.first}, e.more...)...)
	}
}

// disconnect ends the connection on the server's wish: the sockets hear that it
// was that.
func (c *conn) disconnect() {
	for _, s := range c.all() {
		s.Disconnect(false)
	}
	c.end(ReasonForcedServerClose, "")
}

// end ends the connection for a reason of the server's.
func (c *conn) end(reason, description string) {
	if description != "" {
		c.server.note(nil, "session %s: %s: %s", c.session.ID(), reason, description)
	}
	c.lose(reason, description)
	c.session.Close(false)
}

func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Socket, 0, c.count())
	if c.first != nil {
		all = append(all, c.first)
	}
	for _, s := range c.sockets {
		all = append(all, s)
	}
	return all
}

// ended is the end of the session: the last that comes of it.
func (c *conn) ended(reason, description string) {
	if c.partial != nil {
		c.partial.Stop()
	}
	if reason == engine.ReasonForcedClose && c.server.closing() { // it came while others were told
		reason = ReasonServerShuttingDown
	}
	c.lose(reason, description)
	c.tellOver()
}

// isOver is closed once the session has ended.
func (c *conn) isOver() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		if c.over = make(chan struct{}); c.gone {
			close(c.over)
		}
	}
	return c.over
}

func (c *conn) tellOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone = true; c.over != nil {
		close(c.over)
	}
}

// lose ends all sockets of the client, and those that were on their way.
func (c *conn) lose(reason, description string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.stopTimer()
	var pending []*Socket
	for _, a := range c.pending {
		if a.socket != nil {
			pending = append(pending, a.socket)
		}
	}
	c.pending = nil
	c.mu.Unlock()
	for _, s := range pending { // who admits them takes them off their namespaces
		if s.become(socketConnecting, socketGone) {
			s.cancel()
		}
	}
	for _, s := range c.all() {
		s.end(reason, description)
	}
}
