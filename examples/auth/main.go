// Command auth has a server that lets in by token, and clients without one, with
// a wrong one and with the right one. It prints what each is told.
//
//	go run ./examples/auth
package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// users are who may come in, by the SHA-256 of their token.
type users map[[sha256.Size]byte]string

// user is who a token is of, and whether anybody's. Tokens are compared by their
// digests, so that how long it takes tells nothing about them.
func (u users) user(token string) (string, bool) {
	sum := sha256.Sum256([]byte(token))
	for known, name := range u {
		if subtle.ConstantTimeCompare(sum[:], known[:]) == 1 {
			return name, true
		}
	}
	return "", false
}

// admit is the middleware. It is run for each client, before it is connected.
//
//	io.use((socket, next) => {
//	  const user = users.get(socket.handshake.auth.token)
//	  if (!user) {
//	    const err = new Error("Authentication error")
//	    err.data = { retry: true, hint: "log in again" }
//	    return next(err)
//	  }
//	  socket.data.user = user
//	  next()
//	})
func (u users) admit(socket *socketio.Socket) error {
	// What a client sends is of any type: a number here is no token.
	token, ok := socket.Handshake().Auth["token"].(string)
	if !ok {
		return errors.New("a token is needed")
	}
	name, ok := u.user(token)
	if !ok {
		return &socketio.Error{Message: "Authentication error", Data: map[string]any{"retry": true, "hint": "log in again"}}
	}
	socket.SetData(name)
	return nil
}

func newServer() *socketio.Server {
	known := users{sha256.Sum256([]byte("open sesame")): "Ali Baba"}
	io := socketio.NewServer(nil)
	io.Use(known.admit)
	// io.on("connection", (socket) => socket.emit("welcome", socket.data.user))
	io.OnConnection(func(socket *socketio.Socket) { socket.Emit("welcome", socket.Data()) })
	return io
}

func run(ctx context.Context, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := newServer()
	go server.Serve(l)
	defer func() {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		server.Close(leave)
	}()
	for _, auth := range []map[string]any{nil, {"token": 7}, {"token": "abracadabra"}, {"token": "open sesame"}} {
		said, err := visit(ctx, "http://"+l.Addr().String(), auth)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%v: %s\n", auth["token"], said)
	}
	return nil
}

// visit connects, and says what the server did.
func visit(ctx context.Context, url string, auth map[string]any) (string, error) {
	// const socket = io(url, { auth })
	socket := socketio.NewClient(url, &socketio.ClientOptions{Auth: auth})
	defer socket.Close()
	welcome := make(chan string, 1)
	// socket.on("welcome", (user) => …)
	socket.On("welcome", func(user string) { welcome <- user })
	// socket.on("connect_error", (err) => console.log(err.message, err.data))
	var refused *socketio.Error
	switch err := socket.Connect(ctx); {
	case errors.As(err, &refused) && refused.Data != nil:
		return fmt.Sprintf("refused: %s %v", refused.Message, refused.Data), nil
	case errors.As(err, &refused):
		return "refused: " + refused.Message, nil
	case err != nil:
		return "", err
	}
	select {
	case user := <-welcome:
		return "welcome, " + user, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
