package trace_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sockkit/sockkit/trace"
)

// FuzzPCAPNG makes records of random bytes and wants well-formed blocks.
func FuzzPCAPNG(f *testing.F) {
	f.Add([]byte("\x01\x00\x01\x02\x01\x0b\x01\x10"))
	f.Add([]byte("00\x1d")) // 0.0.0.0 beside ::
	f.Add([]byte{1, 4, 0, 1, 6, 0, 1, 15, 1, 1, 9, 2, 1, 16, 1, 1, 17, 0, 2, 4, 3, 2, 14, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		p, file, r := newCapture(t)
		data = data[:min(len(data), 300)] // a hundred records
		for len(data) >= 3 {
			r.add(trace.ID(data[0]%8), randomEvent(data[1], data[2], data[3:min(len(data), 64)]))
			data = data[3:]
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		checkBlocks(t, file.Bytes())
	})
}

// randomEvent returns an event of any kind, whose fields follow from x and b.
func randomEvent(kind, x byte, b []byte) trace.Event {
	text := string(b[:min(len(b), int(x))])
	sides := []string{trace.Client, trace.Server, text}
	networks := []string{"tcp", "udp", "unix", "unixgram", "exec", "stdio", text}
	addresses := []string{"127.0.0.1:1", "[::1]:2", "0.0.0.0:3", "[::]:4", "[::ffff:1.2.3.4]:5", "[fe80::1%eth0]:6", "/path", "", text}
	side, network := sides[x%3], networks[int(x)%len(networks)]
	local, remote := addresses[int(x)%len(addresses)], addresses[int(x/9)%len(addresses)]
	dir := trace.Dir(x % 4)
	switch all := trace.AllEvents(); int(kind) % (len(all) + 1) {
	case 0:
		return nil
	case 1, 2:
		return trace.Open{Side: side, Network: network, Local: local, Remote: remote}
	case 3:
		return trace.Bytes{Dir: dir, Payload: bytes.Repeat(b, int(x)*16)}
	case 4:
		return trace.Datagram{Dir: dir, Network: network, Local: local, Remote: remote, Size: int(x) << (x % 40), TTL: int(x) * 2, Payload: bytes.Repeat(b, int(x)*16)}
	case 5:
		return trace.HalfClose{Dir: dir}
	case 6:
		return trace.Close{Reset: x%2 == 0, Error: text}
	case 7:
		return trace.TLSStart{}
	case 8:
		return trace.Secret{Line: text}
	case 9:
		return trace.Note{Text: strings.Repeat(text, 40)}
	default:
		return all[int(kind)%(len(all)+1)-1]
	}
}
