package socketio

import (
	"context"
	"errors"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// keep opens the connection, and opens it again, until nobody wants it any more
// or it is given up.
func (m *Manager) keep(r *activity) {
	defer close(r.done)
	defer r.cancel()
	wait := newBackoff(&m.options)
	for {
		err := m.once(r, wait)
		if r.ctx.Err() != nil {
			return
		}
		if m.options.NoReconnection || m.options.ReconnectionAttempts > 0 && wait.attempts >= m.options.ReconnectionAttempts {
			m.giveUp(r, err)
			return
		}
		if !sleep(r.ctx, wait.next()) {
			return
		}
		fire(&m.hooks, &m.hooks.reconnectAttempt, func(f func(int)) { f(wait.attempts) })
	}
}

// once opens the connection once, and returns why it was not, or why it ended.
func (m *Manager) once(r *activity, wait *backoff) error {
	l, err := m.dial(r.ctx)
	if err != nil {
		if r.ctx.Err() == nil {
			m.failed(err, wait.attempts > 0)
		}
		return err
	}
	if !m.opened(r, l, wait.attempts) {
		return nil
	}
	wait.reset()
	<-l.ctx.Done()
	return m.lost(l)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errOpenTimeout says that no connection came to be within the Timeout.
var errOpenTimeout = &engine.TransportError{Message: "timeout"}

func (m *Manager) dial(ctx context.Context) (*link, error) {
	limit := m.options.Timeout
	if limit == 0 {
		limit = defaultOpenTimeout
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errOpenTimeout)
		defer cancel()
	}
	l := m.newLink()
	var err error
	if l.engine, err = m.dialer.Dial(ctx, m.address, l.events()); err != nil {
		l.cancel()
		return nil, err
	}
	return l, nil
}

// failed tells of a connection that could not be opened.
func (m *Manager) failed(err error, again bool) {
	fire(&m.hooks, &m.hooks.failure, func(f func(error)) { f(err) })
	for _, c := range m.active() {
		c.failed(err)
	}
	if again {
		fire(&m.hooks, &m.hooks.reconnectError, func(f func(error)) { f(err) })
	}
}

// opened has the clients join their namespaces by a new session. It reports false
// where nobody wants it any more.
func (m *Manager) opened(r *activity, l *link, attempts int) bool {
	defer close(l.ready)
	m.mu.Lock()
	wanted := m.run == r
	if wanted {
		m.link = l
	}
	m.mu.Unlock()
	if !wanted {
		l.end(ReasonForcedClose, "")
		l.engine.Close()
		return false
	}
	if attempts > 0 {
		fire(&m.hooks, &m.hooks.reconnect, func(f func(int)) { f(attempts) })
	}
	for _, c := range m.active() {
		c.join(l)
	}
	return true
}

// lost tells the clients of the end of a session.
func (m *Manager) lost(l *link) error {
	m.mu.Lock()
	if m.link == l {
		m.link = nil
	}
	all := append([]*Client(nil), m.order...)
	m.mu.Unlock()
	reason, description := l.why()
	for _, c := range all {
		c.lost(l, reason, description)
	}
	return lostError(l.engine.Err(), reason, description)
}

// lostError is the end of a session: the transport's error, where there is one.
func lostError(cause error, reason, description string) error {
	e := &engine.TransportError{Message: reason, Err: cause}
	if errors.As(cause, &e) {
		return e
	}
	if cause == nil && description != "" {
		e.Err = errors.New(description)
	}
	return e
}

// giveUp ends an activity: no more attempts are made.
func (m *Manager) giveUp(r *activity, err error) {
	m.mu.Lock()
	var waiting []chan<- error
	if m.run == r {
		m.run = nil
		for _, c := range m.order {
			waiting = append(waiting, c.takeWaiting()...)
		}
	}
	m.mu.Unlock()
	if !m.options.NoReconnection {
		fire(&m.hooks, &m.hooks.reconnectFailed, func(f func()) { f() })
	}
	for _, w := range waiting {
		w <- err
	}
}
