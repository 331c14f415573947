package socketio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
)

// A server of Socket.IO v2 connects a client to the main namespace by itself, and
// takes it into others when asked.
func TestClientOfVersion2(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			io := NewServer(&ServerOptions{Engine: &engine.Server{AllowEIO3: true}})
			echo := func(s *Socket) {
				s.On("echo", func(text string, b []byte, ack func(string, []byte)) { ack(text, b) })
			}
			io.OnConnection(echo)
			io.Of("/chat").OnConnection(echo)
			io.Of("/closed").Use(func(*Socket) error { return errors.New("closed") })
			o := way.options
			o.Protocol = 3
			m := NewManager(running(t, io), quick(o))
			defer m.Close()
			for _, name := range []string{"/", "/chat"} {
				c := m.Socket(name, nil)
				if err := c.Connect(patient(t)); err != nil {
					t.Fatal(err)
				}
				answer, err := c.EmitWithAck(patient(t), "echo", "é", []byte{1})
				if values, _ := answer.Values(); err != nil || !reflect.DeepEqual(values, []any{"é", []byte{1}}) {
					t.Errorf("%v, %v", values, err)
				}
				if want := strings.TrimPrefix(name+"#"+m.Engine().ID(), "/#"); c.ID() != want {
					t.Errorf("the id is %s, want %s", c.ID(), want)
				}
			}
			var refused *Error
			if err := m.Socket("/closed", nil).Connect(patient(t)); !errors.As(err, &refused) || refused.Message != "closed" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A client of v4 that meets a server which would only speak to v2 says so.
func TestClientOfVersion3Refused(t *testing.T) {
	io := NewServer(nil)
	c := NewClient(running(t, io), &ClientOptions{Protocol: 3, NoReconnection: true})
	defer c.Close()
	if err := c.Connect(patient(t)); err == nil || !strings.Contains(err.Error(), "Unsupported protocol version") {
		t.Errorf("got %v", err)
	}
}

// TLS is checked, on every way, and can be configured as for any other dialer.
func TestClientTLS(t *testing.T) {
	io := NewServer(nil)
	h := httptest.NewTLSServer(io)
	defer h.Close()
	defer closeServer(io)
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	for _, way := range clientWays {
		o := way.options
		o.NoReconnection = true
		c := NewClient(h.URL, &o)
		var unknown x509.UnknownAuthorityError
		if err := c.Connect(patient(t)); !errors.As(err, &unknown) {
			t.Errorf("%s: an unknown certificate: %v", way.name, err)
		}
		_ = c.Close()
		o.TCP = &tcp.Dialer{TLS: &tls.Config{RootCAs: roots}}
		c = NewClient(strings.Replace(h.URL, "https", "wss", 1), &o)
		if err := c.Connect(patient(t)); err != nil {
			t.Errorf("%s: %v", way.name, err)
		}
		_ = c.Close()
	}
}

// With TryAllTransports a proxy that breaks one way leaves the other, and a
// polling connection that cannot be upgraded goes on.
func TestClientWithoutWebSocket(t *testing.T) {
	io := NewServer(&ServerOptions{Engine: &engine.Server{Transports: []string{"polling"}}})
	io.OnConnection(func(s *Socket) { s.On("echo", func(n int, ack func(int)) { ack(n) }) })
	url := running(t, io)
	c := opened(t, url, &ClientOptions{Transports: []string{"websocket", "polling"}, TryAllTransports: true, NoReconnection: true})
	if _, err := c.EmitWithAck(patient(t), "echo", 1); err != nil || c.Engine().Transport() != "polling" {
		t.Errorf("by %s: %v", c.Engine().Transport(), err)
	}
}

// Many emit at once: each one's events keep their order, and each is acknowledged
// once, while the connection is cut now and then.
func TestClientManyAtOnce(t *testing.T) {
	io := NewServer(nil)
	seen := newNotes()
	io.OnConnection(func(s *Socket) {
		s.On("n", func(who, n int, ack func(int)) {
			seen.add("%d: %02d", who, n)
			ack(n)
		})
	})
	proxy := newCutter(t, running(t, io), -1)
	c := NewClient(proxy.at, quick(ClientOptions{Retries: 1000, AckTimeout: time.Minute, Transports: []string{"websocket"}}))
	defer c.Close()
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var acked atomic.Int32
	for who := range 4 {
		all.Go(func() {
			for n := range 50 {
				if _, err := c.EmitWithAck(patient(t), "n", who, n); err != nil {
					t.Errorf("%d of %d: %v", n, who, err)
				}
				if acked.Add(1)%40 == 0 {
					proxy.cut()
				}
			}
		})
	}
	all.Wait()
	_ = c.Close()
	first := map[string][]string{} // a try that was lost on its way may still come late
	for _, line := range seen.all() {
		if who := line[:1]; !slices.Contains(first[who], line) {
			first[who] = append(first[who], line)
		}
	}
	for who, lines := range first {
		if len(lines) != 50 || !slices.IsSorted(lines) {
			t.Errorf("of %s came %q", who, lines)
		}
	}
	if len(first) != 4 {
		t.Errorf("%d have come through", len(first))
	}
}

// Close in a handler, twice, and while it connects, ends everything.
func TestClientCloses(t *testing.T) {
	noClientLeft(t)
	io := NewServer(nil)
	url := running(t, io)
	done := make(chan error)
	c := NewClient(url, nil)
	c.OnConnect(func() { done <- c.Close() })
	c.Open()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	dialing := make(chan struct{})
	c = NewClient(url, &ClientOptions{NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	go func() { done <- c.Connect(patient(t)) }()
	<-dialing
	_, _ = c.Close(), c.Emit("x")
	if err := <-done; !errors.Is(err, ErrDisconnected) {
		t.Errorf("Connect: %v", err)
	}
	// What waits for an acknowledgement of an event that never left is freed.
	c = NewClient(url, nil)
	waits := make(chan error)
	go func() {
		_, err := c.EmitWithAck(patient(t), "x")
		waits <- err
	}()
	for c.waits() == 0 {
		time.Sleep(time.Millisecond)
	}
	_ = c.Close()
	if err := <-waits; err != ErrDisconnected {
		t.Errorf("EmitWithAck: %v", err)
	}
}

func (c *Client) waits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// The trace and the hooks are told of what a handler cannot take, also in an
// acknowledgement.
func TestClientHandlerErrors(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) {
		s.On("ask", func(ack func(string)) { ack("text") })
		s.On("answer me", func() { _ = s.Emit("question", func() {}) })
	})
	got := newNotes()
	c := opened(t, running(t, io), &ClientOptions{OnHandlerError: func(_ *Client, event string, err error) { got.add("%s: %v", event, err) }})
	c.On("question", func(ack func(any)) { ack(make(chan int)) })
	_ = c.Emit("ask", func(n int) {})
	_ = c.Emit("answer me")
	lines := got.count(t, 2)
	slices.Sort(lines)
	if !strings.HasPrefix(lines[0], "acknowledgement: socketio: acknowledgement: argument 1: ") || lines[1] != "ask: argument 1: got string, want int" {
		t.Errorf("got %q", fmt.Sprint(lines))
	}
}
