package admin

import (
	"encoding/json"
	"sync"

	"github.com/sockkit/sockkit/socketio"
)

// outbox sends events to pages in order, from a goroutine that exists while there
// are some: whoever makes them does not wait for an adapter.
type outbox struct {
	send func(message)

	mu      sync.Mutex
	waiting []message
	bytes   int
	lost    int // since it was full
	running bool
	closed  bool
}

// message is an event for one page, or for all.
type message struct {
	to    *socketio.Socket // nil is all
	event string
	args  []any
}

// What may wait; of more the newest is dropped.
const (
	mostMessages = 20000
	mostBytes    = 32 << 20
)

func (m message) size() int {
	n := 64
	for _, arg := range m.args {
		switch arg := arg.(type) {
		case json.RawMessage:
			n += len(arg)
		case *socketView:
			n += len(arg.Handshake) + len(arg.Data)
		}
	}
	return n
}

func (o *outbox) add(m message) {
	size := m.size()
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return
	case len(o.waiting) >= mostMessages || o.bytes+size > mostBytes && len(o.waiting) > 0:
		o.lost++
		return
	}
	o.waiting = append(o.waiting, m)
	o.bytes += size
	if !o.running {
		o.running = true
		go o.run()
	}
}

func (o *outbox) run() {
	for batch := o.take(); len(batch) > 0; batch = o.take() {
		for _, m := range batch {
			o.send(m)
		}
	}
}

func (o *outbox) take() []message {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.waiting
	o.waiting, o.bytes = nil, 0
	if o.running = len(batch) > 0 && !o.closed; !o.running {
		return nil
	}
	return batch
}

// takeLost is how many events were dropped since the last call.
func (o *outbox) takeLost() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.lost
	o.lost = 0
	return n
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.waiting = true, nil
}
