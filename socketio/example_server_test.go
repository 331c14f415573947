package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"time"

	"github.com/sockkit/sockkit/socketio"
)

// serve has a server serve until stop is called, and opens clients of it.
func serve(io *socketio.Server) (open func(namespace string, auth any, on func(*socketio.Client)) *socketio.Client, stop func()) {
	h := httptest.NewServer(io)
	var clients []*socketio.Client
	open = func(namespace string, auth any, on func(*socketio.Client)) *socketio.Client {
		c := socketio.NewClient(h.URL+namespace, &socketio.ClientOptions{Auth: auth, NoReconnection: true})
		if on != nil {
			on(c)
		}
		var refusal *socketio.Error
		if err := c.Connect(context.Background()); errors.As(err, &refusal) {
			fmt.Println("connect_error:", refusal.Message)
		}
		clients = append(clients, c)
		return c
	}
	return open, func() {
		for _, c := range clients {
			c.Close()
		}
		io.Close(context.Background())
		h.CloseClientConnections()
		h.Close()
	}
}

// The server of many an introduction: what one client says, all hear.
func Example_server() {
	io := socketio.NewServer(nil)
	disconnected := make(chan string)
	io.OnConnection(func(s *socketio.Socket) {
		fmt.Println("connected, with an id of", len(s.ID()), "characters")
		s.On("message", func(data string) { _ = io.Emit("message", data) })
		s.OnDisconnect(func(reason string) { disconnected <- reason })
	})
	open, stop := serve(io)
	defer stop()

	heard := make(chan string)
	socket := open("/", nil, func(c *socketio.Client) {
		c.On("message", func(data string) { heard <- data })
	})
	_ = socket.Emit("message", "Hello from the client!")
	fmt.Println(<-heard)
	socket.Disconnect()
	fmt.Println(<-disconnected)
	// Output:
	// connected, with an id of 20 characters
	// Hello from the client!
	// client namespace disconnect
}

// Socket.IO beside the handlers that an HTTP server has already.
func ExampleServer_Attach() {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	server := &http.Server{Addr: ":3000", Handler: mux}

	io := socketio.NewServer(nil)
	io.Attach(server)

	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Body)
	// Output: a page
}

// A token is asked for before a client is let in.
func ExampleServer_Use() {
	io := socketio.NewServer(nil)
	io.Use(func(s *socketio.Socket) error {
		if s.Handshake().Auth["token"] != "secret" {
			return errors.New("Authentication error") //nolint:staticcheck // what the client is told
		}
		s.SetData("alice")
		return nil
	})
	done := make(chan bool)
	io.OnConnection(func(s *socketio.Socket) {
		fmt.Println("welcome,", s.Data())
		close(done)
	})
	open, stop := serve(io)
	defer stop()

	open("/", nil, nil)
	open("/", map[string]any{"token": "secret"}, nil)
	<-done
	// Output:
	// connect_error: Authentication error
	// welcome, alice
}

// A client joins a room, and hears what is said there.
func ExampleServer_To() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("join", func(room string, ack func(string)) {
			_ = s.Join(room)
			ack("ok")
		})
	})
	open, stop := serve(io)
	defer stop()

	heard := make(chan string)
	in := open("/", nil, func(c *socketio.Client) {
		c.On("message", func(text string) { heard <- text })
	})
	open("/", nil, func(c *socketio.Client) {
		c.On("message", func(string) { fmt.Println("the other hears it, too") })
	})
	answer, err := in.EmitWithAck(context.Background(), "join", "room1")
	fmt.Println(string(answer.JSON(0)), err)
	_ = io.To("room1").Emit("message", "Hello, room1!")
	fmt.Println(<-heard)
	// Output:
	// "ok" <nil>
	// Hello, room1!
}

// All but the sender hear what it says.
func ExampleSocket_Broadcast() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("say", func(text string) { _ = s.Broadcast().Emit("message", text) })
	})
	open, stop := serve(io)
	defer stop()

	heard := make(chan string)
	open("/", nil, func(c *socketio.Client) {
		c.On("message", func(text string) { heard <- text })
	})
	speaker := open("/", nil, func(c *socketio.Client) {
		c.On("message", func(string) { fmt.Println("the speaker hears itself") })
	})
	_ = speaker.Emit("say", "hi")
	fmt.Println(<-heard)
	// Output: hi
}

// Namespaces have sockets, middlewares and handlers of their own.
func ExampleServer_Of() {
	io := socketio.NewServer(nil)
	chat := make(chan string, 1)
	io.Of("/chat").OnConnection(func(s *socketio.Socket) { chat <- s.Namespace().Name() })
	open, stop := serve(io)
	defer stop()

	open("/chat", nil, nil)
	fmt.Println(<-chat)
	open("/nowhere", nil, nil)
	// Output:
	// /chat
	// connect_error: Invalid namespace
}

// Clients may join every namespace that a pattern matches.
func ExampleServer_OfPattern() {
	io := socketio.NewServer(nil)
	names := make(chan string, 1)
	io.OfPattern(regexp.MustCompile(`^/project-\d+$`)).OnConnection(func(s *socketio.Socket) { names <- s.Namespace().Name() })
	open, stop := serve(io)
	defer stop()

	open("/project-7", nil, nil)
	fmt.Println(<-names)
	// Output: /project-7
}

// The server asks a client, and waits for its answer.
func ExampleSocket_EmitWithAck() {
	io := socketio.NewServer(nil)
	answers := make(chan string)
	io.OnConnection(func(s *socketio.Socket) {
		answer, err := s.Timeout(10*time.Second).EmitWithAck(context.Background(), "question", 6, 7)
		var n int
		if err == nil {
			err = answer.Decode(&n)
		}
		answers <- fmt.Sprint(n, " ", err)
	})
	open, stop := serve(io)
	defer stop()

	open("/", nil, func(c *socketio.Client) {
		c.On("question", func(a, b int, ack func(int)) { ack(a * b) })
	})
	fmt.Println(<-answers)
	// Output: 42 <nil>
}

// The server asks all clients.
func ExampleServer_EmitWithAck() {
	io := socketio.NewServer(nil)
	open, stop := serve(io)
	defer stop()

	for i := range 3 {
		open("/", nil, func(c *socketio.Client) {
			c.On("count", func(ack func(int)) { ack(i) })
		})
	}
	answers, err := io.Timeout(10*time.Second).EmitWithAck(context.Background(), "count")
	fmt.Println(len(answers), err)
	// Output: 3 <nil>
}

// What is known of the sockets of all servers.
func ExampleServer_FetchSockets() {
	io := socketio.NewServer(nil)
	io.Use(func(s *socketio.Socket) error {
		s.SetData(map[string]string{"name": "alice"})
		return s.Join("people")
	})
	open, stop := serve(io)
	defer stop()

	open("/", nil, nil)
	sockets, err := io.In("people").FetchSockets(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range sockets {
		var data struct{ Name string }
		_ = json.Unmarshal(s.Data, &data)
		fmt.Println(data.Name, len(s.Rooms))
	}
	// Output: alice 2
}
