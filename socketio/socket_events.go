package socketio

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
)

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
		s.conn.end(ReasonForcedServerClose, fmt.Sprintf("more events wait for the handlers of a socket than may: %d, or %d bytes (MaxPending, MaxPendingBytes)",
			server.maxPending(), server.maxPendingBytes()))
	}
}

// handle runs what an event concerns: OnAny, middlewares, handlers. Where the
// server has ended the socket meanwhile, it is dropped.
func (s *Socket) handle(raw []json.RawMessage, p *Packet) {
	if s.drops.Load() {
		return
	}
	e := &Event{Name: eventName(raw[0]), Args: Args{raw[1:], p.Attachments}}
	if p.HasID {
		id := p.ID
		e.Ack = sentOnce(func(args ...any) error { return s.sendAck(id, args) })
	}
	s.mu.Lock()
	catchAll, middlewares := s.any, s.middlewares
	s.mu.Unlock()
	for _, l := range catchAll {
		s.guard(func() { l.f(e.Name, e.Args) })
	}
	for _, m := range middlewares {
		if err := s.try(func() error { return m(e) }); err != nil {
			s.failed(err)
			return
		}
	}
	if s.drops.Load() {
		return
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

// sentOnce lets the first acknowledgement through, whichever handler gives it.
func sentOnce(send ackFunc) ackFunc {
	var sent atomic.Bool
	return func(args ...any) error {
		if !sent.CompareAndSwap(false, true) {
			return nil
		}
		return send(args...)
	}
}

// eventName is an event's name: a string, or a number as the official server has
// it.
func eventName(raw json.RawMessage) string {
	if at(raw, 0) == '"' {
		return unquote(raw)
	}
	return string(raw) // a number, which is the official parser's to allow
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
