package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
)

// TestProtocolSuites asks of our servers what the official suites of the
// protocols do, by Node's ws: on a listener of their own and on package net/http.
func TestProtocolSuites(t *testing.T) {
	t.Parallel()
	suites := map[string]func() suiteServer{
		"engine4":   func() suiteServer { return echoEngine(suiteEngine(false)) },
		"engine3":   func() suiteServer { return echoEngine(suiteEngine(true)) },
		"socketio5": func() suiteServer { return suiteSocketIO() },
	}
	for name, server := range suites {
		for _, mounted := range []bool{false, true} {
			form := map[bool]string{false: "own", true: "mounted"}[mounted]
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				words, _ := json.Marshal(map[string]string{"suite": name, "url": serveSuite(t, server(), mounted)})
				wantSuite(t, start(t, program{args: []string{"node", "node/protocol-suite.mjs", string(words)}}))
			})
		}
	}
}

// wantSuite demands that each case has passed.
func wantSuite(t *testing.T, p *proc) {
	t.Helper()
	if status := p.wait(); status != 0 {
		t.Fatalf("exit status %d: %s", status, p.err)
	}
	cases := 0
	for lines := bufio.NewScanner(strings.NewReader(p.out.String())); lines.Scan(); {
		var said struct {
			Saw, Name, Error string
			Tries            int
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		switch said.Saw {
		case "failed":
			t.Errorf("%s: %s", said.Name, said.Error)
		case "end":
			if cases < 21 {
				t.Errorf("%d cases only", cases)
			}
			return
		default:
			cases++
		}
	}
	t.Errorf("it ended early: %s", p.out)
}

type suiteServer interface {
	http.Handler
	Serve(l net.Listener) error
	Close(ctx context.Context) error
}

// suiteEngine has the options that the suites ask for.
func suiteEngine(eio3 bool) *engine.Server {
	return &engine.Server{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, AllowEIO3: eio3}
}

func echoEngine(s *engine.Server) *engine.Server {
	s.OnConnection = func(c *engine.Session) {
		c.OnMessage = func(data []byte, binary bool) { c.Send(append([]byte(nil), data...), binary) }
	}
	return s
}

func suiteSocketIO() *socketio.Server {
	io := socketio.NewServer(&socketio.ServerOptions{Engine: suiteEngine(false), ConnectTimeout: time.Second})
	connected := func(s *socketio.Socket) {
		s.Emit("auth", s.Handshake().Auth)
		s.On("message", func(args ...any) { s.Emit("message-back", args...) })
		s.On("message-with-ack", func(ack func(...any), args ...any) { ack(args...) })
	}
	io.OnConnection(connected)
	io.Of("/custom").OnConnection(connected)
	return io
}

func serveSuite(t *testing.T, s suiteServer, mounted bool) (url string) {
	t.Helper()
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	if mounted {
		h := httptest.NewServer(s)
		t.Cleanup(h.Close)
		return h.URL
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	go func() { _ = s.Serve(l) }()
	return "http://" + l.Addr().String()
}
