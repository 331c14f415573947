package interop

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

// coderConn is a connection of github.com/coder/websocket.
type coderConn struct {
	*websocket.Conn
	p *wsPeer
}

func (c coderConn) send(binary bool, data []byte) error {
	kind := websocket.MessageText
	if binary {
		kind = websocket.MessageBinary
	}
	return c.Write(context.Background(), kind, data)
}

// parts relies on each write being a frame.
func (c coderConn) parts(parts []string) error {
	w, err := c.Writer(context.Background(), websocket.MessageText)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write([]byte(part)); err != nil {
			return err
		}
	}
	return w.Close()
}

// ping has no say in what the ping holds: the library numbers them.
func (c coderConn) ping(data string) error {
	go func() {
		if c.Ping(context.Background()) == nil {
			c.p.report(wsSaw{Saw: "pong", Data: data})
		}
	}()
	return nil
}

func (c coderConn) close(code int, reason string) error {
	if code == 0 {
		code = int(websocket.StatusNoStatusRcvd) // which this library writes as an empty frame
	}
	go c.Conn.Close(websocket.StatusCode(code), reason)
	return nil
}

func (c coderConn) drop() { _ = c.CloseNow() }

func coderMode(o wsOptions) websocket.CompressionMode {
	switch {
	case !o.Compress:
		return websocket.CompressionDisabled
	case o.Takeover:
		return websocket.CompressionContextTakeover
	}
	return websocket.CompressionNoContextTakeover
}

func startCoder(p *wsPeer, o wsOptions) {
	if o.URL == "" {
		accept := &websocket.AcceptOptions{Subprotocols: o.Subprotocols, InsecureSkipVerify: true, CompressionMode: coderMode(o), CompressionThreshold: 1}
		p.serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, accept)
			if err == nil {
				p.watchCoder(c, o, "")
			}
		})
		return
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting()}}
	dial := &websocket.DialOptions{Subprotocols: o.Subprotocols, HTTPClient: client, CompressionMode: coderMode(o), CompressionThreshold: 1}
	go func() {
		c, answer, err := websocket.Dial(context.Background(), o.URL, dial)
		if err != nil {
			p.report(wsSaw{Saw: "error", Reason: err.Error()})
			return
		}
		p.watchCoder(c, o, answer.Header.Get("Sec-WebSocket-Extensions"))
	}()
}

func (p *wsPeer) watchCoder(conn *websocket.Conn, o wsOptions, extensions string) {
	c := coderConn{conn, p}
	conn.SetReadLimit(-1)
	p.opened(c, conn.Subprotocol(), extensions)
	for {
		kind, data, err := conn.Read(context.Background())
		if err != nil {
			p.coderEnded(err)
			_ = conn.CloseNow()
			return
		}
		p.received(c, o, kind == websocket.MessageBinary, data)
	}
}

func (p *wsPeer) coderEnded(err error) {
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		p.ended(int(closed.Code), closed.Reason)
		return
	}
	p.ended(int(websocket.StatusAbnormalClosure), err.Error())
}
