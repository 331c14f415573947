package socketio

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// deaf lets a client in, and then reads nothing.
func deaf(ctx context.Context, c *ws.Conn) error {
	if err := c.Write(ctx, ws.Text, []byte(`0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`)); err != nil {
		return err
	}
	if _, _, err := c.Read(ctx); err != nil {
		return err
	}
	if err := c.Write(ctx, ws.Text, []byte(`40{"sid":"x"}`)); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// TestClientDeafServer: what a server does not take is bounded.
func TestClientDeafServer(t *testing.T) {
	server := &ws.Server{Handler: deaf}
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()
	c := NewClient(web.URL, &ClientOptions{Transports: []string{"websocket"}, MaxBufferedBytes: 1 << 20})
	defer c.Close()
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, n := strings.Repeat("x", 64<<10), 0
	for ; n < 4096; n++ { // 256 MiB, which no system's buffers hold
		if err := c.Emit("much", text); err != nil {
			if !errors.Is(err, ErrBufferFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if queued := c.Engine().Queued(); n == 4096 || queued > 2<<20 {
		t.Errorf("%d events were taken; %d bytes wait", n, queued)
	}
	go server.Close() // ends the client's farewell
}

// TestClientTrace: each packet of a client is a record.
func TestClientTrace(t *testing.T) {
	io := NewServer(nil)
	io.OnConnection(func(s *Socket) { s.On("echo", func(v any, ack func(any)) { ack(v) }) })
	web := httptest.NewServer(io)
	defer web.Close()
	defer closeQuickly(t, io)
	var recorder trace.Recorder
	c := NewClient(web.URL, &ClientOptions{Tracer: trace.New(&recorder, trace.Message)})
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.EmitWithAck(t.Context(), "echo", 1); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	var got []string
	for _, p := range trace.Events[trace.SIOPacket](recorder.Records()) {
		got = append(got, p.Dir.String()+" "+p.Type+" "+p.EventName+p.AckID)
	}
	want := "out CONNECT , in CONNECT , out EVENT echo0, in ACK 0, out DISCONNECT "
	if strings.Join(got, ", ") != want {
		t.Errorf("%q, not %q", got, want)
	}
}
