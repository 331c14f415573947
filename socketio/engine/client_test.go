package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// serving serves s until the end of the test, and returns its URL.
func serving(t *testing.T, s *Server) string {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Close(ctx)
		h.CloseClientConnections()
		h.Close()
	})
	return h.URL
}

// echoing is a server that sends back what comes.
func echoing() *Server {
	s := &Server{}
	s.OnConnection = func(c *Session) {
		c.OnMessage = func(b []byte, binary bool) { c.Send(bytes.Clone(b), binary) }
	}
	return s
}

// inbox keeps what a client was called back with.
type inbox struct {
	mu       sync.Mutex
	messages []string
	closed   string
	upgraded string
	changed  chan struct{}
}

func newInbox() *inbox { return &inbox{changed: make(chan struct{}, 1)} }

func (b *inbox) events() Events {
	return Events{
		OnMessage: func(data []byte, binary bool) {
			b.do(func() { b.messages = append(b.messages, fmt.Sprintf("%v %s", binary, data)) })
		},
		OnUpgrade: func(name string, err error) { b.do(func() { b.upgraded = fmt.Sprint(name, " ", err) }) },
		OnClose:   func(reason, _ string) { b.do(func() { b.closed = reason }) },
	}
}

func (b *inbox) do(f func()) {
	b.mu.Lock()
	f()
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// await waits until ok holds.
func (b *inbox) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	for {
		b.mu.Lock()
		done := ok()
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-b.changed:
		case <-limit:
			b.mu.Lock()
			defer b.mu.Unlock()
			t.Fatalf("%s did not come: %d messages, closed %q, upgraded %q", what, len(b.messages), b.closed, b.upgraded)
		}
	}
}

var ways = []struct {
	name string
	d    Dialer
}{
	{"polling", Dialer{Transports: []string{"polling"}}},
	{"websocket", Dialer{Transports: []string{"websocket"}}},
	{"upgrade", Dialer{}},
	{"polling of protocol 3", Dialer{Transports: []string{"polling"}, Protocol: 3}},
	{"websocket of protocol 3", Dialer{Transports: []string{"websocket"}, Protocol: 3}},
	{"upgrade of protocol 3", Dialer{Protocol: 3}},
}

// Messages of both kinds go to the server and back, in their order, however the
// session goes.
func TestEcho(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			s := echoing()
			s.AllowEIO3 = true
			url := serving(t, s)
			var clients sync.WaitGroup
			for range 10 {
				clients.Go(func() { echoes(t, &way.d, url) })
			}
			clients.Wait()
		})
	}
}

func echoes(t *testing.T, d *Dialer, url string) {
	in := newInbox()
	c, err := d.Dial(t.Context(), url, in.events())
	if err != nil {
		t.Error(err)
		return
	}
	const count = 300
	var want []string
	for i := range count {
		text, binary := fmt.Sprintf("message %d é✓😀", i), i%7 == 3
		want = append(want, fmt.Sprintf("%v %s", binary, text))
		c.Send([]byte(text), binary)
		if i%50 == 0 {
			in.await(t, "an echo", func() bool { return len(in.messages) > i/2 })
		}
	}
	in.await(t, "all", func() bool { return len(in.messages) == count })
	if got := strings.Join(in.messages, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("they came in another order, or changed:\n%.300s", got)
	}
	if d.Transports == nil {
		in.await(t, "the upgrade", func() bool { return in.upgraded == "websocket <nil>" })
	}
	c.Close()
	in.await(t, "the end", func() bool { return in.closed == ReasonForcedClose })
}

// Heartbeats keep a silent session alive, and the lack of them ends it.
func TestHeartbeat(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			pongs := make(chan struct{}, 100)
			s := &Server{PingInterval: 30 * time.Millisecond, PingTimeout: 5 * time.Second, AllowEIO3: true}
			s.OnConnection = func(c *Session) {
				c.OnPacket = func(p Packet) {
					if p.Type == Ping || p.Type == Pong {
						pongs <- struct{}{}
					}
				}
			}
			in := newInbox()
			c, err := way.d.Dial(t.Context(), serving(t, s), in.events())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for range 5 {
				<-pongs
			}
		})
	}
}
