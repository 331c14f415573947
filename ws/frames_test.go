package ws

import (
	"bytes"
	stdflate "compress/flate"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	gobwas "github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// fr is a frame of a script, right or wrong. It is masked as its sender has to.
type fr struct {
	op   Opcode
	data string
	more bool // without FIN
	rsv  byte
	flip bool   // masked where it must not be, or the other way round
	key  string // of the mask; "" is some key
	wide int    // 2 or 8: bytes that the length is written in, needed or not
	says uint64 // the length that is claimed; 0 is the truth
}

func (f fr) appendTo(b []byte, from Role) []byte {
	first := byte(f.op) | f.rsv<<4
	if !f.more {
		first |= 0x80
	}
	masked := (from == ClientRole) != f.flip
	var m byte
	if masked {
		m = 0x80
	}
	n := f.says
	if n == 0 {
		n = uint64(len(f.data))
	}
	switch {
	case f.wide == 8 || f.wide == 0 && n > 0xffff:
		b = binary.BigEndian.AppendUint64(append(b, first, m|127), n)
	case f.wide == 2 || f.wide == 0 && n > 125:
		b = binary.BigEndian.AppendUint16(append(b, first, m|126), uint16(n))
	default:
		b = append(b, first, m|byte(n))
	}
	if !masked {
		return append(b, f.data...)
	}
	key := [4]byte{0x12, 0x9a, 0x00, 0xff}
	copy(key[:], f.key)
	b = append(b, key[:]...)
	for i := range len(f.data) {
		b = append(b, f.data[i]^key[i%4])
	}
	return b
}

// wire is what one end sends: frames, and strings as they are.
func wire(from Role, parts ...any) (b []byte) {
	for _, part := range parts {
		switch p := part.(type) {
		case fr:
			b = p.appendTo(b, from)
		case []fr:
			for _, f := range p {
				b = f.appendTo(b, from)
			}
		case string:
			b = append(b, p...)
		}
	}
	return b
}

func text(s string) fr     { return fr{op: OpText, data: s} }
func binaries(s string) fr { return fr{op: OpBinary, data: s} }

// fragments cuts a message into frames of n bytes.
func fragments(op Opcode, s string, n int) (all []fr) {
	for ; len(s) > n; s = s[n:] {
		all = append(all, fr{op: op, data: s[:n], more: true})
		op = OpContinuation
	}
	return append(all, fr{op: op, data: s})
}

func closing4(code int, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

func closeWith(code int, reason string) fr { return fr{op: OpClose, data: closing4(code, reason)} }

// packing deflates as the other end of a connection would.
type packing struct {
	w   *flate.Writer
	out bytes.Buffer
}

// newPacking keeps to a window of so many bits.
func newPacking(bits int) *packing {
	p := &packing{}
	p.w, _ = flate.NewWriterWindow(&p.out, 1<<bits)
	return p
}

// pack is the payload of a compressed message. Forget drops the context first.
func (p *packing) pack(s string, forget bool) string {
	p.out.Reset()
	if forget {
		p.w.Reset(&p.out)
	}
	_, _ = io.WriteString(p.w, s)
	_ = p.w.Flush()
	return strings.TrimSuffix(p.out.String(), "\x00\x00\xff\xff")
}

// packed is a compressed message in a frame of its own.
func packed(op Opcode, s string) fr {
	return fr{op: op, rsv: rsv1, data: newPacking(15).pack(s, false)}
}

// unpacking inflates what the other end deflates, by the standard library.
type unpacking struct {
	takeover bool
	window   []byte
	size     int
}

func (u *unpacking) unpack(t testing.TB, p []byte) []byte {
	t.Helper()
	r := stdflate.NewReaderDict(io.MultiReader(bytes.NewReader(p), strings.NewReader(deflateTail)), u.window)
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("what was sent cannot be inflated: %v", err)
	}
	if u.takeover {
		u.window = append(u.window, out...)
		u.window = u.window[max(0, len(u.window)-u.size):]
	}
	return out
}

// got is what came from the end that is tested.
type got struct {
	messages []string // "text:..." and "binary:..."
	pongs    []string
	pings    int
	code     StatusCode // of its close frame
	reason   string
	closed   bool
	packed   int // messages that came compressed
}

// readFrames reads until the end, or behind a close frame where stop is set.
func readFrames(t testing.TB, r io.Reader, from Role, u *unpacking, stop bool) (g got, err error) {
	t.Helper()
	for {
		h, err := gobwas.ReadHeader(r)
		if err != nil {
			return g, err
		}
		p := make([]byte, h.Length)
		if _, err := io.ReadFull(r, p); err != nil {
			return g, err
		}
		if h.Masked != (from == ClientRole) {
			t.Errorf("masked: %v, of the %s", h.Masked, from)
		}
		if h.Masked {
			gobwas.Cipher(p, h.Mask, 0)
		}
		if !h.Fin || g.closed {
			t.Errorf("a frame that must not be: %+v", h)
		}
		switch Opcode(h.OpCode) {
		case OpText, OpBinary:
			if h.Rsv == rsv1 {
				g.packed++
				p = u.unpack(t, p)
			}
			g.messages = append(g.messages, Opcode(h.OpCode).String()+":"+string(p))
		case OpPong:
			g.pongs = append(g.pongs, string(p))
		case OpPing:
			g.pings++
		case OpClose:
			g.closed, g.code = true, StatusNoStatus
			if len(p) >= 2 {
				g.code, g.reason = StatusCode(binary.BigEndian.Uint16(p)), string(p[2:])
			}
			if stop {
				return g, nil
			}
		}
	}
}
