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
	maxAway time.Duration
	most    int

	mu       sync.Mutex
	sessions map[string]keptSession
	packets  []keptPacket
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
	selection Selection
}

const (
	defaultMaxAway    = 2 * time.Minute
	defaultMaxPackets = 100000
	sweepEvery        = time.Minute
)

func newSessionAdapter(n *Namespace) *sessionAdapter {
	a := &sessionAdapter{MemoryAdapter: NewMemoryAdapter(n), sessions: map[string]keptSession{}, maxAway: defaultMaxAway, most: defaultMaxPackets}
	if r := n.server.Recovery; r.MaxDisconnection > 0 {
		a.maxAway = r.MaxDisconnection
	}
	if r := n.server.Recovery; r.MaxPackets > 0 {
		a.most = r.MaxPackets
	}
	return a
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
	oldest := time.Now().Add(-a.maxAway)
	for pid, s := range a.sessions {
		if s.at.Before(oldest) {
			delete(a.sessions, pid)
		}
	}
	n := 0
	for n < len(a.packets) && a.packets[n].at.Before(oldest) {
		n++
	}
	a.packets = append([]keptPacket(nil), a.packets[n:]...)
	if a.sweeper != nil {
		a.sweeper.Reset(sweepEvery)
	}
}

// Broadcast implements [Adapter]: an event gets its offset as a last argument,
// as the official server has it.
func (a *sessionAdapter) Broadcast(p *Packet, s Selection, f Flags) error {
	if p.Type != PacketEvent || p.HasID || f.Volatile {
		return a.MemoryAdapter.Broadcast(p, s, f)
	}
	id := newID()
	with := *p
	with.Data = withOffset(p.Data, id)
	a.mu.Lock()
	a.packets = append(a.packets, keptPacket{id, time.Now(), with.Data, p.Attachments, s})
	if len(a.packets) > a.most {
		a.packets = append([]keptPacket(nil), a.packets[len(a.packets)-a.most:]...)
	}
	a.mu.Unlock()
	return a.MemoryAdapter.Broadcast(&with, s, f)
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
	a.sessions[s.PID] = keptSession{*s, time.Now()}
}

// RestoreSession implements [Adapter].
func (a *sessionAdapter) RestoreSession(pid, offset string) (*LostSession, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sessions[pid]
	if !ok {
		return nil, nil
	}
	if time.Since(s.at) > a.maxAway {
		delete(a.sessions, pid)
		return nil, nil
	}
	from := -1
	for i := range a.packets {
		if a.packets[i].id == offset {
			from = i + 1
		}
	}
	if from < 0 {
		return nil, nil
	}
	lost := s.LostSession
	for _, p := range a.packets[from:] {
		if p.selection.includes(s.Rooms) {
			lost.Missed = append(lost.Missed, MissedPacket{p.data, p.binary})
		}
	}
	return &lost, nil
}

// includes reports whether a socket with these rooms is selected.
func (s Selection) includes(rooms []string) bool {
	in := map[string]bool{}
	for _, room := range rooms {
		in[room] = true
	}
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
