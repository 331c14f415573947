package main

import (
	"net/http"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

// zishang is the example of its documentation.
func zishang(address string, room bool) error {
	server := socket.NewServer(nil, nil)
	server.On("connection", func(clients ...any) {
		client := clients[0].(*socket.Socket)
		if !room {
			client.On("echo", func(args ...any) { args[1].(socket.Ack)(args[:1], nil) })
			return
		}
		client.Join("room")
		client.On("go", func(args ...any) { server.To("room").Emit("news", args...) })
	})
	http.Handle("/socket.io/", server.ServeHandler(nil))
	return http.ListenAndServe(address, nil)
}
