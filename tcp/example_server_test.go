package tcp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// An echo server. What a peer sends comes back; after the peer's end the server
// ends its half too, behind what is still queued.
func ExampleServer() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &tcp.Server{
		MaxConns: 100,
		OnData:   func(p *tcp.Peer, data []byte) { p.Write(data) },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	fmt.Println(ask(listener.Addr(), "hello"))

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("shutdown:", server.Shutdown(ctx))
	fmt.Println("serve:", <-served)
	fmt.Println("bytes in:", server.Stats().BytesIn)
	// Output:
	// hello
	// shutdown: <nil>
	// serve: tcp: server closed
	// bytes in: 5
}

// A handler that answers once it has everything: the peer's end is not the end
// of the connection.
func ExampleServer_halfClose() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &tcp.Server{
		OnOpen: func(p *tcp.Peer) { p.SetValue(&bytes.Buffer{}) },
		OnData: func(p *tcp.Peer, data []byte) { p.Value().(*bytes.Buffer).Write(data) },
		OnEnd: func(p *tcp.Peer) {
			words := strings.Fields(p.Value().(*bytes.Buffer).String())
			fmt.Fprintf(p, "%d words", len(words))
			p.Close()
		},
	}
	go server.Serve(listener)
	defer server.Close()

	fmt.Println(ask(listener.Addr(), "one two three"))
	// Output: 3 words
}

// The first line says what is wanted, and the connection is handed to code that
// blocks: with the bytes behind the line, which OnData has got already.
func ExamplePeer_Detach() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &tcp.Server{
		OnData: func(p *tcp.Peer, data []byte) {
			line, rest, found := bytes.Cut(data, []byte("\n"))
			if !found { // a real handler would keep the bytes and wait for more
				p.Close()
				return
			}
			p.Write([]byte("you said " + string(line) + ": "))
			first := bytes.Clone(rest)
			conn, unread, err := p.Detach()
			if err != nil {
				return // OnClose has the reason
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, io.MultiReader(bytes.NewReader(first), bytes.NewReader(unread), conn))
			}()
		},
	}
	go server.Serve(listener)
	defer server.Close()

	fmt.Println(ask(listener.Addr(), "upper\nand this comes back"))
	// Output: you said upper: and this comes back
}

// ask sends text, ends its half, and returns the answer.
func ask(addr net.Addr, text string) string {
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		log.Fatal(err)
	}
	if err := tcp.CloseWrite(conn); err != nil {
		log.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		log.Fatal(err)
	}
	return string(answer)
}
