package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// start runs the program on a free port, and returns its URL.
func start(t *testing.T, token string, console io.Writer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(token, log.New(console, "", 0))
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// join connects a client, which keeps the messages that come.
func join(t *testing.T, url string) (*socketio.Client, <-chan string) {
	t.Helper()
	c := socketio.NewClient(url, &socketio.ClientOptions{NoReconnection: true})
	t.Cleanup(func() { c.Close() })
	messages := make(chan string, 100)
	c.On("message", func(text string) { messages <- text })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return c, messages
}

func want(t *testing.T, messages <-chan string, text string) {
	t.Helper()
	select {
	case got := <-messages:
		if got != text {
			t.Fatalf("%q came, want %q", got, text)
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("%q never came", text)
	}
}

func TestChat(t *testing.T) {
	logged, console := io.Pipe()
	go func() { io.Copy(io.Discard, logged) }()
	url := start(t, "", console)
	ann, toAnn := join(t, url)
	bob, toBob := join(t, url)
	want(t, toAnn, "somebody came") // Bob, and nobody told him
	if err := bob.Emit("message", "hi"); err != nil {
		t.Fatal(err)
	}
	want(t, toAnn, "hi")
	want(t, toBob, "hi")
	if err := ann.Emit("join", "room1"); err != nil {
		t.Fatal(err)
	}
	want(t, toAnn, "Hello, room1!")
	if err := ann.Emit("message", "bye"); err != nil {
		t.Fatal(err)
	}
	want(t, toBob, "bye") // and not what went to the room
}

func TestNamespace(t *testing.T) {
	_, messages := join(t, start(t, "", io.Discard)+"/chat")
	want(t, messages, "Welcome to /chat")
}

func TestToken(t *testing.T) {
	url := start(t, "secret", io.Discard)
	c := socketio.NewClient(url, nil)
	defer c.Close()
	var refused *socketio.Error
	if err := c.Connect(t.Context()); !errors.As(err, &refused) || refused.Message != "Authentication error" {
		t.Fatalf("without a token: %v", err)
	}
	c = socketio.NewClient(url, &socketio.ClientOptions{Auth: map[string]any{"token": "secret"}})
	defer c.Close()
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}
