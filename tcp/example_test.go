//go:build unix

package tcp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// answering serves one connection on loopback and returns its address.
func answering(answer func(net.Conn)) string {
	l, err := (&tcp.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		conn, err := l.Accept()
		l.Close()
		if err == nil {
			answer(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// A half-close tells the peer that the question is complete, and leaves the
// other half open for its answer.
func ExampleDialer() {
	address := answering(func(conn net.Conn) {
		question, _ := io.ReadAll(conn)
		fmt.Fprintf(conn, "%s? 42.", question)
	})
	rec := &trace.Recorder{}
	d := &tcp.Dialer{Tracer: trace.New(rec, trace.Message)}
	conn, err := d.DialContext(context.Background(), "tcp", address)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(conn, "6 times 7")
	_ = tcp.CloseWrite(conn)
	answer, _ := io.ReadAll(conn)
	conn.Close()
	fmt.Printf("%s\n", answer)
	for _, d := range trace.Events[trace.Data](rec.Records()) {
		fmt.Printf("%s %d bytes\n", d.Dir, d.Size)
	}
	// Output:
	// 6 times 7? 42.
	// out 9 bytes
	// in 14 bytes
}

// Errors name the address, and can be told apart.
func ExampleError() {
	_, err := (&tcp.Dialer{}).DialContext(context.Background(), "tcp", "127.0.0.1:1")
	fmt.Println(err)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// dial tcp://127.0.0.1:1: connection refused
	// true
}

// A relay keeps half-closes in both directions.
func ExampleRelay() {
	target := answering(func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	result := make(chan tcp.Relayed, 1)
	relay := answering(func(client net.Conn) {
		server, err := (&tcp.Dialer{}).DialContext(context.Background(), "tcp", target)
		if err == nil {
			moved, _ := tcp.Relay(context.Background(), client, server)
			result <- moved
		}
	})
	conn, err := net.Dial("tcp", relay)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(conn, "through")
	_ = tcp.CloseWrite(conn)
	echo, _ := io.ReadAll(conn)
	fmt.Printf("%s %+v\n", echo, <-result)
	// Output:
	// through {AToB:7 BToA:7}
}
