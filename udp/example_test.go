package udp_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/sockkit/sockkit/udp"
)

// A server that answers every datagram, and a client that asks.
func Example() {
	ctx := context.Background()
	socket, err := udp.Listen(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &udp.Server{OnDatagram: func(p *udp.Peer, payload []byte, _ udp.Info) {
		fmt.Fprintf(p, "you said %q", payload)
	}}
	go server.Serve(ctx, socket)
	defer server.Shutdown(ctx)

	conn, err := (&udp.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello")
	buf := make([]byte, udp.MaxPayload)
	n, err := conn.Read(buf)
	fmt.Printf("%s %v\n", buf[:n], err)
	// Output: you said "hello" <nil>
}

// Everybody but the sender hears what one peer says.
func ExampleServer_Peers() {
	ctx := context.Background()
	socket, err := udp.Listen(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &udp.Server{}
	server.OnDatagram = func(from *udp.Peer, payload []byte, _ udp.Info) {
		for p := range server.Peers() {
			if p != from {
				p.Write(payload)
			}
		}
		fmt.Fprint(from, "sent")
	}
	go server.Serve(ctx, socket)
	defer server.Shutdown(ctx)

	buf := make([]byte, 100)
	join := func() net.Conn {
		conn, err := (&udp.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
		if err != nil {
			panic(err)
		}
		fmt.Fprint(conn, "hello, I am new")
		conn.Read(buf) // sent
		return conn
	}
	ann := join()
	defer ann.Close()
	bob := join()
	defer bob.Close()
	n, _ := ann.Read(buf)
	fmt.Printf("ann hears: %s\n", buf[:n])
	fmt.Fprint(ann, "welcome")
	n, _ = bob.Read(buf)
	fmt.Printf("bob hears: %s\n", buf[:n])
	// Output:
	// ann hears: hello, I am new
	// bob hears: welcome
}

// What is known of a datagram besides its payload, and of one that was cut.
func ExampleSocket_ReadDatagram() {
	ctx := context.Background()
	socket, err := udp.Listen(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer socket.Close()
	conn, err := (&udp.Dialer{TTL: 9}).DialContext(ctx, "udp", socket.LocalAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "a datagram is never split")
	buf := make([]byte, 10)
	n, info, err := socket.ReadDatagram(ctx, buf)
	fmt.Printf("%q truncated=%v from the client=%v %v\n", buf[:n], info.Truncated, info.From() == conn.LocalAddr().String(), err)
	// Output: "a datagram" truncated=true from the client=true <nil>
}

// A batch is one system call on Linux. What was read goes back as it is.
func ExampleSocket_ReadBatch() {
	ctx := context.Background()
	socket, err := udp.Listen(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer socket.Close()
	go func() {
		batch := make([]udp.Message, 16)
		for i := range batch {
			batch[i].Payload = make([]byte, 2048)
		}
		for {
			n, err := socket.ReadBatch(batch)
			if err != nil {
				return
			}
			socket.WriteBatch(batch[:n])
		}
	}()
	conn, err := (&udp.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "there and back")
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	fmt.Printf("%s %v\n", buf[:n], err)
	// Output: there and back <nil>
}

// Too large a datagram is an error, never a split.
func ExampleErrTooLarge() {
	conn, err := (&udp.Dialer{}).DialContext(context.Background(), "udp", "127.0.0.1:9")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_, err = conn.Write(make([]byte, 70_000))
	var cause *udp.TooLargeError
	errors.As(err, &cause)
	fmt.Println(errors.Is(err, udp.ErrTooLarge), cause)
	// Output: true a datagram of 70,000 bytes is larger than 65,507, the most that can be sent
}

// An address that is bound is the socket's alone.
func ExampleListen() {
	ctx := context.Background()
	first, err := udp.Listen(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Close()
	_, port, _ := net.SplitHostPort(first.LocalAddr().String())
	_, err = udp.Listen(ctx, "udp", net.JoinHostPort("127.0.0.1", port))
	fmt.Println(err != nil)
	// Output: true
}
