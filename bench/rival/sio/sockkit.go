package main

import "github.com/sockkit/sockkit/socketio"

// sockkit is the package with its defaults, on a listener of its own.
func sockkit(address string, room bool) error {
	server := socketio.NewServer(nil)
	server.OnConnection(func(s *socketio.Socket) {
		if !room {
			s.On("echo", func(text string, ack func(string)) { ack(text) })
			return
		}
		s.Join("room")
		s.On("go", func(text string) { server.To("room").Emit("news", text) })
	})
	return server.ListenAndServe(address)
}
