package engine

import "time"

// schedulePing has a ping sent after the interval.
func (s *Session) schedulePing() {
	if s.timeout != nil {
		s.timeout.Stop()
	}
	s.awaiting, s.refreshed = false, false
	if s.interval == nil {
		s.interval = time.AfterFunc(s.srv.pingInterval(), s.ping)
		return
	}
	s.interval.Reset(s.srv.pingInterval())
}

func (s *Session) ping() {
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return
	}
	s.push(Packet{Type: Ping})
	s.awaiting = true
	s.startTimeout(s.srv.pingTimeout())
	after := s.flush()
	s.mu.Unlock()
	call(after)
}

// startTimeout ends the session where nothing that shows life comes in time.
func (s *Session) startTimeout(d time.Duration) {
	s.deadline = time.Now().Add(d)
	if s.timeout == nil {
		s.timeout = time.AfterFunc(d, s.timedOut)
		return
	}
	s.timeout.Reset(d)
}

func (s *Session) timedOut() {
	s.mu.Lock()
	var after func()
	early := time.Now().Before(s.deadline) || s.protocol != 3 && !s.awaiting // it was put off meanwhile
	if s.state == stateOpen && !early {
		after = s.end(ReasonPingTimeout, "")
	}
	s.mu.Unlock()
	call(after)
}
