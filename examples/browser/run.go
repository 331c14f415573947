package browser

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// App is an application: pages, and Socket.IO for them.
type App interface {
	http.Handler
	Close() // stops what runs beside the handlers
}

// Main serves an application at the address that -listen names, until SIGINT or
// SIGTERM. It does not return.
func Main(io *socketio.Server, app App) {
	address := flag.String("listen", "localhost:3000", "listen on this `ADDRESS`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("listening on http://", l.Addr())
	err = Serve(ctx, l, io, app)
	stop()
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// Serve serves an application on l until ctx ends, and then takes leave of all
// clients, for at most 5 seconds.
func Serve(ctx context.Context, l net.Listener, io *socketio.Server, app App) error {
	server := &http.Server{Handler: local(l.Addr(), app), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	app.Close()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// Sockets first: a WebSocket is a connection that http.Server does not know
	// any more, and a poll is a request that it would wait for.
	return errors.Join(io.Close(leave), server.Shutdown(leave))
}

// local lets in, at an address that only this machine can reach, only who names
// this machine: a foreign name that leads here (DNS rebinding) is a page of
// somebody else.
func local(addr net.Addr, h http.Handler) http.Handler {
	at, ok := addr.(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			http.Error(w, "this address is served to this machine alone, by its name localhost", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isLocal(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
