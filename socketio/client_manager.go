package socketio

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// Manager keeps one connection to a server for clients of several namespaces: it
// opens the connection while one of them is active, and opens it again when it
// was lost.
type Manager struct {
	options ClientOptions
	address string
	invalid error // the address is none
	dialer  *engine.Dialer
	encoder Encoder
	hooks   hooks
	lane    lane
	misfits misfits

	mu      sync.Mutex
	clients map[string]*Client // by namespace
	order   []*Client          // as they were made
	run     *activity          // nil where nobody wants a connection
	link    *link              // nil where there is none
}

// activity is the time from when the first client wants a connection until none
// does, or it is given up.
type activity struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed once its goroutine has ended
}

// NewManager returns a manager for the server of a http, https, ws or wss URL,
// whose path does not count. Options may be nil. Nothing is opened before a
// client asks for it.
func NewManager(address string, options *ClientOptions) *Manager {
	m := &Manager{address: address, clients: map[string]*Client{}}
	if options != nil {
		m.options = *options
	}
	m.dialer = m.options.dialer()
	m.encoder = m.options.parser().NewEncoder()
	m.invalid = checkClient(address, m.options.Transports)
	return m
}

// checkClient says what no attempt could mend.
func checkClient(address string, transports []string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return err
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ws" && u.Scheme != "wss":
		return fmt.Errorf("it is no http, https, ws or wss URL")
	case transports != nil && len(transports) == 0:
		return fmt.Errorf("there are no transports")
	}
	for _, name := range transports {
		if name != "polling" && name != "websocket" {
			return fmt.Errorf("the transport %q is unknown", name)
		}
	}
	return nil
}

// namespaceOf is the path of a URL as it stands there.
func namespaceOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	path := u.RawPath
	if path == "" {
		path = u.EscapedPath()
	}
	return orString(path, "/")
}

// Socket returns the client of a namespace, and makes it where there is none yet.
// Auth is as in [ClientOptions]; nil is that of the options.
func (m *Manager) Socket(namespace string, auth any) *Client {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.clients[namespace]; c != nil {
		return c
	}
	if auth == nil {
		auth = m.options.Auth
	}
	c := newClient(m, namespace, auth)
	m.clients[namespace] = c
	m.order = append(m.order, c)
	return c
}

// client returns the client of a namespace, or nil.
func (m *Manager) client(namespace string) *Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clients[orString(namespace, "/")]
}

// Engine returns the session that there is, or nil.
func (m *Manager) Engine() *engine.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.link == nil {
		return nil
	}
	return m.link.engine
}

// Close closes all clients, and waits until the connection has ended, for 5
// seconds at most.
func (m *Manager) Close() error {
	m.mu.Lock()
	all := append([]*Client(nil), m.order...)
	m.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
	return nil
}

// ensure has a connection opened, and returns the one that there is.
func (m *Manager) ensure() *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run == nil {
		r := &activity{done: make(chan struct{})}
		r.ctx, r.cancel = context.WithCancel(context.Background())
		m.run = r
		go m.keep(r)
	}
	return m.link
}

// release ends the connection unless an active client needs it. What it returns
// waits for the end.
func (m *Manager) release() (wait func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.order {
		if c.Active() {
			return func() {}
		}
	}
	r, l := m.run, m.link
	m.run, m.link = nil, nil
	if r != nil {
		r.cancel()
	}
	if l != nil {
		l.end(ReasonForcedClose, "")
		l.engine.Close()
	}
	return func() { ended(r, l) }
}

// closeWait bounds the wait for a server that does not take what is sent last.
const closeWait = 5 * time.Second

func ended(r *activity, l *link) {
	late, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if l != nil {
		within(late, l.engine.Done())
	}
	if r != nil {
		within(late, r.done)
	}
}

func within(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// drop forgets a client that was closed.
func (m *Manager) drop(c *Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.clients[c.namespace] == c {
		delete(m.clients, c.namespace)
	}
	for i, other := range m.order {
		if other == c {
			m.order = append(m.order[:i:i], m.order[i+1:]...)
			return
		}
	}
}

// active returns the clients that want a connection, as they were made.
func (m *Manager) active() (all []*Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.order {
		if c.Active() {
			all = append(all, c)
		}
	}
	return all
}
