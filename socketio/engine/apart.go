package engine

import (
	"slices"
	"time"
)

// apart says how long a WebSocket is silent behind a packet.
type apart uint8

const (
	_          apart = iota
	untilHeard       // for apartTime, or until the client speaks
	forItsTime       // for apartTime
)

const apartTime = time.Millisecond

// SendApart is [Session.SendPackets], and over a WebSocket nothing else leaves
// for a millisecond. Scripts that await one message, and listen for the next one
// then, lose what came by the same read: packages such as ws of Node.js emit all of
// it before a promise goes on. So the answer to who joins goes ahead of what the
// server says on its own; a 101 and the open packet do by themselves.
func (s *Session) SendApart(packets ...Packet) {
	s.mu.Lock()
	if s.state == stateClosing || s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	packets = slices.Clone(packets)
	packets[len(packets)-1].apart = forItsTime
	after := s.hand(packets)
	s.mu.Unlock()
	call(after)
}

// cut takes what is buffered, over a WebSocket as far as it may leave now.
func (s *Session) cut() []Packet {
	packets := s.buffer
	if _, ok := s.transport.(*socket); ok && s.state == stateOpen {
		for i := range packets {
			if by := packets[i].apart; by == forItsTime || by == untilHeard && !s.spoken {
				s.hold(by)
				s.buffer = append([]Packet(nil), packets[i+1:]...)
				s.buffered = sizeOf(s.buffer) + packetCost*len(s.buffer)
				return packets[: i+1 : i+1]
			}
		}
	}
	s.buffer, s.buffered = nil, 0
	return packets
}

// hold keeps what is buffered from leaving, for a moment.
func (s *Session) hold(by apart) {
	var t *time.Timer
	t = time.AfterFunc(apartTime, func() {
		s.mu.Lock()
		var after func()
		if s.held == t {
			s.held = nil
			after = s.flush()
		}
		s.mu.Unlock()
		call(after)
	})
	s.held, s.heldBy = t, by
}

// unhold lets go of what is held, and reports whether anything was.
func (s *Session) unhold() bool {
	if s.held == nil {
		return false
	}
	s.held.Stop()
	s.held = nil
	return true
}

// heard says that the client has spoken.
func (s *Session) heard() func() {
	s.spoken = true
	if s.heldBy == untilHeard && s.unhold() {
		return s.flush()
	}
	return nil
}
