// Command game is a small game for two and more: who reaches the dot first? Open
// its address in two tabs.
//
//	go run ./examples/game
package main

import (
	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/game/app"
	"github.com/sockkit/sockkit/socketio"
)

func main() {
	io := socketio.NewServer(nil)
	browser.Main(io, app.New(io))
}
