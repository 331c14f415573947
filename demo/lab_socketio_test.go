package demo

import (
	"strings"
	"testing"

	"github.com/sockkit/sockkit/socketio"
)

// TestLabBounds holds what a page can pile up at the server of a lab.
func TestLabBounds(t *testing.T) {
	s := labStage(t)
	d := s.ioDoor(nil)
	d.serves(socketio.ServerOptions{}, func(*socketio.Server) {})
	o := socketio.ClientOptions{Transports: []string{"websocket"}, NoReconnection: true}
	for range mostSessions {
		labClient(t, d, "/", o)
	}
	if err := labSocket(t, d, "/", o).Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("one more: %v", err)
	}
	for _, n := range []browserNote{{Text: strings.Repeat("x", mostNote+1)}, {Who: "server"}, {Who: strings.Repeat("x", mostName+1)}} {
		if _, err := d.note(t.Context(), n); err == nil {
			t.Errorf("noted: %+v", n)
		}
	}
	if _, err := d.note(t.Context(), browserNote{Text: "connect"}); err != nil {
		t.Error(err)
	}
	if len(d.wires) != mostSessions {
		t.Errorf("%d connections are remembered", len(d.wires))
	}
}

func TestLighter(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nSec-Fetch-Mode: cors\r\nUser-Agent: b\r\nOrigin: c\r\nSec-WebSocket-Key: d\r\n\r\n"
	want := "GET / HTTP/1.1\r\nHost: a\r\nOrigin: c\r\nSec-WebSocket-Key: d\r\n\r\n"
	if got := string(lighter([]byte(head))); got != want {
		t.Errorf("%q", got)
	}
}
