package engine

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func context2(r *http.Request, key, value any) context.Context {
	return context.WithValue(r.Context(), key, value)
}

// onHandler serves s by a handler around it.
func onHandler(t *testing.T, s *Server, around http.Handler) string {
	h := httptest.NewServer(around)
	t.Cleanup(func() {
		shut(t, s)
		h.CloseClientConnections()
		h.Close()
	})
	return h.Listener.Addr().String()
}

// resets sends a request, and ends the connection by a reset.
func resets(t *testing.T, addr, request string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, request)
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}
