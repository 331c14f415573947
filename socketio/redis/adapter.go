package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// wire is a way that messages go between servers.
type wire interface {
	// send puts a message into the queue.
	send(m *message) error
	// servers asks Redis how many servers there are, this one included, and members
	// for their ids.
	servers(ctx context.Context) (int, error)
	members(ctx context.Context) ([]string, error)
}

const (
	defaultPrefix         = "socket.io"
	defaultRequestTimeout = 5 * time.Second
	readyTimeout          = 2 * time.Second // for a subscription, while Redis is there
)

// adapter is what all adapters of this package have in common: the sockets of
// this server are reached through a memory adapter, all others by messages.
type adapter struct {
	*socketio.MemoryAdapter
	conn           *Conn
	wire           wire
	obey           func(*message) error // does what another server wishes of sockets
	uid            string
	requestTimeout time.Duration

	mu        sync.Mutex
	asked     map[string]*question
	lastCount int             // of the servers, as far as is known
	uncounted error           // why they could not be counted, the last time
	met       map[string]bool // servers that have said something
	counting  bool            // for meet, by a goroutine of its own
	recount   bool            // and once more
}

// question is who waits for answers of other servers.
type question struct {
	mu     sync.Mutex
	from   map[string]bool // who has answered, where the answers say so
	came   int
	answer func(*message)
}

func newAdapter(n *socketio.Namespace, c *Conn, uid string, requestTimeout time.Duration) *adapter {
	a := &adapter{
		MemoryAdapter: socketio.NewMemoryAdapter(n), conn: c, uid: uid, lastCount: 1,
		requestTimeout: orDefault(requestTimeout, defaultRequestTimeout), asked: map[string]*question{},
	}
	a.obey = a.local
	return a
}

// newUID makes an id of n characters, all hexadecimal.
func newUID(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)[:n]
}

// begin has the adapter told of what happens to Redis, and waits until it is
// subscribed, or it is plain that Redis is away.
func (a *adapter) begin(ready ...<-chan struct{}) error {
	a.conn.watch(a, func(s State) {
		if !s.Up {
			go a.Namespace().AdapterError(s.Err)
		}
	})
	return a.awaitAll(a.conn.options.Timeout, ready...)
}

// awaitAll waits until subscriptions stand. That Redis is gone is no error: they
// will.
func (a *adapter) awaitAll(limit time.Duration, ready ...<-chan struct{}) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, r := range ready {
		for stands := false; !stands; {
			changed := a.conn.change()
			if !a.conn.up() {
				return nil
			}
			select {
			case <-r:
				stands = true
			case <-changed:
			case <-timer.C:
				return nil
			}
		}
	}
	return nil
}

// finish is the end of every Close: what was sent reaches Redis first.
func (a *adapter) finish() {
	a.conn.unwatch(a)
	_ = a.conn.queue.last()
}

// Flush implements [socketio.FlushingAdapter]. It gives up at once where Redis is
// away.
func (a *adapter) Flush(ctx context.Context) error { return a.conn.queue.flush(ctx) }

// mostServers is up to how many a cluster may have.
const mostServers = 100000

// ServerCount implements [socketio.Adapter]. While Redis is away it is what was
// known last.
func (a *adapter) ServerCount(ctx context.Context) (int, error) {
	n := 0
	err := a.conn.away()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, a.conn.options.Timeout)
		defer cancel()
		n, err = a.wire.servers(ctx) // who asks finds out by who answers
		if n > mostServers {
			n, err = 0, fmt.Errorf("it counts %d servers; up to %d are believed", n, mostServers)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uncounted = err; n > 0 {
		a.lastCount = n
	}
	return a.lastCount, nil
}

// newMessage is one from this server.
func (a *adapter) newMessage(k messageKind, s socketio.Selection, f socketio.Flags) *message {
	return &message{kind: k, uid: a.uid, selection: s, flags: f}
}

// Broadcast implements [socketio.Adapter].
func (a *adapter) Broadcast(p *socketio.Packet, s socketio.Selection, f socketio.Flags) error {
	var err error
	if !f.Local {
		m := a.newMessage(kindBroadcast, s, f)
		m.data, m.attachments = p.Data, p.Attachments
		err = a.wire.send(m)
	}
	if here := a.MemoryAdapter.Broadcast(p, s, f); here != nil {
		return here
	}
	return err
}

// everywhere has this server and the others do something.
func (a *adapter) everywhere(m *message) error {
	var err error
	if !m.flags.Local {
		err = a.wire.send(m)
	}
	if here := a.local(m); here != nil {
		return here
	}
	return err
}

// local does what a message says to the sockets of this server.
func (a *adapter) local(m *message) error {
	switch m.kind {
	case kindJoin:
		return a.MemoryAdapter.AddSockets(m.selection, m.flags, m.rooms)
	case kindLeave:
		return a.MemoryAdapter.DelSockets(m.selection, m.flags, m.rooms)
	case kindDisconnect:
		return a.MemoryAdapter.DisconnectSockets(m.selection, m.flags, m.close)
	}
	return nil
}

// AddSockets implements [socketio.Adapter].
func (a *adapter) AddSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.everywhere(a.changing(kindJoin, s, f, rooms, false))
}

// DelSockets implements [socketio.Adapter].
func (a *adapter) DelSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.everywhere(a.changing(kindLeave, s, f, rooms, false))
}

// DisconnectSockets implements [socketio.Adapter].
func (a *adapter) DisconnectSockets(s socketio.Selection, f socketio.Flags, close bool) error {
	return a.everywhere(a.changing(kindDisconnect, s, f, nil, close))
}

func (a *adapter) changing(k messageKind, s socketio.Selection, f socketio.Flags, rooms []string, close bool) *message {
	m := a.newMessage(k, s, f)
	m.rooms, m.close = rooms, close
	return m
}

// maxMet bounds how many servers are remembered.
const maxMet = 1000

// meet has the servers be counted where one says something for the first time: who
// asks once Redis is gone has to know how many do not answer.
func (a *adapter) meet(uid string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if uid == "" || uid == emitterUID || a.met[uid] {
		return
	}
	if a.met == nil || len(a.met) >= maxMet {
		a.met = map[string]bool{}
	}
	a.met[uid] = true
	if a.recount = true; !a.counting {
		a.counting = true
		go a.countAgain()
	}
}

// countAgain counts the servers, as long as there are new ones: one goroutine does,
// however many there are.
func (a *adapter) countAgain() {
	for {
		a.mu.Lock()
		if !a.recount || a.conn.ctx.Err() != nil {
			a.counting = false
			a.mu.Unlock()
			return
		}
		a.recount = false
		a.mu.Unlock()
		_, _ = a.ServerCount(a.conn.ctx)
	}
}

// took does what another server wishes.
func (a *adapter) took(m *message) {
	if m.uid == a.uid {
		return
	}
	a.meet(m.uid)
	switch m.kind {
	case kindBroadcast:
		if m.request != "" {
			a.broadcastFor(m)
			return
		}
		_ = a.MemoryAdapter.Broadcast(a.packet(m), m.selection, m.flags)
	case kindJoin, kindLeave, kindDisconnect:
		if err := a.obey(m); err != nil {
			a.Namespace().AdapterError(err)
		}
	case kindFetch:
		answer := a.answering(m, kindFetched)
		answer.sockets, _ = a.MemoryAdapter.FetchSockets(context.Background(), m.selection, m.flags)
		a.reply(answer)
	case kindServerEvent:
		a.serverEvent(m)
	case kindFetched, kindServerAnswer, kindCount, kindAnswer:
		a.answered(m)
	}
}

func (a *adapter) packet(m *message) *socketio.Packet {
	return &socketio.Packet{Type: socketio.PacketEvent, Namespace: a.Namespace().Name(), Data: m.data, Attachments: m.attachments}
}

// answering is an answer to a message.
func (a *adapter) answering(m *message, k messageKind) *message {
	return &message{kind: k, uid: a.uid, to: m.uid, request: m.request}
}

func (a *adapter) reply(m *message) {
	if err := a.wire.send(m); err != nil {
		a.Namespace().AdapterError(err)
	}
}

// serverEvent hands an event of another server to the handlers.
func (a *adapter) serverEvent(m *message) {
	args, err := event(m.data, m.attachments)
	if err != nil {
		a.conn.garbage(a.Namespace().Name(), err)
		return
	}
	var ack func(socketio.Args)
	if m.request != "" {
		ack = func(args socketio.Args) {
			answer := a.answering(m, kindServerAnswer)
			answer.data, answer.attachments = answerOf(args)
			a.reply(answer)
		}
	}
	a.Namespace().ServerEvent(args, ack)
}
