package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// packet takes a packet that the client sent to the socket. Nothing keeps it.
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

// incoming is an event of a client that waits for the handlers.
type incoming struct {
	queued
	acknowledgement
	asks        bool // for an acknowledgement
	socket      *Socket
	raw         []json.RawMessage // its name, and its arguments
	attachments [][]byte
	few         [3]json.RawMessage // what raw is made of, mostly
}

// event puts an event behind those that wait.
func (s *Socket) event(p *Packet) {
	e := &incoming{acknowledgement: acknowledgement{id: p.ID, to: s}, asks: p.HasID, socket: s, attachments: p.Attachments}
	if e.raw = splitArray(e.few[:0], p.Data); len(e.raw) == 0 {
		return
	}
	server := s.namespace.server
	size := len(p.Data)
	for _, a := range p.Attachments {
		size += len(a)
	}
	if !s.events.add(e, size, server.maxPending(), server.maxPendingBytes()) {
		s.conn.end(ReasonForcedServerClose, fmt.Sprintf("more events wait for the handlers of a socket than may: %d, or %d bytes (MaxPending, MaxPendingBytes)",
			server.maxPending(), server.maxPendingBytes()))
	}
}

// run runs what an event concerns: OnAny, middlewares, handlers. Where the server
// has ended the socket meanwhile, it is dropped.
func (e *incoming) run() {
	s := e.socket
	if s.drops.Load() {
		return
	}
	if h := s.allHooks(); len(h.any)+len(h.middlewares) > 0 {
		s.pass(e, h.any, h.middlewares)
		return
	}
	s.give(nameBytes(e.raw[0]), e.raw[1:], e.attachments, e.ack())
}

// ack is what acknowledges the event; nil where the client asks for nothing.
func (e *incoming) ack() *acknowledgement {
	if !e.asks {
		return nil
	}
	return &e.acknowledgement
}

// pass shows an event to OnAny and the middlewares before the handlers.
func (s *Socket) pass(in *incoming, catchAll []*anyListener, middlewares []func(*Event) error) {
	e := &Event{Name: eventName(in.raw[0]), Args: Args{in.raw[1:], in.attachments}}
	if in.asks {
		e.Ack = in.send
	}
	for _, l := range catchAll {
		s.guard(func() { l.f(e.Name, e.Args) })
	}
	for _, m := range middlewares {
		if err := s.try(func() error { return m(e) }); err != nil {
			s.failed(err)
			return
		}
	}
	if !s.drops.Load() {
		s.give([]byte(e.Name), e.Args.raw, e.Args.attachments, newAcknowledgement(e.Ack))
	}
}

// give has the handlers of an event run.
func (s *Socket) give(name []byte, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) {
	for _, l := range s.take(name) {
		if l.event == string(name) {
			s.call(l, args, attachments, ack)
		}
	}
}

// call runs one handler.
func (s *Socket) call(l *listener, args []json.RawMessage, attachments [][]byte, ack *acknowledgement) {
	defer s.caught()
	var ctx context.Context
	if l.handler.context {
		ctx = s.Context()
	}
	if err := l.handler.call(ctx, args, attachments, ack); err != nil {
		s.namespace.server.handlerError(s, l.event, err)
		s.failed(err)
	}
}

// nameBytes is [eventName], without a copy where there is no escape.
func nameBytes(raw json.RawMessage) []byte {
	if at(raw, 0) != '"' {
		return raw
	}
	if n := len(raw); n >= 2 && !hasEscape(raw) {
		return raw[1 : n-1]
	}
	return []byte(unquote(raw))
}

// eventName is an event's name: a string, or a number as the official server has
// it.
func eventName(raw json.RawMessage) string {
	if at(raw, 0) == '"' {
		return unquote(raw)
	}
	return string(raw) // a number, which is the official parser's to allow
}

// take returns the handlers, of which those of an event are meant, and removes
// those of them that are for one only.
func (s *Socket) take(event []byte) []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.handlers
	for _, l := range all {
		if l.once && l.event == string(event) {
			s.handlers = slices.DeleteFunc(slices.Clone(all), func(l *listener) bool { return l.once && l.event == string(event) })
			break
		}
	}
	return all
}

// failed tells the socket's error handlers.
func (s *Socket) failed(err error) {
	for _, f := range s.allHooks().onError {
		if f != nil {
			s.guard(func() { f(err) })
		}
	}
}
