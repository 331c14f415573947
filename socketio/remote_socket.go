package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// RemoteSocket is a socket that may be on another server, as FetchSockets found
// it.
type RemoteSocket struct {
	ID        string          `json:"id"`
	Handshake *Handshake      `json:"handshake"`
	Rooms     []string        `json:"rooms"`
	Data      json.RawMessage `json:"data"` // what [Socket.SetData] was given, binary values as base64; {} where it was not

	namespace *Namespace
	timeout   time.Duration
}

// alone selects the socket itself: its id is its own room.
func (r *RemoteSocket) alone() *BroadcastOperator {
	return r.namespace.To(r.ID).Timeout(r.timeout)
}

// Local returns the socket itself where it is at this server, or nil.
func (r *RemoteSocket) Local() *Socket { return r.namespace.Socket(r.ID) }

// Timeout bounds the wait for an acknowledgement, which is 10 seconds otherwise.
func (r RemoteSocket) Timeout(d time.Duration) *RemoteSocket {
	r.timeout = d
	return &r
}

// Emit sends an event to it. A function as the last argument gets the
// acknowledgement, as that of [Socket.Emit] does.
func (r *RemoteSocket) Emit(event string, args ...any) error {
	args, ack, err := splitAck(args, r.timeout)
	if err != nil {
		return fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	if ack == nil {
		return r.alone().Emit(event, args...)
	}
	if reserved(event) {
		return &ReservedEventError{event}
	}
	server := r.namespace.server
	go server.guard(func() {
		answer, err := r.EmitWithAck(context.Background(), event, args...)
		if err := ack(context.Background(), err, answer); err != nil {
			server.handlerError(nil, event, err)
		}
	})
	return nil
}

// EmitWithAck sends an event to it and waits for the acknowledgement.
func (r *RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	all, err := r.alone().EmitWithAck(ctx, event, args...)
	switch {
	case len(all) > 0:
		return all[0], nil
	case err == nil:
		err = errDisconnected
	}
	return Args{}, err
}

// Join has it join rooms.
func (r *RemoteSocket) Join(rooms ...string) error { return r.alone().SocketsJoin(rooms...) }

// Leave has it leave a room.
func (r *RemoteSocket) Leave(room string) error { return r.alone().SocketsLeave(room) }

// Disconnect disconnects it from the namespace, or, with close, ends its
// connection.
func (r *RemoteSocket) Disconnect(close bool) error { return r.alone().DisconnectSockets(close) }

// Annotate keeps a value beside the data of the socket: where that is an object,
// or nothing, FetchSockets hands it on with the value as a member. It is for who
// watches a server.
func (s *Socket) Annotate(name string, value json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := map[string]json.RawMessage{name: value}
	for other, v := range s.notes {
		if other != name {
			notes[other] = v
		}
	}
	s.notes = notes
}

// annotated is the data of the socket with what Annotate has added.
func (s *Socket) annotated(data json.RawMessage) json.RawMessage {
	s.mu.Lock()
	notes := s.notes
	s.mu.Unlock()
	var object map[string]json.RawMessage
	if len(notes) == 0 || json.Unmarshal(data, &object) != nil || object == nil {
		return data
	}
	maps.Copy(object, notes)
	all, err := json.Marshal(object)
	if err != nil {
		return data
	}
	return all
}
