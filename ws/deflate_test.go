package ws

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sockkit/sockkit/handshake"
)

// deflateOf is the parameters for one end that are so and so; the other end's
// are the same.
func deflateOf(bits int, takeover bool) handshake.Agreement {
	return handshake.Agreement{Compressed: true, Deflate: handshake.Deflate{
		ServerMaxWindowBits: bits, ClientMaxWindowBits: bits, ServerNoContextTakeover: !takeover, ClientNoContextTakeover: !takeover,
	}}
}

// TestWindows: what either end deflates refers back no further than was agreed
// on, never to an earlier message without takeover, and with it does.
func TestWindows(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d bits, takeover %v", bits, takeover), func(t *testing.T) {
				for _, role := range []Role{ClientRole, ServerRole} {
					testWindow(t, role, bits, takeover)
				}
			})
		}
	}
}

func testWindow(t *testing.T, role Role, bits int, takeover bool) {
	agreed := deflateOf(bits, takeover)
	enc, oracle := NewEncoder(role, agreed), unpackingOf(role, agreed)
	dec := NewDecoder(role, agreed, Limits{})
	sizes, wire := []int{200, 200, 100000, 200, 3000, 3000}, []int{}
	for _, n := range sizes {
		s := []byte(prose(n))
		packed := enc.compress(s)
		if packed == nil {
			packed = enc.deflate.deflate(s)
		}
		wire = append(wire, len(packed))
		most, err := farthest(append(bytes.Clone(packed), deflateTail...))
		if err != nil || most > 1<<bits {
			t.Errorf("%d bytes: refers %d bytes back, %v", n, most, err)
		}
		if !takeover && most > n {
			t.Errorf("%d bytes: refers %d bytes back, to an earlier message", n, most)
		}
		if got := oracle.unpack(t, packed); !bytes.Equal(got, s) {
			t.Errorf("%d bytes: inflated to something else", n)
		}
		h := Header{Fin: true, Opcode: OpText, RSV: rsv1}
		_, ev := dec.Next(enc.appendFrame(nil, &h, packed))
		if ev.Kind != EventMessage || !bytes.Equal(ev.Payload, s) {
			t.Errorf("%d bytes: %s", n, tell(&ev))
		}
	}
	if takeover && (wire[1] >= wire[0]) {
		t.Errorf("takeover is of no use: %v", wire)
	}
}

// TestPreparedDeflate: a prepared message is for each set of parameters what
// they say, and deflated once for each.
func TestPreparedDeflate(t *testing.T) {
	s := []byte(prose(5000))
	m := Prepare(Text, s)
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{true, false} {
			agreed := deflateOf(bits, takeover)
			first := m.frame(NewEncoder(ServerRole, agreed))
			if again := m.frame(NewEncoder(ServerRole, agreed)); &first[0] != &again[0] {
				t.Error("it was encoded twice")
			}
			_, ev := NewDecoder(ServerRole, agreed, Limits{}).Next(bytes.Clone(first))
			if ev.Kind != EventMessage || !bytes.Equal(ev.Payload, s) || ev.Compressed == takeover {
				t.Errorf("%d bits, takeover %v: %s", bits, takeover, tell(&ev))
			}
		}
	}
}
