package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
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
		err := serveChild(s.ctx, conn, early, command)
		if s.Once {
			s.endOnce(err)
		}
	}()
}

// drainTime bounds how long what a peer still sends is read and dropped once
// its command is gone, so that what the command said last is not lost by a
// reset.
const drainTime = 2 * time.Second

// leftover counts what the peer of a command sent and the command did not read.
type leftover struct{ bytes atomic.Int64 }

// of has c count what is in its input when it ends.
func (l *leftover) of(c *endpoint.Command) {
	c.Left = func(input *os.File) { l.bytes.Add(session.Pending(input)) }
}

// tell puts it into the trace.
func (l *leftover) tell(conn net.Conn, c *endpoint.Command) {
	n := l.bytes.Load()
	if n == 0 {
		return
	}
	id := trace.ID(0)
	if traced, ok := conn.(interface{ TraceID() trace.ID }); ok {
		id = traced.TraceID()
	}
	c.Tracer.Emit(id, trace.Note{Text: fmt.Sprintf("the command left %d B of its input unread", n)})
}

// serveChild connects conn to a new child until the child is done, and ends
// both. The child's input ends with the peer's half; what the child says after
// that is still passed on.
func serveChild(ctx context.Context, conn net.Conn, early []byte, command *endpoint.Command) error {
	defer conn.Close()
	var left leftover
	left.of(command)
	child, err := command.Start()
	if err != nil {
		return err
	}
	defer child.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close(); child.Close() })
	defer stop()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		n, err := child.Write(early)
		left.bytes.Add(int64(len(early) - n))
		if err == nil {
			in := &tcp.Pump{Dst: child, Src: conn}
			_ = in.Run()
			left.bytes.Add(in.Lost())
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
		left.bytes.Add(drain(conn, fed))
	}
	left.tell(conn, command)
	return nil
}

// drain reads what the peer still sends, for a while, once nobody else does, and
// returns how much that was.
func drain(conn net.Conn, free <-chan struct{}) int64 {
	_ = conn.SetReadDeadline(time.Now().Add(drainTime))
	<-free
	n, _ := io.Copy(io.Discard, conn)
	return n
}
