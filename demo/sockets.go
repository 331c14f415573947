package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/udp"
)

// anyPort is any free port of the loopback address: what is said there does not
// leave the machine.
const anyPort = "127.0.0.1:0"

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }

// listen binds a TCP listener for who.
func (s *Stage) listen(who string) (*tcp.Listener, error) {
	l, err := (&tcp.ListenConfig{}).Listen(s.ctx, "tcp", anyPort)
	if err != nil {
		return nil, err
	}
	s.Keep(l)
	s.As(who).Emit(0, trace.Listening{Address: "tcp://" + l.Addr().String()})
	return l, nil
}

// dial connects who to a TCP address.
func (s *Stage) dial(who string, to net.Addr) (net.Conn, error) {
	d := tcp.Dialer{Tracer: s.As(who), Timeout: patience}
	conn, err := d.DialContext(s.ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	s.Keep(conn)
	return conn, nil
}

// accept takes the next connection of l for who.
func (s *Stage) accept(who string, l *tcp.Listener) (net.Conn, error) {
	if bounded, ok := l.Sockets()[0].(*net.TCPListener); ok {
		if err := bounded.SetDeadline(time.Now().Add(patience)); err != nil {
			return nil, err
		}
	}
	conn, err := l.Accept()
	if err != nil {
		return nil, err
	}
	conn = tcp.Trace(conn, s.As(who), trace.Server, 0)
	s.Keep(conn)
	return conn, nil
}

// pair is a connection, both ends of it.
func (s *Stage) pair(client, server string, l *tcp.Listener) (ours, theirs net.Conn, err error) {
	if ours, err = s.dial(client, l.Addr()); err != nil {
		return nil, nil, err
	}
	theirs, err = s.acceptFrom(server, l, ours.LocalAddr())
	return ours, theirs, err
}

// acceptFrom takes the connection that came from that address. Whoever came
// before it, by a command that was copied, is heard to its end.
func (s *Stage) acceptFrom(who string, l *tcp.Listener, from net.Addr) (net.Conn, error) {
	for {
		conn, err := s.accept(who, l)
		if err != nil || conn.RemoteAddr().String() == from.String() {
			return conn, err
		}
		go func() {
			_, _ = io.Copy(io.Discard, conn) // the trace has what came
			_ = conn.Close()
		}()
	}
}

// write writes text, all of it.
func write(conn net.Conn, text string) error {
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := io.WriteString(conn, text)
	return err
}

// read reads once, with room for so many bytes. The end of the stream is
// io.EOF.
func read(conn net.Conn, room int) (int, error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return conn.Read(make([]byte, room))
}

// readAll reads n bytes in as many reads as it takes, and the end of the stream
// too where n is less than 0.
func readAll(conn net.Conn, n int) error {
	for n != 0 {
		got, err := read(conn, readRoom(n))
		if err == io.EOF && n < 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			n -= got
		}
	}
	return nil
}

const mostRead = 16 << 10

func readRoom(n int) int {
	if n < 0 {
		return mostRead
	}
	return min(n, mostRead)
}

// arrived waits until the other side's kernel has all that was written to conn,
// where the system tells.
func (s *Stage) arrived(conn net.Conn) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if _, err := tcp.AwaitDelivered(ctx, conn); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// kernel notes what who's kernel says of conn, in the words that about chooses.
// It returns nil where the system does not tell, which it notes too.
func (s *Stage) kernel(who string, conn net.Conn, about func(*tcp.ConnInfo) string) (*tcp.ConnInfo, error) {
	info, err := tcp.Info(conn)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		s.Note(who, "%v", err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	s.Note(who, "TCP_INFO: %s", about(info))
	return info, nil
}

// serve binds a UDP socket for who and hands it to srv.
func (s *Stage) serve(who string, srv *udp.Server) (net.Addr, error) {
	socket, err := s.bind(who, &udp.ListenConfig{}, anyPort)
	if err != nil {
		return nil, err
	}
	s.start(who, srv, socket)
	return socket.LocalAddr(), nil
}

// bind binds a UDP socket for who, which nobody reads yet.
func (s *Stage) bind(who string, lc *udp.ListenConfig, address string) (*udp.Socket, error) {
	socket, err := lc.Listen(s.ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	s.Keep(socket)
	s.As(who).Emit(0, trace.Listening{Address: "udp://" + socket.LocalAddr().String()})
	return socket, nil
}

// start has srv read socket, until the end of the lesson.
func (s *Stage) start(who string, srv *udp.Server, socket *udp.Socket) {
	srv.Tracer = s.As(who)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(s.ctx, socket) }()
	s.Keep(closerFunc(func() error {
		err := srv.Close()
		if end := <-done; err == nil && !errors.Is(end, udp.ErrServerClosed) && s.ctx.Err() == nil {
			err = end
		}
		return err
	}))
}

// open opens a UDP socket of who's that sends to one address.
func (s *Stage) open(who string, to net.Addr) (*udp.Conn, error) {
	d := udp.Dialer{Tracer: s.As(who)}
	conn, err := d.DialContext(s.ctx, "udp", to.String())
	if err != nil {
		return nil, err
	}
	s.Keep(conn)
	return conn, nil
}

// came waits until who has got n datagrams in this step.
func (s *Stage) came(who string, n int) error { return s.cameWithin(patience, who, n) }

func (s *Stage) cameWithin(limit time.Duration, who string, n int) error {
	return s.awaitFor(limit, fmt.Sprintf("datagram %d for %s", n, who), func(list []entry) bool {
		return len(datagrams(list, who, trace.In)) >= n
	})
}

// grouped writes n with commas: 65,507.
func grouped[N ~int | ~int64 | ~uint64](n N) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}
