//go:build linux

package load

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// webServer opens WebSockets with gobwas/ws and answers each message by what
// answer makes of its frame and its number, counted from 0.
func webServer(t *testing.T, answer func(ws.Frame, int) []byte) netip.AddrPort {
	t.Helper()
	return tcpServer(t, func(conn net.Conn) {
		upgrader := ws.Upgrader{}
		if _, err := upgrader.Upgrade(conn); err != nil {
			return
		}
		for n := 0; ; n++ {
			frame, err := ws.ReadFrame(conn)
			if err != nil {
				return
			}
			conn.Write(answer(ws.UnmaskFrameInPlace(frame), n))
		}
	})
}

func whole(f ws.Frame, _ int) []byte { return ws.MustCompileFrame(ws.NewTextFrame(f.Payload)) }

func runWeb(t *testing.T, d WebSocketDialer, bursts int) (*WebSockets, error) {
	t.Helper()
	p, err := d.Dial()
	if err != nil {
		return nil, err
	}
	t.Cleanup(p.Close)
	return p, p.Run(bursts)
}

func TestWebSockets(t *testing.T) {
	at := webServer(t, whole)
	for _, d := range []WebSocketDialer{
		{Conns: 20, Size: 16, Sources: 7},
		{Conns: 20, Size: 32, Burst: 16},
		{Conns: 3, Size: 70_000},
		{Conns: 3, Size: 4 << 20}, // more than the kernel takes at once
	} {
		d.Server = at
		p, err := runWeb(t, d, 3)
		if err != nil {
			t.Errorf("%d × %d bytes: %v", d.Conns, d.Size, err)
			continue
		}
		messages := d.Conns * max(1, d.Burst) * 3
		if want := int64(messages * len(ws.MustCompileFrame(ws.NewTextFrame(make([]byte, d.Size))))); p.Received != want {
			t.Errorf("%d × %d bytes: %d bytes came back; want %d", d.Conns, d.Size, p.Received, want)
		}
	}
}

// Answers may come in frames of any size, with pings between them.
func TestWebSocketsInFragments(t *testing.T) {
	at := webServer(t, func(f ws.Frame, n int) []byte {
		first := ws.NewFrame(ws.OpText, false, f.Payload[:n])
		second := ws.NewFrame(ws.OpContinuation, false, f.Payload[n:20])
		last := ws.NewFrame(ws.OpContinuation, true, f.Payload[20:])
		var out []byte
		for _, frame := range []ws.Frame{first, second, ws.NewPingFrame([]byte("here?")), last} {
			out = append(out, ws.MustCompileFrame(frame)...)
		}
		return out
	})
	if _, err := runWeb(t, WebSocketDialer{Server: at, Conns: 2, Size: 300}, 20); err != nil {
		t.Error(err)
	}
}

func TestWebSocketsWrongAnswers(t *testing.T) {
	for name, answer := range map[string]func(ws.Frame) []ws.Frame{
		"a bit of the mark turned": func(f ws.Frame) []ws.Frame { f.Payload[9] ^= 1; return []ws.Frame{f} },
		"a bit of the rest turned": func(f ws.Frame) []ws.Frame { f.Payload[99] ^= 1; return []ws.Frame{f} },
		"a byte less":              func(f ws.Frame) []ws.Frame { return []ws.Frame{ws.NewTextFrame(f.Payload[:99])} },
		"a byte more":              func(f ws.Frame) []ws.Frame { return []ws.Frame{ws.NewTextFrame(append(f.Payload, 'x'))} },
		"an answer twice":          func(f ws.Frame) []ws.Frame { return []ws.Frame{f, f} },
		"binary":                   func(f ws.Frame) []ws.Frame { return []ws.Frame{ws.NewBinaryFrame(f.Payload)} },
		"compressed":               func(f ws.Frame) []ws.Frame { f.Header.Rsv = ws.Rsv(true, false, false); return []ws.Frame{f} },
		"a close":                  func(f ws.Frame) []ws.Frame { return []ws.Frame{ws.NewCloseFrame(nil)} },
	} {
		at := webServer(t, func(f ws.Frame, n int) (out []byte) {
			f.Header.Masked = false
			frames := []ws.Frame{f}
			if n == 3 {
				frames = answer(f)
			}
			for _, frame := range frames {
				frame.Header.Length = int64(len(frame.Payload))
				out = append(out, ws.MustCompileFrame(frame)...)
			}
			return out
		})
		_, err := runWeb(t, WebSocketDialer{Server: at, Conns: 1, Size: 100}, 5)
		if !errors.Is(err, ErrWrong) && !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// deflateServer agrees on compression by hand, and answers as answer says.
func deflateServer(t *testing.T, extensions string, answer func([]byte) []byte) netip.AddrPort {
	t.Helper()
	return tcpServer(t, func(conn net.Conn) {
		upgrader := ws.Upgrader{Header: ws.HandshakeHeaderHTTP(http.Header{"Sec-WebSocket-Extensions": {extensions}})}
		if _, err := upgrader.Upgrade(conn); err != nil {
			return
		}
		for {
			frame, err := ws.ReadFrame(conn)
			if err != nil {
				return
			}
			conn.Write(answer(ws.UnmaskFrameInPlace(frame).Payload))
		}
	})
}

func compressedFrame(payload []byte) []byte {
	frame := ws.NewTextFrame(payload)
	frame.Header.Rsv = ws.Rsv(true, false, false)
	return ws.MustCompileFrame(frame)
}

func TestWebSocketsDeflate(t *testing.T) {
	agreed := "permessage-deflate; server_no_context_takeover"
	d := WebSocketDialer{Conns: 3, Size: 2000, Deflate: true}
	d.Server = deflateServer(t, agreed, compressedFrame)
	p, err := runWeb(t, d, 4)
	if err != nil || p.Received > 4*3*1500 {
		t.Errorf("%v, %d bytes came back", err, p.Received)
	}
	d.Server = deflateServer(t, agreed, func([]byte) []byte { return compressedFrame(deflate(records(2000))) })
	if _, err := runWeb(t, d, 1); !errors.Is(err, ErrWrong) {
		t.Errorf("the answer is another's: %v", err)
	}
	d.Server = deflateServer(t, agreed, func(packed []byte) []byte { return compressedFrame(packed[:len(packed)/2]) })
	if _, err := runWeb(t, d, 1); !errors.Is(err, ErrWrong) {
		t.Errorf("half an answer: %v", err)
	}
	d.Server = deflateServer(t, "permessage-deflate", compressedFrame)
	if _, err := runWeb(t, d, 1); !errors.Is(err, errOpening) {
		t.Errorf("context takeover is not what was offered: %v", err)
	}
}

func TestInflater(t *testing.T) {
	message := records(3000)
	packed := deflate(message)
	i := newInflater(len(message))
	for range 2 {
		if err := i.same(packed, message); err != nil {
			t.Error(err)
		}
	}
	for name, wrong := range map[string][]byte{
		"more":    deflate(append(bytes.Clone(message), 'x')),
		"less":    deflate(message[:2999]),
		"garbage": {0xff, 0xff, 0xff},
		"nothing": {},
	} {
		if err := i.same(wrong, message); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenings(t *testing.T) {
	at := webServer(t, whole)
	for _, count := range []int{1, 5, 200} {
		if err := (Openings{Server: at, Parallel: 8}).Run(count); err != nil {
			t.Errorf("%d: %v", count, err)
		}
	}
}

func TestOpeningAnswers(t *testing.T) {
	// The key is 16 bytes of zero; its answer follows from RFC 6455, section 4.2.2.
	o := newOpening(netip.MustParseAddrPort("127.0.0.1:1"), "/", 0, false)
	right := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nsec-websocket-accept: " + o.accept + "\r\n\r\n"
	for n := range len(right) {
		if whole, err := o.opened([]byte(right[:n])); whole || err != nil {
			t.Fatalf("%d bytes: %v, %v", n, whole, err)
		}
	}
	if whole, err := o.opened([]byte(right)); !whole || err != nil {
		t.Errorf("%v, %v", whole, err)
	}
	for name, wrong := range map[string]string{
		"refused":        strings.Replace(right, "101", "403", 1),
		"another accept": strings.Replace(right, o.accept, "x"+o.accept[1:], 1),
		"no accept":      strings.Replace(right, "sec-websocket-accept", "x", 1),
		"speaks first":   right + "\x81\x00",
		"compresses":     strings.Replace(right, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: "+noTakeover+"\r\n\r\n", 1),
	} {
		if _, err := o.opened([]byte(wrong)); !errors.Is(err, errOpening) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
