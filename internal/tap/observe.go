package tap

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/sockkit/sockkit/ws"
)

// observed is the target of a connection that speaks WebSocket at both ends.
// What passes is read along, into the trace of the target, and neither changed
// nor held back: first the heads of the opening handshake, then frames. Where
// it turns out to be something else that is said, and the pieces are shown as
// those of any stream.
type observed struct {
	watched

	mu      sync.Mutex // the heads' alone
	opening opening
	frames  atomic.Pointer[ws.Observer]
	ends    [2]sync.Once // by role
}

// observe has what passes through the target followed, where a tracer wants to
// hear of it. Both ends' pieces are not recorded as such any more.
func observe(client, target net.Conn, limits ws.Limits) net.Conn {
	w, ok := watch(client, target)
	if !ok {
		return target
	}
	o := &observed{watched: w}
	o.by = o
	o.opening = opening{tracer: o.tracer, id: o.id, limits: limits}
	return o
}

// feed follows what one end sent. Once frames pass no lock is needed: each
// direction has a goroutine and a decoder of its own.
func (o *observed) feed(from ws.Role, b []byte) {
	if o.fed(from, b) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fed(from, b) {
		return
	}
	if frames := o.opening.feed(from, b); frames != nil {
		o.frames.Store(frames)
	}
}

// fed hands bytes to the decoder of frames, once there is one.
func (o *observed) fed(from ws.Role, b []byte) bool {
	frames := o.frames.Load()
	if frames != nil && !(from == ws.ClientRole && o.opening.lost) {
		frames.Feed(from, b)
	}
	return frames != nil
}

// end says that one end has sent all it will.
func (o *observed) end(from ws.Role) {
	o.ends[from].Do(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		switch frames := o.frames.Load(); {
		case frames == nil:
			o.opening.end(from)
		case o.opening.good && !(from == ws.ClientRole && o.opening.lost):
			frames.End(from)
		}
	})
}
