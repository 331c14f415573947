package admin_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/admin"
)

// A server is watched, by a client in the page's place.
func ExampleInstrument() {
	hash, err := admin.HashPassword("secret")
	if err != nil {
		panic(err)
	}
	io := socketio.NewServer(nil)
	// instrument(io, { auth: { type: "basic", username: "admin", password: hash } })
	if err := admin.Instrument(io, &admin.Options{Username: "admin", PasswordHash: hash, ReadOnly: true}); err != nil {
		panic(err)
	}
	io.OnConnection(func(s *socketio.Socket) { s.Join("kitchen") })
	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close(context.Background())

	page := socketio.NewClient(server.URL+"/admin", &socketio.ClientOptions{Auth: map[string]any{"username": "admin", "password": "secret"}})
	defer page.Close()
	page.On("config", func(config map[string]any) { fmt.Println(config["supportedFeatures"]) })
	shown, joined := make(chan bool), make(chan bool)
	page.On("all_sockets", func() { close(shown) })
	page.On("room_joined", func(namespace, room string) {
		if namespace == "/" && room == "kitchen" {
			fmt.Println("somebody is in the", room)
			close(joined)
		}
	})
	page.Open()
	<-shown
	client := socketio.NewClient(server.URL, nil)
	defer client.Close()
	client.Open()
	<-joined
	// Output:
	// [AGGREGATED_EVENTS ALL_EVENTS]
	// somebody is in the kitchen
}
