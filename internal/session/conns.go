package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sockkit/sockkit/ws"
)

// Packets is a connection of which one Read gives a message and one Write sends
// one, such as that of datagrams. Limit bounds what is read, in bytes.
func Packets(conn net.Conn, limit int) MessageConn {
	return &packets{conn: conn, buf: make([]byte, limit)}
}

type packets struct {
	conn net.Conn
	buf  []byte
}

func (p *packets) ReadMessage() ([]byte, bool, error) {
	n, err := p.conn.Read(p.buf)
	return p.buf[:n], false, err
}

func (p *packets) WriteMessage(b []byte) error {
	_, err := p.conn.Write(b)
	return err
}

func (p *packets) Close() error { return p.conn.Close() }

// WebSocket is a WebSocket connection. What is sent is text, unless Binary.
type WebSocket struct {
	Conn   *ws.Conn
	Binary bool
	// MaxMessage bounds what is sent, in bytes; 0 is no bound.
	MaxMessage int64
	// Again opens another connection in place of one that was lost, or says why
	// there is to be none. Nil: there is none. What was being sent is sent again.
	Again func(lost error) (*ws.Conn, error)

	mu      sync.Mutex  // guards Conn once Run has begun
	failure error       // no other connection comes
	ended   atomic.Bool // by Close
	end     atomic.Pointer[goodBye]
}

// goodBye is what the close frame says.
type goodBye struct {
	code   ws.StatusCode
	reason string
}

// NotText says that what was to be sent as text is not UTF-8.
type NotText struct{}

// Error implements error.
func (*NotText) Error() string {
	return "it is not UTF-8, which a text message has to be (RFC 6455 8.1)"
}

// ReadMessage implements [MessageConn].
func (w *WebSocket) ReadMessage() ([]byte, bool, error) {
	for {
		conn, err := w.current()
		if err != nil {
			return nil, false, err
		}
		kind, p, err := conn.Read(context.Background())
		if err == nil {
			return p, kind == ws.Text, nil
		}
		if err := w.replace(conn, err); err != nil {
			return nil, false, err
		}
	}
}

// WriteMessage implements [MessageConn].
func (w *WebSocket) WriteMessage(p []byte) error {
	kind := ws.Binary
	if !w.Binary {
		if kind = ws.Text; !utf8.Valid(p) {
			return &NotText{}
		}
	}
	if w.MaxMessage > 0 && int64(len(p)) > w.MaxMessage {
		return fmt.Errorf("it is larger than %d bytes (--max-message)", w.MaxMessage)
	}
	for {
		conn, err := w.current()
		if err != nil {
			return err
		}
		err = conn.Write(context.Background(), kind, p)
		if err == nil {
			return nil
		}
		if err := w.replace(conn, err); err != nil {
			return err
		}
	}
}

// Ping asks for a pong.
func (w *WebSocket) Ping(ctx context.Context) (time.Duration, error) {
	conn, err := w.current()
	if err != nil {
		return 0, err
	}
	return conn.Ping(ctx)
}

func (w *WebSocket) current() (*ws.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Conn, w.failure
}

// replace opens another connection in the place of lost, unless somebody has.
func (w *WebSocket) replace(lost *ws.Conn, why error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.failure != nil:
		return w.failure
	case w.Conn != lost:
		return nil
	case w.Again == nil || w.ended.Load():
		return why
	}
	lost.CloseNow()
	conn, err := w.Again(why)
	if err != nil {
		w.failure = err
		return err
	}
	w.Conn = conn
	return nil
}

// SayGoodBye sets what the close frame says; else it is 1000.
func (w *WebSocket) SayGoodBye(code ws.StatusCode, reason string) {
	w.end.Store(&goodBye{code, reason})
}

// Close implements [MessageConn]: by the closing handshake.
func (w *WebSocket) Close() error {
	end := w.end.Load()
	if end == nil {
		end = &goodBye{code: ws.StatusNormal}
	}
	w.ended.Store(true)
	conn, err := w.current()
	if err != nil {
		return nil // it is closed
	}
	return conn.Close(end.code, end.reason)
}

// IsClosed reports whether err says that a WebSocket had been closed.
func IsClosed(err error) bool {
	var closed *ws.CloseError
	return errors.As(err, &closed)
}

// CheckText says that what is to be sent as text is none.
func CheckText(kind ws.MessageType, p []byte) error {
	if kind == ws.Text && !utf8.Valid(p) {
		return &NotText{}
	}
	return nil
}
