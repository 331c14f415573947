package engine

import "time"

// upgrade is a session's move to another transport, while it is under way.
type upgrade struct {
	to    transport
	timer *time.Timer // ends it
	nudge *time.Timer // has a poll that waits come back; nil before the probe
}

// nudgeEvery is how often a poll is answered with a noop while the client waits
// for it to come back (the official server's 100 ms).
const nudgeEvery = 100 * time.Millisecond

// beginUpgrade takes a transport that a client wants to move to. It reports
// false where there is one already, or was.
func (s *Session) beginUpgrade(t transport) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || s.upgraded || s.upgrade != nil {
		return false
	}
	u := &upgrade{to: t}
	s.upgrade = u
	u.timer = time.AfterFunc(s.srv.upgradeTimeout(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.upgrade == u {
			s.dropUpgrade()
		}
	})
	return true
}

// dropUpgrade gives it up: the session goes on as it was.
func (s *Session) dropUpgrade() {
	u := s.upgrade
	if u == nil {
		return
	}
	s.upgrade = nil
	u.stop()
	u.to.close(true)
}

func (u *upgrade) stop() {
	u.timer.Stop()
	if u.nudge != nil {
		u.nudge.Stop()
	}
}

// probe takes a packet of a transport that is not the session's yet. It reports
// whether it is from now on.
func (s *Session) probe(t transport, p Packet) (moved bool) {
	s.mu.Lock()
	u := s.upgrade
	var after func()
	switch {
	case u == nil || u.to != t:
		s.mu.Unlock()
		return false
	case p.Type == Ping && string(p.Data) == "probe":
		t.send([]Packet{{Type: Pong, Data: []byte("probe")}})
		if u.nudge == nil {
			u.nudge = time.AfterFunc(nudgeEvery, func() { s.nudgePoll(u) })
		}
	case p.Type == Upgrade && s.state != stateClosed: // the official server needs no probe
		after = s.move(u)
		moved = true
	default:
		s.dropUpgrade()
	}
	s.mu.Unlock()
	call(after)
	return moved
}

// nudgePoll answers a poll that waits, so that the client can pause polling.
func (s *Session) nudgePoll(u *upgrade) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upgrade != u {
		return
	}
	if s.transport.writable() && len(s.buffer) == 0 {
		s.transport.send([]Packet{{Type: Noop}})
	}
	u.nudge.Reset(nudgeEvery)
}

// move makes the other transport the session's.
func (s *Session) move(u *upgrade) func() {
	u.stop()
	s.upgrade = nil
	old := s.transport
	s.transport, s.upgraded = u.to, true
	old.discard()
	after := s.flush()
	var end func()
	if s.state == stateClosing && len(s.buffer) == 0 {
		end = s.closeTransport(false)
	}
	name, onUpgrade := u.to.name(), s.OnUpgrade
	return func() {
		if onUpgrade != nil {
			onUpgrade(name)
		}
		call(after)
		call(end)
	}
}
