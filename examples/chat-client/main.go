// Command chat-client is the chat client of every Socket.IO tutorial, with the
// JavaScript that each line stands for above it. Lines that are typed become
// messages.
//
//	go run ./examples/chat-client
//	go run ./examples/chat-client -token secret http://localhost:3000/chat
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/sockkit/sockkit/socketio"
)

func main() {
	token := flag.String("token", "", "send this `TOKEN` along")
	flag.Parse()
	url := "http://localhost:3000"
	if flag.NArg() > 0 {
		url = flag.Arg(0)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := chat(ctx, url, *token, os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// chat sends what is read from in, until its end, and prints what comes.
func chat(ctx context.Context, url, token string, in io.Reader, out io.Writer) error {
	// const socket = io("http://localhost:3000", { auth: { token } })
	socket := socketio.NewClient(url, &socketio.ClientOptions{Auth: map[string]any{"token": token}})
	// socket.disconnect(), at the end
	defer socket.Close()

	// socket.on("connect", () => console.log("connected: " + socket.id))
	socket.OnConnect(func() { fmt.Fprintln(out, "connected") })
	// socket.on("message", (text) => console.log(text))
	socket.On("message", func(text string) { fmt.Fprintln(out, text) })
	// socket.on("disconnect", (reason) => console.log("disconnected: " + reason))
	socket.OnDisconnect(func(reason string) { fmt.Fprintln(out, "disconnected: "+reason) })

	// Connecting is by itself in JavaScript. Here it waits, and says why it could
	// not: socket.on("connect_error", (err) => console.log(err.message))
	if err := socket.Connect(ctx); err != nil {
		return err
	}
	// socket.emit("message", "Hello from the client!")
	socket.Emit("message", "Hello from the client!")

	lines := bufio.NewScanner(in)
	for ctx.Err() == nil && lines.Scan() {
		socket.Emit("message", lines.Text())
	}
	return lines.Err()
}
