package engine

import (
	"net/http"
	"sync"
	"time"
)

// Session is one client of a [Server]: what the official server calls a socket.
// It stays the same when it moves from polling to WebSocket. All methods may be
// called from any goroutine, and none waits for the client.
type Session struct {
	srv      *Server
	id       string
	protocol int
	opening  opening

	// OnMessage takes what the client sends. Its bytes are valid during the call.
	// It must not block for long: heartbeats wait behind it, and so does OnClose.
	OnMessage func(data []byte, binary bool)
	// OnRead is called once OnMessage has been called for all that one read of a
	// WebSocket has brought. What is sent by its end leaves in one write.
	OnRead func()
	// OnPacket is told of each packet that comes, before OnMessage.
	OnPacket func(p Packet)
	// OnSend is told of each packet that is handed to the transport.
	OnSend func(p Packet)
	// OnUpgrade is called once the session has moved to another transport.
	OnUpgrade func(transport string)
	// OnDrain is called when all that was buffered has been handed to the
	// transport.
	OnDrain func()
	// OnClose is called once, and last. The reason is one of the official ones.
	OnClose func(reason, description string)

	delivery sync.Mutex // one callback for what comes at a time

	mu         sync.Mutex
	state      state
	transport  transport
	buffer     []Packet
	buffered   int         // bytes that count against Server.MaxBuffered
	held       *time.Timer // what is buffered waits, until it fires; nil else
	heldBy     apart
	spoken     bool     // the client has
	delivering bool     // a callback for what comes runs
	ending     func()   // OnClose, once it has returned
	upgrade    *upgrade // that is under way
	upgraded   bool
	awaiting   bool        // a pong
	refreshed  bool        // the time for it was lengthened by another packet
	beat       *time.Timer // of the next ping, or of the pong
	due        time.Time   // when it is
	closeWait  *time.Timer
}

type state uint8

const (
	stateOpening state = iota
	stateOpen
	stateClosing
	stateClosed
)

// The reasons for the end of a session.
const (
	ReasonTransportError = "transport error"
	ReasonTransportClose = "transport close"
	ReasonForcedClose    = "forced close"
	ReasonPingTimeout    = "ping timeout"
	ReasonParseError     = "parse error"
)

// transport carries the packets of a session. Its methods are called under the
// session's lock and never wait; what they return is called without it.
type transport interface {
	name() string
	// writable reports whether packets can be handed over.
	writable() bool
	// idle reports whether they would leave at once.
	idle() bool
	// send hands packets over. It is called only while writable. It reports
	// whether it has kept the slice.
	send(packets []Packet) (kept bool)
	// close ends the transport in good order, or at once. It reports whether it
	// has ended; else the session is ended once the client has heard of it.
	close(now bool) bool
	// left says that the client has said good-bye.
	left()
	// discard forgets a transport that another has replaced.
	discard()
}

// ID returns the session's id: 20 characters of A-Z, a-z, 0-9, _ and -, unless
// [Server.GenerateID] makes others.
func (s *Session) ID() string { return s.id }

// Protocol returns the version of Engine.IO that is spoken: 4, or 3.
func (s *Session) Protocol() int { return s.protocol }

// Request returns the request that the session began with.
func (s *Session) Request() *http.Request { return s.opening.get() }

// RemoteAddr returns the client's address, HOST:PORT.
func (s *Session) RemoteAddr() string { return s.opening.remote }

// Transport returns the name of the transport: polling or websocket.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport.name()
}

// Upgraded reports whether the session has moved to another transport.
func (s *Session) Upgraded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upgraded
}

// Writable reports whether a message would leave at once: a poll waits for it,
// or the WebSocket has nothing left to send.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen && (s.held != nil || len(s.buffer) == 0) && s.transport.idle()
}

// Buffered returns how many packets wait for the transport.
func (s *Session) Buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buffer)
}

// flush hands what is buffered to the transport, under the lock. What it
// returns is to be called without it.
func (s *Session) flush() func() {
	if s.state == stateOpening || s.state == stateClosed || s.held != nil || len(s.buffer) == 0 || !s.transport.writable() {
		return nil
	}
	packets := s.cut()
	kept := s.transport.send(packets)
	var end func()
	if s.state == stateClosing && len(s.buffer) == 0 {
		end = s.closeTransport(false)
	}
	onSend, onDrain := s.OnSend, s.OnDrain
	if len(s.buffer) > 0 {
		onDrain = nil
	}
	if onSend == nil && onDrain == nil && end == nil {
		if !kept && s.state == stateOpen && s.buffer == nil && cap(packets) <= keptBuffer {
			clear(packets)
			s.buffer = packets[:0]
		}
		return nil
	}
	return func() {
		if onSend != nil {
			for _, p := range packets {
				onSend(p)
			}
		}
		call(onDrain)
		call(end)
	}
}

// keptBuffer is how many packets a buffer has that is used again.
const keptBuffer = 4

// start begins the session: the open packet goes first, then the server's user
// is told, and then the heartbeat begins.
func (s *Session) start() {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	if !s.open(s.srv.openPacket(s)) {
		return
	}
	defer s.delivered()
	if s.srv.OnConnection != nil {
		s.srv.OnConnection(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateOpen:
	case s.protocol == 3:
		s.startTimeout(s.srv.pingInterval() + s.srv.pingTimeout())
	default:
		s.schedulePing()
	}
}

// open sends the open packet, and the initial one. It reports false where the
// session was closed before.
func (s *Session) open(packet []byte) bool {
	s.mu.Lock()
	if s.state != stateOpening {
		s.mu.Unlock()
		return false
	}
	s.state, s.delivering = stateOpen, true
	s.push(Packet{Type: Open, Data: packet, apart: untilHeard})
	if first := s.srv.InitialPacket; first != nil {
		s.push(Packet{Type: Message, Data: first})
	}
	if _, ok := s.transport.(*socket); ok {
		s.hold(untilHeard) // behind the 101
	}
	after := s.flush()
	s.mu.Unlock()
	call(after)
	return true
}

// delivered says that a callback for what comes has returned. An end that came
// meanwhile is told now.
func (s *Session) delivered() {
	s.mu.Lock()
	s.delivering = false
	ending := s.ending
	s.ending = nil
	s.mu.Unlock()
	call(ending)
}

// packet takes one packet of the current transport.
func (s *Session) packet(t transport, p Packet) {
	s.delivery.Lock()
	defer s.delivery.Unlock()
	s.mu.Lock()
	if s.state != stateOpen || s.transport != t {
		s.mu.Unlock()
		return
	}
	if s.awaiting && !s.refreshed && p.Type != Pong { // a client that speaks is there
		s.refreshed = true
		s.startTimeout(s.srv.pingTimeout())
	}
	heard := s.heard()
	after := s.take(p)
	s.delivering = true
	s.mu.Unlock()
	defer s.delivered()
	call(heard)
	if s.OnPacket != nil {
		s.OnPacket(p)
	}
	call(after)
	if p.Type == Message && s.OnMessage != nil {
		s.OnMessage(p.Data, p.Binary)
	}
}

// take obeys a packet under the lock.
func (s *Session) take(p Packet) func() {
	switch p.Type {
	case Ping:
		if s.protocol != 3 {
			return s.end(ReasonTransportError, "invalid heartbeat direction")
		}
		s.startTimeout(s.srv.pingInterval() + s.srv.pingTimeout())
		s.push(Packet{Type: Pong}) // without data, as the official server
		return s.flush()
	case Pong:
		if s.protocol == 3 {
			return s.end(ReasonTransportError, "invalid heartbeat direction")
		}
		s.schedulePing()
	case Close:
		s.transport.left()
		return s.end(ReasonTransportClose, "the client sent a close packet")
	}
	return nil
}

// failed ends the session, or an upgrade of it, because of its transport.
func (s *Session) failed(t transport, reason, description string) {
	s.mu.Lock()
	var after func()
	switch {
	case s.transport == t:
		after = s.end(reason, description)
	case s.upgrade != nil && s.upgrade.to == t:
		s.dropUpgrade()
	}
	s.mu.Unlock()
	call(after)
}

// Close ends the session: once what is buffered has left, or, with discard, at
// once.
func (s *Session) Close(discard bool) {
	s.mu.Lock()
	after := s.beginClose(discard)
	s.mu.Unlock()
	call(after)
}

func (s *Session) beginClose(discard bool) func() {
	switch {
	case s.state == stateClosed, s.state == stateClosing && !discard:
		return nil
	case discard:
		s.state = stateClosing
		return s.end(ReasonForcedClose, "")
	}
	s.state = stateClosing
	if len(s.buffer) > 0 {
		s.await()
		return s.flush()
	}
	return s.closeTransport(false)
}

// closeTimeout is how long a client is given to take what is buffered, or to
// poll once more, before the session is forgotten.
const closeTimeout = 30 * time.Second

// await bounds the wait for the client.
func (s *Session) await() {
	if s.closeWait == nil {
		s.closeWait = time.AfterFunc(closeTimeout, func() { s.failed(s.current(), ReasonForcedClose, "") })
	}
}

func (s *Session) current() transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport
}

// closeTransport ends the transport, under the lock; the session ends with it.
func (s *Session) closeTransport(now bool) func() {
	if s.transport.close(now) {
		return s.end(ReasonForcedClose, "")
	}
	s.await()
	return nil
}

// end ends the session under the lock. What it returns is to be called without.
func (s *Session) end(reason, description string) func() {
	if s.state == stateClosed {
		return nil
	}
	if s.state == stateClosing && reason == ReasonTransportClose {
		reason = ReasonForcedClose
	}
	if s.unhold() && len(s.buffer) > 0 && s.transport.writable() { // it would have left before
		s.transport.send(s.buffer)
	}
	s.state = stateClosed
	for _, t := range []*time.Timer{s.beat, s.closeWait} {
		if t != nil {
			t.Stop()
		}
	}
	s.dropUpgrade()
	s.transport.close(true)
	s.buffer, s.buffered = nil, 0
	s.srv.forget(s)
	return func() { s.finish(reason, description) }
}

// finish calls OnClose: last, so never beside a callback for what comes.
func (s *Session) finish(reason, description string) {
	s.mu.Lock()
	if s.delivering {
		s.ending = func() { s.finish(reason, description) }
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	if s.OnClose != nil {
		s.OnClose(reason, description)
	}
}
