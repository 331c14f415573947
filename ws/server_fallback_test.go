package ws

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// fallback is a listener whose pages are HTTP, for callbacks and a handler.
func fallback(t *testing.T, set func(*Server), test func(t *testing.T, s *Server, addr string)) {
	for _, kind := range []string{"callbacks", "handler"} {
		t.Run(kind, func(t *testing.T) {
			noLeaks(t)
			s := &Server{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/panic" {
					panic("oh")
				}
				body, _ := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%s %s %v %s", r.Method, r.URL.Path, r.TLS != nil, body)
			})}
			if kind == "handler" {
				s.Handler = func(_ context.Context, c *Conn) error { return echo(c) }
			} else {
				s.OnMessage = func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }
			}
			set(s)
			test(t, s, hostOf(forms[0].serve(t, s)))
		})
	}
}

// TestFallbackUpgrade: a connection that was kept for pages is upgraded, with
// what was sent behind the request.
func TestFallbackUpgrade(t *testing.T) {
	rec := &trace.Recorder{}
	fallback(t, func(s *Server) { s.Tracer = trace.New(rec, trace.Message) }, func(t *testing.T, _ *Server, addr string) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for range 2 {
			_, _ = io.WriteString(conn, "POST /page HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
			page(t, in, "POST /page false hello")
		}
		_, _ = conn.Write(append([]byte(strings.ReplaceAll(wellFormed, "pipe", addr)), wire(ClientRole, text("early"), closeWith(1000, ""))...))
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatal(err, resp)
		}
		if g, err := readFrames(t, in, ServerRole, nil, true); err != nil || len(g.messages) != 1 || g.code != StatusNormal {
			t.Errorf("%+v, %v", g, err)
		}
	})
}

func page(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if string(body) != want {
		t.Errorf("%q; want %q", body, want)
	}
}

// TestFallbackTLS: over TLS a page knows that it is, and an upgrade too.
func TestFallbackTLS(t *testing.T) {
	cert, err := tcp.SelfSigned([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	fallback(t, func(s *Server) {
		s.TCP = &tcp.Server{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
		s.Permit = func(r *Request) error {
			if r.TLS == nil {
				return errors.New("no TLS")
			}
			return nil
		}
	}, func(t *testing.T, _ *Server, addr string) {
		for _, pages := range []int{0, 1} {
			conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for range pages {
				_, _ = io.WriteString(conn, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
				page(t, in, "GET /page true ")
			}
			_, _ = io.WriteString(conn, strings.ReplaceAll(wellFormed, "pipe", addr))
			if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 101 {
				t.Fatal(err, resp)
			}
			_, _ = conn.Write(wire(ClientRole, text("over TLS"), closeWith(1000, "")))
			if g, err := readFrames(t, in, ServerRole, nil, false); err != io.EOF || len(g.messages) != 1 || g.code != StatusNormal {
				t.Errorf("%+v, %v", g, err)
			}
		}
	})
}

// TestFallbackPanic: a page that panics ends its connection and reaches the hook.
func TestFallbackPanic(t *testing.T) {
	panics := make(chan *tcp.PanicError, 1)
	fallback(t, func(s *Server) { s.OnPanic = func(_ net.Addr, err *tcp.PanicError) { panics <- err } }, func(t *testing.T, s *Server, addr string) {
		_, err := http.Get("http://" + addr + "/panic")
		if e := <-panics; err == nil || e.Value != "oh" || e.Callback != "HTTP" {
			t.Error(err, e)
		}
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// TestFallbackShutdown: a kept connection does not hold it up.
func TestFallbackShutdown(t *testing.T) {
	fallback(t, func(*Server) {}, func(t *testing.T, s *Server, addr string) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		_, _ = io.WriteString(conn, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
		page(t, in, "GET /page false ")
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Error(err)
		}
	})
}
