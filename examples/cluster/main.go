// Command cluster is a chat that runs on three servers, two in Go and one in
// Node, joined by Redis and behind nginx with sticky sessions: one command brings
// all of it up, Ctrl-C takes it down.
//
//	go run ./examples/cluster
//	sockkit dial sio://localhost:8080 -x 'message hello'
//
// redis-server and nginx are Debian's packages, node and npm too; -node=false and
// -nginx=false go without. The Node server's packages are installed by npm at the
// first run, by lock file.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/engine"
	"github.com/sockkit/sockkit/socketio/redis"
)

func main() {
	var c cluster
	flag.StringVar(&c.front, "listen", "localhost:8080", "nginx listens on this `ADDRESS`")
	flag.StringVar(&c.redis, "redis", "", "use this Redis, `URL`; \"\" starts one")
	flag.BoolVar(&c.node, "node", true, "a Node server is the third")
	flag.BoolVar(&c.nginx, "nginx", true, "nginx stands before them")
	if flag.Parse(); flag.NArg() > 0 {
		log.Fatalf("%q is no flag", flag.Arg(0))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	runtime.LockOSThread() // what it starts ends with the thread that has started it
	if err := c.run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// cluster is all that runs.
type cluster struct {
	front, redis string
	node, nginx  bool

	children children
	backends []backend
	conn     *redis.Conn
	servers  []*goServer
}

// backend is one server behind nginx.
type backend struct{ name, address string }

// run brings all up, waits for the end of ctx, and takes all down in turn: what
// others stand on goes last.
func (c *cluster) run(ctx context.Context) (err error) {
	defer c.children.end()
	defer c.drain()
	if c.nginx {
		if c.front, err = entrance(c.front); err != nil {
			return err
		}
	}
	if c.redis == "" {
		if c.redis, err = c.children.redis(ctx); err != nil {
			return err
		}
	}
	if c.conn, err = redis.Open(c.redis, nil); err != nil {
		return err
	}
	if err := c.conn.Ping(ctx); err != nil {
		return err
	}
	for _, name := range []string{"go1", "go2"} {
		if err := c.start(name); err != nil {
			return err
		}
	}
	if c.node {
		address, err := c.children.node(ctx, c.redis)
		if err != nil {
			return err
		}
		c.backends = append(c.backends, backend{"node", address})
	}
	if c.nginx {
		if err := c.children.nginx(ctx, c.front, c.backends); err != nil {
			return err
		}
		log.Printf("listening on http://%s", c.front)
	}
	for _, b := range c.backends {
		log.Printf("server %s on http://%s", b.name, b.address)
	}
	select {
	case <-ctx.Done():
		log.Print("going down")
		return nil
	case err := <-c.children.failed:
		return err
	}
}

// goServer is one server in Go.
type goServer struct {
	io   *socketio.Server
	http *http.Server
}

// start starts a server in Go.
func (c *cluster) start(name string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	io := socketio.NewServer(&socketio.ServerOptions{
		Adapter:  c.conn.StreamsAdapter(nil),
		Recovery: &socketio.Recovery{}, // a client may come back on another server
		// nginx sends a client that has the cookie to the server of that name.
		Engine: &engine.Server{InitialHeaders: func(h http.Header, _ *http.Request) {
			h.Add("Set-Cookie", "server="+name+"; Path=/; HttpOnly; SameSite=Lax")
		}},
	})
	io.OnConnection(func(s *socketio.Socket) {
		_ = s.Emit("welcome", name)
		s.On("message", func(text string) { io.Emit("message", text, name) }) // to the clients of all servers
	})
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	io.Attach(server)
	go func() { _ = server.Serve(l) }()
	c.servers = append(c.servers, &goServer{io, server})
	c.backends = append(c.backends, backend{name, l.Addr().String()})
	return nil
}

// drain has the servers in Go take leave of their clients, who come back to
// another one: what was said meanwhile is in the stream.
func (c *cluster) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, s := range c.servers {
		if err := s.io.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "cluster:", err)
		}
		_ = s.http.Shutdown(ctx)
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
