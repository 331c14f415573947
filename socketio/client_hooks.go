package socketio

import (
	"runtime/debug"
	"slices"
	"sync"

	"github.com/sockkit/sockkit/tcp"
)

// hooks are the handlers of what happens to a manager. Each runs in the lane of
// whom it was given to, a manager or a client, behind that one's events.
type hooks struct {
	mu               sync.Mutex
	reconnect        []func(attempt int)
	reconnectAttempt []func(attempt int)
	reconnectError   []func(error)
	reconnectFailed  []func()
	failure          []func(error)
	ping             []func()
	upgrade          []func(string, error)
}

// hook adds a handler.
func hook[T any](h *hooks, list *[]T, f T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = append(*list, f)
}

// fire calls the handlers of a list.
func fire[T any](h *hooks, list *[]T, call func(T)) {
	h.mu.Lock()
	all := slices.Clone(*list)
	h.mu.Unlock()
	for _, f := range all {
		call(f)
	}
}

// later runs f in the manager's lane.
func (m *Manager) later(f func()) { m.lane.must(func() { m.guard(nil, f) }) }

// later runs f in the client's lane.
func (c *Client) later(f func()) { c.events.must(func() { c.manager.guard(c, f) }) }

// guard runs a handler, whose panic ends nothing but itself.
func (m *Manager) guard(c *Client, f func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err := &tcp.PanicError{Callback: "handler", Value: v, Stack: debug.Stack()}
		if m.options.OnPanic != nil {
			m.options.OnPanic(c, err)
		} else {
			logPanic(err)
		}
	}()
	f()
}

// OnReconnect adds a handler for connections that could be opened again, with the
// number of attempts that it took.
func (m *Manager) OnReconnect(f func(attempt int)) {
	hook(&m.hooks, &m.hooks.reconnect, func(n int) { m.later(func() { f(n) }) })
}

// OnReconnectAttempt adds a handler that is told when an attempt to reconnect
// begins, with its number from 1.
func (m *Manager) OnReconnectAttempt(f func(attempt int)) {
	hook(&m.hooks, &m.hooks.reconnectAttempt, func(n int) { m.later(func() { f(n) }) })
}

// OnReconnectError adds a handler for attempts to reconnect that failed.
func (m *Manager) OnReconnectError(f func(err error)) {
	hook(&m.hooks, &m.hooks.reconnectError, func(err error) { m.later(func() { f(err) }) })
}

// OnReconnectFailed adds a handler for when reconnecting is given up, after
// ReconnectionAttempts.
func (m *Manager) OnReconnectFailed(f func()) {
	hook(&m.hooks, &m.hooks.reconnectFailed, func() { m.later(f) })
}

// OnError adds a handler for connections that could not be opened, the first one
// too.
func (m *Manager) OnError(f func(err error)) {
	hook(&m.hooks, &m.hooks.failure, func(err error) { m.later(func() { f(err) }) })
}

// OnPing adds a handler for the server's heartbeats.
func (m *Manager) OnPing(f func()) { hook(&m.hooks, &m.hooks.ping, func() { m.later(f) }) }

// OnUpgrade adds a handler that is told when the connection has moved to another
// transport, or could not (the error).
func (m *Manager) OnUpgrade(f func(transport string, err error)) {
	hook(&m.hooks, &m.hooks.upgrade, func(name string, err error) { m.later(func() { f(name, err) }) })
}

// OnReconnect is [Manager.OnReconnect] in order with the client's events; so are
// the methods that follow.
func (c *Client) OnReconnect(f func(attempt int)) {
	h := &c.manager.hooks
	hook(h, &h.reconnect, func(n int) { c.later(func() { f(n) }) })
}

// OnReconnectAttempt is [Manager.OnReconnectAttempt].
func (c *Client) OnReconnectAttempt(f func(attempt int)) {
	h := &c.manager.hooks
	hook(h, &h.reconnectAttempt, func(n int) { c.later(func() { f(n) }) })
}

// OnReconnectError is [Manager.OnReconnectError].
func (c *Client) OnReconnectError(f func(err error)) {
	h := &c.manager.hooks
	hook(h, &h.reconnectError, func(err error) { c.later(func() { f(err) }) })
}

// OnReconnectFailed is [Manager.OnReconnectFailed].
func (c *Client) OnReconnectFailed(f func()) {
	h := &c.manager.hooks
	hook(h, &h.reconnectFailed, func() { c.later(f) })
}

// OnError is [Manager.OnError].
func (c *Client) OnError(f func(err error)) {
	h := &c.manager.hooks
	hook(h, &h.failure, func(err error) { c.later(func() { f(err) }) })
}

// OnPing is [Manager.OnPing].
func (c *Client) OnPing(f func()) {
	h := &c.manager.hooks
	hook(h, &h.ping, func() { c.later(f) })
}
