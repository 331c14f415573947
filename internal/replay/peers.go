package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sockkit/sockkit/ws"
)

// Connection is a stream, or a socket that sends datagrams to one peer.
func Connection(conn net.Conn, layer Layer) Peer {
	return &connection{Conn: conn, buf: make([]byte, 64<<10), datagrams: layer == Datagrams}
}

type connection struct {
	net.Conn
	buf       []byte
	datagrams bool
	once      sync.Once
	closed    closing
}

// closing remembers that it was this side that closed.
type closing struct {
	mu sync.Mutex
	by bool
}

func (c *closing) set() { c.mu.Lock(); c.by = true; c.mu.Unlock() }

func (c *closing) word(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by {
		return errClosedHere
	}
	return err
}

func (c *connection) Send(ctx context.Context, item Item) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := c.Write(item.Data)
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *connection) End(Item) error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && !c.datagrams {
		return half.CloseWrite()
	}
	return nil
}

func (c *connection) Receive() (Item, error) {
	n, err := c.Read(c.buf)
	if n > 0 || err == nil && c.datagrams {
		return Item{Data: bytes.Clone(c.buf[:n])}, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return Item{}, c.closed.word(err)
}

func (c *connection) Close() (err error) {
	c.once.Do(func() {
		c.closed.set()
		err = c.Conn.Close()
	})
	return err
}

// WebSocket is a WebSocket connection.
func WebSocket(conn *ws.Conn) Peer { return &webSocket{conn: conn} }

type webSocket struct {
	conn   *ws.Conn
	once   sync.Once
	closed closing
}

func (w *webSocket) Send(ctx context.Context, item Item) error {
	kind := ws.Binary
	if item.Text {
		kind = ws.Text
	}
	return w.conn.Write(ctx, kind, item.Data)
}

func (w *webSocket) End(item Item) (err error) {
	w.once.Do(func() {
		w.closed.set()
		code := ws.StatusCode(item.Code)
		if !code.Sendable() {
			code = ws.StatusNormal // 1005 and 1006 say that there was none
		}
		err = w.conn.Close(code, item.Why)
	})
	var closed *ws.CloseError
	if errors.As(err, &closed) {
		return nil // the other side was faster
	}
	return err
}

func (w *webSocket) Receive() (Item, error) {
	kind, p, err := w.conn.Read(context.Background())
	if err != nil {
		return Item{}, w.closed.word(err)
	}
	return Item{Text: kind == ws.Text, Data: bytes.Clone(p)}, nil
}

func (w *webSocket) Close() error { return w.End(Item{}) }
