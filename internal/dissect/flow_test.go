package dissect_test

import (
	"bytes"
	"encoding/hex"
	"maps"
	"slices"
	"testing"

	"github.com/sockkit/sockkit/internal/dissect"
	"github.com/sockkit/sockkit/trace"
	"github.com/sockkit/sockkit/ws"
)

// script feeds an assembler by hand.
type script struct {
	asm dissect.Assembler
	n   int
	got map[int]string
}

func newScript() *script { return &script{got: map[int]string{}} }

func (s *script) add(events ...trace.Event) *script {
	for _, e := range events {
		s.on(1, e)
	}
	return s
}

func (s *script) on(id trace.ID, e trace.Event) {
	s.asm.Add(s.n, trace.Record{Conn: id, Event: e}, func(n int, wire []byte) { s.got[n] = string(wire) })
	s.n++
}

func (s *script) want(t *testing.T, want map[int]string) {
	t.Helper()
	if !maps.Equal(s.got, want) {
		for _, n := range slices.Sorted(maps.Keys(s.got)) {
			t.Logf("%d: %.40q", n, s.got[n])
		}
		t.Errorf("%d records have bytes, want %d", len(s.got), len(want))
	}
}

// framed is a frame, as its record and as its bytes.
func framed(dir trace.Dir, f ws.Frame) (trace.WSFrame, string) {
	b := f.AppendTo(nil)
	size := int64(len(f.Payload))
	if f.Length != 0 {
		size = f.Length
	}
	e := trace.WSFrame{Dir: dir, Opcode: int(f.Opcode), Type: f.Opcode.String(), Fin: f.Fin, RSV: int(f.RSV), Size: size, Head: len(b) - len(f.Payload)}
	if f.Masked {
		e.Mask = hex.EncodeToString(f.Key[:])
	}
	return e, string(b)
}

func text(s string) ws.Frame { return ws.Frame{Fin: true, Opcode: ws.OpText, Payload: []byte(s)} }

func maskedText(s string) ws.Frame {
	return ws.Frame{Fin: true, Opcode: ws.OpText, Payload: []byte(s), Masked: true, Key: [4]byte{0xa, 0xb, 0xc, 0xd}}
}

func wire(dir trace.Dir, s string) trace.Bytes {
	return trace.Bytes{Dir: dir, Size: len(s), Payload: []byte(s)}
}

func headEvent(dir trace.Dir, s string) trace.HTTPHead {
	return trace.HTTPHead{Dir: dir, Size: len(s), Payload: []byte(s)}
}

const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestAFrameInManyPiecesAndManyInOne(t *testing.T) {
	one, b1 := framed(trace.Out, text("hello"))
	two, b2 := framed(trace.Out, text("world!"))
	s := newScript().add(trace.Open{}, one)
	for i := range b1 {
		s.add(wire(trace.Out, b1[i:i+1]))
	}
	s.want(t, map[int]string{1: b1})
	s = newScript().add(trace.Open{}, one, two, one, wire(trace.Out, b1+b2+b1))
	s.want(t, map[int]string{1: b1, 2: b2, 3: b1})
	one.Dir, two.Dir = trace.In, trace.In
	s = newScript().add(trace.Open{}, wire(trace.In, b1+b2[:1]), one, wire(trace.In, b2[1:]), two)
	s.want(t, map[int]string{2: b1, 4: b2})
}

func TestNothingWithoutBytes(t *testing.T) {
	one, b := framed(trace.In, text("hello"))
	newScript().add(trace.Open{}, headEvent(trace.In, request), one, one).want(t, map[int]string{})
	newScript().add(one, wire(trace.In, b), one).want(t, map[int]string{}) // not seen open
}

// TestFramesThatWereNeverSent: a full queue refuses a frame after its record.
func TestFramesThatWereNeverSent(t *testing.T) {
	one, b := framed(trace.Out, text("AAAAA"))
	same, b2 := framed(trace.Out, text("BBBBB"))
	other, b3 := framed(trace.Out, text("other"[:3]))
	s := newScript().add(trace.Open{}, one, wire(trace.Out, b[:2]), wire(trace.Out, b[2:]), one, same, wire(trace.Out, b2[:2]), wire(trace.Out, b2[2:]))
	s.want(t, map[int]string{1: b, 5: b2})
	s = newScript().add(trace.Open{}, one, other, wire(trace.Out, b3[:2]), wire(trace.Out, b3[2:]), same, wire(trace.Out, b2))
	s.want(t, map[int]string{2: b3, 5: b2})
}

func TestAGapGivesNothingRatherThanWrongBytes(t *testing.T) {
	one, b1 := framed(trace.In, text("hello"))
	two, b2 := framed(trace.In, text("a longer one"))
	t.Run("bytes are missing between frames", func(t *testing.T) {
		newScript().add(trace.Open{}, wire(trace.In, b1), one, two, wire(trace.In, b1), one).want(t, map[int]string{2: b1, 5: b1})
	})
	t.Run("the middle of a frame is missing", func(t *testing.T) {
		newScript().add(trace.Open{}, wire(trace.In, b2[:5]), two, wire(trace.In, b1), one, wire(trace.In, b1), one).want(t, map[int]string{})
	})
	t.Run("a record does not hold all its bytes", func(t *testing.T) {
		cut := wire(trace.In, b1[:4])
		cut.Size = len(b1)
		newScript().add(trace.Open{}, cut, one, wire(trace.In, b1), one).want(t, map[int]string{})
	})
	t.Run("junk before an unmasked frame", func(t *testing.T) {
		newScript().add(trace.Open{}, wire(trace.In, "junk"+b1), one, wire(trace.In, b1), one).want(t, map[int]string{})
	})
	t.Run("a masking key is found again", func(t *testing.T) {
		f, b := framed(trace.In, maskedText("hello"))
		newScript().add(trace.Open{}, wire(trace.In, "junk"+b), f, wire(trace.In, b), f).want(t, map[int]string{2: b, 4: b})
	})
	t.Run("a head is found again", func(t *testing.T) {
		newScript().add(trace.Open{}, wire(trace.In, "junk"), one, wire(trace.In, request+b1), headEvent(trace.In, request), one).
			want(t, map[int]string{4: request, 5: b1})
	})
}

func TestALayerBelow(t *testing.T) {
	head := headEvent(trace.Out, request)
	data := trace.Data{Dir: trace.Out, Framed: true, Size: len(request), Payload: []byte(request)}
	s := newScript().add(trace.Open{}, trace.TLSStart{}, wire(trace.Out, "client hello"), head, data, wire(trace.Out, "ciphertext"))
	s.want(t, map[int]string{3: request})
	s = newScript().add(trace.Open{}, wire(trace.Out, "CONNECT x:1 HTTP/1.1\r\n\r\n"), wire(trace.In, "HTTP/1.1 200 OK\r\n\r\n"), head, data, wire(trace.Out, request))
	s.want(t, map[int]string{3: request})
}

func TestWhatTheEndCuts(t *testing.T) {
	e, b := framed(trace.In, text("hello"))
	newScript().add(trace.Open{}, wire(trace.In, b[:4]), e, trace.Close{}).want(t, map[int]string{2: b[:4]})
	newScript().add(trace.Open{}, trace.Close{}, wire(trace.In, b), e).want(t, map[int]string{})
}

func TestAFrameThatLiesAboutItsLength(t *testing.T) {
	f := text("abc")
	f.Length = 5
	lie, b1 := framed(trace.Out, f)
	two, b2 := framed(trace.Out, text("x"))
	newScript().add(trace.Open{}, lie, wire(trace.Out, b1), two, wire(trace.Out, b2)).want(t, map[int]string{1: b1 + b2[:2]})
}

func TestLongFramesAreCut(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 3*dissect.MaxWire)
	e, b := framed(trace.Out, ws.Frame{Fin: true, Opcode: ws.OpBinary, Payload: long})
	after, b2 := framed(trace.Out, text("after"))
	s := newScript().add(trace.Open{}, e, wire(trace.Out, b[:10]), wire(trace.Out, b[10:100000]), wire(trace.Out, b[100000:]), after, wire(trace.Out, b2))
	s.want(t, map[int]string{1: b[:dissect.MaxWire], 5: b2})
	d := dissect.Event(e, []byte(s.got[1]))
	if want := "the first 4096 of 196618 bytes"; d.Note != want {
		t.Errorf("note %q, want %q", d.Note, want)
	}
}

// TestMemory: what belongs to no record, on one connection and on many.
func TestMemory(t *testing.T) {
	s := newScript()
	piece := string(bytes.Repeat([]byte("x"), 64<<10))
	for id := range trace.ID(10000) {
		s.on(id+1, trace.Open{})
		s.on(id+1, headEvent(trace.Out, request))
		for range 20 {
			if id < 100 {
				s.on(id+1, wire(trace.In, piece))
				s.on(id+1, headEvent(trace.Out, piece))
			}
		}
	}
	if total := s.asm.Kept(); total < 0 || total > 16<<20 {
		t.Errorf("%d bytes are kept", total)
	}
	for id := range trace.ID(10000) {
		s.on(id+1, trace.Close{})
	}
	if total := s.asm.Kept(); total != 0 {
		t.Errorf("%d bytes are kept of nothing", total)
	}
}

// TestAHeaderThatIsCut: the next header begins at the end of a payload's piece.
func TestAHeaderThatIsCut(t *testing.T) {
	one, b1 := framed(trace.Out, text("\x81"))
	two, b2 := framed(trace.Out, text("hi"))
	newScript().add(trace.Open{}, one, wire(trace.Out, b1[:2]), two, wire(trace.Out, b1[2:]+b2[:1]), wire(trace.Out, b2[1:])).
		want(t, map[int]string{1: b1, 3: b2})
	newScript().add(trace.Open{}, one, wire(trace.Out, b1[:2]), two, wire(trace.Out, b1[2:]), wire(trace.Out, b2)).
		want(t, map[int]string{1: b1, 3: b2})
}
