package cmd

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/ws"
)

// tapEnd is one of the two addresses of tap, and what it is to it.
type tapEnd struct {
	endpoint.Address
	stream bool // bytes without borders are passed on
}

// observes reports whether both ends speak WebSocket: then the bytes are passed
// on as they are, and read along.
func (o *tapOptions) observes() bool { return o.listen.WebSocket() && o.target.WebSocket() }

func (o *tapOptions) kindOf(a endpoint.Address) tapEnd {
	return tapEnd{a, a.Stream() || o.observes()}
}

// notUsed says what of the addresses has no effect where the client's own
// request is passed on.
func (o *tapOptions) notUsed() string {
	if o.observes() && (o.target.Target != "/" || o.listen.Target != "/" || o.target.User != "") {
		return "a client's request is passed on as it is: no path or login of the addresses is put into it"
	}
	return ""
}

// turnAwayWebSocket tells a client that it is not let in, before it has said
// what it wants: by an answer of HTTP, or by an alert of TLS.
func (t *tapping) turnAwayWebSocket(client net.Conn, why error) {
	answer := tcp.AccessDenied()
	if !t.address.Secure() {
		status := "403 Forbidden"
		var refusal *tcp.Refusal
		if errors.As(why, &refusal) && refusal.Rule == "max-conns" {
			status = "503 Service Unavailable\r\nRetry-After: 1"
		}
		answer = fmt.Appendf(nil, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n",
			status, len(why.Error())+1, why)
	}
	_ = client.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = client.Write(answer)
	_ = tcp.CloseWrite(client)
	t.turnAway(client, why)
}

// messageLimits bound the messages that are read along, or passed on.
func (t *tapping) messageLimits() ws.Limits { return ws.Limits{MaxMessage: int64(t.maxMessage)} }
