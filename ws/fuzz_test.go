package ws

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"io"
	"slices"
	"testing"
	"unicode/utf8"

	gobwas "github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"

	"github.com/sockkit/sockkit/handshake"
)

// addCases seeds a fuzz test with the scripts of the conformance run.
func addCases(f *testing.F, add func(b []byte, client, deflate bool)) {
	for i, c := range allCases() {
		if raced && i%5 > 0 {
			continue
		}
		for _, from := range []Role{ClientRole, ServerRole} {
			if b := c.script(from); len(b) < 2000 {
				add(b, from == ClientRole, c.offer != "")
			}
		}
	}
}

func roleOf(client bool) Role {
	if client {
		return ClientRole
	}
	return ServerRole
}

// FuzzHeader: what is parsed is written again as it was, unless its length was
// not minimal; gobwas/ws parses the same.
func FuzzHeader(f *testing.F) {
	addCases(f, func(b []byte, _, _ bool) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		n := parseHeader(b, &h)
		want, err := gobwas.ReadHeader(bytes.NewReader(b))
		if n == 0 {
			if err == nil {
				t.Fatalf("%x is a header to gobwas/ws: %+v", b, want)
			}
			return
		}
		if h.Length < 0 {
			if !errors.Is(err, gobwas.ErrHeaderLengthMSB) {
				t.Fatalf("a length of %x: %v", uint64(h.Length), err)
			}
		} else if err != nil || h.toGobwas() != want {
			t.Fatalf("%+v; gobwas/ws %+v, %v", h, want, err)
		}
		if again := h.AppendTo(nil); !h.Long && !bytes.Equal(again, b[:n]) || h.Long == bytes.Equal(again, b[:n]) {
			t.Fatalf("%x was written as %x", b[:n], again)
		}
	})
}

// FuzzUTF8 holds the check of texts, cut anywhere, against unicode/utf8.
func FuzzUTF8(f *testing.F) {
	for _, s := range append(slices.Clone(noUTF8), someUTF8...) {
		f.Add([]byte(s), uint(1), uint(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, x, y uint) {
		i := int(x % uint(len(b)+1))
		j := i + int(y%uint(len(b)-i+1))
		var c utf8Check
		at, valid := 0, true
		for _, piece := range [][]byte{b[:i], b[i:j], b[j:]} {
			bad, ok := c.add(piece)
			if !ok {
				at, valid = at+bad, false
				break
			}
			at += len(piece)
		}
		if want := utf8.Valid(b); (valid && c.whole()) != want {
			t.Fatalf("%q cut at %d and %d: %v, %v; want %v", b, i, j, valid, c.whole(), want)
		}
		if want := firstBad(b); !valid && at != want {
			t.Fatalf("%q cut at %d and %d: byte %d; want %d", b, i, j, at, want)
		}
		if valid && firstBad(b) != len(b) {
			t.Fatalf("%q is valid so far", b)
		}
	})
}

// firstBad is the first byte behind which no text is left that could become
// valid, found the slow way.
func firstBad(b []byte) int {
	for i := range b {
		rest := b[:i+1]
		for len(rest) > 0 {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				break
			}
			rest = rest[n:]
		}
		if len(rest) > 0 && !canBecome(rest) {
			return i
		}
	}
	return len(b)
}

// canBecome reports whether some bytes behind b make it one character.
func canBecome(b []byte) bool {
	for _, tail := range []string{"\x80", "\xa0", "\x90", "\x80\x80", "\xa0\x80", "\x90\x80", "\x80\x80\x80", "\x90\x80\x80"} {
		whole := append(bytes.Clone(b), tail...)
		if r, n := utf8.DecodeRune(whole); r != utf8.RuneError && n == len(whole) || string(whole) == "\uFFFD" {
			return true
		}
	}
	return false
}

// FuzzFrames holds the machine against gobwas/ws: the headers it passes, the
// close frames, and the messages.
func FuzzFrames(f *testing.F) {
	addCases(f, func(b []byte, client, deflate bool) { f.Add(b, client, deflate) })
	f.Fuzz(func(t *testing.T, b []byte, client, deflate bool) {
		from := roleOf(client)
		d := NewDecoder(from, handshake.Agreement{Compressed: deflate}, Limits{MaxControlRate: -1, MaxMessage: 1 << 20})
		d.Frames = true
		o := &frameOracle{from: from, deflate: deflate, rest: b}
		for rest := bytes.Clone(b); ; {
			n, ev := d.Next(rest)
			rest = rest[n:]
			if ev.Kind == EventNone || ev.Kind == EventFinding {
				return
			}
			if !o.agrees(t, &ev) {
				return
			}
		}
	})
}

// frameOracle follows the same bytes by gobwas/ws.
type frameOracle struct {
	from    Role
	deflate bool
	rest    []byte
	kind    gobwas.OpCode // of the message under way
	packed  bool
	body    []byte // of the last frame, as far as it came
	message []byte
}

// agrees reports whether to go on.
func (o *frameOracle) agrees(t *testing.T, ev *Event) bool {
	switch ev.Kind {
	case EventFrame:
		if rule := o.header(); rule != "" {
			t.Fatalf("%+v passed; want %s", ev.Header, rule)
		}
	case EventBroken:
		o.broken(t, ev)
		return false
	case EventMessage:
		if ev.Type != Opcode(o.kind) || !o.packed && !bytes.Equal(ev.Payload, o.message) || ev.Type == Text && !utf8.Valid(ev.Payload) {
			t.Fatalf("%s; want %q", tell(ev), o.message)
		}
		o.kind, o.message = 0, nil
	case EventPing, EventPong:
		if !bytes.Equal(ev.Payload, o.body) {
			t.Fatalf("%s; want %q", tell(ev), o.body)
		}
	case EventClose:
		if err := closeError(o.body); err != nil {
			t.Fatalf("%s: %v", tell(ev), err)
		}
		return false
	}
	return true
}

// header takes the next frame, and returns the rule that its header breaks.
func (o *frameOracle) header() string {
	r := bytes.NewReader(o.rest)
	h, err := gobwas.ReadHeader(r)
	if err != nil {
		return err.Error()
	}
	size := len(o.rest) - r.Len()
	switch err := gobwas.CheckHeader(h, o.state()); {
	case err != nil:
		return err.Error()
	case h.Rsv&3 != 0 || h.Rsv != 0 && (h.OpCode.IsControl() || h.OpCode == gobwas.OpContinuation):
		return "reserved bits"
	case size != gobwas.HeaderSize(h):
		return "not minimal"
	}
	o.rest = o.rest[size:]
	n := int(min(int64(len(o.rest)), h.Length))
	o.body = bytes.Clone(o.rest[:n])
	o.rest = o.rest[n:]
	if h.Masked {
		gobwas.Cipher(o.body, h.Mask, 0)
	}
	if h.OpCode.IsControl() {
		return ""
	}
	if h.OpCode != gobwas.OpContinuation {
		o.kind, o.packed, o.message = h.OpCode, h.Rsv != 0, nil
	}
	o.message = append(o.message, o.body...)
	return ""
}

func (o *frameOracle) state() (s gobwas.State) {
	s = gobwas.StateClientSide
	if o.from == ClientRole {
		s = gobwas.StateServerSide
	}
	if o.deflate {
		s = s.Set(gobwas.StateExtended)
	}
	if o.kind != 0 {
		s = s.Set(gobwas.StateFragmented)
	}
	return s
}

// broken holds against the oracle what ends the connection.
func (o *frameOracle) broken(t *testing.T, ev *Event) {
	switch ev.Violation.ID {
	case "text-utf8":
		if utf8.Valid(o.message) && !o.packed {
			t.Fatalf("%s: %q is valid", tell(ev), o.message)
		}
	case "close-code", "close-reason-utf8", "close-one-byte":
		if closeError(o.body) == nil {
			t.Fatalf("%s: %q is well", tell(ev), o.body)
		}
	case "deflate-broken", "deflate-too-big", "message-too-big":
	default:
		if o.header() == "" {
			t.Fatalf("%s: gobwas/ws lets it pass", tell(ev))
		}
	}
}

// closeError judges the body of a close frame by gobwas/ws; what differs from
// it on purpose is the registry's 1012 to 1014 and all from 5000 on.
func closeError(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(p) == 1 {
		return io.ErrUnexpectedEOF
	}
	code, reason := gobwas.ParseCloseFrameData(p)
	switch {
	case code >= 5000:
		return errors.New("beyond the registry")
	case code >= 1012 && code <= 1014:
		code = gobwas.StatusNormalClosure
	}
	return gobwas.CheckCloseFrameData(code, reason)
}

// FuzzPieces: however the bytes are cut, the same events come of them. It also
// never panics, and an observer keeps to the limit.
func FuzzPieces(f *testing.F) {
	addCases(f, func(b []byte, client, deflate bool) { f.Add(b, client, deflate, uint8(3), uint8(1)) })
	f.Fuzz(func(t *testing.T, b []byte, client, deflate bool, x, y uint8) {
		for _, observe := range []bool{false, true} {
			fresh := func() *Decoder {
				d := NewDecoder(roleOf(client), handshake.Agreement{Compressed: deflate}, Limits{MaxControlRate: -1, MaxMessage: 1 << 16})
				d.Observe, d.Frames = observe, true
				return d
			}
			whole, cut := fresh(), fresh()
			want := decode(whole, b)
			if got := decode(cut, b, int(x)+1, int(y)+1); !slices.Equal(got, want) {
				t.Fatalf("observed %v, cut by %d and %d: %q; want %q", observe, x+1, y+1, got, want)
			}
			if len(cut.buf) > 1<<16 || len(cut.ctl) > maxControl {
				t.Fatalf("%d bytes are kept", len(cut.buf)+len(cut.ctl))
			}
		}
	})
}

// FuzzDeflate: what one library deflates the other inflates, in both
// directions, and no distance exceeds the window.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte(prose(3000)), []byte(prose(500)), uint8(8), true)
	f.Add([]byte{}, []byte("x"), uint8(15), false)
	f.Fuzz(func(t *testing.T, first, second []byte, bits uint8, takeover bool) {
		agreed := deflateOf(8+int(bits%8), takeover)
		sender, oracle := newDeflater(ServerRole, agreed.Deflate), unpackingOf(ServerRole, agreed)
		receiver, theirs := newInflater(ServerRole, agreed.Deflate), newPacking(8+int(bits%8))
		for _, p := range [][]byte{first, second, first} {
			packed := sender.deflate(p)
			if most, err := farthest(append(bytes.Clone(packed), deflateTail...)); err != nil || most > 1<<(8+bits%8) {
				t.Fatalf("refers %d bytes back, %v", most, err)
			}
			if got := oracle.unpack(t, packed); !bytes.Equal(got, p) {
				t.Fatal("inflated to something else")
			}
			plain, _, err := receiver.inflate([]byte(theirs.pack(string(p), !takeover)), 1<<20)
			if err != nil || !bytes.Equal(plain, p) {
				t.Fatalf("inflated to something else: %v", err)
			}
		}
	})
}

// FuzzInflate holds what is no DEFLATE, and bombs, against compress/flate.
func FuzzInflate(f *testing.F) {
	for _, c := range deflateCases() {
		for _, part := range c.send {
			if fr, ok := part.(fr); ok && fr.rsv != 0 && len(fr.data) < 2000 {
				f.Add([]byte(fr.data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		plain, _, err := newInflater(ServerRole, handshake.Deflate{}).inflate(bytes.Clone(b), limit)
		if int64(len(plain)) > limit+1 {
			t.Fatalf("%d bytes", len(plain))
		}
		want, stdErr := io.ReadAll(io.LimitReader(stdflate.NewReader(bytes.NewReader(append(bytes.Clone(b), deflateTail...))), limit+1))
		klauspost := flate.NewReader(bytes.NewReader(append(bytes.Clone(b), deflateTail...)))
		_, otherErr := io.ReadAll(io.LimitReader(klauspost, limit+1))
		// Where the libraries do not agree, one of them has to take it.
		wrong := stdErr != nil && otherErr != nil || stdErr == nil && !bytes.HasPrefix(plain, want)
		if err == nil && wrong {
			t.Fatalf("%d bytes; compress/flate: %d, %v", len(plain), len(want), stdErr)
		}
	})
}
