package socketio

import (
	"context"
	"encoding/json"
	"errors"
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
	Local      bool          // to the sockets of this server only: an adapter publishes nothing
	Timeout    time.Duration // for acknowledgements; 0 is none
}

// Adapter knows the rooms of one namespace and reaches its sockets, on this
// server and on others. [NewMemoryAdapter] makes the one for a single server.
// Others, which speak to a message broker, embed it: what is for the sockets of
// this server they leave to it, and publish the rest unless [Flags.Local] is set.
// Its methods may be called by any goroutine.
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
	// of each socket. Count is called for each server with how many sockets it
	// reaches, answer with each acknowledgement, until the context ends. Its
	// deadline is what other servers need to know. It does not wait for them: that
	// they were silent is said by [OnSilence]. An error behind the first count says
	// that others could not be asked.
	BroadcastWithAck(ctx context.Context, p *Packet, s Selection, f Flags, count func(int), answer func(Args)) error
	// FetchSockets returns the sockets that are selected, on all servers.
	FetchSockets(ctx context.Context, s Selection, f Flags) ([]RemoteSocket, error)
	// AddSockets, DelSockets and DisconnectSockets have those that are selected
	// join rooms, leave them, or be disconnected.
	AddSockets(s Selection, f Flags, rooms []string) error
	DelSockets(s Selection, f Flags, rooms []string) error
	DisconnectSockets(s Selection, f Flags, close bool) error
	// ServerSideEmit sends an event to the other servers, which hand it to
	// [Namespace.ServerEvent]. Its name is the first of args. Where it asks for
	// acknowledgements, answer is called with each, until the context ends; else
	// answer is nil. It does not wait for them either ([OnSilence]).
	ServerSideEmit(ctx context.Context, args Args, answer func(Args)) error

	// PersistSession keeps what is needed for a socket that was lost to come
	// back, and RestoreSession returns it with the packets that were missed behind
	// the one with that offset, or nil. Such an adapter gives each event that asks
	// for no acknowledgement and is not volatile an offset, as its last argument.
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
	Offset string // behind which they are
}

// MissedPacket is the data of an event that a socket missed.
type MissedPacket struct {
	Data        json.RawMessage
	Attachments [][]byte
	Offset      string // of the event; for adapters
}

// RecoveringAdapter is an adapter by which no event is lost and none doubled
// between the look at what a socket has missed and its first own event.
type RecoveringAdapter interface {
	Adapter
	// Enter calls become, and where that reports true has the socket join rooms,
	// and returns what it has missed until then. Lost is what RestoreSession has
	// returned for it, or nil. No event reaches the namespace meanwhile.
	Enter(id string, rooms []string, lost *LostSession, become func() bool) (missed []MissedPacket, ok bool)
}

// parentAdapter is that of a dynamic namespace: it reaches the sockets of the
// children that this server has made.
type parentAdapter struct{ *MemoryAdapter }

var errDynamic = errors.New("socketio: a dynamic namespace cannot do this, its children can")

func (a *parentAdapter) each(f func(*Namespace) error) error {
	var errs []error
	for _, child := range a.namespace.Children() {
		errs = append(errs, f(child))
	}
	return errors.Join(errs...)
}

// Broadcast implements [Adapter].
func (a *parentAdapter) Broadcast(p *Packet, s Selection, f Flags) error {
	return a.each(func(child *Namespace) error {
		own := *p
		own.Namespace = child.name
		return child.adapter.Broadcast(&own, s, f)
	})
}

// AddSockets implements [Adapter].
func (a *parentAdapter) AddSockets(s Selection, f Flags, rooms []string) error {
	return a.each(func(child *Namespace) error { return child.adapter.AddSockets(s, f, rooms) })
}

// DelSockets implements [Adapter].
func (a *parentAdapter) DelSockets(s Selection, f Flags, rooms []string) error {
	return a.each(func(child *Namespace) error { return child.adapter.DelSockets(s, f, rooms) })
}

// DisconnectSockets implements [Adapter].
func (a *parentAdapter) DisconnectSockets(s Selection, f Flags, close bool) error {
	return a.each(func(child *Namespace) error { return child.adapter.DisconnectSockets(s, f, close) })
}

// BroadcastWithAck implements [Adapter].
func (a *parentAdapter) BroadcastWithAck(context.Context, *Packet, Selection, Flags, func(int), func(Args)) error {
	return errDynamic
}

// FetchSockets implements [Adapter].
func (a *parentAdapter) FetchSockets(context.Context, Selection, Flags) ([]RemoteSocket, error) {
	return nil, errDynamic
}

// ServerSideEmit implements [Adapter].
func (a *parentAdapter) ServerSideEmit(context.Context, Args, func(Args)) error { return errDynamic }
