package h2

import (
	"errors"
	"net"
	"sync"
	"time"
)

// limit is a deadline that can be set anew while somebody waits for it.
type limit struct {
	timer  *time.Timer
	turn   int // of the timer
	passed bool
}

// set sets the deadline, under the lock of whoever waits on c.
func (l *limit) set(c *sync.Cond, t time.Time) {
	l.stop()
	l.turn++
	l.passed = false
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		l.passed = true
		c.Broadcast()
	default:
		turn := l.turn
		l.timer = time.AfterFunc(left, func() { l.expire(c, turn) })
	}
}

// expire ends a limit, unless another one was set meanwhile.
func (l *limit) expire(c *sync.Cond, turn int) {
	c.L.Lock()
	defer c.L.Unlock()
	if l.turn == turn {
		l.passed = true
		c.Broadcast()
	}
}

func (l *limit) stop() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// SetDeadline implements [net.Conn].
func (st *Stream) SetDeadline(t time.Time) error {
	return errors.Join(st.SetReadDeadline(t), st.SetWriteDeadline(t))
}

// SetReadDeadline implements [net.Conn].
func (st *Stream) SetReadDeadline(t time.Time) error {
	return st.setLimit(&st.readLimit, st.readable, t)
}

// SetWriteDeadline implements [net.Conn].
func (st *Stream) SetWriteDeadline(t time.Time) error {
	return st.setLimit(&st.writeLimit, st.writable, t)
}

func (st *Stream) setLimit(l *limit, c *sync.Cond, t time.Time) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.closed {
		return st.failure("set", net.ErrClosed)
	}
	l.set(c, t)
	return nil
}
