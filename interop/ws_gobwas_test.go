package interop

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// gobwasConn is a connection of github.com/gobwas/ws, upgraded by its own
// upgrader and not by net/http. The library does not keep writers apart.
type gobwasConn struct {
	net.Conn
	state ws.State
	in    io.Reader
	mu    *sync.Mutex
}

// Write implements [io.Writer]: the answers to control frames go by it.
func (c gobwasConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.Write(b)
}

// frame writes a frame as one piece.
func (c gobwasConn) frame(op ws.OpCode, fin bool, data []byte) error {
	f := ws.NewFrame(op, fin, slices.Clone(data))
	if c.state.ClientSide() {
		f = ws.MaskFrameInPlace(f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return ws.WriteFrame(c.Conn, f)
}

func (c gobwasConn) send(binary bool, data []byte) error {
	if binary {
		return c.frame(ws.OpBinary, true, data)
	}
	return c.frame(ws.OpText, true, data)
}

func (c gobwasConn) parts(parts []string) error {
	op := ws.OpText
	for i, part := range parts {
		if err := c.frame(op, i == len(parts)-1, []byte(part)); err != nil {
			return err
		}
		op = ws.OpContinuation
	}
	return nil
}

func (c gobwasConn) ping(data string) error { return c.frame(ws.OpPing, true, []byte(data)) }

func (c gobwasConn) close(code int, reason string) error {
	if code == 0 {
		return c.frame(ws.OpClose, true, nil)
	}
	return c.frame(ws.OpClose, true, ws.NewCloseFrameBody(ws.StatusCode(code), reason))
}

func (c gobwasConn) drop() { c.Close() }

func startGobwas(p *wsPeer, o wsOptions) {
	if o.URL == "" {
		go p.serveGobwas(p.listenRaw(o), o)
		return
	}
	d := ws.Dialer{Protocols: o.Subprotocols, TLSConfig: trusting()}
	go func() {
		conn, early, shake, err := d.Dial(context.Background(), o.URL)
		if err != nil {
			p.report(wsSaw{Saw: "error", Reason: err.Error()})
			return
		}
		p.watchGobwas(conn, early, ws.StateClientSide, o, shake.Protocol)
	}()
}

func (p *wsPeer) serveGobwas(l net.Listener, o wsOptions) {
	up := ws.Upgrader{Protocol: func(name []byte) bool { return slices.Contains(o.Subprotocols, string(name)) }}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			shake, err := up.Upgrade(conn)
			if err != nil {
				conn.Close()
				return
			}
			p.watchGobwas(conn, nil, ws.StateServerSide, o, shake.Protocol)
		}()
	}
}

func (p *wsPeer) watchGobwas(conn net.Conn, early *bufio.Reader, state ws.State, o wsOptions, subprotocol string) {
	c := gobwasConn{conn, state, conn, new(sync.Mutex)}
	if early != nil {
		c.in = early
	}
	defer conn.Close()
	p.opened(c, subprotocol, "")
	for {
		op, data, err := p.readGobwas(c)
		if err != nil {
			p.gobwasEnded(err)
			return
		}
		p.received(c, o, op == ws.OpBinary, data)
	}
}

// readGobwas reads a message, and answers the control frames before and in it.
func (p *wsPeer) readGobwas(c gobwasConn) (ws.OpCode, []byte, error) {
	control := func(h ws.Header, in io.Reader) error {
		if h.OpCode == ws.OpPong {
			data, err := io.ReadAll(in)
			p.report(wsSaw{Saw: "pong", Data: string(data)})
			return err
		}
		return wsutil.ControlHandler{Src: in, Dst: c, State: c.state, DisableSrcCiphering: true}.Handle(h)
	}
	r := wsutil.Reader{Source: c.in, State: c.state, CheckUTF8: true, OnIntermediate: control}
	for {
		h, err := r.NextFrame()
		if err != nil {
			return 0, nil, err
		}
		if h.OpCode.IsControl() {
			if err := control(h, &r); err != nil {
				return 0, nil, err
			}
			continue
		}
		data, err := io.ReadAll(&r)
		return h.OpCode, data, err
	}
}

func (p *wsPeer) gobwasEnded(err error) {
	var closed wsutil.ClosedError
	if errors.As(err, &closed) {
		p.ended(int(closed.Code), closed.Reason)
		return
	}
	p.ended(1006, err.Error())
}
