// Command dashboard shows the process that serves it: connections, events a
// second, memory, goroutines, round trips. Open its address in several tabs.
//
//	go run ./examples/dashboard
package main

import (
	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/dashboard/app"
	"github.com/sockkit/sockkit/socketio"
)

func main() {
	io := socketio.NewServer(nil)
	browser.Main(io, app.New(io, nil))
}
