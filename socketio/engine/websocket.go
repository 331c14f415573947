package engine

import (
	"github.com/sockkit/sockkit/ws"
)

// socket is the transport over WebSocket.
type socket struct {
	session *Session
	peer    *ws.Peer
	closed  bool // under the session's lock
}

func (t *socket) name() string   { return "websocket" }
func (t *socket) writable() bool { return !t.closed }
func (t *socket) idle() bool     { return !t.closed && t.peer.Queued() == 0 }
func (t *socket) left()          {}
func (t *socket) discard()       {}

// send hands packets to the peer, whose queue is bounded: one that does not read
// is ended, and says so by OnClose.
func (t *socket) send(packets []Packet) {
	var text []byte
	for i := range packets {
		p := &packets[i]
		switch {
		case !p.Binary:
			text = p.AppendText(text[:0])
			_ = t.peer.Write(ws.Text, text)
		case t.session.protocol == 3:
			text = append(append(text[:0], byte(Message)), p.Data...)
			_ = t.peer.Write(ws.Binary, text)
		default:
			_ = t.peer.Write(ws.Binary, p.Data)
		}
	}
}

func (t *socket) close(now bool) bool {
	if !t.closed {
		t.closed = true
		t.peer.Close(ws.StatusNoStatus, "")
	}
	return now
}

// took takes a message of the peer.
func (t *socket) took(kind ws.MessageType, b []byte) {
	p, err := t.parse(kind, b)
	if err != nil {
		t.session.failed(t, ReasonParseError, err.Error())
		return
	}
	if t.session.current() != transport(t) {
		t.session.probe(t, p)
		return
	}
	t.session.packet(t, p)
}

func (t *socket) parse(kind ws.MessageType, b []byte) (Packet, error) {
	switch {
	case kind == ws.Text && t.session.protocol == 3:
		return parseText3(b)
	case kind == ws.Text:
		return ParseText(b)
	case t.session.protocol == 3:
		return parseBinary3(b)
	}
	return Packet{Type: Message, Data: b, Binary: true}, nil
}

// ended says that the peer has gone.
func (t *socket) ended(err error) {
	reason := ReasonTransportClose
	if ws.CloseStatus(err) == ws.StatusAbnormal {
		reason = ReasonTransportClose // as the official server, which hears of the end only
	}
	description := ""
	if err != nil {
		description = err.Error()
	}
	t.session.failed(t, reason, description)
}
