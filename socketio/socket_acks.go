package socketio

import (
	"fmt"
	"time"
)

// acknowledged gives an acknowledgement to who waits for it; one that nobody
// waits for is ignored, and so is one without a number. It never waits behind a
// handler.
func (s *Socket) acknowledged(p *Packet) {
	if !p.HasID {
		return
	}
	if w, ok := s.takeWaiting(p.ID); ok {
		w.f(nil, Args{splitArray(nil, p.Data), p.Attachments})
	}
}

// expect registers who waits for an acknowledgement, unless too many do already;
// most is 0 where any number may.
func (s *Socket) expect(id uint64, f func(error, Args), limit time.Duration, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if beyond(len(s.waiting)+1, most) {
		return fmt.Errorf("%w: %d acknowledgements of one socket are waited for (MaxAcks)", ErrLimit, most)
	}
	if s.waiting == nil {
		s.waiting = map[uint64]waitingAck{}
	}
	w := waitingAck{f: f}
	if limit > 0 {
		w.timer = time.AfterFunc(limit, func() {
			if s.forget(id) {
				f(ErrTimeout, Args{})
			}
		})
	}
	s.waiting[id] = w
	return nil
}

// forget drops it again; it reports whether it still waited.
func (s *Socket) forget(id uint64) bool {
	_, waited := s.takeWaiting(id)
	return waited
}

func (s *Socket) takeWaiting(id uint64) (w waitingAck, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok = s.waiting[id]
	delete(s.waiting, id)
	if w.timer != nil {
		w.timer.Stop()
	}
	return w, ok
}

// abandon tells those who wait that the socket has ended.
func abandon(waiting map[uint64]waitingAck) {
	for _, w := range waiting {
		if w.timer != nil {
			w.timer.Stop()
		}
		w.f(errDisconnected, Args{})
	}
}

func (s *Socket) sendAck(id uint64, args []any) error {
	room := headRoom(s.namespace.name)
	buf, attachments, err := encodeArgsBehind(room, args)
	if err != nil {
		err = fmt.Errorf("socketio: acknowledgement: %w", err)
		s.namespace.server.handlerError(s, "acknowledgement", err)
		return err
	}
	s.sendInPlace(&Packet{Type: PacketAck, Namespace: s.namespace.name, ID: id, HasID: true, Attachments: attachments}, buf, room, Flags{})
	return nil
}
