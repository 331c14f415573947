package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// serve runs a server on a free port and returns its address.
func serve(s *ws.Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Serve(l) }()
	return "ws://" + l.Addr().String() + "/"
}

// echo answers every message with itself.
func echo(ctx context.Context, c *ws.Conn) error {
	for {
		kind, message, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, kind, message); err != nil {
			return err
		}
	}
}

func ExampleDialer() {
	s := &ws.Server{Handler: echo, Subprotocols: []string{"chat"}}
	defer s.Close()
	ctx := context.Background()

	d := &ws.Dialer{Subprotocols: []string{"superchat", "chat"}}
	conn, exchange, err := d.Dial(ctx, serve(s))
	if err != nil {
		panic(err)
	}
	defer conn.CloseNow()
	fmt.Println(exchange.Response.Status, conn.Subprotocol())

	if err := conn.Write(ctx, ws.Text, []byte("Hello")); err != nil {
		panic(err)
	}
	kind, message, err := conn.Read(ctx)
	fmt.Println(kind, string(message), err)
	fmt.Println(conn.Close(ws.StatusNormal, ""))
	// Output:
	// 101 chat
	// text Hello <nil>
	// <nil>
}

// A handshake that fails says which rule was broken, or what the server
// answered.
func ExampleDialer_refused() {
	s := &ws.Server{Permit: func(*ws.Request) error {
		return &handshake.Refusal{Status: 401, Body: "Who are you?\n"}
	}}
	defer s.Close()

	_, exchange, err := (&ws.Dialer{}).Dial(context.Background(), serve(s))
	var failed *ws.HandshakeError
	fmt.Println(errors.As(err, &failed), failed.Status())
	fmt.Printf("%s", exchange.Body)
	// Output:
	// true 401
	// Who are you?
}

// Callbacks never wait: what is sent for the messages of one read leaves in one
// write.
func ExampleServer_callbacks() {
	closed := make(chan error, 1)
	s := &ws.Server{
		OnOpen:    func(p *ws.Peer, r *ws.Request) { p.SetValue(r.Path()) },
		OnMessage: func(p *ws.Peer, kind ws.MessageType, b []byte) { _ = p.Write(kind, []byte(strings.ToUpper(string(b)))) },
		OnClose:   func(p *ws.Peer, err error) { closed <- err },
	}
	defer s.Close()

	ctx := context.Background()
	conn, _, err := (&ws.Dialer{}).Dial(ctx, serve(s)+"room")
	if err != nil {
		panic(err)
	}
	_ = conn.Write(ctx, ws.Text, []byte("hello"))
	_, message, _ := conn.Read(ctx)
	fmt.Println(string(message))
	for p := range s.Peers() {
		fmt.Println(p.Value())
	}
	_ = conn.Close(ws.StatusGoingAway, "home")
	fmt.Println(<-closed)
	// Output:
	// HELLO
	// /room
	// the peer closed the WebSocket with 1001 (going away): "home"
}

// A Handler has a goroutine and a Conn of its own. The server is an
// http.Handler as well.
func ExampleServer_handler() {
	s := &ws.Server{Handler: func(ctx context.Context, c *ws.Conn) error {
		return c.Write(ctx, ws.Text, []byte("You asked for "+ws.RequestOf(ctx).Path()))
	}}
	mux := http.NewServeMux()
	mux.Handle("/news", s)
	h := httptest.NewServer(mux)
	defer h.Close()
	defer s.Close()

	ctx := context.Background()
	conn, _, err := (&ws.Dialer{}).Dial(ctx, "ws"+strings.TrimPrefix(h.URL, "http")+"/news")
	if err != nil {
		panic(err)
	}
	_, message, _ := conn.Read(ctx)
	fmt.Println(string(message))
	_, _, err = conn.Read(ctx) // the Handler has returned
	fmt.Println(ws.CloseStatus(err))
	// Output:
	// You asked for /news
	// 1000 (normal closure)
}

// A Conn stands on any net.Conn whose opening handshake is over.
func ExampleConn() {
	a, b := net.Pipe()
	client := ws.NewConn(a, ws.Config{Role: ws.ClientRole})
	server := ws.NewConn(b, ws.Config{Role: ws.ServerRole})
	ctx := context.Background()
	ended := make(chan error, 1)
	go func() { ended <- echo(ctx, server) }()

	_ = client.Write(ctx, ws.Binary, []byte{1, 2, 3})
	kind, message, _ := client.Read(ctx)
	fmt.Println(kind, message)
	_ = client.Close(4000, "that is all")
	err := <-ended
	var closed *ws.CloseError
	fmt.Println(errors.As(err, &closed), closed.Code, closed.Reason)
	// Output:
	// binary [1 2 3]
	// true 4000 (private use) that is all
}

// Code that knows no messages reads and writes a stream.
func ExampleConn_Stream() {
	a, b := net.Pipe()
	client := ws.NewConn(a, ws.Config{Role: ws.ClientRole})
	server := ws.NewConn(b, ws.Config{Role: ws.ServerRole})
	go func() {
		s := server.Stream(ws.Text)
		fmt.Fprint(s, "two words")
		s.Close()
	}()
	var first, second string
	n, err := fmt.Fscan(client.Stream(ws.Text), &first, &second)
	fmt.Println(n, err, first, second)
	// Output:
	// 2 <nil> two words
}

// An Observer is fed with bytes that somebody else passes on, however they are
// cut.
func ExampleObserver() {
	rec := &trace.Recorder{}
	o := ws.NewObserver(trace.New(rec, trace.Message), 1, handshake.Agreement{}, ws.Limits{})
	frames := ws.NewEncoder(ws.ClientRole, handshake.Agreement{}).AppendMessage(nil, ws.Text, []byte("Hello"))
	frames = append(frames, 0x81, 0x02, 'H', 'i') // not masked
	for _, b := range frames {
		o.Feed(ws.ClientRole, []byte{b})
	}
	for _, r := range rec.Records() {
		switch e := r.Event.(type) {
		case trace.WSMessage:
			fmt.Println(e.Dir, e.Type, string(e.Payload))
		case trace.Finding:
			fmt.Println(e.Clause, e.Fault, e.Summary)
		}
	}
	// Output:
	// out text Hello
	// RFC 6455 5.1 client A client sent a frame that is not masked.
	// out text Hi
}
