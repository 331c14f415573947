package engine

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/ws"
)

// BenchmarkEchoWebSocket is one message and its echo on an own listener.
func BenchmarkEchoWebSocket(b *testing.B) {
	s := &Server{OnConnection: func(c *Session) { c.OnMessage = func(m []byte, binary bool) { c.Send(m, binary) } }}
	addr := benched(b, s)
	conn, _, err := (&ws.Dialer{}).Dial(b.Context(), "ws://"+addr+sockets)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.CloseNow()
	ctx, message := context.Background(), []byte("4"+strings.Repeat("x", 100))
	if _, _, err := conn.Read(ctx); err != nil { // the open packet
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := conn.Write(ctx, ws.Text, message); err != nil {
			b.Fatal(err)
		}
		if _, _, err := conn.Read(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func benched(b *testing.B, s *Server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l)
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	return l.Addr().String()
}

// BenchmarkPolling is a POST of one message, and the poll that brings its echo,
// without a network.
func BenchmarkPolling(b *testing.B) {
	s := echoing()
	defer s.Close(context.Background())
	do := func(method, target, body string) string {
		var r io.Reader
		if body != "" {
			r = strings.NewReader(body)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, target, r))
		return w.Body.String()
	}
	base := polls + "&sid=" + sidIn.FindStringSubmatch(do("GET", polls, ""))[1]
	message := "4" + strings.Repeat("x", 100)
	b.ReportAllocs()
	for b.Loop() {
		if do("POST", base, message) != "ok" || do("GET", base, "") != message {
			b.Fatal("another answer")
		}
	}
}

func BenchmarkParsePayload(b *testing.B) {
	payload := bytes.Repeat([]byte("4"+strings.Repeat("x", 100)+"\x1e"), 10)
	payload = payload[:len(payload)-1]
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if err := ParsePayload(payload, func(Packet) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}

// What costs nothing a message: reading and writing packets, and a session that
// takes one and sends one.
func TestAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	room, data := make([]byte, 0, 1000), []byte(strings.Repeat("x", 100))
	payload := []byte("4a\x1e4b\x1e2")
	three := []byte("2:4a2:4b")
	each := func(Packet) bool { return true }
	p := Packet{Type: Message, Data: data}
	bin := Packet{Type: Message, Data: data, Binary: true}
	session, stub, _ := stubbed(&Server{})
	stub.sent = make([]Packet, 0, 1<<16)
	session.OnMessage = func(b []byte, binary bool) { session.Send(b, binary) }
	tests := []struct {
		what string
		want float64
		f    func()
	}{
		{"AppendText", 0, func() { p.AppendText(room) }},
		{"AppendText, binary", 0, func() { bin.AppendText(room) }},
		{"ParseText", 0, func() { _, _ = ParseText(payload) }},
		{"ParsePayload", 0, func() { _ = ParsePayload(payload, each) }},
		{"parsePayload3", 0, func() { _ = parsePayload3(three, each) }},
		{"message", 0, func() { p.message(room, 4, false) }},
		{"a message that a session takes and sends", 0, func() { stub.sent = stub.sent[:0]; session.packet(stub, p) }},
	}
	for _, test := range tests {
		if got := testing.AllocsPerRun(200, test.f); got != test.want {
			t.Errorf("%s: %v allocations, want %v", test.what, got, test.want)
		}
	}
	session.Close(true)
}
