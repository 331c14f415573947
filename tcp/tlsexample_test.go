package tcp_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/sockkit/sockkit/tcp"
)

// A server with a certificate made in memory, and a client that trusts nothing
// but that certificate.
func ExampleClientTLS() {
	ctx := context.Background()
	server, err := (&tcp.TLSOptions{SelfSigned: true}).Server()
	if err != nil {
		panic(err)
	}
	pin := tcp.Fingerprint(server.Certificates[0].Certificate[0])
	client, err := (&tcp.TLSOptions{Pins: []string{pin}}).Client("localhost")
	if err != nil {
		panic(err)
	}

	here, there := net.Pipe()
	go func() {
		conn, err := tcp.ServerTLS(ctx, there, server, nil)
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, "hello")
		conn.Close()
	}()
	conn, err := tcp.ClientTLS(ctx, here, client, nil)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	fmt.Printf("%s, %v\n", text, err)
	// Output: hello, <nil>
}
