package main

import (
	"errors"
	"io"
	"net"

	"github.com/gobwas/ws"
)

// gobwas is the low level: its own upgrader on the bare connection, and frames
// read and written without any buffer but one for the payload.
func gobwas(address string, deflate bool) error {
	if deflate {
		return errors.New("the low level does not compress")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go gobwasServe(conn)
	}
}

func gobwasServe(conn net.Conn) {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	var payload []byte
	for {
		header, err := ws.ReadHeader(conn)
		if err != nil || header.OpCode == ws.OpClose {
			return
		}
		if int64(cap(payload)) < header.Length {
			payload = make([]byte, header.Length)
		}
		payload = payload[:header.Length]
		if gobwasEcho(conn, header, payload) != nil {
			return
		}
	}
}

func gobwasEcho(conn net.Conn, header ws.Header, payload []byte) error {
	if _, err := io.ReadFull(conn, payload); err != nil {
		return err
	}
	if header.Masked {
		ws.Cipher(payload, header.Mask, 0)
	}
	header.Masked = false
	if err := ws.WriteHeader(conn, header); err != nil {
		return err
	}
	_, err := conn.Write(payload)
	return err
}
