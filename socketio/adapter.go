package socketio

import (
	"context"
	"encoding/json"
	"time"
)

// Selection says which sockets of a namespace something concerns: those in one
// of Rooms, or all where there are none, but for those in one of Except.
type Selection struct {
	Rooms  []string
	Except []string
}

// Flags say how something is sent.
type Flags struct {
	Volatile   bool          // dropped where it would have to wait
	NoCompress bool          // not compressed
	Local      bool          // to the sockets of this server only
	Timeout    time.Duration // for acknowledgements; 0 is none
}

// Adapter knows the rooms of one namespace and reaches its sockets, on this
// server and on others. [NewMemoryAdapter] makes the one for a single server;
// others, which speak to a message broker, can stand on it. Its methods may be
// called by any goroutine.
type Adapter interface {
	// Init is called once, before any socket connects.
	Init() error
	// Close is called when the server closes, or the namespace goes away.
	Close() error
	// ServerCount returns how many servers there are.
	ServerCount(ctx context.Context) (int, error)

	// AddAll puts a socket of this server into rooms, Del takes it out of one,
	// DelAll out of all.
	AddAll(id string, rooms []string)
	Del(id, room string)
	DelAll(id string)
	// Sockets returns the ids of this server's sockets that are selected, and
	// SocketRooms the rooms of one; nil where it has none.
	Sockets(s Selection) []string
	SocketRooms(id string) []string

	// Broadcast sends a packet to the sockets that are selected.
	Broadcast(p *Packet, s Selection, f Flags) error
	// BroadcastWithAck is Broadcast for an event that asks for an acknowledgement
	// of each socket. Count is called by each server with how many sockets it
	// reaches, answer with each acknowledgement, until the context ends.
	BroadcastWithAck(ctx context.Context, p *Packet, s Selection, f Flags, count func(int), answer func(Args)) error
	// FetchSockets returns the sockets that are selected, on all servers.
	FetchSockets(ctx context.Context, s Selection, f Flags) ([]RemoteSocket, error)
	// AddSockets, DelSockets and DisconnectSockets have those that are selected
	// join rooms, leave them, or be disconnected.
	AddSockets(s Selection, f Flags, rooms []string) error
	DelSockets(s Selection, f Flags, rooms []string) error
	DisconnectSockets(s Selection, f Flags, close bool) error
	// ServerSideEmit sends an event to the other servers. Where it asks for
	// acknowledgements, answer is called with each, until the context ends; else
	// answer is nil.
	ServerSideEmit(ctx context.Context, event string, args []any, answer func(Args)) error

	// PersistSession keeps what is needed for a socket that was lost to come
	// back, and RestoreSession returns it with the packets that were missed, or
	// nil.
	PersistSession(s *LostSession)
	RestoreSession(pid, offset string) (*LostSession, error)
}

// AdapterFactory makes the adapter of a namespace.
type AdapterFactory func(n *Namespace) Adapter

// LostSession is a socket that may come back as it was (connection-state
// recovery).
type LostSession struct {
	SID    string
	PID    string
	Rooms  []string
	Data   any
	Missed []MissedPacket
}

// MissedPacket is the data of an event that a socket missed.
type MissedPacket struct {
	Data        json.RawMessage
	Attachments [][]byte
}

// RemoteSocket is a socket that may be on another server.
type RemoteSocket struct {
	ID        string
	Handshake *Handshake
	Rooms     []string
	Data      json.RawMessage

	namespace *Namespace
}

// alone selects the socket itself: its id is its own room.
func (r *RemoteSocket) alone() *BroadcastOperator { return r.namespace.To(r.ID) }

// Emit sends an event to it.
func (r *RemoteSocket) Emit(event string, args ...any) error { return r.alone().Emit(event, args...) }

// EmitWithAck sends an event to it and waits for the acknowledgement.
func (r *RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	all, err := r.alone().EmitWithAck(ctx, event, args...)
	if len(all) > 0 {
		return all[0], nil
	}
	return Args{}, err
}

// Join has it join rooms, Leave leave one.
func (r *RemoteSocket) Join(rooms ...string) error { return r.alone().SocketsJoin(rooms...) }

// Leave has it leave a room.
func (r *RemoteSocket) Leave(room string) error { return r.alone().SocketsLeave(room) }

// Disconnect disconnects it from the namespace, or, with close, ends its
// connection.
func (r *RemoteSocket) Disconnect(close bool) error { return r.alone().DisconnectSockets(close) }
