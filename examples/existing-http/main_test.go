package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

func TestBesideOtherHandlers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	get(t, url+"/", "a page\n")
	get(t, url+"/healthz", "ok, 0 clients\n")

	for _, transports := range [][]string{{"polling"}, {"websocket"}} {
		notice(t, url, transports)
	}

	c := socketio.NewClient(url, &socketio.ClientOptions{NoReconnection: true, Transports: []string{"websocket"}})
	defer c.Close()
	reasons := make(chan string, 1)
	c.OnDisconnect(func(reason string) { reasons <- reason })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if reason := <-reasons; reason != socketio.ReasonTransportClose {
		t.Fatalf("the client was told %q", reason)
	}
}

// notice has a POST become an event.
func notice(t *testing.T, url string, transports []string) {
	t.Helper()
	c := socketio.NewClient(url, &socketio.ClientOptions{Transports: transports})
	defer c.Close()
	notices := make(chan string, 1)
	c.On("notice", func(text string) { notices <- text })
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url+"/notify", "text/plain", strings.NewReader("the coffee is ready"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if text := <-notices; text != "the coffee is ready" {
		t.Fatalf("%v: %q came", transports, text)
	}
}

func get(t *testing.T, url, want string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != want {
		t.Fatalf("%s: %q, %v", url, body, err)
	}
}
