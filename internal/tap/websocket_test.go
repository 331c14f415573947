package tap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/faults"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// fromWebSocketsTo starts a tap from a WebSocket listener to something else.
func fromWebSocketsTo(t *testing.T, target endpoint.Address, text bool, change func(*Server)) *run {
	t.Helper()
	a := address(t, "ws")
	l, _, err := opener(t, nil).Listen(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	r := tapTo(t, "tcp", target, nil, func(s *Server) {
		s.Listener.Close()
		sockets := ListenWebSockets(&ws.Server{Permit: func(*ws.Request) error { return nil }}, l, text)
		t.Cleanup(func() { _ = sockets.Shutdown() })
		s.Listener, s.Open = sockets, nil
		if change != nil {
			change(s)
		}
	})
	r.addr = a.Bound(l.Addr())
	return r
}

// toWebSocket starts a tap from something else to a WebSocket server.
func toWebSocket(t *testing.T, kind string, s *ws.Server, text bool, change func(*Server)) *run {
	t.Helper()
	target := serveWebSockets(t, s)
	return tapTo(t, kind, target, nil, func(s *Server) {
		s.Dial = func(ctx context.Context) (net.Conn, error) {
			c, _, err := (&ws.Dialer{}).Dial(ctx, target.URL())
			if err != nil {
				return nil, err
			}
			return NewWebSocket(c, text), nil
		}
		if change != nil {
			change(s)
		}
	})
}

func serveWebSockets(t *testing.T, s *ws.Server) endpoint.Address {
	t.Helper()
	a := address(t, "ws")
	l, _, err := opener(t, nil).Listen(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	s.Permit = func(*ws.Request) error { return nil }
	for _, socket := range l.Sockets() {
		go func() { _ = s.Serve(socket) }()
	}
	t.Cleanup(func() { s.Close() })
	return a.Bound(l.Addr())
}

func send(t *testing.T, c *ws.Conn, kind ws.MessageType, text string) {
	t.Helper()
	if err := c.Write(t.Context(), kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// receives wants messages that are together what is wanted: a stream has no
// borders.
func receives(t *testing.T, c *ws.Conn, kind ws.MessageType, want string) {
	t.Helper()
	var got []byte
	for len(got) < len(want) {
		k, p, err := c.Read(t.Context())
		if err != nil || k != kind {
			t.Fatalf("%v, %v behind %d bytes", k, err, len(got))
		}
		got = append(got, p...)
	}
	if string(got) != want {
		t.Fatalf("other bytes: %.80q", got)
	}
}

func closedWith(t *testing.T, c *ws.Conn, code ws.StatusCode) {
	t.Helper()
	var closed *ws.CloseError
	for {
		_, p, err := c.Read(t.Context())
		if err == nil {
			t.Errorf("another message: %.80q", p)
			continue
		}
		if !errors.As(err, &closed) || closed.Code != code || closed.Local {
			t.Errorf("%v, want %v by the peer", err, code)
		}
		return
	}
}

func TestMessagesToStreamsAndBack(t *testing.T) {
	large := string(random(7, 5<<20))
	for mode, f := range map[string]*faults.Faults{"as they are": nil, "late": {Delay: time.Millisecond, Seed: 1}} {
		for _, kind := range []string{"tcp", "unix"} {
			t.Run(kind+" "+mode, func(t *testing.T) {
				target := targetOf(t, kind, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
				c := fromWebSocketsTo(t, target, false, func(s *Server) { s.Faults = f }).webSocket(t, &ws.Dialer{})
				for _, text := range []string{"hello", large} {
					sent := make(chan error, 1)
					go func() { sent <- c.Write(t.Context(), ws.Binary, []byte(text)) }()
					receives(t, c, ws.Binary, text)
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Close(ws.StatusNormal, ""); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestStreamsToMessagesAndBack(t *testing.T) {
	large := random(7, 5<<20)
	for mode, f := range map[string]*faults.Faults{"as they are": nil, "late": {Delay: time.Millisecond, Seed: 1}} {
		t.Run(mode, func(t *testing.T) {
			ends := make(chan error, 1)
			r := toWebSocket(t, "tcp", &ws.Server{
				OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { _ = p.Write(k, b) },
				OnClose:   func(_ *ws.Peer, err error) { ends <- err },
			}, false, func(s *Server) { s.Faults = f })
			conn := r.dial(t)
			go func() { _, _ = conn.Write(large) }()
			got := make([]byte, len(large))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, large) {
				t.Fatalf("%v, or other bytes than were sent", err)
			}
			conn.(interface{ CloseWrite() error }).CloseWrite()
			hearEnd(t, conn)
			var closed *ws.CloseError
			if err := <-ends; !errors.As(err, &closed) || closed.Code != ws.StatusNormal {
				t.Errorf("the server was left with %v", err)
			}
		})
	}
}

// A whole message of a server passes as one piece, however large.
func TestALargeMessageOfAServer(t *testing.T) {
	large := random(9, 20<<20)
	r := toWebSocket(t, "tcp", &ws.Server{OnMessage: func(p *ws.Peer, _ ws.MessageType, _ []byte) {
		_ = p.Write(ws.Binary, large)
		p.Close(ws.StatusNormal, "")
	}}, false, nil)
	conn := r.dial(t)
	say(t, conn, "x")
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestLinesOfAChildAreTextMessages(t *testing.T) {
	c := fromWebSocketsTo(t, address(t, "exec:cat"), true, func(s *Server) { s.TargetLines = true }).webSocket(t, &ws.Dialer{})
	for _, line := range []string{"hello", "", "grüße"} {
		send(t, c, ws.Text, line)
		receives(t, c, ws.Text, line)
	}
	send(t, c, ws.Binary, "two\nlines\n")
	receives(t, c, ws.Text, "twolines")
	if err := c.Close(ws.StatusNormal, ""); err != nil {
		t.Error(err)
	}
	c = fromWebSocketsTo(t, address(t, "exec:cat"), false, nil).webSocket(t, &ws.Dialer{})
	send(t, c, ws.Text, "as it is\n")
	receives(t, c, ws.Binary, "as it is\n")
}

func TestDatagramsAreMessages(t *testing.T) {
	echo, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := echo.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(buf[:n], from)
		}
	}()
	r := fromWebSocketsTo(t, address(t, "udp").Bound(echo.LocalAddr()), false, nil)
	c := r.webSocket(t, &ws.Dialer{})
	for _, text := range []string{"one", "", "two"} {
		send(t, c, ws.Text, text)
		if _, p, err := c.Read(t.Context()); err != nil || string(p) != text {
			t.Errorf("%q, %v", p, err)
		}
	}
	send(t, c, ws.Binary, strings.Repeat("x", 70000))
	if err := <-r.failed; !strings.Contains(err.Error(), "larger") && !strings.Contains(err.Error(), "large") {
		t.Errorf("told %v", err)
	}
	send(t, c, ws.Text, "and on")
	receives(t, c, ws.Binary, "and on")

	to := toWebSocket(t, "udp", &ws.Server{OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { _ = p.Write(k, b) }}, true, nil)
	conn := to.dial(t)
	for _, text := range []string{"one", "two"} {
		say(t, conn, text)
		hear(t, conn, text)
	}
}

func TestTheEndOfATargetClosesTheWebSocket(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(net.Conn)
		code ws.StatusCode
	}{
		"in good order": {func(conn net.Conn) { _, _ = io.WriteString(conn, "bye") }, ws.StatusNormal},
		"by a reset": {func(conn net.Conn) {
			_, _ = io.WriteString(conn, "bye")
			_, _ = conn.Read(make([]byte, 1))
			tcp.Reset(conn)
		}, ws.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			c := fromWebSocketsTo(t, targetOf(t, "tcp", row.end), false, nil).webSocket(t, &ws.Dialer{})
			receives(t, c, ws.Binary, "bye")
			if row.code != ws.StatusNormal {
				send(t, c, ws.Text, "x")
			}
			closedWith(t, c, row.code)
		})
	}
}

func TestATargetThatCannotBeReachedIsABadGateway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := address(t, "tcp").Bound(l.Addr())
	l.Close()
	r := fromWebSocketsTo(t, target, false, nil)
	closedWith(t, r.webSocket(t, &ws.Dialer{}), ws.StatusBadGateway)
	if err := <-r.failed; !strings.Contains(err.Error(), "refused") {
		t.Errorf("told %v", err)
	}
}

func TestTheEndOfAWebSocketEndsTheStream(t *testing.T) {
	t.Run("in good order", func(t *testing.T) {
		got := make(chan string, 1)
		target := targetOf(t, "tcp", func(conn net.Conn) {
			all, err := io.ReadAll(conn)
			got <- string(all)
			if err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(conn, "for nobody") // who asked has left
		})
		c := fromWebSocketsTo(t, target, false, nil).webSocket(t, &ws.Dialer{})
		send(t, c, ws.Text, "last words")
		if err := c.Close(ws.StatusNormal, ""); err != nil {
			t.Error(err)
		}
		if all := <-got; all != "last words" {
			t.Errorf("%q", all)
		}
	})
	for name, end := range map[string]func(*ws.Conn){
		"with a code that means trouble": func(c *ws.Conn) { _ = c.Close(4000, "no") },
		"without a close frame":          func(c *ws.Conn) { _ = c.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan error, 1)
			target := targetOf(t, "tcp", func(conn net.Conn) {
				_, err := io.ReadAll(conn)
				got <- err
			})
			r := fromWebSocketsTo(t, target, false, nil)
			end(r.webSocket(t, &ws.Dialer{}))
			if err := <-got; !tcp.IsReset(err) {
				t.Errorf("the target read %v, want a reset", err)
			}
			var closed *ws.CloseError
			if err := <-r.failed; !errors.As(err, &closed) || !strings.HasPrefix(err.Error(), "the client: ") {
				t.Errorf("told %v", err)
			}
		})
	}
}

func TestTheEndOfAServerEndsTheClient(t *testing.T) {
	for name, row := range map[string]struct {
		code  ws.StatusCode
		reset bool
	}{"in good order": {ws.StatusGoingAway, false}, "with trouble": {ws.StatusInternalError, true}} {
		t.Run(name, func(t *testing.T) {
			r := toWebSocket(t, "tcp", &ws.Server{OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) {
				_ = p.Write(k, b)
				p.Close(row.code, "")
			}}, false, nil)
			conn := r.dial(t)
			say(t, conn, "hello")
			got, err := io.ReadAll(conn)
			if row.reset != tcp.IsReset(err) || !row.reset && string(got) != "hello" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// A stream that is cut within a character is held back; what is no text is told.
func TestTextOfAStream(t *testing.T) {
	parts := []string{"gr\xc3", "\xbc\xc3", "\x9fe \xf0\x9f", "\x98\x80"}
	got := make(chan string, 100)
	r := toWebSocket(t, "tcp", &ws.Server{OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) {
		got <- k.String() + " " + string(b)
		_ = p.Write(k, b)
	}}, true, nil)
	conn := r.dial(t)
	whole := strings.Join(parts, "")
	go func() {
		for _, part := range parts {
			_, _ = io.WriteString(conn, part)
		}
	}()
	hear(t, conn, whole)
	for all := ""; all != whole; {
		kind, text, _ := strings.Cut(<-got, " ")
		if all += text; kind != "text" || !strings.HasPrefix(whole, all) {
			t.Fatalf("%s %q", kind, all)
		}
	}
	say(t, conn, "\xff")
	var none *session.NotText
	if err := <-r.failed; !errors.As(err, &none) {
		t.Errorf("told %v", err)
	}
}

func TestWholeCharacters(t *testing.T) {
	const text = "aé€😀z"
	for cut := range len(text) {
		parts := []string{text[:cut], text[cut:]}
		next := wholeCharacters(func() ([]byte, error) {
			if len(parts) == 0 {
				return nil, io.EOF
			}
			p := parts[0]
			parts = parts[1:]
			return []byte(p), nil
		})
		all := ""
		for p, err := next(); err == nil; p, err = next() {
			if err := session.CheckText(ws.Text, p); err != nil {
				t.Errorf("cut at %d: %q", cut, p)
			}
			all += string(p)
		}
		if all != text {
			t.Errorf("cut at %d: %q", cut, all)
		}
	}
}

func TestACutOfMessages(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := fromWebSocketsTo(t, target, false, func(s *Server) {
		s.Faults = &faults.Faults{Cut: faults.Trigger{OnSize: true, Size: 10}, Direction: faults.Up}
	})
	c := r.webSocket(t, &ws.Dialer{})
	send(t, c, ws.Text, "0123456789")
	var closed *ws.CloseError
	for {
		_, _, err := c.Read(t.Context())
		if err == nil {
			continue
		}
		if !errors.As(err, &closed) || closed.Code != ws.StatusAbnormal {
			t.Errorf("%v", err)
		}
		break
	}
}

func TestSignalsCloseWebSockets(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := fromWebSocketsTo(t, target, false, nil)
	c := r.webSocket(t, &ws.Dialer{})
	send(t, c, ws.Text, "hello")
	receives(t, c, ws.Binary, "hello")
	r.stop(errStopped)
	closedWith(t, c, ws.StatusGoingAway)
}

func TestOnceLeavesTheFirstWebSocketAlone(t *testing.T) {
	target := targetOf(t, "tcp", func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	r := fromWebSocketsTo(t, target, false, func(s *Server) { s.Once = true })
	c := r.webSocket(t, &ws.Dialer{})
	send(t, c, ws.Text, "hello")
	receives(t, c, ws.Binary, "hello")
	if conn, err := net.Dial("tcp", r.addr.HostPort()); err == nil {
		conn.Close()
		t.Error("another client is taken")
	}
	if err := c.Close(ws.StatusNormal, ""); err != nil {
		t.Error(err)
	}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	r.ended <- nil
}

var _ traced = (*WebSocket)(nil)

func TestAWebSocketIsPairedInTheTrace(t *testing.T) {
	s := newSeen()
	tracer := s.tracer(trace.Connection)
	one, other := net.Pipe()
	defer other.Close()
	conn := tcp.Trace(one, tracer, trace.Server, 0)
	w := NewWebSocket(ws.NewConn(conn, ws.Config{}), false)
	pair(w, tcp.Trace(other, tracer, trace.Client, 0))
	await(t, s, "the pair", saysNote("passes on connection 1"))
}
