package engine_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/sockkit/sockkit/socketio/engine"
)

// A server that echoes, mounted on net/http, and a client that begins by polling
// and moves to WebSocket by itself.
func Example() {
	srv := &engine.Server{OnConnection: func(s *engine.Session) {
		s.OnMessage = func(data []byte, binary bool) { s.Send([]byte("echo: "+string(data)), binary) }
	}}
	web := httptest.NewServer(srv)
	defer web.Close()
	defer srv.Close(context.Background())

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	got := make(chan string)
	client, err := (&engine.Dialer{}).Dial(ctx, web.URL, engine.Events{
		OnMessage: func(data []byte, binary bool) { got <- string(data) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client.Send([]byte("hello"), false)
	fmt.Println(<-got)
	client.Close()
	<-client.Done()
	// Output: echo: hello
}

// A payload is read without any connection.
func ExampleParsePayload() {
	err := engine.ParsePayload([]byte("4hello\x1ebAQID\x1e2"), func(p engine.Packet) bool {
		fmt.Printf("%s %q\n", p.Type, p.Data)
		return true
	})
	fmt.Println(err)
	// Output:
	// message "hello"
	// message "\x01\x02\x03"
	// ping ""
	// <nil>
}
