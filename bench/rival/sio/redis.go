package main

import (
	"os"
	"os/exec"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/redis"
)

// cluster is two servers, joined by the adapter that has the official one's wire
// format. Without a second address it is one of them.
func cluster(address, second, url string) error {
	if second != "" {
		it, err := os.Executable()
		if err != nil {
			return err
		}
		other := exec.Command(it, "redis", second, "", url)
		other.Stderr = os.Stderr
		if err := other.Start(); err != nil {
			return err
		}
		defer func() { _ = other.Process.Kill() }()
	}
	conn, err := redis.Open(url, nil)
	if err != nil {
		return err
	}
	server := socketio.NewServer(&socketio.ServerOptions{Adapter: conn.Adapter(nil)})
	server.OnConnection(func(s *socketio.Socket) {
		s.Join("room")
		s.On("go", func(text string) { server.To("room").Emit("news", text) })
	})
	return server.ListenAndServe(address)
}
