package dissect_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/dissect"
	"github.com/sockkit/sockkit/internal/tap"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// attached is a sink that feeds an assembler, and keeps what it says.
type attached struct {
	mu      sync.Mutex
	records []trace.Record
	wires   map[int][]byte
	asm     dissect.Assembler
	closed  chan struct{} // one for each connection that has ended
	fails   []string
}

func newAttached() *attached {
	return &attached{wires: map[int][]byte{}, closed: make(chan struct{}, 100)}
}

func (a *attached) Record(r trace.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := r.Event.(trace.Cloner); ok {
		r.Event = c.Clone()
	}
	n := len(a.records)
	a.records = append(a.records, r)
	a.asm.Add(n, r, func(n int, wire []byte) {
		if a.wires[n] != nil {
			a.fails = append(a.fails, fmt.Sprintf("record %d has bytes twice", n))
		}
		a.wires[n] = bytes.Clone(wire)
		clear(wire) // it is ours
	})
	if _, ok := r.Event.(trace.Close); ok {
		a.closed <- struct{}{}
	}
}

func (a *attached) tracer() *trace.Tracer { return trace.New(a, trace.Byte) }

// await waits until so many connections have ended.
func (a *attached) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-a.closed:
		case <-time.After(60 * time.Second):
			t.Fatal("a connection does not end")
		}
	}
}

// way is a direction of a connection.
type way struct {
	id  trace.ID
	dir trace.Dir
}

// check holds that each direction's heads and frames have, one behind the other,
// the bytes of its stream: no byte is missing, and none is with another record.
func (a *attached) check(t *testing.T) (frames int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.fails {
		t.Error(f)
	}
	raw, plain, got := map[way][]byte{}, map[way][]byte{}, map[way][]byte{}
	for n, r := range a.records {
		switch e := r.Event.(type) {
		case trace.Bytes:
			raw[way{r.Conn, e.Dir}] = append(raw[way{r.Conn, e.Dir}], e.Payload...)
		case trace.Data:
			plain[way{r.Conn, e.Dir}] = append(plain[way{r.Conn, e.Dir}], e.Payload...)
		case trace.HTTPHead:
			if len(a.wires[n]) == 0 {
				t.Errorf("record %d, %q, has no bytes", n, e.Line)
			}
			got[way{r.Conn, e.Dir}] = append(got[way{r.Conn, e.Dir}], a.wires[n]...)
		case trace.WSFrame:
			frames++
			a.checkFrame(t, n, e)
			got[way{r.Conn, e.Dir}] = append(got[way{r.Conn, e.Dir}], a.wires[n]...)
		}
	}
	for w, b := range plain { // a layer stands below
		raw[w] = b
	}
	for w, b := range got {
		if !bytes.Equal(b, raw[w]) {
			t.Errorf("connection %d, %s: %d bytes with records, %d of the stream", w.id, w.dir, len(b), len(raw[w]))
		}
	}
	return frames
}

func (a *attached) checkFrame(t *testing.T, n int, e trace.WSFrame) {
	t.Helper()
	wire := a.wires[n]
	if int64(len(wire)) != e.Size+int64(e.Head) {
		t.Errorf("record %d: %d bytes for %+v", n, len(wire), e)
		return
	}
	if wire[0]>>7 != map[bool]byte{true: 1}[e.Fin] || int(wire[0]&15) != e.Opcode || int(wire[0]>>4&7) != e.RSV || (e.Mask != "") != (wire[1] >= 0x80) {
		t.Errorf("record %d: % x for %+v", n, wire[:2], e)
	}
}

// checkFrames holds that each frame has its bytes; heads need not.
func (a *attached) checkFrames(t *testing.T) (frames int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, r := range a.records {
		if e, ok := r.Event.(trace.WSFrame); ok {
			frames++
			a.checkFrame(t, n, e)
		}
	}
	return frames
}

// talk says many things in many sizes, waits for all answers, and leaves.
func talk(t *testing.T, c *ws.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sizes := []int{0, 1, 5, 5, 5, 125, 126, 127, 300, 65535 - 8}
	go func() {
		for i, n := range sizes {
			_ = c.Write(ctx, ws.Text+ws.MessageType(i%2), bytes.Repeat([]byte{byte('a' + i)}, n))
		}
		_ = c.WriteFrame(ctx, ws.Frame{Opcode: ws.OpText, Masked: true, Key: [4]byte{1, 2, 3, 4}, Payload: []byte("Hel")})
		_ = c.WriteFrame(ctx, ws.Frame{Opcode: ws.OpPing, Fin: true, Masked: true, Key: [4]byte{1, 2, 3, 4}, Payload: []byte("between")})
		_ = c.WriteFrame(ctx, ws.Frame{Fin: true, Masked: true, Key: [4]byte{5, 6, 7, 8}, Payload: []byte("lo")})
		_ = c.Write(ctx, ws.Text, []byte(strings.Repeat("again and again ", 100)))
	}()
	for i := range len(sizes) + 2 {
		if _, _, err := c.Read(ctx); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	if err := c.Close(1000, "done"); err != nil {
		t.Fatal(err)
	}
}

// said is how many frames talk makes.
const said = 15 + 14

func echoing(tracer *trace.Tracer) *ws.Server {
	return &ws.Server{
		Tracer:    tracer,
		Deflate:   &handshake.Deflate{},
		OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { _ = p.Write(k, b) },
	}
}

func echoHandler(ctx context.Context, c *ws.Conn) error {
	for {
		k, b, err := c.Read(ctx)
		if err == nil {
			err = c.Write(ctx, k, b)
		}
		if err != nil {
			return err
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func serve(t *testing.T, s *ws.Server) string {
	t.Helper()
	l, done := listen(t), make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

func dialTo(t *testing.T, d ws.Dialer, url string) *ws.Conn {
	t.Helper()
	c, _, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testTLS is a server's configuration.
var testTLS = func() *tls.Config {
	cert, err := tcp.SelfSigned([]string{"127.0.0.1"})
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}()

func TestEachFrameGetsItsBytes(t *testing.T) {
	for _, handler := range []bool{false, true} {
		for _, secure := range []bool{false, true} {
			for _, deflate := range []bool{false, true} {
				t.Run(fmt.Sprintf("handler=%v/tls=%v/deflate=%v", handler, secure, deflate), func(t *testing.T) {
					client, server := newAttached(), newAttached()
					s := echoing(server.tracer())
					if handler {
						s.Handler = echoHandler
					}
					d, scheme := ws.Dialer{Tracer: client.tracer()}, "ws"
					if secure {
						s.TCP = &tcp.Server{TLS: testTLS.Clone()}
						d.TCP, scheme = &tcp.Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}, "wss"
					}
					if deflate {
						d.Deflate = &handshake.Deflate{}
					}
					talk(t, dialTo(t, d, scheme+"://"+serve(t, s)+"/chat"))
					client.await(t, 1)
					server.await(t, 1)
					for name, a := range map[string]*attached{"client": client, "server": server} {
						if n := a.check(t); n != said {
							t.Errorf("%s: %d frames", name, n)
						}
					}
				})
			}
		}
	}
}

func TestFramesInSmallPieces(t *testing.T) {
	client, server := newAttached(), newAttached()
	addr := serve(t, echoing(server.tracer()))
	tracer := client.tracer()
	d := ws.Dialer{Tracer: tracer, NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tcp.Trace(&choppy{Conn: conn}, tracer, trace.Client, 0), nil
	}}
	talk(t, dialTo(t, d, "ws://"+addr))
	client.await(t, 1)
	server.await(t, 1)
	if n, m := client.check(t), server.check(t); n != said || m != said {
		t.Errorf("%d and %d frames", n, m)
	}
}

// choppy reads 1 to 7 bytes at a time.
type choppy struct {
	net.Conn
	n int
}

func (c *choppy) Read(p []byte) (int, error) {
	c.n++
	return c.Conn.Read(p[:min(len(p), 1+c.n%7)])
}

// TestOnNetHTTP: the heads passed before the connection was traced, so they have
// no bytes; the frames have theirs.
func TestOnNetHTTP(t *testing.T) {
	for _, handler := range []bool{false, true} {
		t.Run(fmt.Sprint("handler=", handler), func(t *testing.T) {
			server := newAttached()
			s := echoing(server.tracer())
			if handler {
				s.Handler = echoHandler
			}
			web, l := &http.Server{Handler: s}, listen(t)
			go func() { _ = web.Serve(l) }()
			t.Cleanup(func() { web.Close(); s.Close() })
			talk(t, dialTo(t, ws.Dialer{}, "ws://"+l.Addr().String()))
			server.await(t, 1)
			if n := server.checkFrames(t); n != said {
				t.Errorf("%d frames", n)
			}
		})
	}
}

func TestInTheMiddle(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
			middle := newAttached()
			s, d, scheme := echoing(nil), ws.Dialer{Deflate: &handshake.Deflate{}}, "ws"
			if secure {
				s.TCP = &tcp.Server{TLS: testTLS.Clone()}
				d.TCP, scheme = &tcp.Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}, "wss"
			}
			target := serve(t, s)
			l, tracer := listen(t), middle.tracer()
			config := testTLS.Clone()
			relay := &tap.Server{
				Listener: l, WebSocket: true,
				Open: func(ctx context.Context, client net.Conn) (net.Conn, error) {
					client = tcp.Trace(client, tracer, trace.Server, 0)
					if !secure {
						return client, nil
					}
					return tcp.ServerTLS(ctx, client, config, tracer)
				},
				Dial: func(ctx context.Context) (net.Conn, error) {
					dialer := tcp.Dialer{Tracer: tracer}
					if secure {
						dialer.TLS = &tls.Config{InsecureSkipVerify: true}
					}
					return dialer.DialContext(ctx, "tcp", target)
				},
			}
			ctx, stop := context.WithCancelCause(t.Context())
			done := make(chan error, 1)
			go func() { done <- relay.Serve(ctx) }()
			talk(t, dialTo(t, d, scheme+"://"+l.Addr().String()))
			middle.await(t, 2)
			stop(errors.New("done"))
			<-done
			if n := middle.check(t); n != said {
				t.Errorf("%d frames", n)
			}
		})
	}
}

// TestSocketIO: polling, the upgrade, and what is said over it.
func TestSocketIO(t *testing.T) {
	client, server := newAttached(), newAttached()
	o := &socketio.ServerOptions{}
	o.Tracer = server.tracer()
	io := socketio.NewServer(o)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("add", func(a, b int, ack func(int)) { ack(a + b) })
	})
	web := httptest.NewServer(io)
	defer web.Close()
	upgraded := make(chan struct{})
	s := socketio.NewClient(web.URL, &socketio.ClientOptions{Tracer: trace.New(trace.Tee{
		{Sink: client, Level: trace.Byte}, {Sink: onUpgrade(upgraded), Level: trace.Frame},
	}, trace.Byte)})
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-upgraded
	for range 3 {
		if _, err := s.Timeout(30*time.Second).EmitWithAck(t.Context(), "add", 2, 3); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	io.Close(t.Context())
	if n, m := client.checkFrames(t), server.checkFrames(t); n < 6 || m < 6 {
		t.Errorf("%d and %d frames", n, m)
	}
}

// onUpgrade is closed once a client of Engine.IO has changed to a WebSocket.
type onUpgrade chan struct{}

func (c onUpgrade) Record(r trace.Record) {
	if e, ok := r.Event.(trace.EIOPacket); ok && e.Type == "upgrade" {
		close(c)
	}
}
