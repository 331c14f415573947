package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// exchange opens a WebSocket, sends one text, and prints the one that comes back.
func exchange(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", address)
	from := bufio.NewReader(conn)
	answer, err := http.ReadResponse(from, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(answer.Status)
	}
	if _, err := conn.Write(append([]byte{0x81, 0x85, 0, 0, 0, 0}, "hello"...)); err != nil {
		return err
	}
	frame := make([]byte, 7)
	if _, err := io.ReadFull(from, frame); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%s\n", frame[2:])
	return nil
}
