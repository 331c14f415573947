package audit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/ws"
)

// serve has each connection answered by a function, and closes it then.
func serve(t *testing.T, answer func(c peer)) string {
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
				_ = c.SetDeadline(time.Now().Add(patience))
				answer(c.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

// targetAt is a server at host:port, which has that long for an answer.
func targetAt(t *testing.T, hostPort string, wait time.Duration) *Target {
	t.Helper()
	h, err := (&handshake.Request{URL: "ws://" + hostPort + "/", Subprotocols: []string{"chat"}}).Head()
	if err != nil {
		t.Fatal(err)
	}
	return &Target{
		URL: "ws://" + hostPort + "/", Request: h, Ask: []string{"chat"}, Wait: wait, Slow: wait, Concurrency: 16,
		Dial: func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", hostPort) },
	}
}

// rightServer is ours, by its own listener.
func rightServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := ourServer()
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

func ourServer() *ws.Server {
	return &ws.Server{
		Subprotocols: []string{"chat"}, Deflate: &handshake.Deflate{}, HandshakeTimeout: 2 * time.Second, Limits: ws.Limits{MaxMessage: 1 << 20},
		OnMessage: func(p *ws.Peer, k ws.MessageType, b []byte) { _ = p.Write(k, b) },
	}
}

// mountedServer is ours, mounted on net/http.
func mountedServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := ourServer()
	h := &http.Server{Handler: s, ReadHeaderTimeout: 2 * time.Second}
	go func() { _ = h.Serve(l) }()
	t.Cleanup(func() { h.Close(); s.Close() })
	return l.Addr().String()
}

// yes upgrades whatever comes, reflects what it is offered, answers every ping
// and never ends a connection.
type yes struct {
	masked  bool   // its frames are
	wrong   bool   // the proof is
	extra   string // in its head
	behind  string // its head
	hangsUp bool   // it ends the connection at the first frame
	deaf    bool   // it answers no frame
}

func (y yes) answer(c peer) {
	in := bufio.NewReaderSize(c, 64<<10)
	head, ok := readHead(in)
	if !ok {
		return
	}
	key := valueOf(head, "Sec-WebSocket-Key")
	if y.wrong {
		key = "x" + key
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + handshake.AcceptKey(key) + "\r\n" + y.extra
	for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin"} {
		if v := valueOf(head, name); v != "" {
			answer += name + ": " + v + "\r\n"
		}
	}
	if _, q, ok := strings.Cut(head, "%0d%0a"); ok {
		q, _, _ = strings.Cut(q, " HTTP")
		answer += strings.ReplaceAll(q, "%20", " ") + "\r\n"
	}
	if _, err := io.WriteString(c, answer+"\r\n"+y.behind); err != nil {
		return
	}
	if valueOf(head, "Transfer-Encoding") == "chunked" && valueOf(head, "Content-Length") == "" {
		_, _ = in.ReadString('\n') // reads the body as frames, but for its size
	}
	y.talk(c, in)
}

// readHead reads up to an empty line, however long that takes.
func readHead(in *bufio.Reader) (string, bool) {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", false
		}
		if head.Len() < 1<<16 {
			head.WriteString(line)
		}
		if strings.TrimRight(line, "\r\n") == "" && head.Len() > 2 {
			return head.String(), true
		}
	}
}

func valueOf(head, name string) string {
	for _, line := range strings.Split(head, "\r\n") {
		n, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.Trim(v, " \t")
		}
	}
	return ""
}

// talk answers each frame that looks like a ping or a close.
func (y yes) talk(c peer, in *bufio.Reader) {
	var buf []byte
	for {
		f, n, err := parseFrame(buf)
		if err != nil {
			buf = buf[14:] // a length beyond all bounds: its payload is left out
			continue
		}
		if n == 0 {
			var more [4096]byte
			n, err := in.Read(more[:])
			if err != nil {
				return
			}
			buf = append(buf, more[:n]...)
			continue
		}
		if buf = buf[n:]; y.hangsUp {
			return
		}
		y.reply(c, f)
	}
}

func (y yes) reply(c peer, f Frame) {
	send := bare
	if y.masked {
		send = frame
	}
	switch {
	case y.deaf:
	case f.Op == opPing:
		_, _ = c.Write(send(fin|opPong, string(f.Data)))
	case f.Op == opClose:
		_, _ = c.Write(send(fin|opClose, string(f.Data)))
	}
}

// saying answers every request by the same bytes, and then waits for its end.
func saying(answer string) func(peer) {
	return func(c peer) {
		if _, ok := readHead(bufio.NewReaderSize(c, 64<<10)); ok {
			_, _ = io.WriteString(c, answer)
			_ = c.CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

func silent(c peer) { _, _ = io.Copy(io.Discard, c) }

func resetting(c peer) {
	_, _ = readHead(bufio.NewReaderSize(c, 64<<10))
	_ = c.SetLinger(0)
}

// broken101 upgrades with a head in which every rule of the response is broken.
func broken101(c peer) {
	if _, ok := readHead(bufio.NewReader(c)); ok {
		_, _ = fmt.Fprintf(c, "HTTP/1.0 101 Yes\r\nUpgrade : h2c\r\nConnection: close\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: nobody\r\nSec-WebSocket-Extensions: x-nobody\r\nContent-Length: 5\r\n\r\nHello, this is no frame")
		_, _ = io.Copy(io.Discard, c)
	}
}

// complaining upgrades, and closes with 1002 whatever comes.
func complaining(c peer) {
	in := bufio.NewReaderSize(c, 64<<10)
	head, ok := readHead(in)
	if !ok {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+handshake.AcceptKey(valueOf(head, "Sec-WebSocket-Key"))+"\r\n\r\n")
	_, _ = c.Write(bytes.Clone(bare(fin|opClose, closing(1002, ""))))
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, in)
}
