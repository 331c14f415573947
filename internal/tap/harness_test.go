package tap

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// opener opens addresses for a test, with TLS that trusts itself.
func opener(t *testing.T, tracer *trace.Tracer) *endpoint.Opener {
	return &endpoint.Opener{TLS: tcp.TLSOptions{SelfSigned: true}, Tracer: tracer, Stderr: testWriter{t}}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// dialer is opener for the side that dials.
func dialer(t *testing.T, tracer *trace.Tracer) *endpoint.Opener {
	o := opener(t, tracer)
	o.TLS = tcp.TLSOptions{Insecure: true}
	return o
}

func address(t *testing.T, kind string) endpoint.Address {
	t.Helper()
	word := kind
	switch kind {
	case "tcp", "tls", "udp", "ws", "wss":
		word = kind + "://127.0.0.1:0"
	case "unix", "unixgram":
		word = kind + ":" + filepath.Join(t.TempDir(), "s")
	}
	a, err := endpoint.Parse([]string{word}, endpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// run is a tap under test.
type run struct {
	*Server
	addr   endpoint.Address // where it listens
	stop   context.CancelCauseFunc
	ended  chan error
	failed chan error // what Failed was told
}

var errStopped = errors.New("the test is over")

// tapTo starts a tap on a listener of a kind to a target. It is stopped with
// the test, and then has ended as it should.
func tapTo(t *testing.T, kind string, target endpoint.Address, tracer *trace.Tracer, change func(*Server)) *run {
	t.Helper()
	r := &run{ended: make(chan error, 1), failed: make(chan error, 100), addr: address(t, kind)}
	r.Server = &Server{
		Dial:            func(ctx context.Context) (net.Conn, error) { return dialer(t, tracer).Dial(ctx, target) },
		TargetDatagrams: target.Datagrams(), ClientDatagrams: r.addr.Datagrams(), TargetName: "target " + target.String(),
		WebSocket: target.WebSocket() && r.addr.WebSocket(),
		Failed:    func(_ net.Addr, err error) { r.failed <- err },
	}
	r.listen(t, tracer)
	if change != nil {
		change(r.Server)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	r.stop = stop
	go func() { r.ended <- r.Serve(ctx) }()
	t.Cleanup(func() {
		stop(errStopped)
		if err := <-r.ended; !errors.Is(err, errStopped) && !r.Once {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

func (r *run) listen(t *testing.T, tracer *trace.Tracer) {
	t.Helper()
	o := opener(t, tracer)
	if r.addr.Datagrams() {
		sockets, err := o.ListenDatagram(t.Context(), r.addr)
		if err != nil {
			t.Fatal(err)
		}
		r.addr = r.addr.Bound(sockets[0].LocalAddr())
		r.Listener = ListenPackets(&udp.Server{Tracer: tracer}, sockets)
		return
	}
	l, config, err := o.Listen(t.Context(), r.addr)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = r.addr.Bound(l.Addr())
	r.Listener = l
	r.Open = func(ctx context.Context, client net.Conn) (net.Conn, error) {
		client = tcp.Trace(client, tracer, trace.Server, 0)
		if config == nil {
			return client, nil
		}
		return tcp.ServerTLS(ctx, client, config, tracer)
	}
}

// dial connects to the tap.
func (r *run) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := dialer(t, nil).Dial(t.Context(), r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// dialReset connects to the tap and wants to be reset, which may come before
// connecting has returned.
func (r *run) dialReset(t *testing.T) {
	t.Helper()
	conn, err := dialer(t, nil).Dial(t.Context(), r.addr)
	if err == nil {
		defer conn.Close()
		_, err = io.ReadAll(conn)
	}
	if !tcp.IsReset(err) {
		t.Errorf("%v, want a reset", err)
	}
}

// targetOf serves a kind of stream, each connection by what is given.
func targetOf(t *testing.T, kind string, serve func(net.Conn)) endpoint.Address {
	t.Helper()
	a := address(t, kind)
	l, config, err := opener(t, nil).Listen(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				if config != nil {
					if conn, err = tcp.ServerTLS(context.Background(), conn, config, nil); err != nil {
						return
					}
					defer conn.Close()
				}
				serve(conn)
			})
		}
	})
	return a.Bound(l.Addr())
}

func random(seed uint64, n int) []byte {
	p := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = source.Read(p)
	return p
}
