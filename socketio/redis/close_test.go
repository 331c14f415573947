package redis

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// TestCloseWithoutRedis holds that a server closes, and what it stands on, without
// waiting for a Redis that is away, or takes what is sent and says nothing: the
// time for an answer is an hour here.
func TestCloseWithoutRedis(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		t.Run(map[bool]string{false: "away", true: "stuck"}[stuck], func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if !stuck {
				l.Close()
			}
			lost := make(chan State, 100)
			conn, err := Open("redis://"+l.Addr().String(), &ConnOptions{Timeout: time.Hour, OnState: func(s State) { lost <- s }})
			if err != nil {
				t.Fatal(err)
			}
			ready := make(chan *socketio.Server)
			go func() { // it waits for its subscriptions
				ready <- socketio.NewServer(&socketio.ServerOptions{Adapter: conn.Adapter(nil)})
			}()
			if stuck {
				conn.wrote(errSilent) // or it would wait for an hour
			} else {
				<-lost
			}
			io := <-ready
			if err := io.Emit("news", 1); err != nil {
				t.Error(err)
			}
			if stuck {
				conn.wrote(nil)
			}
			if err := io.Drain(context.Background(), 0); err != nil {
				t.Error(err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if err := io.Emit("news", 2); err == nil {
				t.Error("what is sent behind the end is no error")
			}
		})
	}
}
