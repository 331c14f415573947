// Command document is a text that many write at once. Open its address in two
// tabs.
//
//	go run ./examples/document
package main

import (
	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/document/app"
	"github.com/sockkit/sockkit/socketio"
)

func main() {
	io := socketio.NewServer(nil)
	browser.Main(io, app.New(io))
}
