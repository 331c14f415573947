package socketio

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

func lower(s string) string { return strings.ToLower(s) }

// packet takes a packet that the client sent to the socket.
func (s *Socket) packet(p *Packet) {
	switch p.Type {
	case PacketEvent:
		s.event(p)
	case PacketAck:
		s.acknowledged(p)
	case PacketDisconnect:
		s.end(ReasonClientNamespaceDisconnect, "")
	}
}

// event puts an event behind those that wait.
func (s *Socket) event(p *Packet) {
	raw := splitArray(nil, p.Data)
	if len(raw) == 0 {
		return
	}
	server := s.namespace.server
	size := len(p.Data)
	for _, a := range p.Attachments {
		size += len(a)
	}
	ok := s.events.add(func() { s.handle(raw, p) }, size, server.maxPending(), server.maxPendingBytes())
	if !ok {
		server.note(s, fmt.Sprintf("more than %d events wait for handlers: disconnected", server.maxPending()))
		s.conn.end(ReasonForcedServerClose)
	}
}

// handle runs what an event concerns: OnAny, middlewares, handlers.
func (s *Socket) handle(raw []json.RawMessage, p *Packet) {
	e := &Event{Name: eventName(raw[0]), Args: Args{raw[1:], p.Attachments}}
	if p.HasID {
		id := p.ID
		e.Ack = func(args ...any) error { return s.sendAck(id, args) }
	}
	s.mu.Lock()
	catchAll, middlewares := s.any, s.middlewares
	s.mu.Unlock()
	for _, l := range catchAll {
		s.guard(func() { l.f(e.Name, e.Args) })
	}
	for _, m := range middlewares {
		var err error
		s.guard(func() { err = m(e) })
		if err != nil {
			s.failed(err)
			return
		}
	}
	for _, l := range s.take(e.Name) {
		s.guard(func() {
			if err := l.handler.call(s.ctx, e.Args.raw, e.Args.attachments, e.Ack); err != nil {
				s.namespace.server.handlerError(s, e.Name, err)
				s.failed(err)
			}
		})
	}
}

// eventName is an event's name: a string, or a number as the official server has
// it.
func eventName(raw json.RawMessage) string {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return string(raw)
	}
	return name
}

// take returns the handlers of an event, and removes those that are for one only.
func (s *Socket) take(event string) []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.handlers[event]
	if slices.ContainsFunc(all, func(l *listener) bool { return l.once }) {
		s.handlers[event] = slices.DeleteFunc(slices.Clone(all), func(l *listener) bool { return l.once })
	}
	return all
}

// failed tells the socket's error handlers.
func (s *Socket) failed(err error) {
	s.mu.Lock()
	handlers := slices.Clone(s.onError)
	s.mu.Unlock()
	for _, f := range handlers {
		if f != nil {
			s.guard(func() { f(err) })
		}
	}
}

// acknowledged gives an acknowledgement to who waits for it. It never waits
// behind a handler.
func (s *Socket) acknowledged(p *Packet) {
	s.mu.Lock()
	f := s.waiting[p.ID]
	delete(s.waiting, p.ID)
	s.mu.Unlock()
	if f != nil {
		f(nil, Args{splitArray(nil, p.Data), p.Attachments})
	}
}

// expect registers who waits for an acknowledgement.
func (s *Socket) expect(id uint64, f func(error, Args)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = map[uint64]func(error, Args){}
	}
	s.waiting[id] = f
}

// forget drops it again; it reports whether it still waited.
func (s *Socket) forget(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, waited := s.waiting[id]
	delete(s.waiting, id)
	return waited
}

func (s *Socket) sendAck(id uint64, args []any) error {
	data, attachments, err := encodeArgs(args...)
	if err != nil {
		err = fmt.Errorf("socketio: acknowledgement: %w", err)
		s.namespace.server.handlerError(s, "acknowledgement", err)
		return err
	}
	s.send(&Packet{Type: PacketAck, Namespace: s.namespace.name, ID: id, HasID: true, Data: data, Attachments: attachments}, Flags{})
	return nil
}

// send encodes a packet and sends it to this socket alone.
func (s *Socket) send(p *Packet, f Flags) { s.sendFrames(s.namespace.server.encode(p), f) }

// sendFrames sends what was encoded, perhaps for many.
func (s *Socket) sendFrames(frames *encoded, f Flags) {
	s.mu.Lock()
	connected, outgoing := s.state == socketConnected, s.anyOut
	s.mu.Unlock()
	if !connected {
		return
	}
	if len(outgoing) > 0 && frames.packet.Type == PacketEvent {
		raw := splitArray(nil, frames.packet.Data)
		for _, l := range outgoing {
			s.guard(func() { l.f(eventName(raw[0]), Args{raw[1:], frames.packet.Attachments}) })
		}
	}
	s.conn.write(frames, f)
}

// end ends the socket: its events that came before are still handled, and then
// the handlers of its end run.
func (s *Socket) end(reason, description string) {
	s.mu.Lock()
	if s.state == socketGone {
		s.mu.Unlock()
		return
	}
	was := s.state
	s.state = socketGone
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	rooms := s.namespace.adapter.SocketRooms(s.id)
	s.persist(reason, rooms)
	s.conn.leave(s)
	s.namespace.forget(s)
	for _, f := range waiting {
		f(errDisconnected, Args{})
	}
	if was != socketConnected {
		s.cancel()
		return
	}
	s.events.must(func() { s.goodbye(reason, rooms) })
}

// goodbye runs the handlers of the end.
func (s *Socket) goodbye(reason string, rooms []string) {
	s.cancel()
	s.mu.Lock()
	s.lastRooms = rooms
	leaving, gone := s.leaving, s.disconnected
	s.mu.Unlock()
	for _, f := range leaving {
		s.guard(func() { f(reason) })
	}
	s.mu.Lock()
	s.lastRooms = []string{}
	s.mu.Unlock()
	for _, f := range gone {
		s.guard(func() { f(reason) })
	}
}

// connected answers the client's CONNECT.
func (s *Socket) connected() {
	s.mu.Lock()
	s.state = socketConnected
	s.mu.Unlock()
	s.namespace.adapter.AddAll(s.id, []string{s.id})
	p := &Packet{Type: PacketConnect, Namespace: s.namespace.name}
	if s.conn.session.Protocol() != 3 {
		p.Data, _ = json.Marshal(struct {
			SID string `json:"sid"`
			PID string `json:"pid,omitempty"`
		}{s.id, s.pid})
	}
	s.send(p, Flags{})
}

// refused ends a socket that a middleware has turned away.
func (s *Socket) refused() {
	s.mu.Lock()
	s.state = socketGone
	s.mu.Unlock()
	s.cancel()
}

// persist keeps the socket for its return, where recovery is on.
func (s *Socket) persist(reason string, rooms []string) {
	if s.pid == "" || !recoverable(reason) {
		return
	}
	s.namespace.adapter.PersistSession(&LostSession{SID: s.id, PID: s.pid, Rooms: rooms, Data: s.Data()})
}

// replay sends what a socket that came back has missed.
func (s *Socket) replay() {
	if !s.recovered {
		return
	}
	for _, m := range s.missed {
		s.send(&Packet{Type: PacketEvent, Namespace: s.namespace.name, Data: m.Data, Attachments: m.Attachments}, Flags{})
	}
	s.missed = nil
}

// missedRooms are those that a socket which came back was in.
func (s *Socket) missedRooms() []string {
	if s.lost == nil {
		return nil
	}
	return s.lost.Rooms
}
