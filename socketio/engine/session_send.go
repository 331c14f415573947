package engine

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
	if t := s.direct(); t != nil {
		t.send(packets)
		s.mu.Unlock()
		return
	}
	after := s.hand(packets)
	s.mu.Unlock()
	call(after)
}

// hand buffers packets, and flushes them as far as they may leave.
func (s *Session) hand(packets []Packet) func() {
	s.push(packets...)
	after := s.flush()
	if after == nil && s.tooMuch() {
		after = s.end(ReasonTransportError, tooSlow)
	}
	return after
}

// direct is the WebSocket that packets can be handed to at once: none wait, and
// nobody is told of it.
func (s *Session) direct() *socket {
	if s.state != stateOpen || s.held != nil || len(s.buffer) > 0 || s.OnSend != nil || s.OnDrain != nil {
		return nil
	}
	if t, ok := s.transport.(*socket); ok && !t.closed {
		return t
	}
	return nil
}

const (
	tooSlow    = "the client does not read what is sent to it"
	packetCost = 64 // bytes that a packet takes beside its data
)

func (s *Session) push(packets ...Packet) {
	for i := range packets {
		s.buffered += len(packets[i].Data) + packetCost
	}
	s.buffer = append(s.buffer, packets...)
}

// tooMuch reports whether more waits than may. One message always may.
func (s *Session) tooMuch() bool {
	most := s.srv.maxBuffered()
	return most > 0 && len(s.buffer) > 1 && s.buffered > most
}

func call(f func()) {
	if f != nil {
		f()
	}
}
