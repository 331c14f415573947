//go:build linux

package load

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// Secured is WebSockets under TLS that are open and at rest.
type Secured []*tls.Conn

// DialSecured opens conns WebSockets over TLS 1.3, one after the other, from as many
// loopback addresses as sources says, and has each one echo a message where
// greet is set. The certificate is not checked.
func DialSecured(server netip.AddrPort, conns, sources int, greet bool) (Secured, error) {
	var all Secured
	for i := range conns {
		conn, err := secured(server, i, sources)
		if err == nil {
			all = append(all, conn)
			err = introduce(conn, newOpening(server, "/", uint32(i), false), greet)
		}
		if err != nil {
			all.Close()
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return all, nil
}

func secured(server netip.AddrPort, i, sources int) (*tls.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%sources))}
	conn, err := net.DialTCP("tcp4", from, net.TCPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	conn.SetLinger(0)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}), nil
}

// introduce makes the opening handshake, and has a message of 1 KiB come back.
func introduce(conn *tls.Conn, o opening, greet bool) error {
	if _, err := conn.Write(o.request); err != nil {
		return err
	}
	from := bufio.NewReader(conn)
	var answer []byte
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		answer = append(answer, line...)
		if whole, err := o.opened(answer); err != nil || whole {
			return errors.Join(err, exchanged(conn, from, greet))
		}
	}
}

// exchanged sends a text of 1 KiB, masked with zeros, and compares what comes back.
func exchanged(conn *tls.Conn, from io.Reader, greet bool) error {
	if !greet {
		return nil
	}
	text := make([]byte, 1<<10)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	head := []byte{0x81, 126, 4, 0}
	masked := append([]byte{0x81, 0x80 | 126, 4, 0, 0, 0, 0, 0}, text...)
	if _, err := conn.Write(masked); err != nil {
		return err
	}
	back := make([]byte, len(head)+len(text))
	if _, err := io.ReadFull(from, back); err != nil {
		return err
	}
	if string(back) != string(head)+string(text) {
		return ErrWrong
	}
	return nil
}

// Close resets the connections.
func (s Secured) Close() {
	for _, conn := range s {
		conn.NetConn().Close()
	}
}
