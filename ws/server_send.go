package ws

import (
	"net"
	"sync"

	"github.com/sockkit/sockkit/trace"
)

// Write sends a message, and never waits: what the socket does not take at once
// is queued. It fails with [tcp.ErrQueueFull] or [tcp.ErrSlowPeer] by
// [tcp.Server.Overflow], and with a [*CloseError] behind the end. A text has to
// be UTF-8; that is not checked.
func (p *Peer) Write(t MessageType, payload []byte) error {
	if !isMessage(t) {
		return errNoMessage
	}
	h := Header{Fin: true, Opcode: t}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		return err
	}
	body := payload
	enc := p.encoder()
	if packed := enc.compress(payload); packed != nil {
		defer putBuffer(packed)
		h.RSV, body = rsv1, packed
	}
	if r := p.report(); r.on(trace.Message) {
		r.message(trace.Out, &Event{Type: t, Payload: payload, Frames: 1, Wire: int64(len(body)), Compressed: h.RSV != 0})
	}
	err := p.send(&h, body)
	if err != nil && h.RSV != 0 && enc.deflate.takeover { // the peer lacks what the context has
		p.tcp.Abort(err)
	}
	if err == nil {
		p.out.Add(1)
	}
	return err
}

// WritePrepared is Write for a message that was encoded before.
func (p *Peer) WritePrepared(m *Prepared) error {
	if p.report().on(trace.Message) {
		return p.Write(m.kind, m.payload)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		return err
	}
	enc := p.encoder()
	_, err := p.tcp.Write(m.frame(&enc))
	if err == nil {
		p.out.Add(1)
	}
	return err
}

func (p *Peer) refusal() error {
	if k := p.ended(); k.sent || k.received || p.gone {
		return &CloseError{Code: k.code, Reason: k.reason, Local: k.local}
	}
	return nil
}

// pieces are a frame's header and its payload, pooled.
type pieces struct {
	head [maxHeaderSize]byte
	list [2][]byte
}

var piecesPool = sync.Pool{New: func() any { return &pieces{} }}

// send sends a frame under the lock.
func (p *Peer) send(h *Header, payload []byte) error {
	q := piecesPool.Get().(*pieces)
	defer piecesPool.Put(q)
	h.Length = int64(len(payload))
	head := h.AppendTo(q.head[:0])
	h.Size = len(head)
	p.report().frame(trace.Out, h, h.RSV&rsv1 != 0)
	q.list = [2][]byte{head, payload}
	_, err := p.tcp.Writev(q.list[:]...)
	q.list = [2][]byte{}
	return err
}

// control sends a ping or a pong.
func (p *Peer) control(op Opcode, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closeSent() || p.gone {
		return net.ErrClosed
	}
	p.report().ping(trace.Out, op == OpPong, payload, 0)
	h := Header{Fin: true, Opcode: op}
	return p.send(&h, payload)
}
