package socketio

import (
	"encoding/json"
	"slices"
)

// send encodes a packet and sends it to this socket alone.
func (s *Socket) send(p *Packet, f Flags) {
	e := s.namespace.server.encode(p)
	s.sendFrames(p, &e, f)
}

// sendInPlace is send for a packet whose data stand in buf, behind room.
func (s *Socket) sendInPlace(p *Packet, buf []byte, room int, f Flags) {
	e := s.namespace.server.encodeInPlace(p, buf, room)
	s.sendFrames(p, &e, f)
}

// sendFrames sends what was encoded, perhaps for many.
func (s *Socket) sendFrames(p *Packet, frames *encoded, f Flags) {
	if s.state.Load() != socketGone {
		s.tellOutgoing(p)
		s.post(p, frames, f)
	}
}

// tellOutgoing has the handlers of OnAnyOutgoing run.
func (s *Socket) tellOutgoing(p *Packet) {
	if !s.hasOutgoing.Load() || p.Type != PacketEvent {
		return
	}
	outgoing := s.allHooks().anyOut
	raw := splitArray(nil, p.Data)
	for _, l := range outgoing {
		s.guard(func() { l.f(eventName(raw[0]), Args{raw[1:], p.Attachments}) })
	}
}

// post hands frames to the connection: behind the answer to CONNECT, once that
// is on its way. A middleware may send before it; clients keep that.
func (s *Socket) post(p *Packet, frames *encoded, f Flags) {
	s.mu.Lock()
	gone, opening := s.state.Load() == socketGone, s.opening
	if opening && !gone {
		s.outbox = append(s.outbox, outgoing{*p, *frames, f})
	}
	s.mu.Unlock()
	if !gone && !opening {
		s.conn.write(p, frames, f)
	}
}

// become moves the socket on to another state, unless it is beyond the first.
func (s *Socket) become(from, to int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load() != from {
		return false
	}
	s.state.Store(to)
	s.opening = to == socketConnected
	return true
}

// connected answers the client's CONNECT. It reports false where the client has
// left. What a socket that came back has missed goes before the answer, as the
// official server sends it, and what is broadcast meanwhile behind.
func (s *Socket) connected() bool {
	rooms := []string{s.id}
	var missed []MissedPacket
	if s.lost != nil {
		rooms, missed = append(rooms, s.lost.Rooms...), s.lost.Missed
	}
	enter := func() bool { return s.become(socketConnecting, socketConnected) }
	if a, ok := s.namespace.adapter.(RecoveringAdapter); ok {
		if missed, ok = a.Enter(s.id, rooms, s.lost, enter); !ok {
			return false
		}
	} else {
		if !enter() {
			return false
		}
		s.namespace.adapter.AddAll(s.id, rooms)
	}
	for _, m := range missed {
		p := &Packet{Type: PacketEvent, Namespace: s.namespace.name, Data: m.Data, Attachments: m.Attachments}
		e := s.namespace.server.encode(p)
		s.conn.write(p, &e, Flags{})
	}
	s.lost = nil
	p := s.welcome()
	e := s.namespace.server.encode(p)
	s.conn.writeApart(p, &e)
	s.opened()
	return true
}

// welcome is the answer to CONNECT. Clients of protocol 3 know their ids.
func (s *Socket) welcome() *Packet {
	p := &Packet{Type: PacketConnect, Namespace: s.namespace.name}
	if s.conn.session.Protocol() != 3 {
		p.Data, _ = json.Marshal(struct {
			SID string `json:"sid"`
			PID string `json:"pid,omitempty"`
		}{s.id, s.pid})
	}
	return p
}

// opened sends what has waited for the answer to CONNECT.
func (s *Socket) opened() {
	for {
		s.mu.Lock()
		batch := s.outbox
		s.outbox = nil
		if len(batch) == 0 {
			s.opening = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for _, o := range batch {
			s.conn.write(&o.packet, &o.frames, o.flags)
		}
	}
}

// refused ends a socket that was never connected, without a word to its
// handlers.
func (s *Socket) refused() {
	s.become(socketConnecting, socketGone)
	s.cancel()
	s.namespace.forget(s)
}

// left is refused where the client has left meanwhile. What it came back for is
// kept for its next try: its adapter may have handed that out once and for all.
func (s *Socket) left() {
	if s.lost != nil {
		s.namespace.adapter.PersistSession(&LostSession{SID: s.lost.SID, PID: s.lost.PID, Rooms: s.lost.Rooms, Data: s.lost.Data})
	}
	s.refused()
}

// end ends the socket, and has the handlers of its end run, behind those of the
// events that came before. Where the server ends it, those that wait are
// dropped.
func (s *Socket) end(reason, description string) {
	s.mu.Lock()
	was := s.state.Load()
	if was == socketGone {
		s.mu.Unlock()
		return
	}
	s.drops.Store(byServer(reason))
	s.state.Store(socketGone)
	s.over = &socketEnd{reason: reason, description: description}
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	s.cancel()
	rooms := s.namespace.adapter.SocketRooms(s.id)
	s.mu.Lock()
	s.over.rooms = rooms
	s.mu.Unlock()
	if was == socketConnected {
		s.persist(reason, rooms)
	}
	s.conn.leave(s)
	s.namespace.forget(s)
	abandon(waiting)
	if was == socketConnected {
		s.events.must(func() { s.goodbye(reason) })
	}
}

// byServer reports whether a reason is the server's own wish.
func byServer(reason string) bool {
	return reason == ReasonServerNamespaceDisconnect || reason == ReasonForcedServerClose || reason == ReasonServerShuttingDown
}

// goodbye runs the handlers of the end.
func (s *Socket) goodbye(reason string) {
	s.mu.Lock()
	gone := s.disconnected
	s.mu.Unlock()
	for _, f := range s.allHooks().leaving {
		s.guard(func() { f(reason) })
	}
	s.mu.Lock()
	s.over.rooms = []string{}
	s.mu.Unlock()
	for _, f := range gone {
		s.guard(func() { f(reason) })
	}
}

// persist keeps the socket for its return, where recovery is on.
func (s *Socket) persist(reason string, rooms []string) {
	if s.pid == "" || !recoverable(reason) {
		return
	}
	s.mu.Lock()
	data, same := s.data, s.kept != nil && s.kept.version == s.version && slices.Equal(s.kept.rooms, rooms)
	s.mu.Unlock()
	if !same {
		s.namespace.adapter.PersistSession(&LostSession{SID: s.id, PID: s.pid, Rooms: rooms, Data: data})
	}
}
