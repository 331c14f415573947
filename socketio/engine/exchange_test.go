package engine

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestInPlace polls on the engine's own listener: package net/http gets nothing of
// it, but what only that can do.
func TestInPlace(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(*Server)
		web  bool
	}{
		{"plain", func(*Server) {}, false},
		{"CORS", func(s *Server) { s.CORS = &CORS{Origins: []string{"*"}} }, false},
		{"hooks", func(s *Server) {
			s.AllowRequest = func(*http.Request) error { return nil }
			s.Headers = func(h http.Header, r *http.Request) { h.Set("X-Method", r.Method) }
		}, false},
		{"a middleware", func(s *Server) { s.Use(func(next http.Handler) http.Handler { return next }) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := plain()
			test.set(s)
			r := newRig(t, s)
			r.addr = onListener(t, s)
			session, base := r.begin(polls)
			waits := r.pending(session, base)
			a := r.post(base, "4hello")
			if a.status != 200 || a.body != "ok" || a.header.Get("Date") == "" {
				t.Errorf("%+v", a)
			}
			if test.name == "hooks" && a.header.Get("X-Method") != "POST" {
				t.Errorf("the hook has set %v", a.header)
			}
			r.want(take(t, waits, "the echo"), 200, "4hello")
			if web := s.Stats().Detached > 0; web != test.web {
				t.Errorf("net/http had it: %v", web)
			}
			if u := session.Request(); u == nil || u.Host != r.addr || u.URL.Query().Get("EIO") != "4" || !strings.Contains(u.Header.Get("User-Agent"), "Go") {
				t.Errorf("the session's request is %+v", u)
			}
		})
	}
}

// TestInPlacePipelined sends a poll and what answers it in one piece, on one
// connection: requests are answered in their order, so the poll has to be closed
// by the heartbeat first.
func TestInPlacePipelined(t *testing.T) {
	s := &Server{PingInterval: 20 * time.Millisecond}
	r := newRig(t, s)
	r.addr = onListener(t, s)
	_, base := r.begin(polls)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\nPOST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n3\x1e4", base, base)
	in := bufio.NewReader(conn)
	for _, want := range []string{"2", "ok"} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, resp.ContentLength)
		if _, err := resp.Body.Read(body); string(body) != want {
			t.Errorf("%q, %v; want %q", body, err, want)
		}
		resp.Body.Close()
	}
	r.want(r.get(base), 200, "4")
}

// BenchmarkPoll is a poll and a post, as a client alternates them.
func BenchmarkPoll(b *testing.B) {
	s := plain()
	s.OnConnection = func(c *Session) { c.OnMessage = func(m []byte, binary bool) { c.Send([]byte("pong"), binary) } }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close(b.Context())
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	answered := func() string {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			b.Fatal(err)
		}
		body := make([]byte, resp.ContentLength)
		_, _ = resp.Body.Read(body)
		resp.Body.Close()
		return string(body)
	}
	fmt.Fprint(conn, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n")
	_, id, _ := strings.Cut(answered(), `"sid":"`)
	id, _, _ = strings.Cut(id, `"`)
	at := "/engine.io/?EIO=4&transport=polling&sid=" + id
	both := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n4pingGET %s HTTP/1.1\r\nHost: a\r\n\r\n", at, at)
	b.ReportAllocs()
	for b.Loop() {
		fmt.Fprint(conn, both)
		if ok, pong := answered(), answered(); ok != "ok" || pong != "4pong" {
			b.Fatal(ok, pong)
		}
	}
}
