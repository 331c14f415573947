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
	request  *http.Request
	remote   string

	// OnMessage takes what the client sends. Its bytes are valid during the call.
	// It must not block for long: heartbeats wait behind it.
	OnMessage func(data []byte, binary bool)
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

	delivery sync.Mutex // one packet at a time

	mu        sync.Mutex
	state     state
	transport transport
	buffer    []Packet
	upgrade   *upgrade // that is under way
	upgraded  bool
	awaiting  bool // a pong
	refreshed bool // the time for it was lengthened by another packet
	interval  *time.Timer
	timeout   *time.Timer
	closeWait *time.Timer
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
	// send hands packets over. It is called only while writable.
	send(packets []Packet)
	// close ends the transport in good order, or at once. It reports whether it
	// has ended; else it calls transportClosed once it has.
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
func (s *Session) Request() *http.Request { return s.request }

// RemoteAddr returns the client's address, HOST:PORT.
func (s *Session) RemoteAddr() string { return s.remote }

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
	return s.state == stateOpen && len(s.buffer) == 0 && s.transport.idle()
}

// Buffered returns how many packets wait for the transport.
func (s *Session) Buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buffer)
}

// Send sends a message. The bytes are kept until it has left.
func (s *Session) Send(data []byte, binary bool) {
	s.SendPackets(Packet{Type: Message, Data: data, Binary: binary})
}

// SendPackets sends messages that belong together, with nothing between them.
// Where the client takes nothing and more than [Server.MaxBuffered] bytes wait
// for it, the session is ended.
func (s *Session) SendPackets(packets ...Packet) {
	s.mu.Lock()
	if s.state == stateClosing || s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	s.buffer = append(s.buffer, packets...)
	after := s.flush()
	if after == nil && s.tooMuch() {
		after = s.end(ReasonTransportError, "the client does not read what is sent to it")
	}
	s.mu.Unlock()
	call(after)
}

// tooMuch reports whether more waits than may.
func (s *Session) tooMuch() bool {
	most := s.srv.maxBuffered()
	if most <= 0 || len(s.buffer) < 2 {
		return false
	}
	size := 0
	for i := range s.buffer {
		size += len(s.buffer[i].Data)
	}
	return size > most
}

func call(f func()) {
	if f != nil {
		f()
	}
}

// flush hands what is buffered to the transport, under the lock. What it
// returns is to be called without it.
func (s *Session) flush() func() {
	if s.state == stateClosed || len(s.buffer) == 0 || !s.transport.writable() {
		return nil
	}
	packets := s.buffer
	s.buffer = nil
	s.transport.send(packets)
	var end func()
	if s.state == stateClosing {
		end = s.closeTransport(false)
	}
	onSend, onDrain := s.OnSend, s.OnDrain
	if onSend == nil && onDrain == nil && end == nil {
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

// ready says that a transport takes packets again.
func (s *Session) ready(t transport) {
	s.mu.Lock()
	var after func()
	if s.transport == t {
		after = s.flush()
	}
	s.mu.Unlock()
	call(after)
}

// open begins the session: the open packet, and the heartbeat.
func (s *Session) open(packet []byte) {
	s.mu.Lock()
	s.state = stateOpen
	s.buffer = append(s.buffer, Packet{Type: Open, Data: packet})
	if first := s.srv.InitialPacket; first != nil {
		s.buffer = append(s.buffer, Packet{Type: Message, Data: first})
	}
	after := s.flush()
	if s.protocol == 3 {
		s.startTimeout(s.srv.pingInterval() + s.srv.pingTimeout())
	} else {
		s.schedulePing()
	}
	s.mu.Unlock()
	call(after)
}

// schedulePing has a ping sent after the interval.
func (s *Session) schedulePing() {
	if s.timeout != nil {
		s.timeout.Stop()
	}
	s.awaiting, s.refreshed = false, false
	if s.interval == nil {
		s.interval = time.AfterFunc(s.srv.pingInterval(), s.ping)
		return
	}
	s.interval.Reset(s.srv.pingInterval())
}

func (s *Session) ping() {
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.buffer = append(s.buffer, Packet{Type: Ping})
	s.awaiting = true
	after := s.flush()
	s.startTimeout(s.srv.pingTimeout())
	s.mu.Unlock()
	call(after)
}

// startTimeout ends the session where nothing that shows life comes in time.
func (s *Session) startTimeout(d time.Duration) {
	if s.timeout == nil {
		s.timeout = time.AfterFunc(d, s.timedOut)
		return
	}
	s.timeout.Reset(d)
}

func (s *Session) timedOut() {
	s.mu.Lock()
	var after func()
	if s.state == stateOpen {
		after = s.end(ReasonPingTimeout, "")
	}
	s.mu.Unlock()
	call(after)
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
	after := s.take(p)
	s.mu.Unlock()
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
		s.buffer = append(s.buffer, Packet{Type: Pong, Data: clone(p.Data)})
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

func clone(b []byte) []byte { return append([]byte(nil), b...) }

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

// transportClosed says that the transport has ended after close.
func (s *Session) transportClosed(t transport) { s.failed(t, ReasonForcedClose, "") }

// end ends the session under the lock. What it returns is to be called without.
func (s *Session) end(reason, description string) func() {
	if s.state == stateClosed {
		return nil
	}
	closing := s.state == stateClosing
	if closing && reason == ReasonTransportClose {
		reason = ReasonForcedClose
	}
	s.state = stateClosed
	for _, t := range []*time.Timer{s.interval, s.timeout, s.closeWait} {
		if t != nil {
			t.Stop()
		}
	}
	s.dropUpgrade()
	s.transport.close(true)
	s.buffer = nil
	s.srv.forget(s)
	onClose := s.OnClose
	return func() {
		if onClose != nil {
			onClose(reason, description)
		}
	}
}
