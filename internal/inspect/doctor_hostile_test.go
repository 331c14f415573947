package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
)

// Whatever a server answers, the doctor gets through, and nothing of it does
// harm to a terminal.
func TestDoctorOnTheHostile(t *testing.T) {
	for _, answer := range []string{
		"", "\x00", "\x1b[2J", "HTTP/1.1 101 \x1b[31m\r\n\r\n", "HTTP/1.1 301 x\r\nLocation: ://\x1b[31m\r\n\r\n", "HTTP/1.1 302 x\r\nLocation: //[::1\r\n\r\n",
		"HTTP/1.1 401 x\r\n\r\n", "HTTP/1.1 404 x\r\nContent-Length: 99999\r\n\r\nabc", "HTTP/9.9 999 \x1b[31m\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n0{\"sid\":\"\\u001b[31m\",\"upgrades\":1}", "HTTP/1.1 400 x\r\nContent-Length: 12\r\n\r\n{\"code\":-99}", "\x15\x03\x01\x00\x02\x02\x28",
		"HTTP/1.1 426 x\r\nUpgrade: \x1b[31m\r\nServer: nginx\x1b[31m\r\nContent-Length: 0\r\n\r\n",
	} {
		for _, scheme := range []endpoint.Scheme{endpoint.WS, endpoint.WSS, endpoint.SIO, endpoint.SIOS} {
			t.Run(fmt.Sprintf("%s %.20q", scheme, answer), func(t *testing.T) {
				t.Parallel()
				at := wsAt("127.0.0.1:" + serve(t, func(c net.Conn) {
					_, _ = c.Read(make([]byte, 1<<12))
					io.WriteString(c, answer)
				}))
				at.Scheme = scheme
				r := diagnosed(t, Options{Address: at, Timeout: time.Second})
				if text := r.Text(TextOptions{}); r.Doctor == nil || len(r.Doctor.Verdicts) == 0 || strings.Contains(text, "\x1b") {
					t.Error(text)
				}
				if _, err := json.Marshal(r); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
