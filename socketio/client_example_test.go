package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

func ExampleNewClient() {
	io := socketio.NewServer(nil)
	io.Of("/chat").OnConnection(func(s *socketio.Socket) {
		s.On("message", func(text string) { _ = s.Emit("message", "you said: "+text) })
	})
	server := httptest.NewServer(io)
	defer server.Close()

	s := socketio.NewClient(server.URL+"/chat", nil)
	defer s.Close()
	answers := make(chan string)
	s.On("message", func(text string) { answers <- text })
	_ = s.Emit("message", "hello") // is sent once it is connected
	if err := s.Connect(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-answers)
	// Output: you said: hello
}

func ExampleClient_EmitWithAck() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("add", func(a, b int, ack func(int)) { ack(a + b) })
	})
	server := httptest.NewServer(io)
	defer server.Close()

	s := socketio.NewClient(server.URL, nil)
	defer s.Close()
	s.Open()
	answer, err := s.Timeout(5*time.Second).EmitWithAck(context.Background(), "add", 2, 3)
	var sum int
	if err == nil {
		err = answer.Decode(&sum)
	}
	fmt.Println(sum, err)
	// Output: 5 <nil>
}

func ExampleClient_Connect_refused() {
	io := socketio.NewServer(nil)
	io.Use(func(s *socketio.Socket) error {
		if s.Handshake().Auth["token"] != "secret" {
			return &socketio.Error{Message: "Authentication error", Data: "no such token"}
		}
		return nil
	})
	server := httptest.NewServer(io)
	defer server.Close()

	for _, token := range []string{"guess", "secret"} {
		s := socketio.NewClient(server.URL, &socketio.ClientOptions{Auth: map[string]any{"token": token}})
		err := s.Connect(context.Background())
		var refused *socketio.Error
		if errors.As(err, &refused) {
			fmt.Println("refused:", refused.Message, "-", refused.Data)
		} else {
			fmt.Println("connected:", s.Connected())
		}
		_ = s.Close()
	}
	// Output:
	// refused: Authentication error - no such token
	// connected: true
}

func ExampleNewManager() {
	io := socketio.NewServer(nil)
	io.Of("/chat")
	io.Of("/news")
	server := httptest.NewServer(io)
	defer server.Close()

	m := socketio.NewManager(server.URL, nil)
	defer m.Close()
	chat, news := m.Socket("/chat", nil), m.Socket("/news", nil)
	fmt.Println(chat.Connect(context.Background()), news.Connect(context.Background()))
	fmt.Println(chat.Engine() == news.Engine())
	// Output:
	// <nil> <nil>
	// true
}
