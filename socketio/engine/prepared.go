package engine

import (
	"sync"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// Prepared are packets that belong together, for many sessions: what goes over
// WebSockets is encoded once for all of them, and compressed once for each set of
// parameters.
type Prepared struct {
	packets  []Packet
	once     sync.Once
	messages []*ws.Prepared // of protocol 4
}

// Prepare returns packets to be sent to many by [Session.SendPrepared]. Neither
// they nor their data may change any more.
func Prepare(packets ...Packet) *Prepared { return &Prepared{packets: packets} }

// SendPrepared is [Session.SendPackets] for packets that were prepared.
func (s *Session) SendPrepared(p *Prepared) {
	s.mu.Lock()
	if t := s.direct(); t != nil && s.protocol == 4 && !t.base64 {
		t.sendPrepared(p)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.SendPackets(p.packets...)
}

// sendPrepared is send.
func (t *socket) sendPrepared(p *Prepared) {
	t.session.record(t.peer.ID(), trace.Out, t.name(), p.packets...)
	p.once.Do(p.encode)
	for _, m := range p.messages {
		_ = t.peer.WritePrepared(m)
	}
}

func (p *Prepared) encode() {
	for i := range p.packets {
		kind, message := p.packets[i].message(nil, 4, false)
		p.messages = append(p.messages, ws.Prepare(kind, message))
	}
}
