package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// TestRequestOfSession holds that the request of a session is the one that came,
// also where only its bytes were kept.
func TestRequestOfSession(t *testing.T) {
	allow := func(r *http.Request) error {
		*r = *r.WithContext(context.WithValue(r.Context(), ctxUser{}, "me"))
		return nil
	}
	for name, s := range map[string]*Server{"bytes": {}, "seen by others": {AllowRequest: allow}} {
		t.Run(name, func(t *testing.T) {
			sessions := make(chan *Session, 1)
			s.OnConnection = func(c *Session) { sessions <- c }
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go s.Serve(l)
			defer s.Close(t.Context())
			d := ws.Dialer{Header: []handshake.Field{handshake.F("X-Test", "a"), handshake.F("X-Test", "b")}}
			conn, _, err := d.Dial(t.Context(), "ws://"+l.Addr().String()+sockets+"&q=%20x")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			session := <-sessions
			if kept := session.opening.head != nil; kept != (s.AllowRequest == nil) {
				t.Errorf("its bytes are kept: %v", kept)
			}
			checkRequest(t, session, conn.NetConn().LocalAddr().String())
			if user, _ := session.Request().Context().Value(ctxUser{}).(string); (user == "me") != (s.AllowRequest != nil) {
				t.Errorf("the user is %q", user)
			}
		})
	}
}

type ctxUser struct{}

func checkRequest(t *testing.T, s *Session, remote string) {
	t.Helper()
	r := s.Request()
	if r != s.Request() || r.Method != "GET" || r.URL.Query().Get("q") != " x" || len(r.Header["X-Test"]) != 2 || r.Header.Get("Upgrade") != "websocket" {
		t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	if r.RemoteAddr != remote || s.RemoteAddr() != remote || r.Host == "" || r.TLS != nil {
		t.Errorf("from %s, %s; to %s", r.RemoteAddr, s.RemoteAddr(), r.Host)
	}
	if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || r.Context().Err() != nil {
		t.Errorf("%v, %v", err, r.Context().Err())
	}
}
