package session

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// lateWriter takes its time, and keeps what it is given.
type lateWriter struct{ bytes.Buffer }

func (w *lateWriter) Write(p []byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	return w.Buffer.Write(p)
}

// talkSocketIO asks a server that acknowledges, and says what was printed.
func talkSocketIO(t *testing.T, m *Messages, transport string, connected func(*socketio.Socket)) (string, error) {
	t.Helper()
	io := socketio.NewServer(nil)
	io.OnConnection(connected)
	h := httptest.NewServer(io)
	t.Cleanup(func() { _ = io.Close(context.Background()); h.Close() })
	conn := &SocketIO{
		Client: socketio.NewClient(h.URL, &socketio.ClientOptions{Transports: []string{transport}, NoReconnection: true}),
		Ack:    true, AckTimeout: 10 * time.Second,
	}
	conn.Listen()
	if err := conn.Client.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := &lateWriter{}
	m.Conn, m.In, m.Out, m.Framing = conn, &List{"ask 1", "ask 2"}, out, Lines
	err := m.Run(t.Context())
	return out.String(), err
}

// TestSocketIOAcks: an acknowledgement that came is printed, whether we leave
// behind it or the server does.
func TestSocketIOAcks(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		got, err := talkSocketIO(t, &Messages{}, transport, func(s *socketio.Socket) {
			s.On("ask", func(n int, ack func(int)) { ack(n) })
		})
		if got != "ack 1\nack 2\n" || err != nil {
			t.Errorf("%s: %q and %v; want both acknowledgements", transport, got, err)
		}
		got, err = talkSocketIO(t, &Messages{Linger: time.Minute}, transport, func(s *socketio.Socket) {
			s.On("ask", func(n int, ack func(int)) {
				ack(n)
				if n == 2 {
					s.Disconnect(false)
				}
			})
		})
		if got != "ack 1\nack 2\n" || err != nil {
			t.Errorf("%s, left by the server: %q and %v; want both acknowledgements", transport, got, err)
		}
		got, err = talkSocketIO(t, &Messages{Expect: &Expectation{Count: 1}}, transport, func(s *socketio.Socket) {
			s.On("ask", func(n int, ack func(int)) { ack(n) })
		})
		if got != "ack 1\n" || err != nil {
			t.Errorf("%s, one wanted: %q and %v", transport, got, err)
		}
	}
}

// TestSocketIOUnanswered: what is not acknowledged any more is named with how
// the server ended it.
func TestSocketIOUnanswered(t *testing.T) {
	got, err := talkSocketIO(t, &Messages{}, "websocket", func(s *socketio.Socket) {
		s.On("ask", func(n int, ack func(int)) {
			if n == 1 {
				ack(n)
			} else {
				s.Disconnect(false)
			}
		})
	})
	var lost *Undelivered
	var ended *Disconnected
	if got != "ack 1\n" || !errors.As(err, &lost) || lost.Bytes != int64(len("ask 2")) || !errors.As(err, &ended) || !ended.Orderly() {
		t.Errorf("%q and %v; want one acknowledgement, and 5 bytes that were not delivered", got, err)
	}
}
