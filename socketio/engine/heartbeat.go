package engine

import "time"

// schedulePing has a ping sent after the interval.
func (s *Session) schedulePing() {
	s.awaiting, s.refreshed = false, false
	s.wake(s.srv.pingInterval())
}

// startTimeout ends the session where nothing that shows life comes in time.
func (s *Session) startTimeout(d time.Duration) { s.wake(d) }

// wake has beaten be called after a time. A ping and its pong are never waited for
// at once, so that one timer does.
func (s *Session) wake(d time.Duration) {
	s.due = time.Now().Add(d)
	if s.beat == nil {
		s.beat = time.AfterFunc(d, s.beaten)
		return
	}
	s.beat.Reset(d)
}

func (s *Session) beaten() {
	s.mu.Lock()
	var after func()
	switch {
	case s.state != stateOpen || time.Now().Before(s.due): // it was put off meanwhile
	case s.awaiting || s.protocol == 3:
		after = s.end(ReasonPingTimeout, "")
	default:
		after = s.ping()
	}
	s.mu.Unlock()
	call(after)
}

func (s *Session) ping() func() {
	s.push(Packet{Type: Ping})
	s.awaiting = true
	s.startTimeout(s.srv.pingTimeout())
	return s.flush()
}
