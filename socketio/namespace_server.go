package socketio

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// OnServer adds a handler for events that other servers send by ServerSideEmit.
// They are handled one after the other; OnServer panics where fn cannot be a
// handler.
func (n *Namespace) OnServer(event string, fn any) {
	h := mustHandler(event, fn)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onServer[event] = append(slices.Clip(n.onServer[event]), h)
}

// ServerSideEmit sends an event to the other servers of the cluster. A function
// as the last argument gets their acknowledgements, as that of
// [BroadcastOperator.Emit] does.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	args, answer, err := answerFunc(args)
	if err != nil {
		return fmt.Errorf("socketio: emit %q to servers: %w", event, err)
	}
	all, err := serverArgs(event, args)
	if err != nil {
		return err
	}
	if answer == nil {
		return n.adapter.ServerSideEmit(context.Background(), all, nil)
	}
	go n.server.guard(func() {
		answers, err := n.serverSideEmit(context.Background(), all)
		answer(err, answers)
	})
	return nil
}

// serverAckTimeout bounds the wait for other servers where neither the context nor
// the adapter does.
const serverAckTimeout = 5 * time.Second

// RequestingAdapter is an adapter whose options say how long servers wait for one
// another, where a context does not.
type RequestingAdapter interface {
	RequestTimeout() time.Duration
}

// requestTimeout bounds the wait for other servers where the context does not, as
// the official adapters do (requestsTimeout).
func (n *Namespace) requestTimeout() time.Duration {
	if a, ok := n.adapter.(RequestingAdapter); ok {
		return a.RequestTimeout()
	}
	return serverAckTimeout
}

// ServerSideEmitWithAck sends an event to the other servers and waits for their
// acknowledgements: where the context has no deadline for as long as the adapter's
// options say, which is 5 seconds by default ([ErrTimeout]). What came is returned with
// the error, which names the servers that were silent where the adapter knows them.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	all, err := serverArgs(event, args)
	if err != nil {
		return nil, err
	}
	return n.serverSideEmit(ctx, all)
}

func (n *Namespace) serverSideEmit(ctx context.Context, all Args) ([]Args, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, n.requestTimeout(), ErrTimeout)
		defer cancel()
	}
	servers, err := n.adapter.ServerCount(ctx)
	if err != nil {
		return nil, err
	}
	ctx, silent := withSilence(ctx)
	c := &collector{done: make(chan struct{}), servers: 1}
	if err := n.adapter.ServerSideEmit(ctx, all, c.answer); err != nil {
		return nil, err
	}
	c.count(servers - 1)
	answers, err := c.wait(ctx)
	if err != nil {
		err = fmt.Errorf("socketio: only %d responses of %d servers: %w", len(answers), servers-1, err)
	}
	return answers, silent.explain(ctx, err)
}

// serverArgs is an event for other servers, its name first.
func serverArgs(event string, args []any) (Args, error) {
	if isReservedServerEvent(event) {
		return Args{}, &ReservedEventError{event}
	}
	data, attachments, err := encodeEvent(event, args)
	if err != nil {
		return Args{}, fmt.Errorf("socketio: emit %q to servers: %w", event, err)
	}
	return Args{splitArray(nil, data), attachments}, nil
}

// ServerEvent has the handlers run of an event that another server sent: its name
// is the first of args. Ack takes the acknowledgement; it is nil where none is
// asked for. ServerEvent is for adapters, and never waits.
func (n *Namespace) ServerEvent(args Args, ack func(Args)) {
	if args.Len() == 0 {
		return
	}
	event := eventName(args.raw[0])
	n.mu.RLock()
	handlers := n.onServer[event]
	n.mu.RUnlock()
	if len(handlers) == 0 {
		return
	}
	answer := n.serverAck(event, ack)
	size := 0
	for _, raw := range args.raw {
		size += len(raw)
	}
	ok := n.peers.add(&deferredCall{f: func() {
		for _, h := range handlers {
			n.server.guard(func() {
				if err := h.call(context.Background(), args.raw[1:], args.attachments, answer); err != nil {
					n.server.handlerError(nil, event, err)
				}
			})
		}
	}}, size, n.server.maxPending(), n.server.maxPendingBytes())
	if !ok {
		n.server.handlerError(nil, event, errManyServerEvents)
	}
}

var errManyServerEvents = fmt.Errorf("dropped: too many events of other servers wait for their handlers")

// serverAck encodes an acknowledgement for another server.
func (n *Namespace) serverAck(event string, ack func(Args)) *acknowledgement {
	if ack == nil {
		return nil
	}
	return newAcknowledgement(func(values ...any) error {
		data, attachments, err := encodeArgs(values...)
		if err != nil {
			n.server.handlerError(nil, event, err)
			return err
		}
		ack(Args{splitArray(nil, data), attachments})
		return nil
	})
}

// RoomEvent says what happened to a room.
type RoomEvent string

// What happens to rooms, in the official words.
const (
	RoomCreated RoomEvent = "create-room" // it has its first socket
	RoomDeleted RoomEvent = "delete-room" // it has none any more
	RoomJoined  RoomEvent = "join-room"
	RoomLeft    RoomEvent = "leave-room"
)

// OnRoom adds a handler for what happens to the rooms of this server: each
// socket's own, too. The handlers are called one after the other, in order; id
// is that of the socket, or "" where the event is about none.
func (n *Namespace) OnRoom(event RoomEvent, f func(room, id string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.onRoom == nil {
		n.onRoom = map[RoomEvent][]func(room, id string){}
	}
	n.onRoom[event] = append(slices.Clip(n.onRoom[event]), f)
}

// TellRoom has the handlers of OnRoom run. It is for adapters that do not stand
// on a [MemoryAdapter], which does that.
func (n *Namespace) TellRoom(event RoomEvent, room, id string) {
	n.mu.RLock()
	handlers := n.onRoom[event]
	n.mu.RUnlock()
	for _, f := range handlers {
		n.server.guard(func() { f(room, id) })
	}
}

// hearsRooms reports whether anybody asks what happens to rooms.
func (n *Namespace) hearsRooms() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.onRoom) > 0
}
