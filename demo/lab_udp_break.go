package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// udpPieces are two pieces that are written one after the other.
type udpPieces struct {
	One string `json:"one"`
	Two string `json:"two"`
}

const mostPiece = 1000

// pieces writes both by UDP and by TCP before anybody reads.
func (b *udpBench) pieces(ctx context.Context, a udpPieces) (any, error) {
	if len(a.One) > mostPiece || len(a.Two) > mostPiece || a.One+a.Two == "" {
		return nil, fmt.Errorf("a piece has 0 to %d bytes, and one of the two has some", mostPiece)
	}
	s := b.part(ctx)
	defer func() { _ = s.close() }() // the records are there already
	byUDP, err := s.piecesByUDP(a)
	if err != nil {
		return nil, inWords(err)
	}
	byTCP, err := s.piecesByTCP(a)
	if err != nil {
		return nil, inWords(err)
	}
	return fmt.Sprintf("Two writes each. By UDP the server got %s; by TCP its reads gave %s.", byUDP, byTCP), nil
}

func (s *Stage) piecesByUDP(a udpPieces) (string, error) {
	socket, err := s.bind(udpServer, &udp.ListenConfig{}, anyPort)
	if err != nil {
		return "", err
	}
	conn, err := s.open(udpClient, socket.LocalAddr())
	if err != nil {
		return "", err
	}
	if err := errors.Join(write(conn, a.One), write(conn, a.Two)); err != nil {
		return "", err
	}
	s.start(udpServer, &udp.Server{}, socket)
	if err := s.came(udpServer, 2); err != nil {
		return "", err
	}
	var got []string
	for _, d := range datagrams(s.entries(), udpServer, trace.In) {
		got = append(got, fmt.Sprintf("%q", d.Payload))
	}
	return strings.Join(got, " and "), nil
}

func (s *Stage) piecesByTCP(a udpPieces) (string, error) {
	l, err := s.listen(tcpServer)
	if err != nil {
		return "", err
	}
	client, server, err := s.pair(tcpClient, tcpServer, l)
	if err != nil {
		return "", err
	}
	if err := errors.Join(write(client, a.One), write(client, a.Two)); err != nil {
		return "", err
	}
	if err := errors.Join(s.arrived(client), readAll(server, len(a.One+a.Two))); err != nil {
		return "", err
	}
	var got []string
	for _, d := range received(s.entries(), tcpServer) {
		got = append(got, fmt.Sprintf("%q", d.Payload))
	}
	return strings.Join(got, " and "), nil
}

// udpSize says how large a datagram is to be.
type udpSize struct {
	Bytes int `json:"bytes"`
}

const mostSize = 100_000

// size sends one datagram of a size.
func (b *udpBench) size(ctx context.Context, a udpSize) (any, error) {
	if a.Bytes < 0 || a.Bytes > mostSize {
		return nil, fmt.Errorf("0 to %s bytes can be tried, not %s", grouped(mostSize), grouped(a.Bytes))
	}
	s := b.part(ctx)
	defer func() { _ = s.close() }() // the records are there already
	addr, err := s.serve(udpServer, &udp.Server{})
	if err != nil {
		return nil, inWords(err)
	}
	conn, err := s.open(udpClient, addr)
	if err != nil {
		return nil, inWords(err)
	}
	err = write(conn, strings.Repeat("x", a.Bytes))
	if errors.Is(err, udp.ErrTooLarge) {
		s.Note(udpClient, "%v", tcp.Reason(err))
		return fmt.Sprintf("Refused, and nothing of it was sent: %v.", tcp.Reason(err)), nil
	}
	if err == nil {
		err = s.came(udpServer, 1)
	}
	if err != nil {
		return nil, inWords(err)
	}
	return fmt.Sprintf("One datagram of %s bytes came, whole.", grouped(a.Bytes)), nil
}

// nobody sends to a port that no socket has.
func (b *udpBench) nobody(ctx context.Context, _ struct{}) (any, error) {
	s := b.part(ctx)
	defer func() { _ = s.close() }() // the records are there already
	told, err := (&udpStory{}).refusal(s)
	switch {
	case err != nil:
		return nil, inWords(err)
	case !told:
		s.Note("client", "nothing came within a second: this system does not tell")
		return "The send succeeded. This system does not tell that nobody was there.", nil
	}
	s.Note("client", "a read fails: %s", tcp.Reason(syscall.ECONNREFUSED))
	return "The send succeeded, although nobody was there. The read behind it failed: " + tcp.Reason(syscall.ECONNREFUSED) + ".", nil
}

// udpRoom says how much room the reader has.
type udpRoom struct {
	Room int `json:"room"`
}

// roomAnswers are what the server sends to a client that reads with little room.
var roomAnswers = [2]string{"this is the first of two answers", "the second one"}

// room has a client read two datagrams with so much room for each.
func (b *udpBench) room(ctx context.Context, a udpRoom) (any, error) {
	if a.Room < 1 || a.Room > mostPiece {
		return nil, fmt.Errorf("there can be room for 1 to %d bytes, not %d", mostPiece, a.Room)
	}
	s := b.part(ctx)
	defer func() { _ = s.close() }() // the records are there already
	addr, err := s.serve(udpServer, &udp.Server{OnDatagram: func(p *udp.Peer, _ []byte, _ udp.Info) {
		for _, answer := range roomAnswers {
			_, _ = io.WriteString(p, answer) // one that fails shows as a read that gives nothing
		}
	}})
	if err != nil {
		return nil, inWords(err)
	}
	conn, err := s.open(udpClient, addr)
	if err != nil {
		return nil, inWords(err)
	}
	if err := write(conn, "two answers, please"); err != nil {
		return nil, inWords(err)
	}
	return readTwice(conn, a.Room)
}

func readTwice(conn net.Conn, room int) (any, error) {
	var said []string
	for range roomAnswers {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return nil, inWords(err)
		}
		buf := make([]byte, room)
		n, err := conn.Read(buf)
		var cut *udp.TruncatedError
		switch {
		case errors.As(err, &cut):
			said = append(said, fmt.Sprintf("%q, and the rest of it is gone", buf[:n]))
		case err != nil:
			return nil, inWords(err)
		default:
			said = append(said, fmt.Sprintf("%q, all of it", buf[:n]))
		}
	}
	return fmt.Sprintf("The first read gave %s. The second gave %s.", said[0], said[1]), nil
}
