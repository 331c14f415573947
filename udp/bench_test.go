package udp

import (
	"net"
	"net/netip"
	"testing"
)

// echoes are the servers that the benchmarks compare: ours, and the plain loop
// that everybody writes.
var echoes = map[string]func(b *testing.B) netip.AddrPort{
	"sockkit": func(b *testing.B) netip.AddrPort {
		socket := listenBy(b, &ListenConfig{ReadBuffer: 4 << 20}, "udp", "127.0.0.1:0")
		serve(b, &Server{OnDatagram: echo}, socket)
		return socket.local
	},
	"naive": func(b *testing.B) netip.AddrPort {
		conn := must[*net.UDPConn](b)(net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}))
		check(b, conn.SetReadBuffer(4<<20))
		b.Cleanup(func() { conn.Close() })
		go func() {
			buf := make([]byte, receiveSize)
			for {
				n, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
			}
		}()
		return unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort())
	},
}

// BenchmarkEcho sends datagrams of 64 bytes to a server and back: one at a
// time, and many in flight from one socket, as datagrams of their own. The
// client, which is the same for all, is measured too.
func BenchmarkEcho(b *testing.B) {
	for _, name := range []string{"sockkit", "naive"} {
		b.Run("single/"+name, func(b *testing.B) { benchmarkEcho(b, echoes[name](b), 1) })
		b.Run("flight-of-64/"+name, func(b *testing.B) { benchmarkEcho(b, echoes[name](b), 64) })
	}
}

func benchmarkEcho(b *testing.B, to netip.AddrPort, flight int) {
	client := listenBy(b, &ListenConfig{ReadBuffer: 4 << 20}, "udp", "127.0.0.1:0")
	out, in := make([]Message, flight), make([]Message, flight)
	for i := range out {
		out[i] = Message{Payload: make([]byte, 64), Info: Info{Remote: to}}
		in[i].Payload = make([]byte, 64)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += flight {
		if _, err := client.WriteBatch(out); err != nil {
			b.Fatal(err)
		}
		for back := 0; back < flight; {
			k, err := client.ReadBatch(in)
			if err != nil {
				b.Fatal(err)
			}
			back += k
		}
	}
}
