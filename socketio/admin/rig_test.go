package admin

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sockkit/sockkit/internal/leaks"
	"github.com/sockkit/sockkit/socketio"
)

const patience = 60 * time.Second

// TestMain holds that no test leaves a goroutine of ours behind.
func TestMain(m *testing.M) { leaks.Main(m, `sockkit/(socketio|socketio/\w+|ws|tcp)\.`+leaks.HTTP) }

// hash is a hash of "secret" that takes no time.
var hash = func() string {
	h, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return string(h)
}()

func login() map[string]any { return map[string]any{"username": "ada", "password": "secret"} }

// basic are options that let ada in.
func basic() *Options { return &Options{Username: "ada", PasswordHash: hash} }

// rig is an instrumented server.
type rig struct {
	t   *testing.T
	io  *socketio.Server
	url string
}

func newRig(t *testing.T, so *socketio.ServerOptions, o *Options, more ...func(*socketio.Server)) *rig {
	t.Helper()
	io := socketio.NewServer(so)
	if err := Instrument(io, o); err != nil {
		t.Fatal(err)
	}
	for _, f := range more {
		f(io)
	}
	h := httptest.NewServer(io)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := io.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		h.CloseClientConnections()
		h.Close()
	})
	return &rig{t, io, h.URL}
}

// said is an event that came.
type said struct {
	event string
	args  []any
}

func (s said) text() string {
	b, _ := json.Marshal(s.args)
	return s.event + " " + string(b)
}

// page is a client that keeps what it is told, as the page does.
type page struct {
	t *testing.T
	*socketio.Client
	mu   sync.Mutex
	all  []said
	more chan struct{}
}

// open connects to a namespace.
func (r *rig) open(namespace string, o *socketio.ClientOptions) (*page, error) {
	r.t.Helper()
	p := &page{t: r.t, Client: socketio.NewClient(r.url+namespace, o), more: make(chan struct{}, 1)}
	r.t.Cleanup(func() { p.Close() })
	p.OnAny(func(event string, args socketio.Args) {
		values, err := args.Values()
		if err != nil {
			r.t.Errorf("%s: %v", event, err)
		}
		p.mu.Lock()
		p.all = append(p.all, said{event, values})
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	return p, p.Connect(ctx)
}

func (r *rig) mustOpen(namespace string, o *socketio.ClientOptions) *page {
	r.t.Helper()
	p, err := r.open(namespace, o)
	if err != nil {
		r.t.Fatalf("%s: %v", namespace, err)
	}
	return p
}

// page opens the page as ada.
func (r *rig) page() *page {
	r.t.Helper()
	return r.mustOpen("/admin", &socketio.ClientOptions{Auth: login()})
}

// member connects a client as an application's.
func (r *rig) member(namespace string) *page {
	r.t.Helper()
	return r.mustOpen(namespace, nil)
}

// until waits for an event, and takes it with all before it.
func (p *page) until(event string, ok func(args []any) bool) said {
	p.t.Helper()
	limit := time.After(patience)
	for seen := 0; ; {
		p.mu.Lock()
		for ; seen < len(p.all); seen++ {
			if s := p.all[seen]; s.event == event && (ok == nil || ok(s.args)) {
				p.mu.Unlock()
				return s
			}
		}
		p.mu.Unlock()
		select {
		case <-p.more:
		case <-limit:
			p.t.Fatalf("%s did not come; this did:\n%s", event, p.log())
		}
	}
}

func (p *page) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, s := range p.all {
		if s.event != "server_stats" || len(p.all) < 50 {
			b.WriteString(s.text() + "\n")
		}
	}
	return b.String()
}

// has waits for an event whose arguments read like that in part.
func (p *page) has(event, text string) said {
	p.t.Helper()
	return p.until(event, func(args []any) bool { return strings.Contains(said{"", args}.text(), text) })
}

// do asks for something, and returns the answer: "" is that it was done.
func (p *page) do(event string, args ...any) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	answer, err := p.EmitWithAck(ctx, event, args...)
	if err != nil {
		p.t.Fatalf("%s: %v", event, err)
	}
	var text string
	if err := answer.Decode(&text); err != nil {
		p.t.Fatal(err)
	}
	return text
}

// hub joins the adapters of several servers, without a broker.
type hub struct {
	mu      sync.Mutex
	members map[string][]*hubAdapter
}

func (h *hub) adapter(n *socketio.Namespace) socketio.Adapter {
	a := &hubAdapter{MemoryAdapter: socketio.NewMemoryAdapter(n), hub: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.members == nil {
		h.members = map[string][]*hubAdapter{}
	}
	h.members[n.Name()] = append(h.members[n.Name()], a)
	return a
}

type hubAdapter struct {
	*socketio.MemoryAdapter
	hub *hub
}

func (a *hubAdapter) all() []*hubAdapter {
	a.hub.mu.Lock()
	defer a.hub.mu.Unlock()
	return append([]*hubAdapter(nil), a.hub.members[a.Namespace().Name()]...)
}

func (a *hubAdapter) each(f socketio.Flags, do func(*socketio.MemoryAdapter) error) error {
	for _, m := range a.all() {
		if m == a || !f.Local {
			if err := do(m.MemoryAdapter); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *hubAdapter) ServerCount(context.Context) (int, error) { return len(a.all()), nil }

func (a *hubAdapter) Broadcast(p *socketio.Packet, s socketio.Selection, f socketio.Flags) error {
	return a.each(f, func(m *socketio.MemoryAdapter) error { return m.Broadcast(p, s, f) })
}

func (a *hubAdapter) AddSockets(s socketio.Selection, f socketio.Flags, rooms []string) error {
	return a.each(f, func(m *socketio.MemoryAdapter) error { return m.AddSockets(s, f, rooms) })
}

func (a *hubAdapter) DisconnectSockets(s socketio.Selection, f socketio.Flags, close bool) error {
	return a.each(f, func(m *socketio.MemoryAdapter) error { return m.DisconnectSockets(s, f, close) })
}

func (a *hubAdapter) FetchSockets(ctx context.Context, s socketio.Selection, f socketio.Flags) (all []socketio.RemoteSocket, err error) {
	return all, a.each(f, func(m *socketio.MemoryAdapter) error {
		list, err := m.FetchSockets(ctx, s, f)
		text, _ := json.Marshal(list) // as a broker carries it
		var far []socketio.RemoteSocket
		if err == nil {
			err = json.Unmarshal(text, &far)
		}
		all = append(all, far...)
		return err
	})
}

func (a *hubAdapter) ServerSideEmit(_ context.Context, args socketio.Args, _ func(socketio.Args)) error {
	for _, m := range a.all() {
		if m != a {
			m.Namespace().ServerEvent(args, nil)
		}
	}
	return nil
}
