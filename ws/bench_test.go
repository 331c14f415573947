package ws

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/handshake"
)

var benchSizes = []struct {
	name string
	size int
}{{"32B", 32}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}}

// BenchmarkMachine is a message that is received and answered, without I/O.
func BenchmarkMachine(b *testing.B) {
	for _, name := range []string{"plain", "deflate", "takeover"} {
		for _, s := range benchSizes {
			b.Run(name+"/"+s.name, func(b *testing.B) {
				agreed := agreements[name]
				peer, dec, enc := NewEncoder(ClientRole, agreed), NewDecoder(ClientRole, agreed, Limits{}), NewEncoder(ServerRole, agreed)
				message := []byte(prose(s.size))
				var in, out []byte
				b.ReportAllocs()
				b.SetBytes(int64(s.size))
				for b.Loop() {
					in = peer.AppendMessage(in[:0], Text, message)
					n, ev := dec.Next(in)
					if n != len(in) || ev.Kind != EventMessage {
						b.Fatal(tell(&ev))
					}
					out = enc.AppendMessage(out[:0], ev.Type, ev.Payload)
				}
				b.ReportMetric(float64(len(in)), "wire-B/op")
			})
		}
	}
}

// BenchmarkConnEcho is a round trip between two Conns over TCP.
func BenchmarkConnEcho(b *testing.B) {
	for _, s := range benchSizes {
		b.Run(s.name, func(b *testing.B) {
			client, server := pair(b, handshake.Agreement{})
			go func() { _ = echo(server) }()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			message := []byte(prose(s.size))
			b.ReportAllocs()
			b.SetBytes(int64(s.size))
			for b.Loop() {
				if err := client.Write(ctx, Text, message); err != nil {
					b.Fatal(err)
				}
				if _, _, err := client.Read(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkServerEcho is a round trip with a server of callbacks, one message
// at a time and sixteen.
func BenchmarkServerEcho(b *testing.B) {
	for _, s := range benchSizes[:3] {
		for _, flight := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", s.name, flight), func(b *testing.B) {
				srv := &Server{OnMessage: func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }}
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				go func() { _ = srv.Serve(l) }()
				defer srv.Close()
				conn, in := rawClient(b, l.Addr().String(), "")
				one := wire(ClientRole, text(prose(s.size)))
				all := []byte(strings.Repeat(string(one), flight))
				answer := make([]byte, flight*(len(one)-4))
				b.ReportAllocs()
				b.SetBytes(int64(s.size * flight))
				for b.Loop() {
					go func() { _, _ = conn.Write(all) }()
					if _, err := io.ReadFull(in, answer); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkPrepared is a broadcast to a thousand members, encoded once.
func BenchmarkPrepared(b *testing.B) {
	for _, name := range []string{"plain", "deflate"} {
		b.Run(name, func(b *testing.B) {
			enc := NewEncoder(ServerRole, agreements[name])
			message := []byte(prose(1024))
			b.ReportAllocs()
			for b.Loop() {
				m := Prepare(Text, message)
				for range 1000 {
					if len(m.frame(enc)) == 0 {
						b.Fatal("nothing")
					}
				}
			}
		})
	}
}
