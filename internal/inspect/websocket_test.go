package inspect

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// webServer serves WebSockets, and returns where.
func webServer(t *testing.T, s *ws.Server) endpoint.Address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return wsAt(l.Addr().String())
}

func wsAt(hostPort string) endpoint.Address {
	host, port, _ := net.SplitHostPort(hostPort)
	return endpoint.Address{Scheme: endpoint.WS, Host: host, Port: port, Target: "/chat"}
}

func TestWebSocket(t *testing.T) {
	greets := &ws.Server{
		Subprotocols: []string{"chat"}, Deflate: &handshake.Deflate{ServerMaxWindowBits: 12},
		OnOpen:    func(p *ws.Peer, _ *ws.Request) { _ = p.Write(ws.Text, []byte("hello \x1b[31m")) },
		OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { p.Close(4001, "heard "+k.String()+" "+string(b)) },
	}
	at := webServer(t, greets)
	r := run(t, Options{Address: at, BannerWait: 1, WebSocket: WebSocketOptions{Subprotocols: []string{"chat"}}})
	h, w := r.Handshake, r.WebSocket
	if r.Reached != ReachedWebSocket || h == nil || w == nil || len(r.Findings) != 0 {
		t.Fatalf("reached %q, %+v, %+v, findings %+v", r.Reached, h, w, r.Findings)
	}
	if h.Status != 101 || h.Subprotocol != "chat" || !strings.Contains(h.Extensions, "server_max_window_bits=12") || h.Verdict.Outcome != explain.Opens || h.Duration == 0 {
		t.Errorf("%+v", h)
	}
	if w.RTT == 0 || w.Count != 1 || len(w.Messages) != 1 || w.Messages[0].Text != "hello \x1b[31m" || w.Messages[0].Type != "text" {
		t.Errorf("%+v", w)
	}
	if c := w.Close; c == nil || c.By != ByUs || c.Code != 1000 || !c.Answered {
		t.Errorf("%+v", c)
	}
	text := r.Text(TextOptions{})
	for _, want := range []string{"was answered 101", "subprotocol chat", "a ping was answered in", `"hello \x1b[31m"`, "closed with 1000"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("not escaped: %q", text)
	}
	r = run(t, Options{Address: at, BannerWait: long, Send: []byte("hi"), WebSocket: WebSocketOptions{NoDeflate: true}})
	if c := r.WebSocket.Close; c == nil || c.By != ByPeer || c.Code != 4001 || c.Reason != "heard text hi" {
		t.Errorf("%+v", c)
	}
	if got := ids(r.Findings); !slices.Equal(got, []string{"warning closed_at_once 0"}) || r.Handshake.Extensions != "" {
		t.Errorf("findings %v, extensions %q", got, r.Handshake.Extensions)
	}
}

// answered serves raw answers to an opening request.
func answered(t *testing.T, answer func(request *handshake.Head) string, then func(net.Conn)) endpoint.Address {
	t.Helper()
	port := serve(t, func(conn net.Conn) {
		var h handshake.Head
		reader := handshake.Reader{Source: conn}
		if reader.ReadRequest(&h) == nil {
			_, _ = io.WriteString(conn, answer(&h))
		}
		if then != nil {
			then(conn)
		}
	})
	return wsAt("127.0.0.1:" + port)
}

func rightAnswer(h *handshake.Head) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		handshake.AcceptKey(h.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
}

func TestOpeningHandshakesThatFail(t *testing.T) {
	for name, row := range map[string]struct {
		answer  string
		finding string
		reached string
		text    string
	}{
		"broken":  {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", "error response-upgrade-missing 0", ReachedHandshake, "(no Upgrade header)"},
		"refused": {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "", ReachedHandshake, "404 Not Found"},
		"silent":  {"", "", ReachedConnection, ""},
	} {
		t.Run(name, func(t *testing.T) {
			at := answered(t, func(*handshake.Head) string { return row.answer }, nil)
			r, err := Run(within(t), Options{Address: at, BannerWait: -1})
			var failed *ws.HandshakeError
			if !errors.As(err, &failed) || r.Reached != row.reached || r.Error == "" || strings.Contains(r.Error, "dial") {
				t.Fatalf("%v; reached %q, error %q", err, r.Reached, r.Error)
			}
			if row.finding != "" && !slices.Contains(ids(r.Findings), row.finding) {
				t.Errorf("findings %v", ids(r.Findings))
			}
			if text := r.Text(TextOptions{Width: 80}); !strings.Contains(text, row.text) {
				t.Errorf("nothing says %q:\n%s", row.text, text)
			}
		})
	}
}

func TestCredentialsAreHidden(t *testing.T) {
	at := answered(t, func(*handshake.Head) string { return "HTTP/1.1 403 Forbidden\r\nSet-Cookie: id=secret\r\n\r\n" }, nil)
	o := Options{Address: at, BannerWait: -1, WebSocket: WebSocketOptions{Header: []handshake.Field{handshake.F("Authorization", "Bearer secret")}}}
	for _, show := range []bool{false, true} {
		o.WebSocket.ShowSecrets = show
		r, _ := Run(within(t), o)
		if text := r.Text(TextOptions{}); strings.Contains(text, "secret") != show {
			t.Errorf("shown %v:\n%s", !show, text)
		}
	}
}

func TestWhatAPeerDoesWrongWithFrames(t *testing.T) {
	const masked = "\x81\x81\x00\x00\x00\x00x"
	for name, row := range map[string]struct {
		behind  string
		then    func(net.Conn)
		finding string
	}{
		"a masked frame": {masked, stay, "error frame-masked 0"},
		"no close frame": {"", nil, "warning reset 0"},
		"closed at once": {"\x88\x00", stay, "note closed_at_once 0"},
		"a policy":       {"\x88\x02\x03\xf0", stay, "warning closed_at_once 0"},
	} {
		t.Run(name, func(t *testing.T) {
			at := answered(t, func(h *handshake.Head) string { return rightAnswer(h) + row.behind }, row.then)
			r := run(t, Options{Address: at, BannerWait: long, Timeout: time.Second})
			if !slices.Contains(ids(r.Findings), row.finding) || r.WebSocket.Close == nil {
				t.Errorf("findings %v, %+v", ids(r.Findings), r.WebSocket.Close)
			}
			if f := r.Findings[0]; f.Clause == "" && f.ID != PeerClosed {
				t.Errorf("no clause: %+v", f)
			}
		})
	}
}

// A peer that answers neither the ping nor the close is told of.
func TestAPeerThatAnswersNothing(t *testing.T) {
	at := answered(t, rightAnswer, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	r := run(t, Options{Address: at, BannerWait: -1, Timeout: 50 * time.Millisecond})
	if got := ids(r.Findings); !slices.Equal(got, []string{"warning no_pong 0", "warning close_unanswered 0"}) || r.WebSocket.Close.Answered {
		t.Errorf("%v, %+v", got, r.WebSocket.Close)
	}
}

func TestWebSocketOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &ws.Server{}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	r := run(t, Options{Address: endpoint.Address{Scheme: endpoint.WSUnix, Path: path, Target: "/chat"}, BannerWait: -1})
	if r.File == nil || r.File.State != FileAlive || r.Reached != ReachedWebSocket || r.Handshake.URL != "ws://localhost/chat" {
		t.Errorf("%+v", r)
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	config, err := (&tcp.TLSOptions{SelfSigned: true}).Server()
	if err != nil {
		t.Fatal(err)
	}
	at := webServer(t, &ws.Server{TCP: &tcp.Server{TLS: config}})
	at.Scheme = endpoint.WSS
	r := run(t, Options{Address: at, BannerWait: -1, TLS: tcp.TLSOptions{Insecure: true}})
	if r.Reached != ReachedWebSocket || r.TLS == nil || r.TLS.Version != "TLS 1.3" || slices.Contains(ids(r.Findings), "warning no_alpn 0") {
		t.Errorf("reached %q, %+v, %v", r.Reached, r.TLS, ids(r.Findings))
	}
}

func TestWatchAWebSocketByPings(t *testing.T) {
	in, err := Open(within(t), Options{Address: webServer(t, &ws.Server{}), BannerWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	enough := errors.New("enough")
	err = in.Watch(within(t), WatchOptions{Interval: time.Millisecond, Each: func(s Sample) error {
		if s.Ping > 0 {
			return enough
		}
		return nil
	}})
	if runtime.GOOS != "linux" && errors.Is(err, errors.ErrUnsupported) {
		t.Skip("there is no TCP_INFO here")
	}
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil || !in.Report.WebSocket.Close.Answered {
		t.Errorf("%v, %+v", err, in.Report.WebSocket.Close)
	}
	if _, err := Open(canceled(), Options{Address: in.o.Address}); err == nil {
		t.Error("a signal does not end it")
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
