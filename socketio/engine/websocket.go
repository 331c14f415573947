package engine

import (
	"errors"
	"sync"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// socket is the transport over WebSocket.
type socket struct {
	session *Session
	peer    *ws.Peer
	base64  bool // the client takes no binary frames (b64)
	closed  bool // under the session's lock
}

func newSocket(session *Session, peer *ws.Peer, q query) *socket {
	return &socket{session: session, peer: peer, base64: q.get("b64") != ""}
}

func (t *socket) name() string   { return "websocket" }
func (t *socket) writable() bool { return !t.closed }
func (t *socket) idle() bool     { return !t.closed && t.peer.Queued() == 0 }
func (t *socket) left()          {}
func (t *socket) discard()       {}

// scratch are buffers for messages on their way to a peer, which copies them.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// putScratch gives back what a message stood in, or what it has outgrown.
func putScratch(b *[]byte, used []byte) {
	if used != nil && cap(used) <= maxScratch {
		*b = used[:0]
	}
	scratch.Put(b)
}

// maxScratch is the size from which on a buffer is not kept.
const maxScratch = 64 << 10

// send hands packets to the peer, whose queue is bounded: one that does not read
// is ended, and says so by OnClose.
func (t *socket) send(packets []Packet) (kept bool) {
	t.session.record(t.peer.ID(), trace.Out, t.name(), packets...)
	b := scratch.Get().(*[]byte)
	for i := range packets {
		kind, message := packets[i].message((*b)[:0], t.session.protocol, t.base64)
		_ = t.peer.Write(kind, message)
		if kind == ws.Text && cap(message) <= maxScratch {
			*b = message
		}
	}
	scratch.Put(b)
	return false
}

// message is a packet as a message of a WebSocket. It is appended to b, unless
// it is the packet's data as they stand.
func (p *Packet) message(b []byte, protocol int, base64 bool) (ws.MessageType, []byte) {
	switch {
	case !p.Binary:
		return ws.Text, p.AppendText(b)
	case base64 && protocol == 3:
		return ws.Text, p.appendText3(b)
	case base64:
		return ws.Text, p.AppendText(b)
	case protocol == 3:
		return ws.Binary, append(append(b, byte(p.Type)), p.Data...)
	}
	return ws.Binary, p.Data
}

// parseMessage reads a packet out of a message of a WebSocket.
func parseMessage(kind ws.MessageType, b []byte, protocol int) (Packet, error) {
	switch {
	case kind == ws.Text && protocol == 3:
		return parseText3(b)
	case kind == ws.Text:
		return ParseText(b)
	case protocol == 3:
		return parseBinary3(b)
	}
	return Packet{Type: Message, Data: b, Binary: true}, nil
}

// close begins the close handshake, which does not hold the session up.
func (t *socket) close(bool) bool {
	if !t.closed {
		t.closed = true
		t.peer.Close(ws.StatusNoStatus, "")
	}
	return true
}

// took takes a message of the peer.
func (t *socket) took(kind ws.MessageType, b []byte) {
	p, err := parseMessage(kind, b, t.session.protocol)
	if err != nil {
		t.session.failed(t, ReasonParseError, err.Error())
		return
	}
	t.session.record(t.peer.ID(), trace.In, t.name(), p)
	if t.session.current() != transport(t) {
		t.session.probe(t, p)
		return
	}
	t.session.packet(t, p)
}

// tookAll says that took has been called for all that one read has brought.
func (t *socket) tookAll() {
	if f := t.session.OnRead; f != nil {
		f()
	}
}

// ended says that the peer has gone. A rule that it broke is an error, as is a
// queue that it does not empty; else the official server hears of the end only.
func (t *socket) ended(err error) {
	reason, description := ReasonTransportClose, ""
	var broken *ws.Violation
	switch {
	case errors.Is(err, tcp.ErrSlowPeer):
		reason, description = ReasonTransportError, tooSlow
	case errors.As(err, &broken):
		reason, description = ReasonTransportError, broken.Error()
	case err != nil:
		description = err.Error()
	}
	t.session.failed(t, reason, description)
}
