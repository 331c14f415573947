// Command admin has a server that the page of the official Admin UI watches, and
// a few clients that do something, so that there is something to see.
//
//	go run ./examples/admin -password secret
//
// Open https://admin.socket.io then, with the server URL http://localhost:3000, the
// user admin and the password; or serve the page from here: -page
// node_modules/@socket.io/admin-ui/ui/dist, and open http://localhost:3000.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/admin"
)

func main() {
	address := flag.String("listen", "localhost:3000", "listen on this `ADDRESS`")
	password := flag.String("password", "", "the password of the user admin")
	page := flag.String("page", "", "serve the page from this `FOLDER`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening on http://", l.Addr())
	if err := run(ctx, l, *password, *page); err != nil {
		log.Fatal(err)
	}
}

// newServer is a server with rooms, watched.
//
//	instrument(io, { auth: { type: "basic", username: "admin", password: hash } })
func newServer(password string) (*socketio.Server, error) {
	io := socketio.NewServer(nil)
	if password == "" {
		return nil, errors.New("a password is needed: -password")
	}
	hash, err := admin.HashPassword(password)
	if err != nil {
		return nil, err
	}
	// Before all handlers, so that nothing is missed.
	err = admin.Instrument(io, &admin.Options{Username: "admin", PasswordHash: hash, Origins: []string{admin.HostedPage}})
	if err != nil {
		return nil, err
	}
	io.OnConnection(func(socket *socketio.Socket) {
		name, _ := socket.Handshake().Auth["name"].(string)
		socket.SetData(map[string]string{"name": name})
		socket.On("enter", func(room string) { socket.Join(room) })
		socket.On("say", func(room, text string) { socket.To(room).Emit("said", name, text) })
	})
	return io, nil
}

func run(ctx context.Context, l net.Listener, password, page string) error {
	io, err := newServer(password)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: 10 * time.Second}
	if page != "" {
		server.Handler = http.FileServer(http.Dir(page))
	}
	io.Attach(server) // what is not Socket.IO's is the page's
	go server.Serve(l)
	for i, name := range []string{"Ada", "Bob", "Cleo"} {
		if err := busy(ctx, "http://"+l.Addr().String(), name, time.Duration(i+1)*time.Second); err != nil {
			return err
		}
	}
	<-ctx.Done()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return io.Close(leave)
}

// busy is a client that enters a room, and says something again and again.
func busy(ctx context.Context, url, name string, every time.Duration) error {
	socket := socketio.NewClient(url, &socketio.ClientOptions{Auth: map[string]any{"name": name}})
	socket.OnConnect(func() { socket.Emit("enter", "kitchen") })
	if err := socket.Connect(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		defer socket.Close()
		for ticks := time.Tick(every); ctx.Err() == nil; {
			select {
			case now := <-ticks:
				socket.Volatile().Emit("say", "kitchen", "it is "+now.Format(time.TimeOnly))
			case <-ctx.Done():
			}
		}
	}()
	return nil
}
