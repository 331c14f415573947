package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockkit/sockkit/ws"
)

const openText = `0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`

// at serves a handler, and returns its URL.
func at(t *testing.T, f http.HandlerFunc) string {
	h := httptest.NewServer(f)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h.URL
}

func saying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// rawly answers with bytes that are no HTTP.
func rawly(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}
}

// What a server answers that is no handshake of Engine.IO, in words.
func TestDialFails(t *testing.T) {
	polling, websocket := &Dialer{Transports: []string{"polling"}}, &Dialer{Transports: []string{"websocket"}}
	tests := []struct {
		clause string
		d      *Dialer
		serve  http.HandlerFunc
		want   string
		status int
	}{
		{"a page", polling, saying(200, "<html><title>Hi</title>"), "server error: parser error: \"<html><title>Hi</title>\" is no payload of Engine.IO", 0},
		{"nothing", polling, saying(200, ""), "server error: parser error", 0},
		{"not found", polling, saying(404, "no"), "xhr poll error: the server answered 404 Not Found", 404},
		{"bad gateway", polling, saying(502, "<html>"), "xhr poll error: the server answered 502 Bad Gateway", 502},
		{"a redirect", polling, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", 302) }, "xhr poll error: the server answered 302 Found", 302},
		{"a server of Socket.IO 2", polling, saying(200, `97:0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":5000}2:40`), "server error: parser error: the server speaks Engine.IO 3, which is Socket.IO 2", 0},
		{"another one", polling, saying(200, `100:0{"sid":"x"}2:40`), "server error: parser error: the server speaks Engine.IO 3, which is Socket.IO 2", 0},
		{"another packet", polling, saying(200, "4hello"), "server error: an open packet was due, and message came", 0},
		{"an open packet that is cut off", polling, saying(200, `0{"sid":"a`), "server error: the open packet cannot be read: unexpected end of JSON input", 0},
		{"no HTTP", polling, rawly("SSH-2.0-OpenSSH_9.9\r\n"), `xhr poll error: the answer is no HTTP: malformed HTTP response "SSH-2.0-OpenSSH_9.9"`, 0},
		{"an open packet that is none", polling, saying(200, "0{}"), "server error: the open packet has no sid", 0},
		{"a huge answer", &Dialer{Transports: []string{"polling"}, MaxMessage: 1000}, saying(200, openText+strings.Repeat(" ", 1000)), "xhr poll error: the answer has more than 1000 bytes", 0},
		{"no WebSocket", websocket, saying(200, "<html>"), "websocket error: the server answered 200 OK", 200},
		{"no WebSocket here", websocket, saying(404, ""), "websocket error: the server answered 404 Not Found", 404},
		{"another protocol", websocket, socketSaying("hello"), "server error: parser error: \"hello\" is no packet of Engine.IO", 0},
		{"another first packet", websocket, socketSaying("4hello"), "server error: an open packet was due, and message came", 0},
		{"the end", websocket, socketSaying(), "websocket error: ", 0},
		{"an unknown transport", &Dialer{Transports: []string{"pigeon"}}, saying(200, ""), "engine: the transport \"pigeon\" is unknown", 0},
		{"no transport", &Dialer{Transports: []string{}}, saying(200, ""), "engine: there is no transport to use", 0},
	}
	for _, test := range tests {
		_, err := test.d.Dial(t.Context(), at(t, test.serve), Events{OnClose: func(string, string) { t.Error("OnClose was called") }})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.clause, err, test.want)
			continue
		}
		var failed *TransportError
		if errors.As(err, &failed) && failed.Status != test.status {
			t.Errorf("%s: status %d", test.clause, failed.Status)
		}
	}
	for _, address := range []string{"ftp://a", "http://", "http://a b", "a"} {
		if _, err := polling.Dial(t.Context(), address, Events{}); err == nil {
			t.Errorf("%s is dialled", address)
		}
	}
}

// socketSaying is a WebSocket that says this, and ends.
func socketSaying(texts ...string) http.HandlerFunc {
	return socketDoing(func(ctx context.Context, c *ws.Conn) error {
		for _, text := range texts {
			if err := c.Write(ctx, ws.Text, []byte(text)); err != nil {
				return err
			}
		}
		return nil
	})
}

func socketDoing(f func(ctx context.Context, c *ws.Conn) error) http.HandlerFunc {
	return (&ws.Server{Handler: f}).ServeHTTP
}

// The codes of the engine can be told apart.
func TestErrorCodes(t *testing.T) {
	r := newRig(t, &Server{AllowRequest: func(*http.Request) error { return errors.New("bad token") }})
	r.addr = onHTTP(t, r.s)
	for _, d := range []*Dialer{{Protocol: 4, Transports: []string{"polling"}}, {Protocol: 3}} {
		_, err := d.Dial(t.Context(), "http://"+r.addr, Events{})
		var failed *TransportError
		if !errors.As(err, &failed) {
			t.Fatal(err)
		}
		code, ok := failed.Code()
		if !ok || code != Forbidden || err.Error() != "xhr poll error: the server answered 403 Forbidden: bad token" {
			t.Errorf("%v, code %d", err, code)
		}
	}
	_, err := (&Dialer{Transports: []string{"websocket"}}).Dial(t.Context(), "http://"+r.addr, Events{})
	var failed *TransportError
	if !errors.As(err, &failed) || failed.Body != "bad token" || failed.Status != 400 {
		t.Errorf("%v", err)
	}
	if _, ok := failed.Code(); ok {
		t.Error("the text of a refused upgrade has a code")
	}
}

// script is a server by polling that answers the GETs in turn, the last one for
// ever; "hang" answers not at all, and a number is a status.
func script(post string, gets ...string) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		text := post
		if r.Method == "GET" {
			text = gets[min(int(n.Add(1))-1, len(gets)-1)]
		}
		_, _ = io.Copy(io.Discard, r.Body)
		switch text {
		case "hang":
			<-r.Context().Done()
		case "500":
			w.WriteHeader(500)
		default:
			_, _ = io.WriteString(w, text)
		}
	}
}

// How sessions end, by the official reasons.
func TestClientReasons(t *testing.T) {
	quick := strings.NewReplacer("25000", "10", "20000", "10").Replace(openText)
	long := func(ctx context.Context, c *ws.Conn) error {
		_, _, err := c.Read(ctx)
		return err
	}
	tests := []struct {
		clause    string
		transport string
		serve     http.HandlerFunc
		send      string
		want      string // messages, the reason and the beginning of its description
	}{
		{"a poll that fails", "polling", script("ok", openText, "4a", "500"), "", "a transport error: xhr poll error: the server answered 500"},
		{"a POST that fails", "polling", script("500", openText, "hang"), "x", "transport error: xhr post error: the server answered 500"},
		{"a payload that is none", "polling", script("ok", openText, "4a\x1ex\x1e4b"), "", "a parse error: parser error"},
		{"a close packet", "polling", script("ok", openText+"\x1e4a", "4b\x1e1\x1e4c"), "", "a b transport close: transport closed by the server"},
		{"no ping", "polling", script("ok", quick, "hang"), "", "ping timeout: "},
		{"a close frame", "websocket", socketSaying(openText, "4a"), "", "a transport close: websocket connection closed"},
		{"a close packet", "websocket", socketSaying(openText, "1"), "", "transport close: transport closed by the server"},
		{"a packet that is none", "websocket", socketSaying(openText, "4a", "abc", "4b"), "", "a parse error: parser error"},
		{"no ping", "websocket", socketDoing(func(ctx context.Context, c *ws.Conn) error {
			return errors.Join(c.Write(ctx, ws.Text, []byte(quick)), long(ctx, c))
		}), "", "ping timeout: "},
		{"a connection that is cut", "websocket", socketDoing(func(ctx context.Context, c *ws.Conn) error {
			return errors.Join(c.Write(ctx, ws.Text, []byte(openText)), c.NetConn().Close())
		}), "", "transport close: websocket connection closed"},
		{"a frame that is wrong", "websocket", socketDoing(func(ctx context.Context, c *ws.Conn) error {
			_, err := c.NetConn().Write([]byte("\x81" + string(rune(len(openText))) + openText + "\xf1\x00"))
			return errors.Join(err, long(ctx, c))
		}), "", "transport error: websocket error: a reserved bit of a frame is set"},
		{"a message that is too large", "websocket", socketSaying(openText, "4"+strings.Repeat("x", 3000)), "", "transport error: websocket error"},
	}
	for _, test := range tests {
		t.Run(test.transport+" "+test.clause, func(t *testing.T) {
			var got []string
			d := &Dialer{Transports: []string{test.transport}, MaxMessage: 2000}
			ended := make(chan string, 1)
			events := Events{
				OnMessage: func(b []byte, _ bool) { got = append(got, string(b)) },
				OnClose:   func(reason, description string) { ended <- strings.Join(append(got, reason+": "+description), " ") },
			}
			c, err := d.Dial(t.Context(), at(t, test.serve), events)
			if err != nil {
				t.Fatal(err)
			}
			if test.send != "" {
				c.Send([]byte(test.send), false)
			}
			if got := take(t, ended, "the end"); !strings.HasPrefix(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
			take(t, c.Done(), "Done")
			c.Send([]byte("late"), false)
			c.Close()
		})
	}
}

// Cancelling frees a dial, on each transport.
func TestDialCancelled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range []string{"polling", "websocket"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("changed my mind")
		go func() {
			conn, err := l.Accept()
			if err == nil {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1))
			}
			cancel(why)
		}()
		_, err := (&Dialer{Transports: []string{name}}).Dial(ctx, "http://"+l.Addr().String(), Events{})
		if !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// breaking serves s, but for WebSockets. Polls wait for over.
func breaking(t *testing.T, s *Server, upgrade http.HandlerFunc, over <-chan struct{}) string {
	mux := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUpgrade(r) {
			upgrade(w, r)
			return
		}
		if r.Method == http.MethodGet && r.URL.Query().Has("sid") {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		}
		s.ServeHTTP(w, r)
	})
	return "http://" + onHandler(t, s, mux)
}

// Where the upgrade fails, in whatever phase, the session polls on and nothing
// is lost.
func TestUpgradeFails(t *testing.T) {
	reply := func(answers ...string) http.HandlerFunc {
		return socketDoing(func(ctx context.Context, c *ws.Conn) error {
			_, _, err := c.Read(ctx)
			for _, a := range answers {
				err = errors.Join(err, c.Write(ctx, ws.Text, []byte(a)))
			}
			return err
		})
	}
	tests := []struct {
		clause  string
		upgrade http.HandlerFunc
		want    string
	}{
		{"a proxy that knows no WebSockets", saying(400, "Bad Request"), "probe error: websocket error: the server answered 400 Bad Request"},
		{"a proxy that takes the header away", saying(200, "ok"), "probe error: websocket error: the server answered 200 OK"},
		{"another pong", reply("3other"), "probe error: a pong was due, and pong came"},
		{"a message", reply("4hello"), "probe error: a pong was due, and message came"},
		{"no packet", reply("hello"), "probe error: parser error"},
		{"the end before the pong", reply(), "probe error: "},
		{"the end behind the pong", reply("3probe"), "probe error: the transport closed"},
		{"a message behind the pong", reply("3probe", "4hello"), "probe error: message came before the upgrade"},
	}
	for _, test := range tests {
		t.Run(test.clause, func(t *testing.T) {
			r := newRig(t, plain())
			// Polls wait until the upgrade has failed: one that ends in time lets it go on.
			over := make(chan struct{})
			url := breaking(t, r.s, test.upgrade, over)
			failed, got := make(chan error, 1), make(chan string, 1000)
			c, err := (&Dialer{}).Dial(t.Context(), url, Events{
				OnUpgrade: func(_ string, err error) { failed <- err },
				OnMessage: func(b []byte, _ bool) { got <- string(b) },
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				c.Send(fmt.Append(nil, i), false)
			}
			if err := take(t, failed, "OnUpgrade"); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			close(over)
			for i := range 100 {
				c.Send(fmt.Append(nil, 100+i), false)
			}
			for i := range 200 {
				if m := take(t, got, "an echo"); m != fmt.Sprint(i) {
					t.Fatalf("%s came in place of %d", m, i)
				}
			}
			if c.Transport() != "polling" {
				t.Errorf("it uses %s", c.Transport())
			}
			c.Close()
			take(t, c.Done(), "the end")
			r.wantClosed("transport close")
		})
	}
}

// A probe that is never answered holds nothing up.
func TestProbeWithoutAnswer(t *testing.T) {
	r := newRig(t, plain())
	probed := make(chan struct{})
	url := breaking(t, r.s, socketDoing(func(ctx context.Context, c *ws.Conn) error {
		_, _, err := c.Read(ctx)
		close(probed)
		_, _, _ = c.Read(ctx)
		return err
	}), probed)
	got := make(chan string, 10)
	c, err := (&Dialer{}).Dial(t.Context(), url, Events{OnMessage: func(b []byte, _ bool) { got <- string(b) }})
	if err != nil {
		t.Fatal(err)
	}
	take(t, probed, "the probe")
	c.Send([]byte("hi"), false)
	take(t, got, "the echo")
	c.Close()
	take(t, c.Done(), "the end")
}

// The server that is not there.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for name, want := range map[string]string{"polling": "xhr poll error: ", "websocket": "websocket error: "} {
		_, err := (&Dialer{Transports: []string{name}}).Dial(t.Context(), "http://"+l.Addr().String(), Events{})
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%v", err)
		}
	}
	d := &Dialer{TryAllTransports: true}
	if _, err := d.Dial(t.Context(), "http://"+l.Addr().String(), Events{}); err == nil || strings.Count(err.Error(), "refused") != 2 {
		t.Errorf("%v", err)
	}
}

// A POST that is not answered ends the session by its own time.
func TestRequestTimeout(t *testing.T) {
	ended := make(chan string, 1)
	d := &Dialer{Transports: []string{"polling"}, RequestTimeout: 10 * time.Millisecond}
	c, err := d.Dial(t.Context(), at(t, script("hang", openText, "hang")), Events{OnClose: func(reason, description string) { ended <- reason + ": " + description }})
	if err != nil {
		t.Fatal(err)
	}
	c.Send([]byte("x"), false)
	if got := take(t, ended, "the end"); !strings.HasPrefix(got, "transport error: xhr post error") {
		t.Error(got)
	}
}

// Behind a sleep of the machine the clock on the wall knows better than timers.
func TestExpired(t *testing.T) {
	ended := make(chan string, 1)
	for _, name := range []string{"polling", "websocket"} {
		r := newRig(t, plain())
		r.addr = onHTTP(t, r.s)
		d := &Dialer{Transports: []string{name}}
		c, err := d.Dial(t.Context(), "http://"+r.addr, Events{OnClose: func(reason, _ string) { ended <- reason }})
		if err != nil {
			t.Fatal(err)
		}
		if c.Expired() {
			t.Error("a new session has expired")
		}
		c.mu.Lock()
		c.deadline = time.Now().Round(0).Add(-time.Second)
		c.mu.Unlock()
		if !c.Expired() {
			t.Error("the ping is not overdue")
		}
		if got := take(t, ended, "the end"); got != ReasonPingTimeout {
			t.Errorf("it ended with %q", got)
		}
	}
}
