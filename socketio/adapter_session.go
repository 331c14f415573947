package socketio

import (
	"encoding/json"
	"sync"
	"time"
)

// sessionAdapter is a memory adapter that keeps what sockets miss which are away
// for a short time (connection-state recovery).
type sessionAdapter struct {
	*MemoryAdapter
	limits Recovery

	// mu is held while an event is kept and sent, so that all sockets get events
	// in the order in which they are kept: what came last says what is missed.
	mu       sync.Mutex
	sessions map[string]keptSession // by secret id
	packets  []keptPacket
	bytes    int // of the packets
	sweeper  *time.Timer
}

type keptSession struct {
	LostSession
	at time.Time
}

type keptPacket struct {
	id        string
	at        time.Time
	data      json.RawMessage
	binary    [][]byte
	size      int
	selection Selection
}

const (
	defaultMaxAway      = 2 * time.Minute
	defaultMaxPackets   = 100000
	defaultMaxKeptBytes = 64 << 20
	defaultMaxSessions  = 100000
	sweepEvery          = time.Minute
)

func newSessionAdapter(n *Namespace) *sessionAdapter {
	r := *n.server.Recovery
	if r.MaxDisconnection <= 0 {
		r.MaxDisconnection = defaultMaxAway
	}
	r.MaxPackets = orDefault(r.MaxPackets, defaultMaxPackets)
	r.MaxBytes = orDefault(r.MaxBytes, defaultMaxKeptBytes)
	r.MaxSessions = orDefault(r.MaxSessions, defaultMaxSessions)
	return &sessionAdapter{MemoryAdapter: NewMemoryAdapter(n), limits: r, sessions: map[string]keptSession{}}
}

// Init implements [Adapter].
func (a *sessionAdapter) Init() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweeper = time.AfterFunc(sweepEvery, a.sweep)
	return nil
}

// Close implements [Adapter].
func (a *sessionAdapter) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sweeper != nil {
		a.sweeper.Stop()
		a.sweeper = nil
	}
	return nil
}

// sweep forgets what is too old.
func (a *sessionAdapter) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	oldest := time.Now().Add(-a.limits.MaxDisconnection)
	for pid, s := range a.sessions {
		if s.at.Before(oldest) {
			delete(a.sessions, pid)
		}
	}
	for len(a.packets) > 0 && a.packets[0].at.Before(oldest) {
		a.dropOldest()
	}
	if a.sweeper != nil {
		a.sweeper.Reset(sweepEvery)
	}
}

func (a *sessionAdapter) dropOldest() {
	a.bytes -= a.packets[0].size
	a.packets[0] = keptPacket{} // its memory goes before that of the list does
	if a.packets = a.packets[1:]; len(a.packets) == 0 {
		a.packets = nil
	}
}

// Broadcast implements [Adapter]: an event gets its offset as a last argument,
// as the official server has it.
func (a *sessionAdapter) Broadcast(p *Packet, s Selection, f Flags) error {
	if p.Type != PacketEvent || p.HasID || f.Volatile {
		return a.MemoryAdapter.Broadcast(p, s, f)
	}
	with := *p
	id := newID()
	with.Data = withOffset(p.Data, id)
	frames := a.namespace.server.encodeShared(&with)
	a.mu.Lock()
	a.keep(id, &with, s)
	sockets := a.selected(s)
	for _, socket := range sockets {
		socket.post(&with, &frames, f)
	}
	a.mu.Unlock()
	for _, socket := range sockets { // handlers may broadcast themselves
		socket.tellOutgoing(p)
	}
	return nil
}

// keep keeps an event for those who are away.
func (a *sessionAdapter) keep(id string, p *Packet, s Selection) {
	kept := keptPacket{id, time.Now(), p.Data, p.Attachments, len(p.Data), s}
	for _, b := range p.Attachments {
		kept.size += len(b)
	}
	a.packets = append(a.packets, kept)
	a.bytes += kept.size
	for len(a.packets) > a.limits.MaxPackets || a.bytes > a.limits.MaxBytes {
		a.dropOldest()
	}
}

// withOffset appends an argument to an event's data.
func withOffset(data []byte, id string) []byte {
	end := len(data) - 1
	with := append(make([]byte, 0, len(data)+len(id)+3), data[:end]...)
	return append(append(append(with, ',', '"'), id...), '"', ']')
}

// PersistSession implements [Adapter].
func (a *sessionAdapter) PersistSession(s *LostSession) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.sessions[s.PID]; known || len(a.sessions) < a.limits.MaxSessions {
		a.sessions[s.PID] = keptSession{*s, time.Now()}
	}
}

// RestoreSession implements [Adapter]. The session is kept: the client may be
// lost again before it knows.
func (a *sessionAdapter) RestoreSession(pid, offset string) (*LostSession, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[pid]
	if !ok {
		return nil, nil
	}
	if time.Since(s.at) > a.limits.MaxDisconnection {
		delete(a.sessions, pid)
		return nil, nil
	}
	missed, ok := a.since(offset, s.Rooms)
	if !ok {
		return nil, nil
	}
	lost := s.LostSession
	lost.Missed, lost.Offset = missed, offset
	return &lost, nil
}

// since returns the events behind an offset that are for a socket with these
// rooms. It reports false where the offset is not known any more.
func (a *sessionAdapter) since(offset string, rooms []string) (missed []MissedPacket, ok bool) {
	from := len(a.packets) - 1
	for from >= 0 && a.packets[from].id != offset { // most come back soon
		from--
	}
	if from < 0 {
		return nil, false
	}
	in := make(map[string]bool, len(rooms))
	for _, room := range rooms {
		in[room] = true
	}
	for _, p := range a.packets[from+1:] {
		if p.selection.Includes(in) {
			missed = append(missed, MissedPacket{p.data, p.binary, p.id})
		}
	}
	return missed, true
}

// Enter implements [RecoveringAdapter].
func (a *sessionAdapter) Enter(id string, rooms []string, lost *LostSession, become func() bool) (missed []MissedPacket, ok bool) {
	a.mu.Lock()
	if ok = become(); ok {
		a.add(id, rooms)
		if lost != nil {
			if missed, _ = a.since(lost.Offset, lost.Rooms); missed == nil {
				missed = lost.Missed
			}
		}
	}
	a.mu.Unlock()
	a.tell()
	return missed, ok
}

// Includes reports whether a socket with these rooms is selected.
func (s Selection) Includes(in map[string]bool) bool {
	for _, room := range s.Except {
		if in[room] {
			return false
		}
	}
	for _, room := range s.Rooms {
		if in[room] {
			return true
		}
	}
	return len(s.Rooms) == 0
}
