//go:build !sockkit_plain

package udp

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkEchoBurst sends bursts of 64 datagrams of 64 bytes, joined by the
// client (UDP GSO) and taken joined (UDP GRO).
func BenchmarkEchoBurst(b *testing.B) {
	for _, name := range []string{"sockkit", "naive"} {
		b.Run(name, func(b *testing.B) { benchmarkBurst(b, name) })
	}
}

func benchmarkBurst(b *testing.B, name string) {
	const size, count = 64, 64
	client := dialBy(b, &Dialer{ReadBuffer: 4 << 20}, "udp", echoes[name](b).String())
	raw := must[syscall.RawConn](b)(client.SyscallConn())
	offload(client.link)
	payload, oob := make([]byte, size*count), appendSegment(make([]byte, 0, 64), size)
	buf := make([]byte, receiveSize)
	var failed error
	write := func(fd uintptr) bool {
		_, failed = unix.SendmsgN(int(fd), payload, oob, nil, unix.MSG_DONTWAIT)
		return failed != unix.EAGAIN
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += count {
		if err := raw.Write(write); err != nil || failed != nil {
			b.Fatal(err, failed)
		}
		for back := 0; back < len(payload); {
			k, _, err := client.receive(b.Context(), buf)
			if err != nil {
				b.Fatal(err)
			}
			back += k
		}
	}
}
