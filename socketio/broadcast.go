package socketio

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
)

// BroadcastOperator selects sockets of a namespace. Each of its methods that
// narrows or widens the selection returns a new one.
type BroadcastOperator struct {
	namespace *Namespace
	selection Selection
	flags     Flags
}

func (b BroadcastOperator) with(change func(*BroadcastOperator)) *BroadcastOperator {
	b.selection.Rooms = slices.Clip(b.selection.Rooms)
	b.selection.Except = slices.Clip(b.selection.Except)
	change(&b)
	return &b
}

// To adds rooms whose sockets are meant: one socket gets one copy, however many
// of them it is in.
func (b *BroadcastOperator) To(rooms ...string) *BroadcastOperator {
	return b.with(func(b *BroadcastOperator) { b.selection.Rooms = append(b.selection.Rooms, rooms...) })
}

// In is To.
func (b *BroadcastOperator) In(rooms ...string) *BroadcastOperator { return b.To(rooms...) }

// Except leaves out the sockets of rooms.
func (b *BroadcastOperator) Except(rooms ...string) *BroadcastOperator {
	return b.with(func(b *BroadcastOperator) { b.selection.Except = append(b.selection.Except, rooms...) })
}

// Compress says whether what is sent may be compressed; it may by default.
func (b *BroadcastOperator) Compress(on bool) *BroadcastOperator {
	return b.with(func(b *BroadcastOperator) { b.flags.NoCompress = !on })
}

// Volatile drops what is sent where the client cannot take it at once.
func (b *BroadcastOperator) Volatile() *BroadcastOperator {
	return b.with(func(b *BroadcastOperator) { b.flags.Volatile = true })
}

// Local keeps what is sent on this server.
func (b *BroadcastOperator) Local() *BroadcastOperator {
	return b.with(func(b *BroadcastOperator) { b.flags.Local = true })
}

// Timeout bounds the wait for acknowledgements.
func (b *BroadcastOperator) Timeout(d time.Duration) *BroadcastOperator {
	return b.with(func(b *BroadcastOperator) { b.flags.Timeout = d })
}

// ErrTimeout says that an acknowledgement did not come in time.
var ErrTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string   { return "operation has timed out" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Emit sends an event to the sockets that are selected. A function as the last
// argument gets the acknowledgements of all: func(err error, answers []Args),
// with [ErrTimeout] where some did not come within Timeout, which is 10 seconds
// where none was set.
func (b *BroadcastOperator) Emit(event string, args ...any) error {
	if n := len(args); n > 0 && reflect.TypeOf(args[n-1]) != nil && reflect.TypeOf(args[n-1]).Kind() == reflect.Func {
		answer, ok := args[n-1].(func(error, []Args))
		if !ok {
			return fmt.Errorf("socketio: the acknowledgements of a broadcast go to a func(error, []Args), not to a %T", args[n-1])
		}
		go func() {
			all, err := b.EmitWithAck(context.Background(), event, args[:n-1]...)
			answer(err, all)
		}()
		return nil
	}
	p, err := b.packet(event, args)
	if err != nil {
		return err
	}
	return b.namespace.adapter.Broadcast(p, b.selection, b.flags)
}

func (b *BroadcastOperator) packet(event string, args []any) (*Packet, error) {
	if reserved(event) {
		return nil, &ReservedEventError{event}
	}
	data, attachments, err := encodeEvent(event, args)
	if err != nil {
		return nil, fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	return &Packet{Type: PacketEvent, Namespace: b.namespace.name, Data: data, Attachments: attachments}, nil
}

// Send emits "message".
func (b *BroadcastOperator) Send(args ...any) error { return b.Emit("message", args...) }

// defaultAckTimeout bounds the wait for acknowledgements of a broadcast.
const defaultAckTimeout = 10 * time.Second

// EmitWithAck sends an event to the sockets that are selected, on all servers,
// and waits for their acknowledgements: until all have come, Timeout is over or
// the context ends. What came is returned with the error.
func (b *BroadcastOperator) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	p, err := b.packet(event, args)
	if err != nil {
		return nil, err
	}
	limit := b.flags.Timeout
	if limit <= 0 {
		limit = defaultAckTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	c := &collector{done: make(chan struct{})}
	if !b.flags.Local {
		if c.servers, err = b.namespace.adapter.ServerCount(ctx); err != nil {
			return nil, err
		}
	} else {
		c.servers = 1
	}
	if err := b.namespace.adapter.BroadcastWithAck(ctx, p, b.selection, b.flags, c.count, c.answer); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
		return c.all(), nil
	case <-ctx.Done():
		return c.all(), context.Cause(ctx)
	}
}

// collector gathers the acknowledgements of a broadcast.
type collector struct {
	mu                sync.Mutex
	servers, told     int
	expected, arrived int
	answers           []Args
	done              chan struct{}
	closed            bool
}

func (c *collector) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told++
	c.expected += n
	c.check()
}

func (c *collector) answer(a Args) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrived++
	c.answers = append(c.answers, a)
	c.check()
}

func (c *collector) check() {
	if !c.closed && c.told >= c.servers && c.arrived >= c.expected {
		c.closed = true
		close(c.done)
	}
}

func (c *collector) all() []Args {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.answers)
}

// FetchSockets returns the sockets that are selected, on all servers.
func (b *BroadcastOperator) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	if b.namespace.match != nil {
		return nil, errors.New("socketio: the sockets of a dynamic namespace are those of its children")
	}
	return b.namespace.adapter.FetchSockets(ctx, b.selection, b.flags)
}

// SocketsJoin has the sockets that are selected join rooms.
func (b *BroadcastOperator) SocketsJoin(rooms ...string) error {
	return b.namespace.adapter.AddSockets(b.selection, b.flags, rooms)
}

// SocketsLeave has the sockets that are selected leave rooms.
func (b *BroadcastOperator) SocketsLeave(rooms ...string) error {
	return b.namespace.adapter.DelSockets(b.selection, b.flags, rooms)
}

// DisconnectSockets disconnects the sockets that are selected from the
// namespace, or, with close, ends their connections.
func (b *BroadcastOperator) DisconnectSockets(close bool) error {
	return b.namespace.adapter.DisconnectSockets(b.selection, b.flags, close)
}
