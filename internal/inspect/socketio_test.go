package inspect

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
)

// sioAt serves a handler, and returns the address of a namespace there.
func sioAt(t *testing.T, h http.Handler) endpoint.Address {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	host, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return endpoint.Address{Scheme: endpoint.SIO, Host: host, Port: port, Target: "/chat"}
}

// chatServer is a server with the namespace /chat.
func chatServer(o *socketio.ServerOptions) *socketio.Server {
	s := socketio.NewServer(o)
	s.Of("/chat").OnConnection(func(c *socketio.Socket) { _ = c.Emit("welcome", "\x1b[31m") })
	return s
}

// without takes what a test is not about off.
func without(list []Finding, id string) []string {
	return ids(slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return f.ID == id }))
}

func TestSocketIO(t *testing.T) {
	s := chatServer(&socketio.ServerOptions{Recovery: &socketio.Recovery{}})
	s.Of("/chat").Use(func(c *socketio.Socket) error {
		if c.Handshake().Auth["token"] != "abc" || c.Request().Header.Get("X-One") != "1" {
			return errors.New("no entry")
		}
		return nil
	})
	o := Options{Address: sioAt(t, s), BannerWait: 1, SocketIO: SocketIOOptions{Auth: map[string]any{"token": "abc"}}}
	o.WebSocket.Header = append(o.WebSocket.Header, handshake.F("X-One", "1"))
	for _, transports := range [][]string{nil, {"polling"}, {"websocket"}} {
		o.SocketIO.Transports = transports
		r := run(t, o)
		e, n := r.Engine, r.SocketIO
		if r.Reached != ReachedNamespace || n == nil || len(n.SID) != 20 || !n.Recovery || n.Refused != "" || e.Opening == nil {
			t.Fatalf("%v: reached %q, %+v %+v, %v", transports, r.Reached, e, n, r.Error)
		}
		if e.Opening.PingInterval != 25*time.Second || e.Opening.MaxPayload != 1_000_000 {
			t.Errorf("%+v", e.Opening)
		}
		if upgraded := e.Upgrade != nil && e.Upgrade.Works && e.Upgrade.Status == 101; upgraded != (transports == nil) {
			t.Errorf("%v: %+v", transports, e.Upgrade)
		}
		if polled := e.Sticky != nil && e.Sticky.Requests == stickyRequests && e.Sticky.Unknown == 0; polled == slices.Equal(transports, []string{"websocket"}) {
			t.Errorf("%v: %+v", transports, e.Sticky)
		}
		if got := without(r.Findings, RefusesOld); len(got) != 0 {
			t.Errorf("%v: %v", transports, got)
		}
		if text := r.Text(TextOptions{}); !strings.Contains(text, "/chat joined by ") || strings.Contains(text, "\x1b") {
			t.Error(text)
		}
	}
}

func TestSocketIOEvents(t *testing.T) {
	r := run(t, Options{Address: sioAt(t, chatServer(nil)), BannerWait: time.Second})
	if len(r.SocketIO.Events) != 1 || r.SocketIO.Events[0] != `["welcome","\u001b[31m"]` {
		t.Errorf("%q", r.SocketIO.Events)
	}
}

func TestSocketIORefused(t *testing.T) {
	s := chatServer(nil)
	s.Of("/chat").Use(func(*socketio.Socket) error {
		return &socketio.Error{Message: "Authentication error", Data: map[string]int{"code": 7}}
	})
	o := Options{Address: sioAt(t, s), BannerWait: 1}
	r, err := Run(within(t), o)
	var refused *socketio.Error
	if !errors.As(err, &refused) || !strings.HasSuffix(err.Error(), `: Authentication error {"code":7}`) {
		t.Fatal(err)
	}
	if r.Reached != ReachedEngine || r.SocketIO.Refused != "Authentication error" || string(r.SocketIO.Data) != `{"code":7}` {
		t.Errorf("%q %+v", r.Reached, r.SocketIO)
	}
	o.Address.Target = "/none"
	if _, err = Run(within(t), o); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
		t.Error(err)
	}
}

// TestSocketIOWrong has what is wrong told by its finding.
func TestSocketIOWrong(t *testing.T) {
	for name, test := range socketIOWrong(t) {
		t.Run(name, func(t *testing.T) {
			r := run(t, test.o)
			if got := without(r.Findings, RefusesOld); !slices.Equal(got, []string{test.finding}) || r.Reached != ReachedNamespace {
				t.Fatalf("findings %v, reached %q", got, r.Reached)
			}
			if text := r.Text(TextOptions{}); !strings.Contains(text, test.says) {
				t.Errorf("nothing says %q:\n%s", test.says, text)
			}
		})
	}
}

type wrongServer struct {
	o             Options
	finding, says string
}

func socketIOWrong(t *testing.T) map[string]wrongServer {
	at := func(h http.Handler) Options { return Options{Address: sioAt(t, h), BannerWait: 1} }
	origin := at(withoutCORS(chatServer(nil)))
	origin.WebSocket.Origin = "https://app.example"
	origin.SocketIO.Transports = []string{"polling"}
	return map[string]wrongServer{
		"a proxy takes the upgrade off": {at(withoutUpgrade(chatServer(nil))), "warning upgrade_failed 0", "a proxy removed it"},
		"a proxy in the server's place": {at(upgradesTo(502, chatServer(nil))), "warning upgrade_failed 0", "502 Bad Gateway"},
		"several servers":               {at(balanced(chatServer(nil), chatServer(nil))), "error no_sticky_sessions 0", "ip_hash"},
		"no upgrade":                    {at(chatServer(&socketio.ServerOptions{Engine: &engine.Server{NoUpgrade: true}})), "note no_upgrade 0", "joined by polling"},
		"no polling":                    {at(chatServer(&socketio.ServerOptions{Engine: &engine.Server{Transports: []string{"websocket"}}})), "warning polling_refused 0", "joined by websocket"},
		"slow pings":                    {at(chatServer(&socketio.ServerOptions{Engine: &engine.Server{PingInterval: 2 * time.Minute}})), "warning slow_ping 0", "every 2 minutes"},
		"fast pings":                    {at(chatServer(&socketio.ServerOptions{Engine: &engine.Server{PingInterval: 500 * time.Millisecond, PingTimeout: 400 * time.Millisecond}})), "warning fast_ping 0", "every 500.0 ms"},
		"small":                         {at(chatServer(&socketio.ServerOptions{Engine: &engine.Server{MaxHTTPBufferSize: 1000}})), "note small_payload 0", "1000 bytes"},
		"a cookie":                      {at(chatServer(&socketio.ServerOptions{Engine: &engine.Server{Cookie: &http.Cookie{Name: "io"}}})), "note cookie 0", "withCredentials"},
		"CORS":                          {origin, "warning cors 0", "no Access-Control-Allow-Origin"},
	}
}

func TestNotSocketIO(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello") })
	elsewhere := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://x.example/", 301) })
	for name, test := range map[string]struct {
		h             http.Handler
		path          string
		status        int
		says, finding string
	}{
		"a page":     {page, "", 0, `"<html>hello" came`, ""},
		"no sid":     {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `0{"upgrades":[]}`) }), "", 0, "the open packet has no sid", ""},
		"wrong path": {chatServer(nil), "/live", 404, "404 Not Found", ""},
		"elsewhere":  {elsewhere, "", 301, "301 Moved", ""},
		"version 2":  {http.HandlerFunc(version2), "", 0, "Engine.IO 3 came", "error engine_version_3 0"},
	} {
		r, err := Run(within(t), Options{Address: sioAt(t, test.h), BannerWait: 1, SocketIO: SocketIOOptions{Path: test.path}})
		var failed *engine.TransportError
		if !errors.As(err, &failed) || failed.Status != test.status || !strings.Contains(err.Error(), test.says) || r.Reached != ReachedHTTP {
			t.Errorf("%s: %v, reached %q", name, err, r.Reached)
		}
		if got := strings.Join(ids(r.Findings), " "); got != test.finding {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// version2 answers as a server of Socket.IO 2 does, whatever version it is asked
// for.
func version2(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		io.WriteString(w, "ok")
		return
	}
	io.WriteString(w, `79:0{"sid":"abcdefghijklmnopqrst","upgrades":[],"pingInterval":25000,"pingTimeout":5000}2:40`)
}

// withoutUpgrade is a proxy that knows no WebSockets.
func withoutUpgrade(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade")
		r.Header.Del("Connection")
		h.ServeHTTP(w, r)
	})
}

// withoutCORS is the official server without its option cors, which answers pages
// of all origins, and says in no header that they may read it.
func withoutCORS(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Origin")
		h.ServeHTTP(w, r)
	})
}

// upgradesTo is a proxy that answers upgrades itself.
func upgradesTo(status int, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no", status)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// balanced is a balancer without sticky sessions.
func balanced(servers ...http.Handler) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		servers[int(n.Add(1))%len(servers)].ServeHTTP(w, r)
	})
}
