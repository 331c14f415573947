package socketio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// A middleware's refusal reaches Connect and the handlers with its data, and is
// not tried again by itself; after a change the user can try again.
func TestClientRefused(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			noClientLeft(t)
			io := NewServer(nil)
			io.Use(func(s *Socket) error {
				if s.Handshake().Auth["token"] != "right" {
					return &Error{"Authentication error", map[string]any{"retry": 3}}
				}
				return nil
			})
			token := "wrong"
			o := way.options
			o.Auth = func(ctx context.Context) (map[string]any, error) { return map[string]any{"token": token}, ctx.Err() }
			c := NewClient(running(t, io), quick(o))
			defer c.Close()
			got := newNotes()
			c.OnConnectError(func(err error) { got.add("%T %v", err, err) })
			c.On("connect_error", func(e *Error) { got.add("%s %v", e.Message, e.Data) })
			err := c.Connect(patient(t))
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Message != "Authentication error" || !reflect.DeepEqual(refusal.Data, map[string]any{"retry": 3.0}) {
				t.Errorf("Connect: %v", err)
			}
			want := []string{"*socketio.Error Authentication error", "Authentication error map[retry:3]"}
			if lines := got.count(t, 2); !slices.Equal(lines, want) {
				t.Errorf("got %q", lines)
			}
			if c.Active() || c.Engine() != nil {
				t.Error("it goes on by itself")
			}
			token = "right"
			if err := c.Connect(patient(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// What cannot go along is said, and an unknown namespace, too.
func TestClientAuthErrors(t *testing.T) {
	url := running(t, NewServer(nil))
	var nobody map[string]any
	for _, test := range []struct {
		path string
		auth any
		want string
	}{
		{"/", "text", "auth: it is string, want an object"},
		{"/", map[string]any{"a": []byte{1}}, "auth: it cannot hold binary values"},
		{"/", func(context.Context) (map[string]any, error) { return nil, errors.New("no token") }, "auth: no token"},
		{"/", func(context.Context) (map[string]any, error) { panic("no") }, "auth: the Auth function panicked"},
		{"/nowhere", nil, "namespace /nowhere: Invalid namespace"},
		{"/", nobody, ""},
		{"/", struct {
			Token string `json:"token"`
		}{"x"}, ""},
	} {
		c := NewClient(url+test.path, &ClientOptions{Auth: test.auth})
		if err := c.Connect(patient(t)); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), test.want)) {
			t.Errorf("%T: %v, want %q", test.auth, err, test.want)
		}
		_ = c.Close()
	}
}

// A server that cannot be reached fails Connect where that is not tried again,
// and else when the context or the attempts end.
func TestClientUnreachable(t *testing.T) {
	noClientLeft(t)
	url := "http://" + closedPort(t)
	c := NewClient(url, &ClientOptions{NoReconnection: true})
	err := c.Connect(patient(t))
	var failed *engine.TransportError
	if !errors.As(err, &failed) || failed.Message != "xhr poll error" || c.Active() {
		t.Errorf("without reconnection: %v", err)
	}
	_ = c.Close()

	got := newNotes()
	c = NewClient(url, quick(ClientOptions{ReconnectionAttempts: 2}))
	c.OnError(func(error) { got.add("error") })
	c.OnConnectError(func(error) { got.add("connect_error") })
	c.OnReconnectAttempt(func(n int) { got.add("attempt %d", n) })
	c.OnReconnectError(func(error) { got.add("reconnect_error") })
	c.OnReconnectFailed(func() { got.add("failed") })
	if err = c.Connect(patient(t)); !errors.As(err, &failed) {
		t.Errorf("with two attempts: %v", err)
	}
	want := strings.Fields("error connect_error attempt_1 error connect_error reconnect_error attempt_2 error connect_error reconnect_error failed")
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "attempt_", "attempt ")
	}
	if lines := got.count(t, len(want)); !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
	_ = c.Close()

	ctx, cancel := context.WithCancelCause(t.Context())
	c = NewClient(url, quick(ClientOptions{}))
	c.OnReconnectAttempt(func(n int) {
		if n == 3 {
			cancel(errors.New("enough"))
		}
	})
	if err = c.Connect(ctx); !errors.As(err, &failed) || !strings.Contains(err.Error(), "enough; the last attempt: xhr poll error") || c.Active() {
		t.Errorf("with a context: %v", err)
	}
	_ = c.Close()
}

// A session that opens, and a namespace that nobody answers.
func TestClientNamespaceUnanswered(t *testing.T) {
	noClientLeft(t)
	asked := make(chan struct{}, 1)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			fmt.Fprint(w, "ok")
			select {
			case asked <- struct{}{}:
			default:
			}
		case r.URL.Query().Get("sid") == "":
			fmt.Fprint(w, `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)
		default:
			<-r.Context().Done()
		}
	}))
	defer h.Close()
	defer h.CloseClientConnections()
	c := NewClient(h.URL+"/chat", &ClientOptions{NoReconnection: true, Transports: []string{"polling"}})
	defer c.Close()
	ctx, cancel := context.WithCancelCause(patient(t))
	go func() {
		<-asked
		cancel(errors.New("enough"))
	}()
	if err := c.Connect(ctx); err == nil || !strings.HasSuffix(err.Error(), "enough: the session is open, and the namespace /chat was not answered") {
		t.Error(err)
	}
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Servers that are something else are told apart by their errors.
func TestClientOtherServers(t *testing.T) {
	noClientLeft(t)
	page := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") }
	open := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`+"\x1e40")
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, test := range []struct {
		name   string
		handle http.HandlerFunc
		want   string
	}{
		{"a page", page, `"<html>hello</html>" is no payload of Engine.IO`},
		{"not found", http.NotFound, "404"},
		{"version 2", open, "Socket.IO server in v2.x"},
		{"one that hangs", hang, ": timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := httptest.NewServer(test.handle)
			defer h.Close()
			defer h.CloseClientConnections()
			o := ClientOptions{NoReconnection: true, Transports: []string{"polling"}}
			if test.name == "one that hangs" {
				o.Timeout = 20 * time.Millisecond
			}
			c := NewClient(h.URL, &o)
			defer c.Close()
			if err := c.Connect(patient(t)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestClientInvalid(t *testing.T) {
	for _, test := range []struct{ url, transport, want string }{
		{"ftp://x", "polling", "it is no http, https, ws or wss URL"},
		{"localhost:3000", "polling", "it is no http, https, ws or wss URL"},
		{"http://localhost", "pigeon", `the transport "pigeon" is unknown`},
		{"http://[::1", "polling", "missing ']' in host"},
	} {
		c := NewClient(test.url, &ClientOptions{Transports: []string{test.transport}})
		if err := c.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.url, err)
		}
	}
	for url, want := range map[string]string{
		"http://x": "/", "http://x/": "/", "http://x/chat?a=b": "/chat", "ws://x/caf\u00e9": "/caf\u00e9", "http://x/caf%C3%A9/y": "/caf%C3%A9/y",
	} {
		if got := NewClient(url, nil).Namespace(); got != want {
			t.Errorf("%s: %s", url, got)
		}
	}
}

// Several namespaces share a connection, which lasts as long as one of them needs
// it; the URL's query and the headers go along.
func TestClientNamespaces(t *testing.T) {
	noClientLeft(t)
	io := NewServer(nil)
	for _, name := range []string{"/", "/chat", "/news"} {
		io.Of(name).OnConnection(func(s *Socket) {
			s.On("where", func(ack func(string, string, string)) {
				ack(s.Namespace().Name(), s.Handshake().Query.Get("room"), s.Handshake().Headers.Get("X-Test"))
			})
		})
	}
	url := running(t, io)
	m := NewManager(url+"?room=7", &ClientOptions{Header: http.Header{"X-Test": {"yes"}}})
	defer m.Close()
	var all []*Client
	for _, name := range []string{"/chat", "news", "/"} {
		c := m.Socket(name, nil)
		all = append(all, c)
		if err := c.Connect(patient(t)); err != nil {
			t.Fatal(err)
		}
		answer, err := c.EmitWithAck(patient(t), "where")
		values, _ := answer.Values()
		if err != nil || !reflect.DeepEqual(values, []any{c.Namespace(), "7", "yes"}) {
			t.Errorf("%v, %v", values, err)
		}
	}
	if m.Socket("/news", nil) != all[1] {
		t.Error("a namespace has two clients")
	}
	session := m.Engine()
	all[0].Disconnect()
	if all[1].Engine() != session || !all[1].Connected() {
		t.Error("leaving one namespace ended the connection")
	}
	if err := all[0].Connect(patient(t)); err != nil || all[0].Engine() != session {
		t.Errorf("joining again: %v", err)
	}
	for _, c := range all {
		c.Disconnect()
	}
	if m.Engine() != nil {
		t.Error("the connection outlives its last client")
	}
	<-session.Done()
}

// Each way to end has its reason on both sides, and only what nobody asked for is
// mended.
func TestClientDisconnect(t *testing.T) {
	for _, way := range clientWays {
		t.Run(way.name, func(t *testing.T) {
			noClientLeft(t)
			got := newNotes()
			io := NewServer(nil)
			io.OnConnection(func(s *Socket) {
				s.OnDisconnect(func(reason string) { got.add("server: %s", reason) })
				s.On("leave", func() { s.Disconnect(false) })
				s.On("end", func() { s.Disconnect(true) })
			})
			c := NewClient(running(t, io), quick(way.options))
			c.OnConnect(func() { got.add("connect") })
			c.OnDisconnect(func(reason string) { got.add("client: %s", reason) })
			connect := func() {
				t.Helper()
				if err := c.Connect(patient(t)); err != nil {
					t.Fatal(err)
				}
			}
			connect()
			_ = c.Emit("leave")
			got.has(t, "client: io server disconnect")
			got.has(t, "server: server namespace disconnect")
			if c.Active() {
				t.Error("active after the server's disconnect")
			}
			connect()
			c.Disconnect()
			got.has(t, "client: io client disconnect")
			got.has(t, "server: client namespace disconnect")
			connect()
			_ = c.Emit("end")
			got.until(t, "the server's end", func(lines []string) bool {
				return countOf(lines, "client: io server disconnect")+countOf(lines, "client: transport close") == 2
			})
			if err := c.Close(); err != nil || c.Active() {
				t.Error(err)
			}
			if err := c.Emit("x"); err != ErrClientClosed {
				t.Errorf("emit after Close: %v", err)
			}
			if err := c.Connect(patient(t)); !errors.Is(err, ErrClientClosed) {
				t.Errorf("Connect after Close: %v", err)
			}
		})
	}
}

func countOf(lines []string, line string) (n int) {
	for _, l := range lines {
		if l == line {
			n++
		}
	}
	return n
}

// A client that leaves while its middleware runs, and comes back, joins once.
func TestClientLeavesEarly(t *testing.T) {
	io := NewServer(nil)
	let := make(chan struct{})
	io.Of("/slow").Use(func(*Socket) error { <-let; return nil })
	m := NewManager(running(t, io), nil)
	defer m.Close()
	if err := m.Socket("/", nil).Connect(patient(t)); err != nil { // holds the connection
		t.Fatal(err)
	}
	c := m.Socket("/slow", nil)
	c.Open()
	c.Disconnect()
	c.Open()
	close(let)
	if err := c.Connect(patient(t)); err != nil {
		t.Fatal(err)
	}
	if !m.Socket("/", nil).Connected() {
		t.Error("the connection was lost")
	}
}
