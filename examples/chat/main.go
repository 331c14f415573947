// Command chat is a chat with rooms, nicknames, who is here and who is typing.
// Open its address in two tabs.
//
//	go run ./examples/chat
package main

import (
	"github.com/sockkit/sockkit/examples/browser"
	"github.com/sockkit/sockkit/examples/chat/app"
	"github.com/sockkit/sockkit/socketio"
)

func main() {
	io := socketio.NewServer(nil)
	browser.Main(io, app.New(io))
}
