package socketio_test

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/sockkit/sockkit/socketio"
)

// bus stands for a message broker: what is published reaches the other servers
// as bytes, later, and in order.
type bus struct {
	mu        sync.Mutex
	members   map[string][]*busAdapter // by namespace
	published int
}

func newBus() *bus { return &bus{members: map[string][]*busAdapter{}} }

// adapters are those of one server.
func (b *bus) adapters(server string) socketio.AdapterFactory {
	return func(n *socketio.Namespace) socketio.Adapter {
		return &busAdapter{
			MemoryAdapter: socketio.NewMemoryAdapter(n), bus: b, server: server,
			inbox: make(chan []byte, 1000), done: make(chan struct{}), asked: map[int]func(busMessage){},
		}
	}
}

// busAdapter is an adapter for several servers, as those that speak to Redis are:
// it stands on the memory adapter, and publishes what is for others, too.
type busAdapter struct {
	*socketio.MemoryAdapter
	bus    *bus
	server string
	inbox  chan []byte
	done   chan struct{}

	mu    sync.Mutex
	last  int
	asked map[int]func(busMessage) // who waits for answers
}

// busMessage is what goes over the wire.
type busMessage struct {
	From        string
	To          string // "" is all others
	Kind        string
	Request     int
	Selection   socketio.Selection
	Volatile    bool
	Data        json.RawMessage
	Attachments [][]byte
	Rooms       []string
	Close       bool
	Count       int
	Sockets     []socketio.RemoteSocket
}

func (a *busAdapter) Init() error {
	a.bus.mu.Lock()
	defer a.bus.mu.Unlock()
	key := a.Namespace().Name()
	a.bus.members[key] = append(a.bus.members[key], a)
	go func() {
		defer close(a.done)
		for raw := range a.inbox {
			var m busMessage
			if err := json.Unmarshal(raw, &m); err != nil {
				a.Namespace().AdapterError(err)
				continue
			}
			a.took(m)
		}
	}()
	return nil
}

func (a *busAdapter) Close() error {
	a.bus.mu.Lock()
	key := a.Namespace().Name()
	for i, m := range a.bus.members[key] {
		if m == a {
			a.bus.members[key] = append(a.bus.members[key][:i:i], a.bus.members[key][i+1:]...)
			close(a.inbox)
		}
	}
	a.bus.mu.Unlock()
	<-a.done
	return nil
}

func (a *busAdapter) ServerCount(context.Context) (int, error) {
	a.bus.mu.Lock()
	defer a.bus.mu.Unlock()
	return len(a.bus.members[a.Namespace().Name()]), nil
}

// publish sends a message to the other servers, or to one.
func (a *busAdapter) publish(m busMessage) error {
	m.From = a.server
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	a.bus.mu.Lock()
	defer a.bus.mu.Unlock()
	a.bus.published++
	for _, other := range a.bus.members[a.Namespace().Name()] {
		if other != a && (m.To == "" || m.To == other.server) {
			other.inbox <- raw
		}
	}
	return nil
}

// ask is publish for who waits for answers, until the context ends.
func (a *busAdapter) ask(ctx context.Context, m busMessage, answer func(busMessage)) error {
	a.mu.Lock()
	a.last++
	m.Request = a.last
	a.asked[m.Request] = answer
	a.mu.Unlock()
	context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.asked, m.Request)
	})
	return a.publish(m)
}

// took does what another server wishes, on this one's sockets.
func (a *busAdapter) took(m busMessage) {
	local, n := a.MemoryAdapter, a.Namespace()
	p := &socketio.Packet{Type: socketio.PacketEvent, Namespace: n.Name(), Data: m.Data, Attachments: m.Attachments}
	back := func(answer busMessage) {
		answer.To, answer.Request = m.From, m.Request
		_ = a.publish(answer)
	}
	switch m.Kind {
	case "broadcast":
		_ = local.Broadcast(p, m.Selection, socketio.Flags{Volatile: m.Volatile})
	case "broadcast with ack":
		ctx, cancel := context.WithCancel(context.Background())
		left := -1
		var mu sync.Mutex
		done := func(change int) {
			mu.Lock()
			defer mu.Unlock()
			if left += change; left == -1 {
				cancel()
			}
		}
		_ = local.BroadcastWithAck(ctx, p, m.Selection, socketio.Flags{}, func(count int) {
			done(count)
			back(busMessage{Kind: "count", Count: count})
		}, func(answer socketio.Args) {
			data, attachments := answer.Data()
			back(busMessage{Kind: "answer", Data: data, Attachments: attachments})
			done(-1)
		})
	case "join":
		_ = local.AddSockets(m.Selection, socketio.Flags{}, m.Rooms)
	case "leave":
		_ = local.DelSockets(m.Selection, socketio.Flags{}, m.Rooms)
	case "disconnect":
		_ = local.DisconnectSockets(m.Selection, socketio.Flags{}, m.Close)
	case "fetch":
		all, _ := local.FetchSockets(context.Background(), m.Selection, socketio.Flags{})
		back(busMessage{Kind: "sockets", Sockets: all})
	case "server event":
		args, err := socketio.ParseArgs(m.Data, m.Attachments)
		if err != nil {
			n.AdapterError(err)
			return
		}
		var ack func(socketio.Args)
		if m.Request != 0 {
			ack = func(answer socketio.Args) {
				data, attachments := answer.Data()
				back(busMessage{Kind: "answer", Data: data, Attachments: attachments})
			}
		}
		n.ServerEvent(args, ack)
	default:
		a.mu.Lock()
		answer := a.asked[m.Request]
		a.mu.Unlock()
		if answer != nil {
			answer(m)
		}
	}
}

func (a *busAdapter) Broadcast(p *socketio.Packet, s socketio.Selection, f socketio.Flags) error {
	if !f.Local {
		if err := a.publish(busMessage{Kind: "broadcast", Selection: s, Volatile: f.Volatile, Data: p.Data, Attachments: p.Attachments}); err != nil {
			return err
		}
	}
	return a.MemoryAdapter.Broadcast(p, s, f)
}

func (a *busAdapter) BroadcastWithAck(ctx context.Context, p *socketio.Packet, s socketio.Selection, f socketio.Flags, count func(int), answer func(socketio.Args)) error {
	if !f.Local {
		m := busMessage{Kind: "broadcast with ack", Selection: s, Data: p.Data, Attachments: p.Attachments}
		err := a.ask(ctx, m, func(m busMessage) {
			if m.Kind == "count" {
				count(m.Count)
				return
			}
			if args, err := socketio.ParseArgs(m.Data, m.Attachments); err == nil {
				answer(args)
			}
		})
		if err != nil {
			return err
		}
	}
	return a.MemoryAdapter.BroadcastWithAck(ctx, p, s, f, count, answer)
}

func (a *busAdapter) FetchSockets(ctx context.Context, s socketio.Selection, f socketio.Flags) ([]socketio.RemoteSocket, error) {
	all, err := a.MemoryAdapter.FetchSockets(ctx, s, f)
	others, _ := a.ServerCount(ctx)
	if f.Local || err != nil || others == 1 {
		return all, err
	}
	came := make(chan []socketio.RemoteSocket, others)
	if err := a.ask(ctx, busMessage{Kind: "fetch", Selection: s}, func(m busMessage) { came <- m.Sockets }); err != nil {
		return nil, err
	}
	for range others - 1 {
		select {
		case more := <-came:
			all = append(all, more...)
		case <-ctx.Done():
			return all, context.Cause(ctx)
		}
	}
	return all, nil
}

// everywhere does something here and on the other servers.
func (a *busAdapter) everywhere(f socketio.Flags, m busMessage, here error) error {
	if f.Local {
		return here
	}
	return a.publish(m)
}

func (a *busAdapter) AddSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.everywhere(f, busMessage{Kind: "join", Selection: s, Rooms: rooms}, a.MemoryAdapter.AddSockets(s, f, rooms))
}

func (a *busAdapter) DelSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.everywhere(f, busMessage{Kind: "leave", Selection: s, Rooms: rooms}, a.MemoryAdapter.DelSockets(s, f, rooms))
}

func (a *busAdapter) DisconnectSockets(s socketio.Selection, f socketio.Flags, close bool) error {
	return a.everywhere(f, busMessage{Kind: "disconnect", Selection: s, Close: close}, a.MemoryAdapter.DisconnectSockets(s, f, close))
}

func (a *busAdapter) ServerSideEmit(ctx context.Context, args socketio.Args, answer func(socketio.Args)) error {
	data, attachments := args.Data()
	m := busMessage{Kind: "server event", Data: data, Attachments: attachments}
	if answer == nil {
		return a.publish(m)
	}
	return a.ask(ctx, m, func(m busMessage) {
		if args, err := socketio.ParseArgs(m.Data, m.Attachments); err == nil {
			answer(args)
		}
	})
}
