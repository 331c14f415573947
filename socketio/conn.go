package socketio

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// conn is one client: a session of the engine, and a socket in each namespace
// that it has joined.
type conn struct {
	server  *Server
	session *engine.Session
	decoder Decoder
	began   time.Time

	mu      sync.Mutex
	sockets map[string]*Socket // by namespace
	pending map[string]*Socket // whose middlewares run
	joined  int                // ever
	timer   *time.Timer        // for the first CONNECT
	closed  bool
	reason  string // why the server closes, where it does
}

// encoded is a packet as it goes over the wire: once for all who get it.
type encoded struct {
	packet *Packet
	frames []engine.Packet
}

func (s *Server) encode(p *Packet) *encoded {
	e := &encoded{packet: p}
	for _, f := range s.encoder.Encode(p) {
		e.frames = append(e.frames, engine.Packet{Type: engine.Message, Data: f.Data, Binary: f.Binary})
	}
	return e
}

// connected takes a new session of the engine.
func (s *Server) connected(session *engine.Session) {
	c := &conn{
		server: s, session: session, decoder: s.parser().NewDecoder(), began: time.Now(),
		sockets: map[string]*Socket{}, pending: map[string]*Socket{},
	}
	session.OnMessage = c.message
	session.OnClose = c.ended
	c.timer = time.AfterFunc(s.connectTimeout(), c.tooLate)
	if session.Protocol() == 3 { // a client of v2 is in the main namespace at once
		go c.connect("/", nil)
	}
}

// tooLate ends a client that has joined no namespace.
func (c *conn) tooLate() {
	c.mu.Lock()
	idle := len(c.sockets) == 0 && len(c.pending) == 0
	c.mu.Unlock()
	if idle {
		c.end(ReasonForcedServerClose)
	}
}

// message takes what the client sends.
func (c *conn) message(data []byte, binary bool) {
	p, done, err := c.decoder.Add(Frame{Binary: binary, Data: append([]byte(nil), data...)})
	switch {
	case err != nil:
		c.server.note(nil, "a packet is none: "+err.Error())
		c.end(ReasonForcedClose)
	case done:
		c.packet(p)
	}
}

func (c *conn) packet(p *Packet) {
	name := p.Namespace
	if name == "" {
		name = "/"
	}
	if c.session.Protocol() == 3 {
		name, _, _ = strings.Cut(name, "?") // the query of v2
	}
	c.mu.Lock()
	socket := c.sockets[name]
	waiting := c.pending[name] != nil
	c.mu.Unlock()
	switch {
	case p.Type == PacketConnect && socket == nil && !waiting:
		c.admit(name, p)
	case socket == nil && waiting && p.Type == PacketDisconnect:
		c.giveUp(name)
	case socket == nil || p.Type == PacketConnect || p.Type == PacketConnectError:
		c.end(ReasonForcedServerClose) // nothing of the sort may come now
	default:
		socket.packet(p)
	}
}

// giveUp drops a socket whose middlewares run: its client has left.
func (c *conn) giveUp(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, name)
}

// admit begins to connect a client to a namespace.
func (c *conn) admit(name string, p *Packet) {
	var auth map[string]any
	if len(p.Data) > 0 {
		_ = json.Unmarshal(p.Data, &auth)
	}
	c.mu.Lock()
	c.joined++
	most := c.server.maxNamespaces()
	over := most > 0 && c.joined > most
	c.mu.Unlock()
	if over {
		c.server.note(nil, "a client connects to too many namespaces")
		c.end(ReasonForcedServerClose)
		return
	}
	c.connect(name, auth)
}

// connect makes a socket in a namespace. Middlewares run in a goroutine of their
// own, for they may block.
func (c *conn) connect(name string, auth map[string]any) {
	if auth == nil {
		auth = map[string]any{}
	}
	n := c.server.namespaceFor(name, auth)
	if n == nil {
		c.refuse(name, &Error{Message: "Invalid namespace"})
		return
	}
	s := c.newSocket(n, auth)
	c.mu.Lock()
	if c.closed || c.sockets[name] != nil || c.pending[name] != nil {
		c.mu.Unlock()
		return
	}
	c.pending[name] = s
	c.mu.Unlock()
	n.mu.Lock()
	n.sockets[s.id] = s
	n.mu.Unlock()
	if s.recovered {
		n.adapter.AddAll(s.id, s.missedRooms())
	}
	go n.admit(s)
}

func (c *conn) newSocket(n *Namespace, auth map[string]any) *Socket {
	s := &Socket{namespace: n, conn: c, handshake: c.handshake(auth)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.events.hold()
	if c.server.Recovery != nil {
		s.pid = newID()
		c.recover(s, auth)
	}
	if s.id == "" {
		s.id = newID()
		if c.session.Protocol() == 3 {
			s.id = c.session.ID()
			if n.name != "/" {
				s.id = n.name + "#" + s.id
			}
		}
	}
	return s
}

// recover has a socket come back as it was, where that is possible.
func (c *conn) recover(s *Socket, auth map[string]any) {
	pid, _ := auth["pid"].(string)
	offset, _ := auth["offset"].(string)
	delete(auth, "pid")
	delete(auth, "offset")
	if pid == "" || offset == "" {
		return
	}
	lost, err := s.namespace.adapter.RestoreSession(pid, offset)
	if err != nil || lost == nil {
		return
	}
	s.id, s.pid, s.recovered = lost.SID, lost.PID, true
	s.data, s.missed, s.lost = lost.Data, lost.Missed, lost
}

func (c *conn) handshake(auth map[string]any) *Handshake {
	r := c.session.Request()
	h := &Handshake{Time: c.began, Address: c.session.RemoteAddr(), Auth: auth}
	if host, _, ok := cutLast(h.Address, ":"); ok {
		h.Address = strings.Trim(host, "[]")
	}
	if r != nil {
		h.Headers, h.URL, h.Query = r.Header, r.URL.RequestURI(), r.URL.Query()
		h.XDomain, h.Secure = r.Header.Get("Origin") != "", r.TLS != nil
	}
	if h.Query == nil {
		h.Query = url.Values{}
	}
	return h
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// join makes a socket the client's in its namespace. It reports false where the
// client has left meanwhile.
func (c *conn) join(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := s.namespace.name
	if c.closed || c.pending[name] != s {
		return false
	}
	delete(c.pending, name)
	c.sockets[name] = s
	c.timer.Stop()
	return true
}

// leave takes a socket off the client.
func (c *conn) leave(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sockets[s.namespace.name] == s {
		delete(c.sockets, s.namespace.name)
	}
}

// refuse tells the client that it may not join a namespace.
func (c *conn) refuse(name string, e *Error) {
	c.giveUp(name)
	p := &Packet{Type: PacketConnectError, Namespace: name}
	var v any = e
	if c.session.Protocol() == 3 {
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
	c.write(c.server.encode(p), Flags{})
}

// write sends frames to the client.
func (c *conn) write(e *encoded, f Flags) {
	if f.Volatile && !c.session.Writable() {
		return
	}
	if !f.NoCompress {
		c.session.SendPackets(e.frames...)
		return
	}
	frames := make([]engine.Packet, len(e.frames))
	copy(frames, e.frames)
	for i := range frames {
		frames[i].NoCompress = true
	}
	c.session.SendPackets(frames...)
}

// disconnect ends the connection on the server's wish: the sockets hear that it
// was that.
func (c *conn) disconnect() {
	for _, s := range c.all() {
		s.Disconnect(false)
	}
	c.end(ReasonForcedServerClose)
}

// end ends the connection for a reason of the server's.
func (c *conn) end(reason string) {
	c.mu.Lock()
	c.reason = reason
	c.mu.Unlock()
	c.lose(reason, "")
	c.session.Close(false)
}

func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*Socket, 0, len(c.sockets))
	for _, s := range c.sockets {
		all = append(all, s)
	}
	return all
}

// ended is the end of the session.
func (c *conn) ended(reason, description string) {
	c.mu.Lock()
	if c.reason != "" {
		reason = c.reason
	}
	c.mu.Unlock()
	c.lose(reason, description)
}

// lose ends all sockets of the client.
func (c *conn) lose(reason, description string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.timer.Stop()
	pending := c.pending
	c.pending = map[string]*Socket{}
	c.mu.Unlock()
	for _, s := range pending {
		s.cancel()
	}
	for _, s := range c.all() {
		s.end(reason, description)
	}
}
