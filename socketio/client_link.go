package socketio

import (
	"context"
	"sync"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// link is one session of the engine, seen from a manager.
type link struct {
	manager *Manager
	engine  *engine.Client
	decoder Decoder
	ready   chan struct{} // closed once the manager knows of it: nothing is handled before
	ctx     context.Context
	cancel  context.CancelFunc

	mu          sync.Mutex
	over        bool
	reason      string
	description string
}

func (m *Manager) newLink() *link {
	l := &link{manager: m, decoder: m.options.parser().NewDecoder(), ready: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// events are what the engine calls back.
func (l *link) events() engine.Events {
	h := &l.manager.hooks
	return engine.Events{
		OnMessage: l.message,
		OnPacket: func(p engine.Packet) {
			<-l.ready
			if p.Type == engine.Ping {
				fire(h, &h.ping, func(f func()) { f() })
			}
		},
		OnUpgrade: func(name string, err error) {
			<-l.ready
			fire(h, &h.upgrade, func(f func(string, error)) { f(name, err) })
		},
		OnClose: func(reason, description string) {
			<-l.ready
			l.end(reason, description)
		},
	}
}

// message takes what the server sends.
func (l *link) message(data []byte, binary bool) {
	<-l.ready
	if l.ctx.Err() != nil {
		return
	}
	p, done, err := l.decoder.Add(Frame{Binary: binary, Data: data})
	switch {
	case err != nil:
		l.fail(ReasonParseError, err.Error())
	case done:
		l.record(trace.In, p)
		if c := l.manager.client(p.Namespace); c != nil {
			c.packet(l, p)
		}
	}
}

// fail ends the session for a reason of the client's.
func (l *link) fail(reason, description string) {
	l.end(reason, description)
	l.engine.Close()
}

// end is the end of the session; the first reason counts.
func (l *link) end(reason, description string) {
	l.mu.Lock()
	if !l.over {
		l.over, l.reason, l.description = true, reason, description
	}
	l.mu.Unlock()
	l.cancel()
}

// why is what the session ended for.
func (l *link) why() (reason, description string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason, l.description
}

// send sends a packet. It reports false where the session has ended.
func (l *link) send(p *Packet, f Flags) bool {
	frames := l.manager.encoder.Encode(p)
	packets := make([]engine.Packet, len(frames))
	for i, frame := range frames {
		packets[i] = engine.Packet{Type: engine.Message, Data: frame.Data, Binary: frame.Binary, NoCompress: f.NoCompress}
	}
	if l.ctx.Err() != nil {
		return false
	}
	l.record(trace.Out, p)
	return l.engine.SendPackets(packets...)
}

// record reports a packet that passes. Without a tracer it costs nothing.
func (l *link) record(dir trace.Dir, p *Packet) {
	if t := l.manager.options.Tracer; t.On(trace.Message) {
		recordPacket(t, dir, l.engine.ID(), p)
	}
}
