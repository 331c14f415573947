package ws

import (
	"context"
	"net"
	"testing"
)

// BenchmarkHTTP2 echoes over HTTP/2, beside the same over HTTP/1.1.
func BenchmarkHTTP2(b *testing.B) {
	for _, bench := range []struct {
		name string
		over *HTTP2
		size int
	}{{"1.1/32B", nil, 32}, {"2/32B", &HTTP2{}, 32}, {"1.1/64KiB", nil, 64 << 10}, {"2/64KiB", &HTTP2{}, 64 << 10}} {
		b.Run(bench.name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			s := &Server{HTTP2: &HTTP2{}, OnMessage: func(p *Peer, kind MessageType, m []byte) { _ = p.Write(kind, m) }}
			go func() { _ = s.Serve(l) }()
			defer s.Close()
			c, _, err := (&Dialer{HTTP2: bench.over}).Dial(context.Background(), "ws://"+l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.CloseNow()
			p := make([]byte, bench.size)
			b.SetBytes(int64(bench.size))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(context.Background(), Binary, p); err != nil {
					b.Fatal(err)
				}
				if _, _, err := c.Read(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
