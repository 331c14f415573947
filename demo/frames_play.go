package demo

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// end is one end of an open WebSocket, and what it has put on the wire.
type end struct {
	*ws.Conn
	stage *Stage
	who   string
	wire  *wire
}

// wire keeps what is written.
type wire struct {
	net.Conn
	mu   sync.Mutex
	sent []byte
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.sent = append(w.sent, p...)
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// take returns what was written since it was asked last.
func (w *wire) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.sent
	w.sent = nil
	return taken
}

// talk says how a WebSocket is opened.
type talk struct {
	deflate *handshake.Deflate // offered and wished for; nil: no compression
	limits  ws.Limits          // of the server
	unseen  string             // whose frames are not shown, or both
}

// both are the two ends of a connection.
const both = "both"

// open opens a WebSocket. The opening handshake is known by now, and makes no
// records.
func (t talk) open(s *Stage, l *tcp.Listener) (client, server *end, err error) {
	c, v, err := s.speakers("client", "server", l)
	if err != nil {
		return nil, nil, err
	}
	request := handshake.Request{URL: "ws://" + l.Addr().String() + chatPath}
	if t.deflate != nil {
		request.Offers = []handshake.Deflate{*t.deflate}
	}
	agreed, err := c.upgrade(v, &request, &handshake.Acceptor{Deflate: t.deflate})
	if err != nil {
		return nil, nil, err
	}
	return t.end(s, c, ws.ClientRole, agreed), t.end(s, v, ws.ServerRole, agreed), nil
}

// upgrade makes an opening handshake with the other side.
func (p *speaker) upgrade(other *speaker, r *handshake.Request, a *handshake.Acceptor) (agreed handshake.Agreement, err error) {
	x := handshake.Exchange{}
	if x.Request, err = r.Head(); err != nil {
		return agreed, err
	}
	if err := p.quietly(x.Request, ""); err != nil {
		return agreed, err
	}
	came, err := other.request()
	if err != nil {
		return agreed, err
	}
	if err := other.reply(came, a, handshake.Bend{}, &handshake.Answer{}); err != nil {
		return agreed, err
	}
	if x.Response, err = p.response(); err != nil {
		return agreed, err
	}
	return handshake.CheckResponse(&x)
}

func (t talk) end(s *Stage, p *speaker, role ws.Role, agreed handshake.Agreement) *end {
	_ = p.conn.SetDeadline(time.Time{}) // each call has a limit of its own from here on
	w := &wire{Conn: p.conn}
	c := ws.Config{Role: role, Agreed: agreed, CompressFrom: 1, CloseTimeout: patience}
	if role == ws.ServerRole {
		c.Limits = t.limits
	}
	if t.unseen != both && t.unseen != p.who {
		c.Tracer = s.at(p.who, trace.Frame)
	}
	e := &end{Conn: ws.NewConn(w, c), stage: s, who: p.who, wire: w}
	s.Keep(closerFunc(e.CloseNow))
	return e
}

// says sends a message.
func (e *end) says(kind ws.MessageType, text string) error {
	ctx, cancel := context.WithTimeout(e.stage.ctx, patience)
	defer cancel()
	return e.Write(ctx, kind, []byte(text))
}

// sends sends a frame as it is.
func (e *end) sends(f ws.Frame) error {
	ctx, cancel := context.WithTimeout(e.stage.ctx, patience)
	defer cancel()
	return e.WriteFrame(ctx, f)
}

// hears waits for a message.
func (e *end) hears() (string, error) {
	ctx, cancel := context.WithTimeout(e.stage.ctx, patience)
	defer cancel()
	_, p, err := e.Read(ctx)
	return string(p), err
}

// bytes notes what this end has put on the wire since it was asked last.
func (e *end) bytes() []byte {
	b := e.wire.take()
	e.stage.Note(e.who, "on the wire: %s", spaced(b))
	return b
}

// spaced are bytes in hexadecimal digits.
func spaced(b []byte) string { return fmt.Sprintf("% x", b) }

// bits are those of a byte, in two halves.
func bits(b byte) string { return fmt.Sprintf("%04b %04b", b>>4, b&0xf) }

// exampleKey is the masking key of the examples in RFC 6455 section 5.7.
var exampleKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// masked is a client's frame, whose key is the RFC's.
func masked(op ws.Opcode, fin bool, text string) ws.Frame {
	return ws.Frame{Fin: fin, Opcode: op, Masked: true, Key: exampleKey, Payload: []byte(text)}
}

// closings are the close frames that who sent, or received.
func closings(list []entry, who string, way trace.Dir) []trace.WSClose {
	return slices.DeleteFunc(events[trace.WSClose](list, who), func(e trace.WSClose) bool { return e.Dir != way })
}

// messages are those that who sent, or received.
func messages(list []entry, who string, way trace.Dir) []trace.WSMessage {
	return slices.DeleteFunc(events[trace.WSMessage](list, who), func(e trace.WSMessage) bool { return e.Dir != way })
}

// heardOf is what a program is told of an end, in one line.
func heardOf(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
