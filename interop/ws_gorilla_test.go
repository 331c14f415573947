package interop

import (
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// gorillaConn is a connection of github.com/gorilla/websocket.
type gorillaConn struct{ *websocket.Conn }

func (c gorillaConn) send(binary bool, data []byte) error {
	if binary {
		return c.WriteMessage(websocket.BinaryMessage, data)
	}
	return c.WriteMessage(websocket.TextMessage, data)
}

// parts relies on the size of the buffer for writing: each part is larger, and
// so becomes frames of its own.
func (c gorillaConn) parts(parts []string) error {
	w, err := c.NextWriter(websocket.TextMessage)
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

func (c gorillaConn) ping(data string) error {
	return c.WriteControl(websocket.PingMessage, []byte(data), time.Now().Add(patience))
}

func (c gorillaConn) close(code int, reason string) error {
	if code == 0 {
		code = websocket.CloseNoStatusReceived // which this library writes as an empty frame
	}
	return c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(patience))
}

func (c gorillaConn) drop() { c.NetConn().Close() }

func startGorilla(p *wsPeer, o wsOptions) {
	if o.URL == "" {
		up := websocket.Upgrader{Subprotocols: o.Subprotocols, EnableCompression: o.Compress, WriteBufferSize: 1024, CheckOrigin: func(*http.Request) bool { return true }}
		p.serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r, nil)
			if err == nil {
				p.watchGorilla(c, o, "")
			}
		})
		return
	}
	d := websocket.Dialer{Subprotocols: o.Subprotocols, EnableCompression: o.Compress, WriteBufferSize: 1024, TLSClientConfig: trusting()}
	go func() {
		c, answer, err := d.Dial(o.URL, nil)
		if err != nil {
			p.report(wsSaw{Saw: "error", Reason: err.Error()})
			return
		}
		p.watchGorilla(c, o, answer.Header.Get("Sec-WebSocket-Extensions"))
	}()
}

func (p *wsPeer) watchGorilla(conn *websocket.Conn, o wsOptions, extensions string) {
	c := gorillaConn{conn}
	conn.EnableWriteCompression(o.Compress)
	conn.SetPongHandler(func(data string) error { p.report(wsSaw{Saw: "pong", Data: data}); return nil })
	p.opened(c, conn.Subprotocol(), extensions)
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil {
			p.gorillaEnded(err)
			conn.Close()
			return
		}
		p.received(c, o, kind == websocket.BinaryMessage, data)
	}
}

func (p *wsPeer) gorillaEnded(err error) {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		p.ended(closed.Code, closed.Text)
		return
	}
	p.ended(websocket.CloseAbnormalClosure, err.Error())
}
