package socketio

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

var errDisconnected = errors.New("socket has been disconnected")

// Emit sends an event to the client. A function as the last argument gets the
// acknowledgement: its parameters are what the client answers with, behind an
// error where it takes one first, which is [ErrTimeout] (with [Socket.Timeout])
// or [ErrDisconnected]. It is an error where the event's name is reserved, an
// argument is no JSON, or too many acknowledgements are waited for ([ErrLimit]); a
// socket that is disconnected drops the event, as the official server does.
func (s *Socket) Emit(event string, args ...any) error { return s.emit(event, args, Flags{}) }

// Send emits "message".
func (s *Socket) Send(args ...any) error { return s.Emit("message", args...) }

func (s *Socket) emit(event string, args []any, f Flags) error {
	if reserved(event) {
		return &ReservedEventError{event}
	}
	args, ack, err := splitAck(args, f.Timeout)
	if err != nil {
		return fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	room := headRoom(s.namespace.name)
	buf, attachments, err := encodeEventBehind(room, event, args)
	if err != nil {
		return fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	p := Packet{Type: PacketEvent, Namespace: s.namespace.name, Attachments: attachments}
	switch {
	case ack != nil:
		if err := s.await(&p, f.Timeout, s.giveTo(event, ack)); err != nil {
			return err
		}
	case s.pid != "" && !f.Volatile: // recovery counts every event
		counted := p
		counted.Data = buf[room:]
		return s.namespace.adapter.Broadcast(&counted, Selection{Rooms: []string{s.id}}, f)
	}
	s.sendInPlace(&p, buf, room, f)
	return nil
}

// giveTo has a function take an acknowledgement, in the lane of those.
func (s *Socket) giveTo(event string, ack ackCall) func(error, Args) {
	return func(err error, answer Args) {
		s.ackLane().must(func() { s.guard(func() { s.answered(event, ack(s.Context(), err, answer)) }) })
	}
}

// answered tells of an acknowledgement that its function could not take.
func (s *Socket) answered(event string, err error) {
	if err != nil {
		s.namespace.server.handlerError(s, event, err)
		s.failed(err)
	}
}

// await numbers a packet and registers who waits for its acknowledgement.
func (s *Socket) await(p *Packet, limit time.Duration, f func(error, Args)) error {
	p.ID, p.HasID = s.namespace.nextAck(), true
	return s.expect(p.ID, f, limit, s.namespace.server.maxAcks())
}

// ackCall gives an acknowledgement, or why there is none, to a function.
type ackCall func(ctx context.Context, err error, answer Args) error

// splitAck takes a function off the end of the arguments. With a time limit its
// first parameter is the error.
func splitAck(args []any, limit time.Duration) ([]any, ackCall, error) {
	n := len(args)
	if n == 0 || args[n-1] == nil || reflect.TypeOf(args[n-1]).Kind() != reflect.Func {
		return args, nil, nil
	}
	fn := reflect.ValueOf(args[n-1])
	t := fn.Type()
	if t.NumIn() > 0 && t.In(0) == reflect.TypeFor[error]() {
		call, err := errorFirst(fn)
		return args[:n-1], call, err
	}
	h, err := newHandler(args[n-1])
	if err != nil {
		return nil, nil, err
	}
	return args[:n-1], func(ctx context.Context, failure error, answer Args) error {
		if failure != nil {
			return nil // it does not take one
		}
		return h.call(ctx, answer.raw, answer.attachments, nil)
	}, nil
}

// errorFirst is a function that takes an error, and then the answer.
func errorFirst(fn reflect.Value) (ackCall, error) {
	t := fn.Type()
	if t.NumOut() > 0 || t.IsVariadic() {
		return nil, fmt.Errorf("%s cannot take an acknowledgement", t)
	}
	var types []reflect.Type
	for i := 1; i < t.NumIn(); i++ {
		types = append(types, t.In(i))
	}
	return func(_ context.Context, failure error, answer Args) error {
		values, err := decodeArgs(answer.raw, answer.attachments, types)
		if err != nil {
			return err
		}
		first := reflect.Zero(reflect.TypeFor[error]())
		if failure != nil {
			first = reflect.ValueOf(failure)
		}
		fn.Call(append([]reflect.Value{first}, values...))
		return nil
	}, nil
}

// EmitWithAck sends an event and waits for the acknowledgement, or the end of
// the context or of the socket ([ErrDisconnected]). It may be called in a handler
// of the same socket, OnConnection's too, but not in a middleware of the
// namespace, whose client is not connected yet.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return s.emitWithAck(ctx, event, args, Flags{})
}

func (s *Socket) emitWithAck(ctx context.Context, event string, args []any, f Flags) (Args, error) {
	if reserved(event) {
		return Args{}, &ReservedEventError{event}
	}
	room := headRoom(s.namespace.name)
	buf, attachments, err := encodeEventBehind(room, event, args)
	if err != nil {
		return Args{}, fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	type result struct {
		answer Args
		err    error
	}
	came := make(chan result, 1)
	p := Packet{Type: PacketEvent, Namespace: s.namespace.name, Attachments: attachments}
	if err := s.await(&p, f.Timeout, func(err error, answer Args) { came <- result{answer, err} }); err != nil {
		return Args{}, err
	}
	if !s.Connected() {
		s.forget(p.ID)
		return Args{}, errDisconnected
	}
	s.sendInPlace(&p, buf, room, f)
	select {
	case r := <-came:
		return r.answer, r.err
	case <-ctx.Done():
		s.forget(p.ID)
		return Args{}, context.Cause(ctx)
	}
}

// others selects all sockets of the namespace but this one.
func (s *Socket) others() *BroadcastOperator { return s.namespace.Except(s.id) }

// Broadcast selects all sockets of the namespace but this one.
func (s *Socket) Broadcast() *BroadcastOperator { return s.others() }

// To selects the sockets of rooms but this one; so does In.
func (s *Socket) To(rooms ...string) *BroadcastOperator { return s.others().To(rooms...) }

// In is To.
func (s *Socket) In(rooms ...string) *BroadcastOperator { return s.To(rooms...) }

// Except selects all but the sockets of rooms, and this one.
func (s *Socket) Except(rooms ...string) *BroadcastOperator { return s.others().Except(rooms...) }

// Local selects the sockets of this server but this one.
func (s *Socket) Local() *BroadcastOperator { return s.others().Local() }

// Emitter sends to one socket, in a certain way.
type Emitter struct {
	socket *Socket
	flags  Flags
}

// Volatile drops what is sent where the client cannot take it at once.
func (s *Socket) Volatile() Emitter { return Emitter{s, Flags{Volatile: true}} }

// Compress says whether what is sent may be compressed; it may by default.
func (s *Socket) Compress(on bool) Emitter { return Emitter{s, Flags{NoCompress: !on}} }

// Timeout bounds the wait for an acknowledgement.
func (s *Socket) Timeout(d time.Duration) Emitter { return Emitter{s, Flags{Timeout: d}} }

// Volatile is [Socket.Volatile], on top of what e does.
func (e Emitter) Volatile() Emitter { e.flags.Volatile = true; return e }

// Compress is [Socket.Compress], on top of what e does.
func (e Emitter) Compress(on bool) Emitter { e.flags.NoCompress = !on; return e }

// Timeout is [Socket.Timeout], on top of what e does.
func (e Emitter) Timeout(d time.Duration) Emitter { e.flags.Timeout = d; return e }

// Local is [Socket.Local], and sends in the same way; so do those that follow.
func (e Emitter) Local() *BroadcastOperator { return e.Broadcast().Local() }

// To is [Socket.To].
func (e Emitter) To(rooms ...string) *BroadcastOperator { return e.Broadcast().To(rooms...) }

// In is To.
func (e Emitter) In(rooms ...string) *BroadcastOperator { return e.To(rooms...) }

// Except is [Socket.Except].
func (e Emitter) Except(rooms ...string) *BroadcastOperator { return e.Broadcast().Except(rooms...) }

// Send emits "message".
func (e Emitter) Send(args ...any) error { return e.Emit("message", args...) }

// Emit is [Socket.Emit].
func (e Emitter) Emit(event string, args ...any) error { return e.socket.emit(event, args, e.flags) }

// EmitWithAck is [Socket.EmitWithAck].
func (e Emitter) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return e.socket.emitWithAck(ctx, event, args, e.flags)
}

// Broadcast selects all other sockets, and sends in the same way.
func (e Emitter) Broadcast() *BroadcastOperator {
	return e.socket.others().with(func(b *BroadcastOperator) { b.flags = e.flags })
}

// Disconnect disconnects the socket from the namespace, or, with close, ends the
// client's connection, and with it its sockets in all namespaces. It does nothing
// where the socket is not connected: a middleware refuses by an error.
func (s *Socket) Disconnect(close bool) {
	switch {
	case !s.Connected():
	case close:
		s.conn.disconnect()
	default:
		s.send(&Packet{Type: PacketDisconnect, Namespace: s.namespace.name}, Flags{})
		s.end(ReasonServerNamespaceDisconnect, "")
	}
}
