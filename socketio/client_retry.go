package socketio

import "slices"

// retried is an event that is sent until it is acknowledged. Those of a client
// form a queue, of which only the first is on its way: so they keep their order,
// and each arrives at least once.
type retried struct {
	packet *Packet
	answer func(error, Args) // nil where nobody waits
	flags  Flags
	tries  int
	away   bool // sent, and neither acknowledged nor failed
}

// enqueue puts an event at the end of the queue. Forget takes it off again.
func (c *Client) enqueue(p *Packet, answer func(error, Args), f Flags) (forget func(), err error) {
	if most := c.manager.options.maxBuffered(); most > 0 && len(c.queue) >= most {
		return nil, ErrBufferFull
	}
	q := &retried{packet: p, answer: answer, flags: f}
	c.queue = append(c.queue, q)
	c.resend(false)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dequeue(q)
		c.resend(false)
	}, nil
}

// dequeue takes an event off the queue; it reports whether it was the first.
func (c *Client) dequeue(q *retried) (first bool) {
	i := slices.Index(c.queue, q)
	if i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
	}
	return i == 0
}

// resend sends the first event of the queue. With force it does so although that
// was sent already: by a connection that was lost.
func (c *Client) resend(force bool) {
	if !c.connected || len(c.queue) == 0 || c.queue[0].away && !force {
		return
	}
	q := c.queue[0]
	q.away = true
	q.tries++
	p := *q.packet // each try has a number of its own
	_ = c.transmit(&p, func(err error, a Args) { c.tried(q, err, a) }, q.flags)
}

// tried is the outcome of a try.
func (c *Client) tried(q *retried, err error, a Args) {
	c.mu.Lock()
	if len(c.queue) == 0 || c.queue[0] != q {
		c.mu.Unlock()
		return // it was acknowledged by an earlier try, or given up
	}
	q.away = false
	over := err == nil || q.tries > c.manager.options.Retries
	if over {
		c.dequeue(q)
	}
	c.resend(false)
	c.mu.Unlock()
	if over && q.answer != nil {
		q.answer(err, a)
	}
}
