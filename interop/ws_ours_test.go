package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// ourForms are the forms of our own package: what the command line does not
// show of it is held against the libraries here.
var ourForms = map[string]wsLibrary{
	"a handler":   {start: func(p *wsPeer, o wsOptions) { startOurs(p, o, p.ourHandler(o), false) }},
	"callbacks":   {start: func(p *wsPeer, o wsOptions) { startOurs(p, o, p.ourCallbacks(o), false) }},
	"on net/http": {start: func(p *wsPeer, o wsOptions) { startOurs(p, o, p.ourHandler(o), true) }},
	"callbacks on net/http": {start: func(p *wsPeer, o wsOptions) {
		startOurs(p, o, p.ourCallbacks(o), true)
	}},
}

// ourConn is a blocking connection of our package.
type ourConn struct {
	*ws.Conn
	p *wsPeer
}

func (c ourConn) send(binary bool, data []byte) error {
	return c.Write(context.Background(), ourType(binary), data)
}

// ourCode has 1005 for an empty close frame.
func ourCode(code int) ws.StatusCode {
	if code == 0 {
		return ws.StatusNoStatus
	}
	return ws.StatusCode(code)
}

func ourType(binary bool) ws.MessageType {
	if binary {
		return ws.Binary
	}
	return ws.Text
}

// parts is for clients: the frames are masked.
func (c ourConn) parts(parts []string) error {
	op := ws.OpText
	for i, part := range parts {
		if err := c.WriteFrame(context.Background(), ws.Frame{Fin: i == len(parts)-1, Opcode: op, Masked: true, Key: [4]byte{1, 2, 3, 4}, Payload: []byte(part)}); err != nil {
			return err
		}
		op = ws.OpContinuation
	}
	return nil
}

func (c ourConn) ping(data string) error {
	go func() {
		if rtt, err := c.Ping(context.Background()); err == nil && rtt > 0 {
			c.p.report(wsSaw{Saw: "pong", Data: data})
		}
	}()
	return nil
}

func (c ourConn) close(code int, reason string) error {
	go c.Close(ourCode(code), reason)
	return nil
}

func (c ourConn) drop() { _ = c.CloseNow() }

// read reads to the end.
func (p *wsPeer) readOurs(ctx context.Context, conn *ws.Conn, o wsOptions) {
	c := ourConn{conn, p}
	p.opened(c, conn.Subprotocol(), "")
	for {
		kind, data, err := conn.Read(ctx)
		if err != nil {
			p.ourEnd(err)
			return
		}
		p.received(c, o, kind == ws.Binary, data)
	}
}

func (p *wsPeer) ourEnd(err error) {
	var closed *ws.CloseError
	if errors.As(err, &closed) {
		p.ended(int(closed.Code), closed.Reason)
		return
	}
	p.report(wsSaw{Saw: "error", Reason: fmt.Sprint(err)})
}

func (p *wsPeer) ourHandler(o wsOptions) *ws.Server {
	return &ws.Server{Handler: func(ctx context.Context, c *ws.Conn) error {
		p.readOurs(ctx, c, o)
		return nil
	}}
}

// ourPeer is a connection of the form that calls back.
type ourPeer struct {
	*ws.Peer
	p *wsPeer
}

func (c ourPeer) send(binary bool, data []byte) error { return c.Write(ourType(binary), data) }
func (c ourPeer) parts(parts []string) error          { return c.send(false, []byte(strings.Join(parts, ""))) }
func (c ourPeer) drop()                               { c.Abort(errors.New("dropped on purpose")) }
func (c ourPeer) ping(data string) error              { return c.Ping() }

func (c ourPeer) close(code int, reason string) error {
	c.Close(ourCode(code), reason)
	return nil
}

func (p *wsPeer) ourCallbacks(o wsOptions) *ws.Server {
	return &ws.Server{
		OnOpen: func(c *ws.Peer, _ *ws.Request) { p.opened(ourPeer{c, p}, c.Subprotocol(), "") },
		OnMessage: func(c *ws.Peer, t ws.MessageType, data []byte) {
			p.received(ourPeer{c, p}, o, t == ws.Binary, data)
		},
		OnClose: func(_ *ws.Peer, err error) { p.ourEnd(err) },
	}
}

func ourDeflate(o wsOptions) *handshake.Deflate {
	if !o.Compress {
		return nil
	}
	d := &handshake.Deflate{ServerNoContextTakeover: !o.Takeover, ClientNoContextTakeover: !o.Takeover, ServerMaxWindowBits: o.ServerBits}
	if o.URL != "" { // as browsers do: whatever window the server wishes for us
		d.ClientMaxWindowBits = handshake.Unvalued
	}
	return d
}

func startOurs(p *wsPeer, o wsOptions, s *ws.Server, mounted bool) {
	if o.URL != "" {
		go dialOurs(p, o)
		return
	}
	s.Subprotocols, s.Deflate, s.CompressFrom = o.Subprotocols, ourDeflate(o), 1
	if mounted {
		p.serveHTTP(o, s.ServeHTTP)
		return
	}
	l := p.listenRaw(o)
	go s.Serve(l)
	p.t.Cleanup(func() { s.Close() })
}

func dialOurs(p *wsPeer, o wsOptions) {
	d := ws.Dialer{Subprotocols: o.Subprotocols, Deflate: ourDeflate(o), CompressFrom: 1, TCP: &tcp.Dialer{TLS: trusting()}}
	c, _, err := d.Dial(context.Background(), o.URL)
	if err != nil {
		p.report(wsSaw{Saw: "error", Reason: err.Error()})
		return
	}
	p.readOurs(context.Background(), c, o)
}

// Each form of our server talks to each client.
func TestWSOurServers(t *testing.T) {
	t.Parallel()
	for formName, form := range ourForms {
		for name, lib := range wsLibraries {
			t.Run(formName+" serves "+name, func(t *testing.T) {
				t.Parallel()
				s := wsServer(t, form, wsOptions{Echo: true, Subprotocols: []string{"chat"}})
				c, opened := wsClient(t, lib, s.url, wsOptions{Subprotocols: []string{"v1", "chat"}})
				if opened.Subprotocol != "chat" {
					t.Errorf("the client saw the subprotocol %q", opened.Subprotocol)
				}
				s.next("open")
				clientTexts(c)
				c.do(wsAct{Do: "ping", Data: "are you there"})
				c.next("pong")
				oursClose(t, s, c, lib)
			})
		}
	}
}

// oursClose has the client close, and a second one be closed.
func oursClose(t *testing.T, s, c *wsPeer, lib wsLibrary) {
	t.Helper()
	c.do(wsAct{Do: "close", Code: 4999, Reason: "grüße"})
	wantAnswer(t, c, lib, 4999)
	if got := s.skipTo("close"); got.Code != 4999 || got.Reason != "grüße" {
		t.Errorf("the server saw %+v", got)
	}
	second, _ := wsClient(t, lib, s.url, wsOptions{})
	s.next("open")
	s.do(wsAct{Do: "close", Code: 3000, Reason: "enough"})
	if got := second.next("close"); got.Code != 3000 || got.Reason != "enough" {
		t.Errorf("the client saw %+v", got)
	}
}

// Our dialler talks to each server.
func TestWSOurDialer(t *testing.T) {
	t.Parallel()
	for name, lib := range wsLibraries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wsServer(t, lib, wsOptions{Echo: true, Subprotocols: []string{"chat"}})
			c, opened := wsClient(t, ourForms["a handler"], s.url, wsOptions{Subprotocols: []string{"v1", "chat"}})
			if opened.Subprotocol != "chat" {
				t.Errorf("we saw the subprotocol %q", opened.Subprotocol)
			}
			s.next("open")
			clientTexts(c)
			c.do(wsAct{Do: "ping", Data: "are you there"})
			c.next("pong")
			s.do(wsAct{Do: "close", Code: 4999, Reason: "grüße"})
			if got := c.next("close"); got.Code != 4999 || got.Reason != "grüße" {
				t.Errorf("we saw %+v", got)
			}
		})
	}
}

// Compression, whatever either side wishes, in each form.
func TestWSOurDeflate(t *testing.T) {
	t.Parallel()
	for formName, form := range ourForms {
		for _, c := range deflateClients() {
			t.Run(formName+" serves "+c.String(), func(t *testing.T) {
				t.Parallel()
				s := wsServer(t, form, wsOptions{Echo: true, Compress: true, Takeover: true})
				p, _ := wsClient(t, wsLibraries[c.lib], s.url, c.options)
				sendDeflated(p)
			})
		}
	}
	for _, c := range deflateServers() {
		for _, takeover := range []bool{true, false} {
			t.Run(fmt.Sprintf("we dial %s with takeover %v", c, takeover), func(t *testing.T) {
				t.Parallel()
				c.options.Echo = true
				s := wsServer(t, wsLibraries[c.lib], c.options)
				p, _ := wsClient(t, ourForms["a handler"], s.url, wsOptions{Compress: true, Takeover: takeover})
				sendDeflated(p)
			})
		}
	}
}

func sendDeflated(p *wsPeer) {
	p.t.Helper()
	for _, text := range deflated() {
		p.do(wsAct{Do: "text", Data: text})
		p.nextText(text)
	}
}

// A bad frame ends with the same code in each form.
func TestWSOurServersBadFrames(t *testing.T) {
	t.Parallel()
	for formName, form := range ourForms {
		t.Run(formName, func(t *testing.T) {
			t.Parallel()
			s := wsServer(t, form, wsOptions{Echo: true})
			for _, row := range wsBadFrames {
				c := rawDial(t, s.url)
				c.upgrade(t)
				_, _ = c.Write(frameBytes(true, row.frames))
				if code, reason := c.closing(); code != row.code {
					t.Errorf("%s: closed with %d %q; want %d", row.name, code, reason, row.code)
				}
				c.Close()
			}
		})
	}
}
