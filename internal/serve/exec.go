package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/sockkit/sockkit/tcp"
)

// exec hands a peer to a command of its own.
func (s *streams) exec(p *tcp.Peer) {
	command := s.Command(p.LocalAddr(), p.RemoteAddr())
	conn, early, err := p.Detach()
	if err != nil {
		return // the peer has left again
	}
	s.children.Add(1)
	go func() {
		defer s.children.Done()
		err := serveChild(s.ctx, conn, early, func() (net.Conn, error) { return command.Start() })
		if s.Once {
			s.endOnce(err)
		}
	}()
}

// drainTime bounds how long what a peer still sends is read and dropped once
// its command is gone, so that what the command said last is not lost by a
// reset.
const drainTime = 2 * time.Second

// serveChild connects conn to a new child until the child is done, and ends
// both. The child's input ends with the peer's half; what the child says after
// that is still passed on.
func serveChild(ctx context.Context, conn net.Conn, early []byte, start func() (net.Conn, error)) error {
	defer conn.Close()
	child, err := start()
	if err != nil {
		return err
	}
	defer child.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close(); child.Close() })
	defer stop()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		if _, err := child.Write(early); err == nil {
			_ = (&tcp.Pump{Dst: child, Src: conn}).Run()
		}
		_ = tcp.CloseWrite(child)
	}()
	err = (&tcp.Pump{Dst: conn, Src: child}).Run()
	var read *tcp.ReadError
	if err != nil && !errors.As(err, &read) {
		return err // the peer is gone
	}
	select {
	case <-child.(interface{ Exited() <-chan struct{} }).Exited():
	case <-fed: // it has closed its output, and may still read
	}
	child.Close()
	if tcp.CloseWrite(conn) == nil {
		drain(conn, fed)
	}
	return nil
}

// drain reads what the peer still sends, for a while, once nobody else does.
func drain(conn net.Conn, free <-chan struct{}) {
	_ = conn.SetReadDeadline(time.Now().Add(drainTime))
	<-free
	_, _ = io.Copy(io.Discard, conn)
}
