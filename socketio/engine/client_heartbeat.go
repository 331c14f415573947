package engine

import "time"

// begin starts the heartbeat.
func (c *Client) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialer.protocol() == 3 {
		c.timeout = time.AfterFunc(c.interval(), c.pingNow)
		return
	}
	c.deadline = time.Now().Add(c.patience())
	c.timeout = time.AfterFunc(c.patience(), c.timedOut)
}

func (c *Client) interval() time.Duration {
	return time.Duration(c.opening.PingInterval) * time.Millisecond
}

// patience is how long the server may say nothing.
func (c *Client) patience() time.Duration {
	return c.interval() + time.Duration(c.opening.PingTimeout)*time.Millisecond
}

// pingNow is the heartbeat of protocol 3, which is the client's.
func (c *Client) pingNow() {
	c.SendPackets(Packet{Type: Ping})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	wait := time.Duration(c.opening.PingTimeout) * time.Millisecond
	c.deadline = time.Now().Add(wait)
	c.timeout = time.AfterFunc(wait, c.timedOut)
}

// timedOut ends the session of a server that says nothing.
func (c *Client) timedOut() {
	c.mu.Lock()
	early := !c.expired && time.Now().Before(c.deadline) // a ping came meanwhile
	c.mu.Unlock()
	if !early {
		c.end(ReasonPingTimeout, "")
	}
}

// Expired reports whether a ping of the server is overdue by the clock on the
// wall. Timers come late where the machine has slept; the session ends then
// ("ping timeout"), and what was to be sent had better wait for the next one.
func (c *Client) Expired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.expired {
		return c.expired
	}
	c.expired = !c.deadline.IsZero() && time.Now().Round(0).After(c.deadline.Round(0))
	if c.expired && c.timeout != nil {
		c.deadline = time.Time{} // whatever the timer's clock says
		c.timeout.Reset(0)
	}
	return c.expired
}

// alive takes what shows that the server is there, under the lock.
func (c *Client) alive(t PacketType) {
	switch three := c.dialer.protocol() == 3; {
	case three && t == Pong:
		c.timeout.Stop()
		c.timeout = time.AfterFunc(c.interval(), c.pingNow)
	case !three && t == Ping && !c.expired:
		c.deadline = time.Now().Add(c.patience())
		c.timeout.Reset(c.patience())
	}
}
