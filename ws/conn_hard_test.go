package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// everyMethod returns the errors of all that can be done with a connection.
func everyMethod(ctx context.Context, c *Conn) map[string]error {
	errs := map[string]error{"Write": c.Write(ctx, Text, []byte("x"))}
	_, _, errs["Read"] = c.Read(ctx)
	_, errs["Ping"] = c.Ping(ctx)
	errs["WritePrepared"] = c.WritePrepared(ctx, Prepare(Text, []byte("x")))
	return errs
}

// TestConnEnded: behind the end every method says how it came.
func TestConnEnded(t *testing.T) {
	ends := map[string]struct {
		end   func(c, peer *Conn)
		code  StatusCode
		local bool
	}{
		"CloseNow":        {func(c, _ *Conn) { c.CloseNow() }, StatusAbnormal, true},
		"Close":           {func(c, peer *Conn) { go func() { _ = echo(peer) }(); _ = c.Close(4001, "") }, 4001, true},
		"peer's Close":    {func(c, peer *Conn) { go func() { _ = peer.Close(4002, "") }(); _ = echo(c) }, 4002, false},
		"peer's CloseNow": {func(c, peer *Conn) { peer.CloseNow(); _ = echo(c) }, StatusAbnormal, false},
		"a broken rule": {func(c, peer *Conn) {
			go func() {
				_ = peer.WriteFrame(context.Background(), Frame{Fin: true, Opcode: 3, Masked: true})
				_ = echo(peer)
			}()
			_ = echo(c)
		}, StatusProtocolError, true},
		"a frame by hand": {func(c, peer *Conn) {
			go func() { _ = echo(peer) }()
			_ = c.WriteFrame(context.Background(), Frame{Fin: true, Opcode: OpClose, Payload: []byte("\x0f\xa3by hand")})
			_ = echo(c)
		}, 4003, true},
	}
	for name, test := range ends {
		peer, c := pair(t, handshake.Agreement{})
		test.end(c, peer)
		for method, err := range everyMethod(t.Context(), c) {
			var closed *CloseError
			if !errors.As(err, &closed) || closed.Code != test.code || closed.Local != test.local || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %s: %v", name, method, err)
			}
		}
	}
}

// TestWrongCode: a code that is never on the wire and was sent all the same is no
// loss of the connection (RFC 6455 section 7.4.1).
func TestWrongCode(t *testing.T) {
	for _, code := range []StatusCode{StatusNoStatus, StatusAbnormal, StatusTLSHandshake, 999} {
		peer, c := pair(t, handshake.Agreement{})
		told := make(chan error, 1)
		go func() { told <- echo(peer) }()
		body := []byte{byte(code >> 8), byte(code)}
		if err := c.WriteFrame(t.Context(), Frame{Fin: true, Opcode: OpClose, Payload: body}); err != nil {
			t.Fatal(err)
		}
		_, _, err := c.Read(t.Context())
		for who, err := range map[string]error{"this end closed the WebSocket with " + code.String(): err, "this end closed the WebSocket with 1002": <-told} {
			var broken *Violation
			if !errors.As(err, &broken) || broken.ID != "close-code" || broken.By != ServerRole || !strings.Contains(err.Error(), who) || strings.Contains(err.Error(), "lost") {
				t.Errorf("%s: %v", who, err)
			}
		}
	}
}

// TestConnWriteType: a message is text or binary.
func TestConnWriteType(t *testing.T) {
	client, server := pair(t, handshake.Agreement{})
	for _, kind := range []MessageType{OpContinuation, 3, OpClose, OpPing} {
		if err := client.Write(t.Context(), kind, nil); !errors.Is(err, errNoMessage) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	go func() { _ = client.Write(context.Background(), Text, []byte("fine")) }()
	if _, p, err := server.Read(t.Context()); err != nil || string(p) != "fine" {
		t.Error(string(p), err)
	}
}

// TestConnWriteCancelled: a write that is cut ends the connection, and everyone
// hears why.
func TestConnWriteCancelled(t *testing.T) {
	_, server := pair(t, handshake.Agreement{})
	ctx, cancel := context.WithCancel(t.Context())
	cause := make(chan error, 1)
	go func() { cause <- server.Write(ctx, Binary, make([]byte, 64<<20)) }()
	for server.writing.try() { // it has not begun
		server.writing.free()
		<-tick()
	}
	<-tick()
	cancel()
	if err := <-cause; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, _, err := server.Read(t.Context()); !errors.Is(err, context.Canceled) || CloseStatus(err) != StatusAbnormal {
		t.Error(err)
	}
}

// TestConnReadCancelledTLS: a cancelled Read leaves a connection over TLS as it
// was, too.
func TestConnReadCancelledTLS(t *testing.T) {
	cert, err := tcp.SelfSigned([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Handler: func(_ context.Context, c *Conn) error { return echo(c) }}
	s.TCP = &tcp.Server{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	url := forms[0].serve(t, s)
	d := &Dialer{TCP: &tcp.Dialer{TLS: &tls.Config{InsecureSkipVerify: true}}}
	c := dial(t, d, "wss"+strings.TrimPrefix(url, "ws"))
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _, _, err := c.Read(ctx); ended <- err }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		roundTrip(t, c, Text, []byte("still there"))
	}
	if err := c.Close(StatusNormal, ""); err != nil {
		t.Error(err)
	}
}

// TestConnCloseTwice: everybody may close, at both ends at once.
func TestConnCloseTwice(t *testing.T) {
	client, server := pair(t, handshake.Agreement{})
	var all sync.WaitGroup
	for i := range 8 {
		c := client
		if i%2 == 0 {
			c = server
		}
		all.Go(func() {
			if err := c.Close(StatusNormal, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestConnWriters: messages of many goroutines arrive whole, pings between.
func TestConnWriters(t *testing.T) {
	for name, agreed := range agreements {
		client, server := pair(t, agreed)
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for i := range 25 {
					if err := client.Write(t.Context(), Text, []byte(prose(100*i))); err != nil {
						t.Error(name, err)
					}
				}
			})
		}
		writers.Go(func() {
			for range 10 {
				if _, err := client.Ping(t.Context()); err != nil {
					t.Error(name, err)
				}
			}
		})
		go func() { _ = echo(client) }()
		for range 100 {
			_, p, err := server.Read(t.Context())
			if err != nil || string(p) != prose(len(p)) {
				t.Fatal(name, err)
			}
		}
		go func() { _ = echo(server) }()
		writers.Wait()
	}
}

// TestConnLost: an end without a close frame is a finding, within a frame a
// particular one.
func TestConnLost(t *testing.T) {
	for rule, sent := range map[string]string{
		"close-missing": "\x81\x01x",
		"frame-cut":     "\x81\x05x",
	} {
		a, b := net.Pipe()
		rec := &trace.Recorder{}
		c := NewConn(a, Config{Role: ClientRole, Tracer: trace.New(rec, trace.Frame)})
		go func() { _, _ = io.WriteString(b, sent); b.Close() }()
		var err error
		for err == nil {
			_, _, err = c.Read(t.Context())
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) || CloseStatus(err) != StatusAbnormal {
			t.Error(err)
		}
		if rules := rulesFound(rec); !slices.Equal(rules, []string{rule}) {
			t.Errorf("%q; want %s", rules, rule)
		}
	}
}

// TestConnFrames: the trace shows every frame, a wrong one too, with what it says.
func TestConnFrames(t *testing.T) {
	client, server := pair(t, handshake.Agreement{})
	rec := &trace.Recorder{}
	server.report.tracer, server.dec.Frames = trace.New(rec, trace.Frame), true
	go func() {
		_ = client.Write(context.Background(), Text, []byte("Hello"))
		_ = client.WriteFrame(context.Background(), Frame{Fin: true, Opcode: OpText, RSV: 2, Masked: true, Payload: []byte("xyz")})
		_ = echo(client)
	}()
	_ = echo(server)
	frames := trace.Events[trace.WSFrame](rec.Records())
	if len(frames) != 4 || frames[0].Size != 5 || frames[0].Mask == "" || frames[1].Dir != trace.Out || frames[2].RSV != 2 || frames[2].Size != 3 || frames[3].Opcode != int(OpClose) {
		t.Errorf("%+v", frames)
	}
}

// TestConnBrokenAndGone: a peer that breaks a rule and is gone before it hears
// of it has broken the rule all the same.
func TestConnBrokenAndGone(t *testing.T) {
	for range 20 {
		a, b := net.Pipe()
		c := NewConn(a, Config{Role: ClientRole})
		go func() {
			_, _ = b.Write(wire(ServerRole, fr{op: OpText, data: "x", flip: true}))
			b.Close()
		}()
		_, _, err := c.Read(t.Context())
		var v *Violation
		if !errors.As(err, &v) || v.ID != "frame-masked" || CloseStatus(err) != StatusProtocolError {
			t.Fatal(err)
		}
	}
}

// TestConnWhyItWent: a peer that says why it closes and is gone at once is heard
// all the same, though a write fails before the next read.
func TestConnWhyItWent(t *testing.T) {
	conn, far := tcpPair(t)
	c := NewConn(conn, Config{Role: ClientRole})
	_, _ = far.Write(wire(ServerRole, closeWith(1008, "log in first")))
	_ = far.(*net.TCPConn).SetLinger(0)
	far.Close()
	var err error
	for err == nil {
		err = c.Write(t.Context(), Text, []byte("hello?"))
	}
	if err := c.Write(t.Context(), Text, []byte("hello?")); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	var closed *CloseError
	if _, _, err := c.Read(t.Context()); !errors.As(err, &closed) || closed.Code != StatusPolicyViolation || closed.Reason != "log in first" {
		t.Error(err)
	}
}
