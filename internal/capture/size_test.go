package capture

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// flood makes a file of packets as it is read, so that a test needs no space
// for it.
type flood struct {
	head []byte
	next func(i int) []byte // nil: the end
	rest []byte
	i    int
	size int64
	peak uint64
}

func (f *flood) Read(p []byte) (int, error) {
	if f.head != nil {
		f.rest, f.head = f.head, nil
	}
	for len(f.rest) == 0 {
		b := f.next(f.i)
		if b == nil {
			return 0, io.EOF
		}
		f.rest = appendEntry(f.rest[:0], begin.Add(time.Duration(f.i)*time.Microsecond), b, len(b))
		if f.i++; f.i%20000 == 0 {
			f.measure()
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	f.size += int64(n)
	return n, nil
}

func (f *flood) measure() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.peak = max(f.peak, m.HeapAlloc)
}

// TestMemory reads captures much larger than what may be kept of them.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of megabytes")
	}
	body := strings.Repeat("x", 1400)
	message := "\x82\x7e\x05\x78" + body
	floods := map[string]struct {
		packets int
		most    uint64 // bytes of the heap
		make    func() func(i int) []byte
	}{
		"one long stream of messages": {80_000, 64 << 20, func() func(int) []byte {
			s := newSession()
			s.say(0, askWS)
			s.say(1, answerWS)
			return func(i int) []byte {
				if i < len(s.list) {
					return s.list[i].ip()
				}
				return wire{from: serverEnd, to: clientEnd, seq: s.seq[1] + uint32(i-len(s.list))*uint32(len(message)), flags: flagACK, data: message}.ip()
			}
		}},
		"a download": {80_000, 64 << 20, func() func(int) []byte {
			s := newSession()
			s.say(0, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			s.say(1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n")
			return func(i int) []byte {
				if i < len(s.list) {
					return s.list[i].ip()
				}
				return wire{from: serverEnd, to: clientEnd, seq: s.seq[1] + uint32(i-len(s.list))*uint32(len(body)), flags: flagACK, data: body}.ip()
			}
		}},
		"a gap before each packet": {80_000, 64 << 20, func() func(int) []byte {
			return func(i int) []byte {
				return wire{from: serverEnd, to: clientEnd, seq: uint32(i) * 3000, flags: flagACK, data: body}.ip()
			}
		}},
		"many connections that all wait": {80_000, 200 << 20, func() func(int) []byte {
			return func(i int) []byte {
				w := wire{from: clientEnd, to: serverEnd, seq: 1, flags: flagACK, data: "GET / HTTP/1.1\r\n" + body[:1000]}
				w.from = netipPort(i % 50_000)
				w.seq += uint32(i/50_000) * 2000
				return w.ip()
			}
		}},
		"many senders": {80_000, 64 << 20, func() func(int) []byte {
			return func(i int) []byte { return udpPacket(netipPort(i%60_000), serverEnd, body) }
		}},
		"many connections of HTTP/2 with long heads": {80_000, 300 << 20, func() func(int) []byte {
			heads := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
			head := "\x00\x04\xfd\x01\x04\x00\x00\x00\x01" + "@\x01a\x7f\xf8\x08" + body[:1271] // a field for the table (RFC 7541 section 6.2.1)
			return func(i int) []byte {
				w := wire{from: netipPort(i % 10_000), to: serverEnd, seq: 1, flags: flagACK, data: heads}
				if n := i / 10_000; n > 0 {
					w.seq, w.data = uint32(1+len(heads)+(n-1)*len(head)), head
				}
				return w.ip()
			}
		}},
		"fragments without an end": {80_000, 64 << 20, func() func(int) []byte {
			return func(i int) []byte {
				p := udpPacket(clientEnd, serverEnd, body[:1000])
				p[4], p[5], p[6] = byte(i>>8), byte(i), 0x20
				return p
			}
		}},
	}
	for name, how := range floods {
		t.Run(name, func(t *testing.T) {
			packet := how.make()
			f := &flood{head: pcapOf(linkRaw), next: func(i int) []byte {
				if i == how.packets {
					return nil
				}
				return packet(i)
			}}
			runtime.GC()
			start := time.Now()
			r, err := Read(t.Context(), f, Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d MiB, %d connections, at most %d MiB of heap, %v", f.size>>20, len(r.Connections)+r.More, f.peak>>20, time.Since(start))
			if f.peak > how.most {
				t.Errorf("%d MiB of heap", f.peak>>20)
			}
		})
	}
}

// A body that nobody wants is gone over, in pieces of any size.
func TestChunkedDownload(t *testing.T) {
	s := newSession()
	s.say(0, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
	s.say(1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: 1\r\n\r\n")
	s.say(0, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
	s.say(1, "HTTP/1.1 204 No Content\r\n\r\n")
	s.list = pieces(s.list, 1)
	_, rec := readBytes(t, s.file())
	wantStory(t, rec, "open", "out GET /a HTTP/1.1", "in HTTP/1.1 200 OK", "out GET /b HTTP/1.1", "in HTTP/1.1 204 No Content")
}
