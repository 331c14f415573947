package socketio

import (
	"context"
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
	args, answer, err := answerFunc(args)
	if err != nil {
		return fmt.Errorf("socketio: emit %q: %w", event, err)
	}
	p, err := b.packet(event, args)
	if err != nil {
		return err
	}
	if answer == nil {
		return b.namespace.adapter.Broadcast(p, b.selection, b.flags)
	}
	go b.namespace.server.guard(func() {
		all, err := b.emitWithAck(context.Background(), p)
		answer(err, all)
	})
	return nil
}

// answerFunc takes a function for the acknowledgements of many off the end of the
// arguments.
func answerFunc(args []any) ([]any, func(error, []Args), error) {
	n := len(args)
	if n == 0 || args[n-1] == nil || reflect.TypeOf(args[n-1]).Kind() != reflect.Func {
		return args, nil, nil
	}
	answer, ok := args[n-1].(func(error, []Args))
	if !ok || answer == nil {
		return nil, nil, fmt.Errorf("the acknowledgements of many go to a func(error, []Args), not to a %T", args[n-1])
	}
	return args[:n-1], answer, nil
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
// and waits for their acknowledgements: until all have come, Timeout is over
// ([ErrTimeout]) or the context ends. What came is returned with the error, by which an
// adapter says too that other servers could not be asked, or which were silent. A
// client that leaves meanwhile is waited for in vain, as at the official server.
func (b *BroadcastOperator) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	p, err := b.packet(event, args)
	if err != nil {
		return nil, err
	}
	return b.emitWithAck(ctx, p)
}

func (b *BroadcastOperator) emitWithAck(ctx context.Context, p *Packet) ([]Args, error) {
	limit := b.flags.Timeout
	if limit <= 0 {
		limit = defaultAckTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	c := &collector{done: make(chan struct{}), servers: 1}
	if !b.flags.Local {
		var err error
		if c.servers, err = b.namespace.adapter.ServerCount(ctx); err != nil {
			return nil, err
		}
	}
	ctx, silent := withSilence(ctx)
	err := b.namespace.adapter.BroadcastWithAck(ctx, p, b.selection, b.flags, c.count, c.answer)
	if err != nil && !c.begun() {
		return nil, err
	}
	answers, late := c.wait(ctx)
	if err == nil {
		err = silent.explain(ctx, late)
	}
	return answers, err
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

// begun reports whether anybody was asked.
func (c *collector) begun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told > 0
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

// wait returns what came, once that is all, or the context ends.
func (c *collector) wait(ctx context.Context) ([]Args, error) {
	select {
	case <-c.done:
		return c.all(), nil
	case <-ctx.Done():
		return c.all(), context.Cause(ctx)
	}
}

func (c *collector) all() []Args {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.answers)
}

// FetchSockets returns the sockets that are selected, on all servers. It is an
// error for a dynamic namespace.
func (b *BroadcastOperator) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	all, err := b.namespace.adapter.FetchSockets(ctx, b.selection, b.flags)
	for i := range all {
		all[i].namespace = b.namespace
	}
	return all, err
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
