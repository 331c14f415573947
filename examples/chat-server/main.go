// Command chat-server is the chat server of every Socket.IO tutorial, with the
// JavaScript that each line stands for above it.
//
//	go run ./examples/chat-server
//	go run ./examples/chat-client
//	sockkit dial sio://localhost:3000 -x 'message hello'
//
// Any Socket.IO client of version 3 or 4 can talk to it.
package main

import (
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/sockkit/sockkit/socketio"
)

func main() {
	address := flag.String("listen", "localhost:3000", "listen on this `ADDRESS`")
	token := flag.String("token", "", "let in only whose auth has this `TOKEN`; \"\" lets all in")
	flag.Parse()
	// server.listen(3000, () => console.log("listening on " + …))
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	logger := log.New(os.Stdout, "", 0)
	logger.Print("listening on http://", l.Addr())
	log.Fatal(newServer(*token, logger).Serve(l))
}

func newServer(token string, console *log.Logger) *http.Server {
	// const server = http.createServer(app)
	server := &http.Server{Handler: http.NotFoundHandler()}
	// const io = new Server(server)
	io := socketio.NewServer(nil)
	io.Attach(server)

	// io.use((socket, next) => {
	io.Use(func(socket *socketio.Socket) error {
		// if (socket.handshake.auth.token === token) next()
		if token == "" || socket.Handshake().Auth["token"] == token {
			return nil
		}
		// else next(new Error("Authentication error"))
		return errors.New("Authentication error")
	})

	// io.on("connection", (socket) => {
	io.OnConnection(func(socket *socketio.Socket) {
		// console.log("connected: " + socket.id)
		console.Print("connected: ", socket.ID())
		// socket.broadcast.emit("message", "somebody came")
		socket.Broadcast().Emit("message", "somebody came")

		// socket.on("message", (data) => io.emit("message", data))
		socket.On("message", func(data any) { io.Emit("message", data) })

		// socket.on("join", (room) => {
		socket.On("join", func(room string) {
			// socket.join(room)
			socket.Join(room)
			// io.to(room).emit("message", "Hello, " + room + "!")
			io.To(room).Emit("message", "Hello, "+room+"!")
		})

		// socket.on("disconnect", () => console.log("disconnected: " + socket.id))
		socket.OnDisconnect(func(string) { console.Print("disconnected: ", socket.ID()) })
	})

	// io.of("/chat").on("connection", (socket) => {
	io.Of("/chat").OnConnection(func(socket *socketio.Socket) {
		// socket.emit("message", "Welcome to " + socket.nsp.name)
		socket.Emit("message", "Welcome to "+socket.Namespace().Name())
	})
	return server
}
