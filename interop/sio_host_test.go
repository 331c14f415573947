package interop

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/tcp"
)

// sioWay is a way that a connection can go.
type sioWay struct {
	name       string
	transports []string
}

var sioWays = []sioWay{
	{"polling", []string{"polling"}},
	{"websocket", []string{"websocket"}},
	{"upgrade", nil},
}

// options are the official client's, and some more.
func (w sioWay) options(more ...map[string]any) map[string]any {
	all := map[string]any{}
	if w.transports != nil {
		all["transports"] = w.transports
	}
	for _, m := range more {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// sioHost is our server, with a log of what its sockets see.
type sioHost struct {
	*socketio.Server
	*sioLog
	url string
}

// serveSIO serves in one of the two ways that there are: mounted on a server of
// net/http, or with a listener of its own. It acknowledges and echoes as the
// official server of these tests does.
func serveSIO(t testing.TB, mounted bool, o *socketio.ServerOptions) *sioHost {
	t.Helper()
	if o == nil {
		o = &socketio.ServerOptions{}
	}
	if o.CORS == nil {
		o.CORS = &engine.CORS{Origins: []string{"*"}}
	}
	if o.OnHandlerError == nil {
		o.OnHandlerError = func(_ *socketio.Socket, event string, err error) { t.Errorf("the handler of %q: %v", event, err) }
	}
	o.OnPanic = func(_ *socketio.Socket, err *tcp.PanicError) { t.Errorf("panic: %v", err) }
	h := &sioHost{Server: socketio.NewServer(o), sioLog: newSIOLog()}
	h.serve(t, mounted)
	h.OnConnection(h.connected)
	h.Of("/chat").OnConnection(h.connected)
	auth := h.Of("/auth")
	auth.Use(sioAuthenticated)
	auth.OnConnection(h.connected)
	h.OfPattern(regexp.MustCompile(`^/dynamic-\d+$`)).OnConnection(h.connected)
	return h
}

func (h *sioHost) serve(t testing.TB, mounted bool) {
	t.Helper()
	if mounted {
		s := httptest.NewServer(h.Server)
		t.Cleanup(s.Close)
		t.Cleanup(func() { h.end(t) })
		h.url = s.URL
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.end(t) })
	h.url = "http://" + l.Addr().String()
	go func() {
		if err := h.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, tcp.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	}()
}

func (h *sioHost) end(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Errorf("the server does not close: %v", err)
	}
}

// sioAuthenticated refuses as the official server of these tests does.
func sioAuthenticated(s *socketio.Socket) error {
	token := s.Handshake().Auth["token"]
	if token == "abc" {
		return nil
	}
	return &socketio.Error{Message: "not authorized", Data: map[string]any{
		"code": 4711, "token": token, "list": []any{"a", map[string]any{"b": nil}}}}
}

func (h *sioHost) connected(s *socketio.Socket) {
	h.report(sioSaw{Saw: "connection", Of: "server", ID: s.ID(), Namespace: s.Namespace().Name(),
		Recovered: s.Recovered(), Rooms: s.Rooms(), Data: s.Handshake().Auth})
	s.OnDisconnecting(func(string) { h.report(sioSaw{Saw: "disconnecting", Of: s.ID(), Rooms: s.Rooms()}) })
	s.OnDisconnect(func(reason string) { h.report(sioSaw{Saw: "disconnect", Of: s.ID(), Reason: reason}) })
	s.Use(func(e *socketio.Event) error { return h.received(s, e) })
}

func (h *sioHost) received(s *socketio.Socket, e *socketio.Event) error {
	values, err := e.Args.Values()
	if err != nil {
		return err
	}
	h.report(sioSaw{Saw: "event", Of: s.ID(), Event: e.Name, Args: sioLine(values)})
	switch {
	case e.Name == "refused":
		return errors.New("no such event")
	case e.Name == "echo" && e.Ack == nil:
		return s.Emit("echo", values...)
	case e.Ack != nil && e.Name != "hold" && s.ListenerCount(e.Name) == 0:
		return e.Ack(values...)
	}
	return nil
}

// joined waits for the next socket of a server.
func (h *sioHost) joined(t testing.TB) *socketio.Socket {
	t.Helper()
	saw := h.next(t, "server", "connection")
	return h.Of(saw.Namespace).Socket(saw.ID)
}

// quickHeart is a heartbeat that tells a lost peer soon, and bears a machine that
// is busy.
func quickHeart() *engine.Server {
	return &engine.Server{PingInterval: 300 * time.Millisecond, PingTimeout: 4 * time.Second}
}
