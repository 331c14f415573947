package interop

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"github.com/lxzan/gws"
)

// gwsConn is a connection of github.com/lxzan/gws.
type gwsConn struct{ *gws.Conn }

func (c gwsConn) send(binary bool, data []byte) error {
	if binary {
		return c.WriteMessage(gws.OpcodeBinary, data)
	}
	return c.WriteMessage(gws.OpcodeText, data)
}

// parts is sent as this library sends a file: in frames of 128 KiB.
func (c gwsConn) parts(parts []string) error {
	return c.WriteFile(gws.OpcodeText, strings.NewReader(strings.Join(parts, "")))
}

func (c gwsConn) ping(data string) error { return c.WritePing([]byte(data)) }

func (c gwsConn) close(code int, reason string) error {
	return c.WriteClose(uint16(code), []byte(reason))
}

func (c gwsConn) drop() { c.NetConn().Close() }

// gwsEvents are what the library calls.
type gwsEvents struct {
	p *wsPeer
	o wsOptions
}

func (e gwsEvents) OnOpen(c *gws.Conn) {}

func (e gwsEvents) OnClose(_ *gws.Conn, err error) {
	var closed *gws.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code == 0:
		e.p.ended(1005, "") // this library's 0 is no code
	case errors.As(err, &closed):
		e.p.ended(int(closed.Code), string(closed.Reason))
	default:
		e.p.ended(1006, err.Error())
	}
}

func (e gwsEvents) OnPing(c *gws.Conn, data []byte) {
	e.p.report(wsSaw{Saw: "ping", Data: string(data)})
	_ = c.WritePong(data)
}

func (e gwsEvents) OnPong(_ *gws.Conn, data []byte) {
	e.p.report(wsSaw{Saw: "pong", Data: string(data)})
}

func (e gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	e.p.received(gwsConn{c}, e.o, m.Opcode == gws.OpcodeBinary, bytes.Clone(m.Bytes()))
}

const gwsLimit = 64 * mib

func gwsDeflate(o wsOptions) gws.PermessageDeflate {
	return gws.PermessageDeflate{Enabled: o.Compress, Threshold: 1, ServerContextTakeover: o.Takeover, ClientContextTakeover: o.Takeover,
		ServerMaxWindowBits: o.ServerBits, ClientMaxWindowBits: o.ClientBits}
}

func startGWS(p *wsPeer, o wsOptions) {
	events := gwsEvents{p, o}
	if o.URL == "" {
		up := gws.NewUpgrader(events, &gws.ServerOption{PermessageDeflate: gwsDeflate(o), SubProtocols: o.Subprotocols,
			CheckUtf8Enabled: true, ReadMaxPayloadSize: gwsLimit, WriteMaxPayloadSize: gwsLimit})
		p.serveHTTP(o, func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r)
			if err == nil {
				p.opened(gwsConn{c}, c.SubProtocol(), "")
				c.ReadLoop()
			}
		})
		return
	}
	header := http.Header{}
	if len(o.Subprotocols) > 0 {
		header.Set("Sec-WebSocket-Protocol", strings.Join(o.Subprotocols, ", "))
	}
	go func() {
		c, answer, err := gws.NewClient(events, &gws.ClientOption{Addr: o.URL, RequestHeader: header, TlsConfig: trusting(), PermessageDeflate: gwsDeflate(o),
			CheckUtf8Enabled: true, ReadMaxPayloadSize: gwsLimit, WriteMaxPayloadSize: gwsLimit})
		if err != nil {
			p.report(wsSaw{Saw: "error", Reason: err.Error()})
			return
		}
		p.opened(gwsConn{c}, c.SubProtocol(), answer.Header.Get("Sec-WebSocket-Extensions"))
		c.ReadLoop()
	}()
}
