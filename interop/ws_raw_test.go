package interop

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 wants it
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// raw is a connection whose every byte the test writes itself.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func newRaw(c net.Conn) *raw {
	_ = c.SetDeadline(time.Now().Add(patience))
	return &raw{c, bufio.NewReader(c)}
}

// rawServer has each connection answered by a function, and closes it then.
func rawServer(t testing.TB, answer func(c *raw)) (hostPort string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(newRaw(c))
			}()
		}
	}()
	return l.Addr().String()
}

// rawDial connects to what sockkit listens on.
func rawDial(t testing.TB, url string) *raw {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	c, err := net.DialTimeout("tcp", host, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newRaw(c)
}

func (c *raw) write(s string) { _, _ = io.WriteString(c, s) }

// head reads a head, up to its empty line.
func (c *raw) head() string {
	var head strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" || line == "\n" {
			return head.String()
		}
	}
}

// rest reads until the peer ends the connection.
func (c *raw) rest() string {
	b, _ := io.ReadAll(c.in)
	return string(b)
}

// drain reads until the peer ends the connection, and keeps nothing.
func (c *raw) drain() { _, _ = io.Copy(io.Discard, c.in) }

// headerOf is the value of a header in a head.
func headerOf(head, name string) string {
	for line := range strings.Lines(head) {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// acceptOf is the proof for a request (RFC 6455 section 4.2.2), made without
// any code of ours.
func acceptOf(request string) string {
	sum := sha1.Sum([]byte(headerOf(request, "Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// upgraded answers a client's request as it is right to, with more headers.
func (c *raw) upgraded(more ...string) (request string) {
	request = c.head()
	lines := append([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + acceptOf(request)}, more...)
	c.write(strings.Join(lines, "\r\n") + "\r\n\r\n")
	return request
}

// rightRequest are the lines of a request that nobody refuses.
var rightRequest = []string{"GET / HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}

// upgrade opens a WebSocket as a client.
func (c *raw) upgrade(t testing.TB, more ...string) (answer string) {
	t.Helper()
	c.write(strings.Join(append(rightRequest[:len(rightRequest):len(rightRequest)], more...), "\r\n") + "\r\n\r\n")
	if answer = c.head(); !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
		t.Fatalf("a right request was answered by %s%s", answer, c.rest())
	}
	return answer
}

// rawFrame is a frame as it stands on the wire, wrong ones too.
type rawFrame struct {
	op      byte
	more    bool // FIN is not set
	rsv     byte // 4 is RSV1
	data    string
	flipped bool   // masked where it must not be, and the other way about
	length  []byte // in place of the right bytes for the length
}

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// bytes is the frame as a client or a server sends it.
func (f rawFrame) bytes(client bool) []byte {
	b := []byte{f.op | f.rsv<<4, 0}
	if !f.more {
		b[0] |= 0x80
	}
	b = append(b[:1], f.lengthBytes()...)
	data := []byte(f.data)
	if client == f.flipped {
		return append(b, data...)
	}
	b[1] |= 0x80
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for i := range data {
		data[i] ^= key[i%4]
	}
	return append(append(b, key[:]...), data...)
}

func (f rawFrame) lengthBytes() []byte {
	switch n := len(f.data); {
	case f.length != nil:
		return f.length
	case n < 126:
		return []byte{byte(n)}
	case n < 65536:
		return binary.BigEndian.AppendUint16([]byte{126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{127}, uint64(n))
	}
}

// closeData is what a close frame holds.
func closeData(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// readFrame reads one frame and takes its mask off.
func (c *raw) readFrame() (f rawFrame, masked bool, err error) {
	var b [2]byte
	if _, err = io.ReadFull(c.in, b[:]); err != nil {
		return f, false, err
	}
	f = rawFrame{op: b[0] & 15, more: b[0]&0x80 == 0, rsv: b[0] >> 4 & 7}
	n, err := c.readLength(uint64(b[1] & 0x7f))
	if err != nil || n > 64*mib {
		return f, false, fmt.Errorf("a length of %d: %w", n, err)
	}
	masked = b[1]&0x80 != 0
	var key [4]byte
	if masked {
		if _, err = io.ReadFull(c.in, key[:]); err != nil {
			return f, masked, err
		}
	}
	data := make([]byte, n)
	_, err = io.ReadFull(c.in, data)
	for i := range data {
		data[i] ^= key[i%4]
	}
	f.data = string(data)
	return f, masked, err
}

func (c *raw) readLength(n uint64) (uint64, error) {
	var b [8]byte
	switch n {
	case 126:
		_, err := io.ReadFull(c.in, b[6:])
		return binary.BigEndian.Uint64(b[:]), err
	case 127:
		_, err := io.ReadFull(c.in, b[:])
		return binary.BigEndian.Uint64(b[:]), err
	}
	return n, nil
}

// closing reads frames up to a close frame and returns its code, 1005 for an
// empty one and 1006 where the connection ended without one.
func (c *raw) closing() (code int, reason string) {
	for {
		f, _, err := c.readFrame()
		switch {
		case err != nil:
			return 1006, err.Error()
		case f.op == opClose && len(f.data) < 2:
			return 1005, ""
		case f.op == opClose:
			return int(binary.BigEndian.Uint16([]byte(f.data))), f.data[2:]
		}
	}
}

func readFull(c *raw, b []byte) (int, error) { return io.ReadFull(c.in, b) }
