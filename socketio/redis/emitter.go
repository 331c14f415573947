package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/socketio"
)

// emitterUID is what servers know an emitter by.
const emitterUID = "emitter"

// EmitterOptions configure [Conn.Emitter]. The zero value has the official
// defaults; nil is the zero value.
type EmitterOptions struct {
	// Key is that of the servers' adapters; "" is socket.io.
	Key string
}

// Emitter sends to the clients of a cluster, whose servers have adapters as those
// of [Conn.Adapter], without being a server of it: as @socket.io/redis-emitter
// does. Each method that narrows or widens whom it sends to returns a new one.
// Its other methods wait until Redis has what they send, or for no longer than
// [ConnOptions.Timeout]. No client or server answers an emitter.
type Emitter struct {
	conn      *Conn
	key       string
	namespace string
	selection socketio.Selection
	flags     socketio.Flags
}

// Emitter returns an emitter to the main namespace.
func (c *Conn) Emitter(options *EmitterOptions) *Emitter {
	e := &Emitter{conn: c, key: defaultPrefix, namespace: "/"}
	if options != nil && options.Key != "" {
		e.key = options.Key
	}
	return e
}

func (e Emitter) with(change func(*Emitter)) *Emitter {
	e.selection.Rooms = slices.Clip(e.selection.Rooms)
	e.selection.Except = slices.Clip(e.selection.Except)
	change(&e)
	return &e
}

// Of sends to another namespace.
func (e *Emitter) Of(namespace string) *Emitter {
	return e.with(func(e *Emitter) { e.namespace = "/" + strings.TrimPrefix(namespace, "/") })
}

// To adds rooms whose sockets are meant; so does In.
func (e *Emitter) To(rooms ...string) *Emitter {
	return e.with(func(e *Emitter) { e.selection.Rooms = append(e.selection.Rooms, rooms...) })
}

// In is To.
func (e *Emitter) In(rooms ...string) *Emitter { return e.To(rooms...) }

// Except leaves out the sockets of rooms.
func (e *Emitter) Except(rooms ...string) *Emitter {
	return e.with(func(e *Emitter) { e.selection.Except = append(e.selection.Except, rooms...) })
}

// Volatile has servers drop what a client cannot take at once.
func (e *Emitter) Volatile() *Emitter { return e.with(func(e *Emitter) { e.flags.Volatile = true }) }

// Compress says whether what is sent may be compressed; it may by default.
func (e *Emitter) Compress(on bool) *Emitter {
	return e.with(func(e *Emitter) { e.flags.NoCompress = !on })
}

// Emit sends an event to the sockets that are selected.
func (e *Emitter) Emit(event string, args ...any) error {
	p, err := socketio.NewEvent(e.namespace, event, args...)
	if err != nil {
		return err
	}
	m := e.message(kindBroadcast)
	m.data, m.attachments = p.Data, p.Attachments
	body, err := encodeClassicBroadcast(m, e.namespace)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return e.publish(roomChannel(e.key+"#"+e.namespace+"#", m.selection), body)
}

// SocketsJoin has the sockets that are selected join rooms.
func (e *Emitter) SocketsJoin(rooms ...string) error { return e.change(kindJoin, rooms, false) }

// SocketsLeave has the sockets that are selected leave rooms.
func (e *Emitter) SocketsLeave(rooms ...string) error { return e.change(kindLeave, rooms, false) }

// DisconnectSockets disconnects the sockets that are selected from the
// namespace, or, with close, ends their connections.
func (e *Emitter) DisconnectSockets(close bool) error { return e.change(kindDisconnect, nil, close) }

// ServerSideEmit sends an event to all servers.
func (e *Emitter) ServerSideEmit(event string, args ...any) error {
	all, err := socketio.NewServerEvent(event, args...)
	if err != nil {
		return err
	}
	m := e.message(kindServerEvent)
	m.data, m.attachments = all.Data()
	return e.request(m)
}

func (e *Emitter) message(k messageKind) *message {
	return &message{kind: k, uid: emitterUID, selection: e.selection, flags: e.flags}
}

// change is a request that no server answers: so it names nobody.
func (e *Emitter) change(k messageKind, rooms []string, close bool) error {
	m := e.message(k)
	m.uid, m.rooms, m.close = "", rooms, close
	return e.request(m)
}

func (e *Emitter) request(m *message) error {
	body, err := encodeClassicRequest(m, e.namespace)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return e.publish(e.key+"-request#"+e.namespace+"#", body)
}

// publish waits for Redis.
func (e *Emitter) publish(channel string, body []byte) error {
	came := make(chan error, 1)
	err := e.conn.queue.add(&job{
		size: len(channel) + len(body),
		run: func(ctx context.Context, p goredis.Pipeliner) goredis.Cmder {
			return p.Publish(ctx, channel, body)
		},
		done: func(_ goredis.Cmder, err error) { came <- err },
	})
	if err != nil {
		return err
	}
	select {
	case err = <-came:
	case <-time.After(e.conn.options.Timeout):
		err = fmt.Errorf("redis: %s: it has not taken the message within %v; it may still", e.conn.address, e.conn.options.Timeout)
	}
	return err
}
