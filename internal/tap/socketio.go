package tap

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/trace"
)

// SocketIO follows the sessions of Engine.IO that pass, and the packets of
// Socket.IO in them. One session has many connections: polls, posts and a
// WebSocket, so one SocketIO belongs to all of them.
type SocketIO struct {
	tracer *trace.Tracer
	engine engine.Observer

	mu       sync.Mutex
	sessions map[string]*decoders
	attached int // bytes of attachments that wait

	captured *captured // nil: it passes now
}

// decoders are those of a session, by direction: attachments follow the packet
// that they belong to.
type decoders struct {
	out, in socketio.Decoder
	waits   [2]int // bytes of attachments, by direction
}

// mostAttached bounds the attachments of all sessions that wait for others of
// their packets, in bytes.
const mostAttached = 64 << 20

// maxSessions bounds the sessions that are followed at once.
const maxSessions = 10_000

// NewSocketIO returns one that reports to t.
func NewSocketIO(t *trace.Tracer) *SocketIO {
	s := &SocketIO{tracer: t, sessions: map[string]*decoders{}}
	s.engine.Tracer, s.engine.OnPacket = t, s.packet
	return s
}

// packet takes a packet of Engine.IO.
func (s *SocketIO) packet(p engine.Observed) {
	if p.Packet.Type == engine.Close {
		s.mu.Lock()
		s.drop(p.Session)
		s.mu.Unlock()
	}
	if p.Packet.Type != engine.Message || !s.tracer.On(trace.Connection) {
		return
	}
	s.mu.Lock()
	d := s.decoder(p)
	got, done, err := d.Add(socketio.Frame{Binary: p.Packet.Binary, Data: append([]byte{}, p.Packet.Data...)})
	if err != nil {
		s.drop(p.Session) // whoever reads it closes the connection
	}
	full := s.count(p, done)
	s.mu.Unlock()
	if full {
		s.tracer.Emit(p.Conn, trace.Note{Text: fmt.Sprintf("attachments of more than %d MiB wait for others: this session's packet is not put together", mostAttached>>20)})
	}
	switch {
	case err != nil:
		s.tracer.Emit(p.Conn, unreadable(p, err))
	case done:
		s.tracer.Emit(p.Conn, packetRecord(p, got))
	}
}

// drop forgets a session, under the lock.
func (s *SocketIO) drop(session string) {
	if d := s.sessions[session]; d != nil {
		s.attached -= d.waits[0] + d.waits[1]
		delete(s.sessions, session)
	}
}

// count counts what waits in a session, under the lock, and drops the session
// where that is too much.
func (s *SocketIO) count(p engine.Observed, done bool) (full bool) {
	d := s.sessions[p.Session]
	if d == nil {
		return false
	}
	waits := &d.waits[p.Dir&1]
	if s.attached -= *waits; done {
		*waits = 0
		return false
	}
	*waits += len(p.Packet.Data)
	if s.attached += *waits; s.attached <= mostAttached {
		return false
	}
	s.drop(p.Session)
	return true
}

// decoder is that of a session and a direction, under the lock.
func (s *SocketIO) decoder(p engine.Observed) socketio.Decoder {
	d := s.sessions[p.Session]
	if d == nil {
		for other := range s.sessions { // any of them: most have ended unseen
			if len(s.sessions) < maxSessions {
				break
			}
			s.drop(other)
		}
		d = &decoders{out: socketio.TextParser{}.NewDecoder(), in: socketio.TextParser{}.NewDecoder()}
		s.sessions[p.Session] = d
	}
	if p.Dir == trace.Out {
		return d.out
	}
	return d.in
}

// unreadable is a packet that is none.
func unreadable(p engine.Observed, err error) trace.Finding {
	fault := "server"
	if p.Dir == trace.Out {
		fault = "client"
	}
	return trace.Finding{
		Rule: "socketio-packet", Clause: "Socket.IO protocol v5, packet encoding", Binding: "MUST", Fault: fault,
		Summary: "The message is no packet of Socket.IO: " + err.Error() + ".", Came: fmt.Sprintf("%.80q", p.Packet.Data),
		Mend: "Whoever gets it closes the connection. Both sides need the same parser; more than 10 attachments are too many for the official one.",
	}
}

func packetRecord(p engine.Observed, got *socketio.Packet) trace.SIOPacket {
	e := trace.SIOPacket{
		Dir: p.Dir, Session: p.Session, Namespace: got.Namespace, Type: got.Type.String(), Attachments: len(got.Attachments),
		Size: len(got.Data), Payload: got.Data,
	}
	if e.Namespace == "" {
		e.Namespace = "/"
	}
	if got.Type == socketio.PacketEvent {
		e.EventName = eventName(got.Data)
	}
	if got.HasID {
		e.AckID = strconv.FormatUint(got.ID, 10)
	}
	for _, b := range got.Attachments {
		e.Size += len(b)
	}
	return e
}

// ofEngine reports whether the target of a request is an engine's.
func ofEngine(target string) bool {
	_, q, ok := strings.Cut(target, "?")
	if !ok || !strings.Contains(q, "EIO=") {
		return false
	}
	values, err := url.ParseQuery(q)
	return err == nil && values.Has("EIO")
}

// eventName is the first element of an event's array, as it is said.
func eventName(data []byte) string {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil || len(list) == 0 {
		return ""
	}
	var name string
	if json.Unmarshal(list[0], &name) != nil {
		return string(list[0])
	}
	return name
}
