package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// TestRun watches the example as the page does.
func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, l, "secret", "") }()
	limit, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	page := socketio.NewClient("http://"+l.Addr().String()+"/admin", &socketio.ClientOptions{Auth: map[string]any{"username": "admin", "password": "secret"}})
	defer page.Close()
	said := make(chan string, 100)
	page.On("event_received", func(namespace, id string, args []string) {
		select {
		case said <- strings.Join(args, " "):
		default:
		}
	})
	if err := page.Connect(limit); err != nil {
		t.Fatal(err)
	}
	for seen := false; !seen; {
		select {
		case line := <-said:
			seen = strings.HasPrefix(line, "say kitchen it is ")
		case <-limit.Done():
			t.Fatal("nothing is said")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNeedsAPassword(t *testing.T) {
	if _, err := newServer(""); err == nil {
		t.Error("everybody may watch")
	}
}
