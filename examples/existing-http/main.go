// Command existing-http has Socket.IO on a server that serves other things, too:
// pages, a health check, and a handler whose POST becomes an event.
//
//	go run ./examples/existing-http
//	sockkit dial sio://localhost:3000 --recv-only
//	curl -d 'the coffee is ready' http://localhost:3000/notify
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

func main() {
	address := flag.String("listen", "localhost:3000", "listen on this `ADDRESS`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening on http://", l.Addr())
	if err := serve(ctx, l); err != nil {
		log.Fatal(err)
	}
}

// serve serves until ctx ends, and then takes leave of all clients.
func serve(ctx context.Context, l net.Listener) error {
	sockets := socketio.NewServer(nil)
	server := &http.Server{Handler: routes(sockets), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// Sockets first: a WebSocket is a connection that http.Server does not know
	// any more, and a poll is a request that it would wait for.
	return errors.Join(sockets.Close(leave), server.Shutdown(leave))
}

// routes are all that the server answers.
func routes(sockets *socketio.Server) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", sockets)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "a page")
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "ok, %d clients\n", len(sockets.Sockets()))
	})
	mux.HandleFunc("POST /notify", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10_000))
		if err != nil {
			http.Error(w, "the notice is too long", http.StatusRequestEntityTooLarge)
			return
		}
		sockets.Emit("notice", string(text))
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
