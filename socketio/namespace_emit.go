package socketio

import (
	"context"
	"time"
)

func (n *Namespace) all() *BroadcastOperator { return &BroadcastOperator{namespace: n} }

// To selects the sockets of rooms; so does In.
func (n *Namespace) To(rooms ...string) *BroadcastOperator { return n.all().To(rooms...) }

// In is To.
func (n *Namespace) In(rooms ...string) *BroadcastOperator { return n.To(rooms...) }

// Except selects all but the sockets of rooms.
func (n *Namespace) Except(rooms ...string) *BroadcastOperator { return n.all().Except(rooms...) }

// Local selects the sockets of this server.
func (n *Namespace) Local() *BroadcastOperator { return n.all().Local() }

// Volatile selects all, and drops what one cannot take at once.
func (n *Namespace) Volatile() *BroadcastOperator { return n.all().Volatile() }

// Compress says whether what is sent may be compressed.
func (n *Namespace) Compress(on bool) *BroadcastOperator { return n.all().Compress(on) }

// Timeout bounds the wait for acknowledgements.
func (n *Namespace) Timeout(d time.Duration) *BroadcastOperator { return n.all().Timeout(d) }

// Emit sends an event to all sockets of the namespace; of a dynamic one, to those
// of the children that this server has made.
func (n *Namespace) Emit(event string, args ...any) error { return n.all().Emit(event, args...) }

// Send emits "message".
func (n *Namespace) Send(args ...any) error { return n.Emit("message", args...) }

// EmitWithAck sends an event to all and waits for their acknowledgements.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return n.all().EmitWithAck(ctx, event, args...)
}

// FetchSockets returns the sockets of the namespace, on all servers. It is an
// error for a dynamic one.
func (n *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return n.all().FetchSockets(ctx)
}

// SocketsJoin has all sockets join rooms.
func (n *Namespace) SocketsJoin(rooms ...string) error { return n.all().SocketsJoin(rooms...) }

// SocketsLeave has all sockets leave rooms.
func (n *Namespace) SocketsLeave(rooms ...string) error { return n.all().SocketsLeave(rooms...) }

// DisconnectSockets disconnects all sockets from the namespace, or, with close,
// ends their connections.
func (n *Namespace) DisconnectSockets(close bool) error { return n.all().DisconnectSockets(close) }
