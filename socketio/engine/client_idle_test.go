package engine

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A connection that has been silent for nearly as long as Node keeps one is not
// used again.
func TestIdleConnectionIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialled := 0
		web := (&Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) {
			dialled++
			client, server := net.Pipe()
			go answering(server)
			return client, nil
		}}).httpClient()
		defer web.CloseIdleConnections()
		for _, row := range []struct {
			silence time.Duration
			dialled int
		}{{0, 1}, {3 * time.Second, 1}, {4900 * time.Millisecond, 2}} {
			time.Sleep(row.silence)
			resp, err := web.Post("http://server.test/", "text/plain", strings.NewReader("2"))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			synctest.Wait()
			if dialled != row.dialled {
				t.Errorf("after %v of silence there were %d connections, want %d", row.silence, dialled, row.dialled)
			}
		}
	})
}

// answering answers each request on a connection.
func answering(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}
