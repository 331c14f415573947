// Rival does the work as plain Go does it: the standard library, a goroutine a
// connection, nothing tuned.
//
//	rival relay LISTEN TARGET · rival tcp-echo LISTEN · rival udp-echo LISTEN · rival ws-once ADDRESS
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rival:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "relay":
		return relay(args[1], args[2])
	case len(args) == 2 && args[0] == "tcp-echo":
		return serve(args[1], echo)
	case len(args) == 2 && args[0] == "udp-echo":
		return echoDatagrams(args[1])
	case len(args) == 2 && args[0] == "ws-once":
		return exchange(args[1])
	}
	return errors.New("relay LISTEN TARGET, tcp-echo LISTEN, udp-echo LISTEN or ws-once ADDRESS")
}

func serve(address string, each func(net.Conn)) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go each(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func relay(address, target string) error {
	return serve(address, func(from net.Conn) {
		defer from.Close()
		to, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer to.Close()
		back := make(chan struct{})
		go func() { pass(from, to); close(back) }()
		pass(to, from)
		<-back
	})
}

func pass(to, from net.Conn) {
	io.Copy(to, from)
	to.(*net.TCPConn).CloseWrite()
}

func echoDatagrams(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	buf := make([]byte, 65536)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		if _, err := conn.WriteToUDPAddrPort(buf[:n], from); err != nil {
			return err
		}
	}
}
