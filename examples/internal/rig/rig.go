// Package rig runs an application of the examples on a free port, and has
// clients that tests wait with.
package rig

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/socketio"
)

// patience bounds each wait; no test depends on its length.
const patience = 20 * time.Second

// Serve serves an application below a prefix, as the demo does, and returns its
// URL, with a slash at its end.
func Serve(t *testing.T, io *socketio.Server, app browser.App) (url string) {
	t.Helper()
	s := httptest.NewServer(http.StripPrefix("/below", app))
	t.Cleanup(s.Close)
	t.Cleanup(func() {
		app.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := io.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s.URL + "/below/"
}

// Client is one client of an application, and what came for it.
type Client struct {
	*socketio.Client
	t    *testing.T
	came chan came
}

type came struct {
	event string
	args  socketio.Args
}

// Join connects a client.
func Join(t *testing.T, url string) *Client {
	t.Helper()
	c := &Client{socketio.NewClient(url[:len(url)-len("/below/")], &socketio.ClientOptions{Path: "/below/socket.io/", NoReconnection: true}), t, make(chan came, 10_000)}
	t.Cleanup(func() { c.Close() })
	c.OnAny(func(event string, args socketio.Args) { c.came <- came{event, args} })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	for c.Engine().Transport() != "websocket" { // what is volatile finds no poll while it moves
		if ctx.Err() != nil {
			t.Fatal("it did not move to a WebSocket")
		}
		time.Sleep(time.Millisecond)
	}
	return c
}

// Ask sends an event and returns its answer.
func (c *Client) Ask(event string, args ...any) (answer map[string]any) {
	c.t.Helper()
	got, err := c.Timeout(patience).EmitWithAck(c.t.Context(), event, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", event, err)
	}
	if err := got.Decode(&answer); err != nil {
		c.t.Fatalf("%s was answered %v: %v", event, got, err)
	}
	return answer
}

// Refused wants an event to be answered with this error.
func (c *Client) Refused(want, event string, args ...any) {
	c.t.Helper()
	if got := c.Ask(event, args...); got["error"] != want {
		c.t.Errorf("%s %v was answered %v; want the error %q", event, args, got, want)
	}
}

// Next waits for the next event of that name whose first argument, in JSON, is
// what ok wants; others are passed over.
func (c *Client) Next(event string, ok func(v any) bool) any {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case e := <-c.came:
			var v any
			if e.event != event {
				continue
			}
			if err := e.args.Decode(&v); err != nil {
				c.t.Fatalf("%s: %v", event, err)
			}
			if ok(v) {
				return v
			}
		case <-timeout:
			c.t.Fatalf("the event %s that was due never came", event)
		}
	}
}

// NextJSON waits for an event whose first argument is this in JSON.
func (c *Client) NextJSON(event, want string) {
	c.t.Helper()
	c.Next(event, func(v any) bool { text, _ := json.Marshal(v); return string(text) == want })
}
