package inspect

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/endpoint"
)

// linesBefore is a server that logs to its own connection.
func linesBefore(c net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	accept := handshake.AcceptKey(r.Header.Get("Sec-WebSocket-Key"))
	io.WriteString(c, "connected!\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+accept+"\r\n\r\n")
}

// rawly answers each request with the same bytes.
func rawly(text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, text)
		}
	}
}

// The first packet of a session that is damaged.
func TestDoctorOnOpenPackets(t *testing.T) {
	opening := `0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	for name, row := range map[string]struct{ answer, want string }{
		"cut off":   {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n%s", opening), "server open_packet"},
		"too short": {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n%s", opening), "server open_packet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := wsAt("127.0.0.1:" + serve(t, func(c net.Conn) {
				rawly(row.answer)(c)
				stay(c)
			}))
			at.Scheme = endpoint.SIO
			wantVerdict(t, diagnosed(t, Options{Address: at, Timeout: time.Second}), row.want)
		})
	}
}
