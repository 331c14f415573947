package cmd

import (
	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/ws"
)

// http2Explained shows an opening handshake over HTTP/2 (RFC 8441), step by
// step, with each rule where --explain asks for them.
func (d *webSocketDial) http2Explained(x *handshake.Exchange, i *ws.HTTP2Info, failed *ws.HandshakeError, o explain.Options) []string {
	lines := explain.HTTP2(x, i, failed, o)
	if d.ws.explain {
		lines = append(append(lines, ""), explain.HTTP2Verdicts(x, i, o)...)
	}
	return lines
}
