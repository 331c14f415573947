package ws

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/sockkit/sockkit/handshake"
)

func skipRaced(t *testing.T) {
	if raced {
		t.Skip("the race detector has pools lose things on purpose")
	}
}

// TestAllocsMachine: a message that is received and echoed allocates nothing,
// whole or in pieces, masked or not, compressed or not.
func TestAllocsMachine(t *testing.T) {
	skipRaced(t)
	for name, agreed := range agreements {
		for _, size := range []int{0, 32, 1024, 64 << 10} {
			for _, from := range []Role{ClientRole, ServerRole} {
				peer, dec := NewEncoder(from, agreed), NewDecoder(from, agreed, Limits{})
				enc := NewEncoder(from.Peer(), agreed)
				message, in, out := []byte(prose(size)), make([]byte, 0, 1<<20), make([]byte, 0, 1<<20)
				n := testing.AllocsPerRun(50, func() {
					in = peer.AppendMessage(in[:0], Text, message)
					half := len(in) / 2
					for _, piece := range [][]byte{in[:half], in[half:]} {
						for rest := piece; ; {
							n, ev := dec.Next(rest)
							rest = rest[n:]
							if ev.Kind == EventNone {
								break
							}
							out = enc.AppendMessage(out[:0], ev.Type, ev.Payload)
						}
					}
				})
				if n > 0 {
					t.Errorf("%s, %d bytes, from the %s: %v allocations", name, size, from, n)
				}
			}
		}
	}
}

// replay is a connection on which the same bytes come for ever, and what is
// written is lost.
type replay struct {
	net.Conn
	b, rest []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = r.b
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *replay) Write(p []byte) (int, error) { return len(p), nil }

// TestAllocsConn: nor does one of Conn's, with a context that can be cancelled.
func TestAllocsConn(t *testing.T) {
	skipRaced(t)
	for name, agreed := range agreements {
		if agreed.Compressed && !agreed.Deflate.ClientNoContextTakeover {
			continue // what is replayed has a context
		}
		for _, size := range []int{32, 1024, 64 << 10, 1 << 20} {
			for _, role := range []Role{ClientRole, ServerRole} {
				in := NewEncoder(role.Peer(), agreed).AppendMessage(nil, Text, []byte(prose(size)))
				below, _ := net.Pipe()
				c := NewConn(&replay{Conn: below, b: in}, Config{Role: role, Agreed: agreed})
				ctx, cancel := context.WithCancel(t.Context())
				n := testing.AllocsPerRun(30, func() {
					kind, p, err := c.Read(ctx)
					if err == nil {
						err = c.Write(ctx, kind, p)
					}
					if err != nil {
						t.Fatal(err)
					}
				})
				if n > 0 {
					t.Errorf("%s, %d bytes, as a %s: %v allocations", name, size, role, n)
				}
				cancel()
				below.Close()
			}
		}
	}
}

// TestAllocsServer: a message echoed by a server of callbacks, on a socket,
// allocates nothing.
func TestAllocsServer(t *testing.T) {
	skipRaced(t)
	s := &Server{OnMessage: func(p *Peer, kind MessageType, b []byte) { _ = p.Write(kind, b) }}
	conn, in := rawClient(t, strings.TrimPrefix(forms[0].serve(t, s), "ws://"), "")
	for _, size := range []int{32, 1024, 30000} {
		frame := wire(ClientRole, binaries(strings.Repeat("x", size)))
		answer := make([]byte, len(frame)-4)
		n := testing.AllocsPerRun(200, func() {
			if _, err := conn.Write(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(in, answer); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
	}
}

// grownBy is how much memory f takes, in bytes allocated.
func grownBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// emptyPools has what is pooled forgotten.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// TestDeclaredLength: a header that declares 32 MiB takes no memory; some of its
// payload takes as much as that earns.
func TestDeclaredLength(t *testing.T) {
	for _, came := range []int{0, 1, 100, 4000, 50000} {
		emptyPools()
		head := wire(ClientRole, fr{op: OpBinary, says: 32 << 20})
		d := NewDecoder(ClientRole, handshake.Agreement{}, Limits{})
		got := grownBy(func() {
			d.Next(head)
			for range came / 50 {
				d.Next(bytes.Repeat([]byte{1}, 50))
			}
			d.room()
		})
		if most := uint64(40*came + 16<<10); got > most {
			t.Errorf("%d bytes came: %d allocated; want at most %d", came, got, most)
		}
		if want := max(trustBytes, 2*trustFactor*came); cap(d.buf) > want {
			t.Errorf("%d bytes came: a buffer of %d; want at most %d", came, cap(d.buf), want)
		}
	}
}

// TestDeclaredLengthConn is the same for a Conn, which reads ahead.
func TestDeclaredLengthConn(t *testing.T) {
	emptyPools()
	below, far := net.Pipe()
	c := NewConn(below, Config{Role: ServerRole})
	got := grownBy(func() {
		ended := make(chan struct{})
		go func() { _, _, _ = c.Read(context.Background()); close(ended) }()
		_, _ = far.Write(wire(ClientRole, fr{op: OpBinary, says: 32 << 20}))
		_, _ = far.Write([]byte("x"))
		far.Close()
		<-ended
	})
	if got > 48<<10 {
		t.Errorf("%d bytes allocated", got)
	}
}

// TestBombMemory: a bomb takes no more than the limit allows, twice over.
func TestBombMemory(t *testing.T) {
	frame := wire(ClientRole, fr{op: OpBinary, rsv: rsv1, data: newPacking(15).pack(strings.Repeat("\x00", 8<<20), false)})
	emptyPools()
	d := NewDecoder(ClientRole, agreementOf(deflateOffer), Limits{MaxMessage: 1 << 20})
	var ev Event
	got := grownBy(func() { _, ev = d.Next(frame) })
	if ev.Kind != EventBroken || ev.Violation.ID != "deflate-too-big" || got > 5<<20 {
		t.Errorf("%s; %d bytes allocated", tell(&ev), got)
	}
}

// TestPeerSize: what one connection holds while it is idle.
func TestPeerSize(t *testing.T) {
	if size := unsafe.Sizeof(Peer{}); size > 112 {
		t.Errorf("a Peer is %d bytes", size)
	}
	t.Logf("Peer %d, Conn %d, Decoder %d bytes", unsafe.Sizeof(Peer{}), unsafe.Sizeof(Conn{}), unsafe.Sizeof(Decoder{}))
}

// TestPooledBuffers poisons what is given back: whoever still used it, or was
// given it twice, would notice.
func TestPooledBuffers(t *testing.T) {
	poison := func(b []byte) {
		b = b[:cap(b)]
		copy(b, bytes.Repeat([]byte{0xDB}, len(b)))
	}
	onPut.Store(&poison)
	defer onPut.Store(nil)
	for name, agreed := range agreements {
		client, server := pair(t, agreed)
		done := make(chan error, 1)
		go func() { done <- echo(server) }()
		for _, size := range []int{0, 5, 3000, 5000, 70000, 300000, 40} {
			roundTrip(t, client, Text, []byte(prose(size)))
		}
		go func() { _ = client.Write(t.Context(), Text, []byte(prose(200))) }()
		_, p, err := client.Read(t.Context())
		if err != nil || client.Close(StatusNormal, "") != nil || string(p) != prose(200) {
			t.Errorf("%s: the last message was taken away from its reader by Close: %v", name, err)
		}
		<-done
	}
	inEachForm(t, func(s *Server) { s.Deflate = &handshake.Deflate{} }, func(t *testing.T, _ *Server, url string) {
		for _, d := range []*handshake.Deflate{nil, {}} {
			c := dial(t, &Dialer{Deflate: d}, url)
			for _, size := range []int{0, 5, 3000, 5000, 70000, 300000, 40} {
				roundTrip(t, c, Text, []byte(prose(size)))
			}
		}
	})
}
