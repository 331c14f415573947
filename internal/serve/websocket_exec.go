package serve

import (
	"context"
	"net"

	"github.com/sockkit/sockkit/internal/session"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// exec connects a peer to a command of its own: a message is a line of the
// command's input, and a line of its output a message.
func (s *webSockets) exec(ctx context.Context, c *ws.Conn) error {
	s.opened()
	command := s.Command(c.NetConn().LocalAddr(), c.NetConn().RemoteAddr())
	var left leftover
	left.of(command)
	child, err := command.Start()
	if err != nil {
		return err
	}
	defer child.Close()
	stop := context.AfterFunc(ctx, func() { child.Close() })
	defer stop()
	w := &session.WebSocket{Conn: c, Binary: s.Binary}
	failed := make(chan error, 1)
	go func() {
		failed <- s.toChild(child, w, &left)
		_ = tcp.CloseWrite(child)
	}()
	err = s.fromChild(w, child)
	child.Close()
	left.tell(c.NetConn(), command)
	if s.Once {
		s.cancel(errOver)
	}
	select {
	case peer := <-failed: // the peer had ended first
		if peer != nil && err == nil {
			err = peer
		}
	default:
	}
	return err
}

// toChild writes what the peer sends to the command, until either ends.
func (s *webSockets) toChild(child net.Conn, w *session.WebSocket, left *leftover) error {
	var framed []byte
	for {
		p, text, err := w.ReadMessage()
		if err != nil {
			return err
		}
		framed = session.AppendFramed(framed[:0], s.Framing, p)
		if text && s.Framing == session.Lines {
			framed = append(framed, '\n')
		}
		if n, err := child.Write(framed); err != nil {
			left.bytes.Add(int64(len(framed) - n))
			return nil // it has closed its input, and may still speak
		}
	}
}

// fromChild sends what the command says, until it says no more.
func (s *webSockets) fromChild(w *session.WebSocket, child net.Conn) error {
	lines := session.NewReader(child, s.Framing, maxChildLine)
	lines.Strip = true
	for {
		line, err := lines.Next()
		if err != nil {
			return nil // the command is done
		}
		if err := w.WriteMessage(line); err != nil {
			return err
		}
	}
}

// maxChildLine bounds a line of a command.
const maxChildLine = 32 << 20
