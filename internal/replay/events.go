package replay

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/socketio"
)

// emitter is a socket of Socket.IO, at either side.
type emitter interface {
	ID() string
	Emit(event string, args ...any) error
	EmitWithAck(ctx context.Context, event string, args ...any) (socketio.Args, error)
}

// events is what both sides of Socket.IO have in common.
type events struct {
	emitter
	leave  func() error
	ctx    context.Context
	cancel context.CancelFunc
	items  chan Item
	ended  chan struct{}
	once   sync.Once

	mu    sync.Mutex
	owing []func(args ...any) error // acknowledgements that the other side has asked for, oldest first
}

func newEvents(ctx context.Context, e emitter, leave func() error) *events {
	v := &events{emitter: e, leave: leave, items: make(chan Item, 64), ended: make(chan struct{})}
	v.ctx, v.cancel = context.WithCancel(ctx)
	return v
}

// Client is a client of Socket.IO that has not connected yet.
func Client(ctx context.Context, c *socketio.Client) Peer {
	v := newEvents(ctx, c, c.Close)
	c.OnAny(func(event string, args socketio.Args) { v.give(event, args) })
	c.OnDisconnect(func(string) { v.end() })
	return v
}

// Socket is a client at the server. Call it in OnConnection.
func Socket(ctx context.Context, s *socketio.Socket) Peer {
	v := newEvents(ctx, s, func() error { s.Disconnect(false); return nil })
	s.Use(func(e *socketio.Event) error {
		if e.Ack != nil {
			v.mu.Lock()
			v.owing = append(v.owing, e.Ack)
			v.mu.Unlock()
		}
		v.give(e.Name, e.Args)
		return nil
	})
	s.OnDisconnect(func(string) { v.end() })
	return v
}

func (v *events) give(event string, args socketio.Args) {
	select {
	case v.items <- Item{Text: true, Data: session.AppendEvent(nil, event, args)}:
	case <-v.ctx.Done():
	}
}

func (v *events) end() { v.once.Do(func() { close(v.ended) }) }

// Send emits an event, or acknowledges the oldest that waits for it. What the
// other side acknowledges is something that it says.
func (v *events) Send(ctx context.Context, item Item) error {
	name, args, err := session.ParseEvent(string(item.Data))
	if err != nil {
		return err
	}
	if name == "ack" && strings.HasPrefix(string(item.Data), "ack") && item.Ack != "" {
		return v.acknowledge(args)
	}
	if item.Ack == "" {
		return v.Emit(name, args...)
	}
	go func() {
		if answer, err := v.EmitWithAck(v.ctx, name, args...); err == nil {
			v.give("ack", answer)
		}
	}()
	return nil
}

func (v *events) acknowledge(args []any) error {
	v.mu.Lock()
	if len(v.owing) == 0 {
		v.mu.Unlock()
		return fmt.Errorf("the recording acknowledges an event here, and none has come that asks for it")
	}
	ack := v.owing[0]
	v.owing = v.owing[1:]
	v.mu.Unlock()
	return ack(args...)
}

func (v *events) End(Item) error { return nil }

func (v *events) Receive() (Item, error) {
	select {
	case item := <-v.items:
		return item, nil
	default:
	}
	select {
	case item := <-v.items:
		return item, nil
	case <-v.ended:
		return Item{}, io.EOF
	case <-v.ctx.Done():
		return Item{}, errClosedHere
	}
}

func (v *events) Close() error {
	v.cancel()
	return v.leave()
}
