package socketio

import "time"

// connect makes a socket in a namespace.
func (c *conn) connect(a *admission) {
	var s *Socket
	for added := false; !added; { // again where the namespace was dropped meanwhile
		n := c.server.namespaceFor(a.name, a.auth)
		if n == nil {
			c.refuse(a.name, &Error{Message: "Invalid namespace"}, true)
			return
		}
		s = c.newSocket(n, a.auth)
		added = n.add(s)
	}
	c.mu.Lock()
	gone := c.closed || c.pending[a.name] != a
	a.socket = s
	c.mu.Unlock()
	if gone {
		s.left()
		return
	}
	if s.lost != nil {
		s.namespace.adapter.AddAll(s.id, s.lost.Rooms) // for middlewares to see
	}
	s.namespace.admit(s)
}

func (c *conn) newSocket(n *Namespace, auth map[string]any) *Socket {
	s := &Socket{namespace: n, conn: c, made: time.Now().UnixNano()}
	s.events.crew = &c.server.crew
	s.events.hold()
	if c.server.Recovery != nil {
		s.pid = newID()
		c.recover(s, auth)
	}
	if len(auth) > 0 {
		s.auth = auth
	}
	if s.id == "" {
		s.id = newID()
		if c.session.Protocol() == 3 {
			s.id = c.session.ID()
			if n.name != "/" {
				s.id = n.name + "#" + s.id
			}
		}
	}
	return s
}

// recover has a socket come back as it was, where that is possible.
func (c *conn) recover(s *Socket, auth map[string]any) {
	pid, _ := auth["pid"].(string)
	offset, _ := auth["offset"].(string)
	if pid == "" || offset == "" {
		return
	}
	lost := s.namespace.restore(pid, offset)
	if lost == nil {
		return
	}
	if old := s.namespace.Socket(lost.SID); old != nil && old.conn != c {
		// Its connection is dead, and nobody knows yet.
		old.conn.end(ReasonTransportClose, "the client has come back over another connection")
		if lost = s.namespace.restore(pid, offset); lost == nil {
			return
		}
	}
	s.id, s.pid, s.recovered = lost.SID, lost.PID, true
	s.data, s.lost = lost.Data, lost
}

func (n *Namespace) restore(pid, offset string) *LostSession {
	lost, err := n.adapter.RestoreSession(pid, offset)
	if err != nil {
		n.AdapterError(err)
		return nil
	}
	return lost
}
