// Command notifications is live notifications by topic, which reach who was away
// for a moment, too. Open its address in two tabs.
//
//	go run ./examples/notifications
package main

import (
	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/notifications/app"
	"github.com/sockkit/sockkit/socketio"
)

func main() {
	// Who was cut off comes back as it was, and gets what it has missed.
	io := socketio.NewServer(&socketio.ServerOptions{Recovery: &socketio.Recovery{}})
	browser.Main(io, app.New(io))
}
