package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

func start(t *testing.T, server *socketio.Server) string {
	t.Helper()
	h := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Close(ctx)
		h.Close()
	})
	return h.URL
}

func TestChat(t *testing.T) {
	server := socketio.NewServer(nil)
	server.OnConnection(func(s *socketio.Socket) {
		s.On("message", func(text string) { server.Emit("message", "got "+text) })
	})
	typed, keyboard := io.Pipe()
	screen, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := chat(t.Context(), start(t, server), "", typed, out)
		out.Close()
		done <- err
	}()
	lines := bufio.NewScanner(screen)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q was printed, want %q", lines.Text(), want)
		}
	}
	next("connected")
	next("got Hello from the client!")
	fmt.Fprintln(keyboard, "hello there")
	next("got hello there")
	keyboard.Close()
	for lines.Scan() {
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	server := socketio.NewServer(nil)
	server.Use(func(s *socketio.Socket) error {
		return &socketio.Error{Message: fmt.Sprintf("no entry with %v", s.Handshake().Auth["token"])}
	})
	var refused *socketio.Error
	err := chat(t.Context(), start(t, server), "seven", nil, io.Discard)
	if !errors.As(err, &refused) || refused.Message != "no entry with seven" {
		t.Fatal(err)
	}
}
