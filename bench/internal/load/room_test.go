//go:build linux

package load

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// roomServer sends each text to all, as spoil changes it for the connection of
// that number. Who is told that it is connected is in the room.
func roomServer(t *testing.T, spoil func(text string, conn int) []string) netip.AddrPort {
	var mu sync.Mutex
	var conns []net.Conn
	return tcpServer(t, func(conn net.Conn) {
		mu.Lock()
		_, err := ws.Upgrade(conn)
		if err == nil {
			conns = append(conns, conn)
		}
		mu.Unlock()
		for err == nil {
			var frame ws.Frame
			if frame, err = ws.ReadFrame(conn); err != nil {
				return
			}
			text := string(ws.UnmaskFrameInPlace(frame).Payload)
			mu.Lock()
			for i, each := range conns {
				sendText(each, spoil(text, i)...)
			}
			mu.Unlock()
		}
	})
}

func TestRoom(t *testing.T) {
	for _, burst := range []int{1, 16} {
		at := roomServer(t, func(text string, _ int) []string { return []string{text} })
		p, err := WebSocketDialer{Server: at, Conns: 30, Size: 32, Burst: burst, Talk: Room}.Dial()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.Broadcast(4); err != nil {
				t.Errorf("%d at once: %v", burst, err)
			}
		}
		if want := int64(30 * burst * 8 * (2 + 32)); p.Received != want {
			t.Errorf("%d at once: %d bytes came; want %d", burst, p.Received, want)
		}
		p.Close()
	}
}

func TestRoomsThatAreWrong(t *testing.T) {
	for name, spoil := range map[string]func(string) []string{
		"another":  func(text string) []string { return []string{text[:31] + "~"} },
		"twice":    func(text string) []string { return []string{text, text} },
		"the last": func(text string) []string { return []string{strings.Replace(text, "00000002", "00000001", 1)} },
	} {
		at := roomServer(t, func(text string, conn int) []string {
			if conn == 7 && strings.Contains(text, "00000002") {
				return spoil(text)
			}
			return []string{text}
		})
		p, err := WebSocketDialer{Server: at, Conns: 9, Size: 32, Talk: Room}.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Broadcast(3); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
	}
}
